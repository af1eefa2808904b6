// SPDX-License-Identifier: Apache-2.0
/* Readings of what is counted in windows: at their end, once, for what they stand for;
 * and of all else as always. */
#include <math.h>
#include "fake_node.h"
#include "base/util.h"
#include "metric/metrics.h"

#define MS 1000000ULL

static uint64_t calls_of(const struct workload *w)
{
	const struct sparse *h = w->hists[snapshot_index(SIGNAL_SYSCALL, CALL_FILE)];

	return h ? sparse_count(h) : 0;
}

static uint64_t lane_of(const struct workload *w, enum tcp_lane lane)
{
	return w->counts[snapshot_index(SIGNAL_TCP_COUNT, 0)][lane];
}

static uint64_t waits_of(const struct workload *w)
{
	const struct sparse *h = w->hists[snapshot_index(SIGNAL_TCP_ACCEPT, 0)];

	return h ? sparse_count(h) : 0;
}

#define ENOENT_OF OPEN_SYSCALL_ERROR + CALL_FILE

/* So many of each thing happen. */
static void happens(struct node *n, uint32_t slot, int times)
{
	uint32_t errors = node_open_cell(n, slot, ENOENT_OF, ENOENT);
	uint32_t connects = node_open_cell(n, slot, OPEN_CONNECT_ERROR, ECONNREFUSED);

	for (int i = 0; i < times; i++) {
		node_observe(n, slot, SIGNAL_SYSCALL, CALL_FILE, i & 1, 500);
		node_observe(n, slot, SIGNAL_TCP_ACCEPT, 0, 0, 2 * FAKE_SECOND);
		node_count(n, slot, SIGNAL_TCP_COUNT, 0, 0, TCP_ACCEPTED, 1);
		node_count(n, slot, SIGNAL_TCP_COUNT, 0, 0, TCP_RX_BYTES, 1);
		n->cells.counts[errors].lane[0]++;
		n->cells.counts[connects].lane[0]++;
	}
}

static void assert_counts(const struct workload *w, uint64_t in_windows, uint64_t else_)
{
	assert_int_equal(calls_of(w), in_windows);
	assert_int_equal(waits_of(w), in_windows);
	assert_int_equal(lane_of(w, TCP_ACCEPTED), in_windows);
	assert_int_equal(w->opens[0].value, in_windows);
	assert_int_equal(lane_of(w, TCP_RX_BYTES), else_);
	assert_int_equal(w->opens[1].value, else_);
}

/* A window ends that was open for so many ms, 16 times that after the one before. */
static void ends(struct node *n, uint64_t ms, bool last)
{
	struct window_span w = { 16 * ms * MS, ms * MS };

	fake_now_ns += FAKE_SECOND;
	assert_int_equal(
	    snapshot_window_ends(n->s, PROBE_SYSCALL, &w, fake_now_ns, last), 0);
}

static void windows_count_for_what_they_stand_for(void **state)
{
	struct node *n = *state;
	uint32_t slot = node_slot(n, node_mkdir(n, "a"));
	const struct workload *w;

	happens(n, slot, 10);
	node_read(n);
	w = node_workload(n, "/a");
	assert_counts(w, 10, 10);
	happens(n, slot, 5); /* up to the moment at which windows begin */
	assert_int_equal(snapshot_windows_begin(n->s, PROBE_SYSCALL, fake_now_ns), 0);
	assert_counts(w, 15, 15);
	assert_null(w->estimates);
	for (int i = 1; i <= 3; i++) {
		snapshot_window_opens(n->s, PROBE_SYSCALL);
		happens(n, slot, 4);
		node_read(n); /* in the middle of it */
		assert_counts(w, 15 + (i - 1) * 160, 15 + 10 * i - 6);
		happens(n, slot, 6);
		ends(n, 1000, false);
		assert_counts(w, 15 + i * 160, 15 + 10 * i);
		node_read(n);
		assert_counts(w, 15 + i * 160, 15 + 10 * i);
	}
	assert_true(w->estimates[0].noise == 3 * 16 * 15 * 10);
	assert_true(w->opens[0].estimate->noise == 3 * 16 * 15 * 10);
	assert_null(w->opens[1].estimate);
	/* the last one goes on, and is exact from there on */
	snapshot_window_opens(n->s, PROBE_SYSCALL);
	ends(n, 1000, true);
	happens(n, slot, 7);
	node_read(n);
	assert_counts(w, 15 + 3 * 160 + 7, 15 + 30 + 7);
	assert_true(w->estimates[0].noise == 3 * 16 * 15 * 10);
}

static void a_window_without_events_counts_for_the_error(void **state)
{
	struct node *n = *state;
	uint32_t slot = node_slot(n, node_mkdir(n, "a"));
	const struct workload *w;

	node_read(n);
	snapshot_window_opens(n->s, PROBE_SYSCALL);
	happens(n, slot, 100);
	ends(n, 1000, false);
	w = node_workload(n, "/a");
	fake_now_ns += 8 * FAKE_SECOND;
	assert_int_equal(snapshot_read(n->s), 0);
	assert_true(fabs(w->estimates[0].outstanding - 800) < 1);
	snapshot_window_opens(n->s, PROBE_SYSCALL);
	ends(n, 1000, false);
	assert_true(w->estimates[0].change > 1600 * 1600 / 2 * 0.9);
	assert_true(w->opens[0].estimate->change > 1600 * 1600 / 2 * 0.9);
	assert_true(w->estimates[0].outstanding < 1);
	snapshot_windows_over(n->s, PROBE_SYSCALL);
	node_read(n);
	assert_true(w->estimates[0].outstanding == 0);
}

/* What a slot's cells hold is its owner's: it is not given away before it is read. */
static void no_slot_is_freed_while_a_window_is_open(void **state)
{
	struct node *n = *state;
	uint64_t id = node_mkdir(n, "a"), other;
	uint32_t slot = node_slot(n, id);
	const struct workload *w;

	node_read(n);
	happens(n, slot, 1);
	node_read_and_reap(n);
	w = node_workload(n, "/a");
	snapshot_window_opens(n->s, PROBE_SYSCALL);
	happens(n, slot, 10);
	node_rmdir(n, id);
	for (int i = 0; i < 5; i++)
		node_read_and_reap(n);
	assert_int_equal(n->cells.owners[slot], OWNER_RESERVED);
	assert_counts(w, 1, 11);
	ends(n, 1000, false);
	assert_counts(w, 161, 11);
	node_read_and_reap(n);
	assert_int_equal(n->cells.owners[slot], OWNER_FREE);
	other = node_mkdir(n, "b");
	slot = node_slot(n, other);
	snapshot_window_opens(n->s, PROBE_SYSCALL);
	happens(n, slot, 2);
	ends(n, 1000, false);
	assert_counts(node_workload(n, "/b"), 32, 2);
	assert_counts(w, 161, 11);
}

static void an_estimate_goes_where_its_counts_go(void **state)
{
	struct node *n = *state;
	uint32_t a = node_slot(n, node_mkdir(n, "a")),
		 b = node_slot(n, node_mkdir(n, "b"));
	struct workload *sum = n->s->workloads[SLOT_OVERFLOW];

	node_read(n);
	snapshot_window_opens(n->s, PROBE_SYSCALL);
	happens(n, a, 10);
	happens(n, b, 20);
	ends(n, 1000, false);
	assert_int_equal(totals_add(sum, node_workload(n, "/a")), 0);
	assert_int_equal(totals_add(sum, node_workload(n, "/b")), 0);
	assert_counts(sum, 480, 30);
	assert_true(sum->estimates[0].noise == 30 * 16 * 15);
	assert_true(sum->opens[0].estimate->noise == 30 * 16 * 15);
	totals_clear(sum);
	assert_null(sum->estimates);
}

static void add_points(struct points *p, struct workload *w, unsigned int use)
{
	*p = (struct points){ 0 };
	assert_int_equal(metrics_add(points_group(p), w, use), 0);
}

/* By metric; -1: there is no such point. */
static double noise_of(const struct points *p, const char *name)
{
	for (size_t i = 0; i < p->groups[0].count; i++)
		if (!strcmp(p->groups[0].points[i].metric->name, name))
			return p->groups[0].points[i].error.noise;
	return -1;
}

static void who_asks_is_told_the_error_and_exports_are_not(void **state)
{
	struct node *n = *state;
	uint32_t slot = node_slot(n, node_mkdir(n, "a"));
	static const char *const estimated[] = { "assay.syscall.duration",
						 "assay.syscall.errors",
						 "assay.tcp.accepts",
						 "assay.tcp.accept.wait.duration" };
	struct points p;

	node_read(n);
	snapshot_window_opens(n->s, PROBE_SYSCALL);
	happens(n, slot, 10);
	ends(n, 1000, false);
	add_points(&p, node_workload(n, "/a"), METRICS_READ);
	for (size_t i = 0; i < COUNT(estimated); i++)
		assert_true(noise_of(&p, estimated[i]) == 10 * 16 * 15);
	assert_true(noise_of(&p, "assay.tcp.io") == 0);
	assert_true(noise_of(&p, "assay.tcp.connect.errors") == 0);
	points_fini(&p);
	add_points(&p, node_workload(n, "/a"), METRICS_EXPORT);
	for (size_t i = 0; i < COUNT(estimated); i++)
		assert_true(noise_of(&p, estimated[i]) == 0);
	points_fini(&p);
}

static void all_estimates_have_their_place(void **state)
{
	uint32_t at = 0;

	for (int sig = 0; sig < SIGNAL_COUNT; sig++) {
		const struct window_rule *r = windows_rule(sig);

		if (!r)
			continue;
		assert_true(r->at + signal_descs[sig].values <= SNAPSHOT_ESTIMATES);
		for (int k = 0; k < sig; k++)
			if (windows_rule(k))
				assert_true(windows_rule(k)->at +
						    signal_descs[k].values <=
						r->at ||
					    r->at + signal_descs[sig].values <=
						windows_rule(k)->at);
		assert_true((r->lanes != 0) == (signal_descs[sig].pool == POOL_COUNT));
		at++;
	}
	assert_true(at > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(windows_count_for_what_they_stand_for),
		NODE_TEST(a_window_without_events_counts_for_the_error),
		NODE_TEST(no_slot_is_freed_while_a_window_is_open),
		NODE_TEST(an_estimate_goes_where_its_counts_go),
		NODE_TEST(who_asks_is_told_the_error_and_exports_are_not),
		cmocka_unit_test(all_estimates_have_their_place),
	};

	return cmocka_run_group_tests_name("windows", tests, NULL, NULL);
}
