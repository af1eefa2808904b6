// SPDX-License-Identifier: Apache-2.0
/* The reader and the totals: what cells grew by, added up, and nothing else. */
#include "fake_node.h"
#include "base/util.h"

static const struct sparse *hist_of(const struct workload *w, enum signal signal,
				    unsigned int value)
{
	return w->hists[snapshot_index(signal, value)];
}

/* A number of its own for each series. */
static uint64_t number_of(int sig, uint32_t i)
{
	return 1 + sig * 1000 + i;
}

static void fill_every_series(struct node *n, uint32_t slot)
{
	for (int sig = 0; sig < SIGNAL_COUNT; sig++)
		for (uint32_t i = 0;
		     i < signal_descs[sig].values * signal_descs[sig].shards; i++) {
			uint32_t cell =
			    node_cell(n, slot, sig, i / signal_descs[sig].shards,
				      i % signal_descs[sig].shards);

			if (signal_descs[sig].pool == POOL_HIST) {
				n->cells.hists[cell].buckets[40] += number_of(sig, i);
				n->cells.hists[cell].sum_ns += 7 * number_of(sig, i);
			} else {
				n->cells.counts[cell].lane[0] += number_of(sig, i);
				n->cells.counts[cell].lane[LANES - 1] +=
				    2 * number_of(sig, i);
			}
		}
}

static void assert_series(const struct workload *w, int sig, uint32_t value,
			  uint64_t want)
{
	const uint64_t *lane;
	const struct sparse *h;

	if (signal_descs[sig].pool == POOL_COUNT) {
		lane = w->counts[snapshot_index(sig, value)];
		assert_int_equal(lane[0], want);
		assert_int_equal(lane[LANES - 1], 2 * want);
		return;
	}
	h = hist_of(w, sig, value);
	assert_non_null(h);
	assert_int_equal(sparse_count(h), want);
	assert_int_equal(h->sum_ns, 7 * want);
}

static void every_series_is_the_sum_of_its_shards(void **state)
{
	struct node *n = *state;

	fill_every_series(n, node_slot(n, node_mkdir(n, "a")));
	node_read(n);
	fill_every_series(n, SLOT_OVERFLOW);
	node_read(n);
	for (int sig = 0; sig < SIGNAL_COUNT; sig++)
		for (uint32_t v = 0; v < signal_descs[sig].values; v++) {
			uint64_t want = 0;
			uint32_t shards = signal_descs[sig].shards;

			if (!shards) /* in blocks, see below */
				continue;
			for (uint32_t k = 0; k < shards; k++)
				want += number_of(sig, v * shards + k);
			assert_series(node_workload(n, "/a"), sig, v, want);
			assert_series(n->s->workloads[SLOT_OVERFLOW], sig, v, want);
		}
}

static void lanes_of_blocks_add_up(void **state)
{
	struct node *n = *state;
	uint32_t slot = node_slot(n, node_mkdir(n, "a"));
	const uint64_t *lanes;

	for (uint32_t shard = 0; shard < NODE_SHARDS; shard++)
		for (int i = 0; i < SCHED_LANES; i++)
			n->cells.sched_blocks[slot * NODE_SHARDS + shard].lane[i] +=
			    10 * (i + 1) + shard;
	node_read(n);
	node_read(n);
	lanes = node_workload(n, "/a")->counts[snapshot_index(SIGNAL_SCHED_COUNT, 0)];
	assert_int_equal(lanes[SCHED_VOLUNTARY], 21);
	assert_int_equal(lanes[SCHED_INVOLUNTARY], 41);
	assert_int_equal(lanes[SCHED_MIGRATIONS], 61);
}

static void every_bucket_is_in_its_place(void **state)
{
	struct node *n = *state;
	uint32_t cell =
	    node_cell(n, node_slot(n, node_mkdir(n, "a")), SIGNAL_TCP_RTT, 0, 0);
	uint64_t buckets[BUCKET_COUNT];

	/* from the middle outwards, one a reading: groups come in any order */
	for (int i = 0; i < BUCKET_COUNT; i++) {
		int at = (i * 100 + 50) % BUCKET_COUNT;

		_Static_assert(BUCKET_COUNT % 2 && BUCKET_COUNT % 5, "each once");
		n->cells.hists[cell].buckets[at] += at + 1;
		if (i % 9 == 0)
			node_read(n);
	}
	node_read(n);
	sparse_expand(hist_of(node_workload(n, "/a"), SIGNAL_TCP_RTT, 0), buckets);
	for (int i = 0; i < BUCKET_COUNT; i++)
		assert_int_equal(buckets[i], i + 1);
}

/* 32 bits are full within hours; one that is less than before has come round. */
static void a_bucket_that_wraps_loses_nothing(void **state)
{
	struct node *n = *state;
	uint32_t slot = node_slot(n, node_mkdir(n, "a"));
	struct hist_cell *h = &n->cells.hists[node_cell(n, slot, SIGNAL_TCP_RTT, 0, 0)];
	const uint32_t step = 3000000000U;
	uint64_t buckets[BUCKET_COUNT];

	for (int i = 0; i < 3; i++) {
		h->buckets[7] += step;
		h->buckets[BUCKET_COUNT - 1] += 1;
		h->sum_ns += UINT64_MAX / 8;
		node_read(n);
	}
	assert_true(h->buckets[7] < step); /* it did */
	sparse_expand(hist_of(node_workload(n, "/a"), SIGNAL_TCP_RTT, 0), buckets);
	assert_int_equal(buckets[7], 3ULL * step);
	assert_int_equal(buckets[BUCKET_COUNT - 1], 3);
	assert_int_equal(hist_of(node_workload(n, "/a"), SIGNAL_TCP_RTT, 0)->sum_ns,
			 3 * (UINT64_MAX / 8));
}

static const struct open_total *open_of(const struct workload *w, uint32_t signal,
					uint32_t attr)
{
	for (size_t i = 0; i < w->open_count; i++)
		if (w->opens[i].signal == signal && w->opens[i].attr == attr)
			return &w->opens[i];
	fail_msg("no value %u of signal %u", attr, signal);
	return NULL;
}

static void errors(struct node *n, uint32_t slot, uint32_t attr, uint64_t more)
{
	uint32_t cell = node_open_cell(n, slot, OPEN_CONNECT_ERROR, attr);

	n->cells.counts[cell].lane[0] += more;
}

static void open_values_are_found_as_they_come(void **state)
{
	struct node *n = *state;
	uint32_t a = node_slot(n, node_mkdir(n, "a")),
		 b = node_slot(n, node_mkdir(n, "b"));

	errors(n, a, ECONNREFUSED, 1);
	errors(n, b, ECONNREFUSED, 20);
	node_read(n);
	errors(n, a, ECONNREFUSED, 300);
	errors(n, a, ETIMEDOUT, 4000);
	errors(n, a, OPEN_OTHER, 50000);
	node_read(n);
	node_read(n);
	assert_int_equal(node_workload(n, "/a")->open_count, 3);
	assert_int_equal(node_workload(n, "/b")->open_count, 1);
#define ERRORS_OF(path, attr) \
	open_of(node_workload(n, path), OPEN_CONNECT_ERROR, attr)->value
	assert_int_equal(ERRORS_OF("/a", ECONNREFUSED), 301);
	assert_int_equal(ERRORS_OF("/a", ETIMEDOUT), 4000);
	assert_int_equal(ERRORS_OF("/a", OPEN_OTHER), 50000);
	assert_int_equal(ERRORS_OF("/b", ECONNREFUSED), 20);
}

static void the_next_owner_of_a_slot_has_open_values_of_its_own(void **state)
{
	struct node *n = *state;
	uint64_t id = node_mkdir(n, "a");
	uint32_t slot = node_slot(n, id), cell, other;
	struct open_key key = { slot, OPEN_CONNECT_ERROR, ECONNREFUSED };
	int32_t left = n->cells.control->free_lists[POOL_COUNT].left;

	errors(n, slot, ECONNREFUSED, 5);
	cell = node_open_cell(n, slot, OPEN_CONNECT_ERROR, ECONNREFUSED);
	node_read_and_reap(n);
	node_rmdir(n, id);
	node_read_and_reap(n);
	errors(n, slot, ECONNREFUSED, 1); /* on its way */
	node_read_and_reap(n);
	assert_int_equal(ERRORS_OF("/a", ECONNREFUSED), 6);
	assert_int_equal(bpf_map_lookup_elem(n->cells.fds[MAP_OPENS], &key, &cell),
			 -ENOENT);
	assert_int_equal(n->cells.control->free_lists[POOL_COUNT].left, left);
	assert_int_equal(node_slot(n, node_mkdir(n, "b")), slot);
	/* the cell is another's now, and no open value */
	node_take_cell(n, POOL_COUNT, cell);
	other = node_slot(n, node_mkdir(n, "other"));
	n->cells.rows[other].cell[signal_descs[SIGNAL_MEMORY_COUNT].first] = cell;
	node_kills(n, other, 3);
	node_kills(n, slot, 1);
	node_read(n);
	assert_int_equal(node_workload(n, "/b")->open_count, 0);
	assert_int_equal(kills_of(node_workload(n, "/other")), 3);
	n->cells.rows[other].cell[signal_descs[SIGNAL_MEMORY_COUNT].first] = 0;
	bpf_map_update_elem(n->cells.fds[MAP_OPENS], &key, &cell, 0);
	n->cells.control->open_gen++;
	errors(n, slot, ECONNREFUSED, 70);
	node_read(n);
	node_read(n);
	assert_int_equal(ERRORS_OF("/a", ECONNREFUSED), 6);
	assert_int_equal(ERRORS_OF("/b", ECONNREFUSED), 70);
}

static void disks_have_the_names_their_users_know(void **state)
{
	static const struct {
		const char *kernel, *users;
	} names[] = {
		{ "sda", "sda" },
		{ "nvme0c1n2", "nvme0n2" }, /* one path of two */
		{ "cciss/c0d0", "cciss!c0d0" },
	};
	struct node *n = *state;
	uint32_t slot = node_slot(n, node_mkdir(n, "a"));

	for (uint32_t i = 0; i < COUNT(names); i++) {
		uint32_t cell = node_open_cell(n, slot, OPEN_BLOCK_DEVICE, i);

		snprintf(n->cells.disk_names[i].text,
			 sizeof(n->cells.disk_names[i].text), "%s", names[i].kernel);
		n->cells.hists[cell].buckets[30] += i + 1;
		n->cells.hists[cell].sum_ns += 1000 * (i + 1);
	}
	node_read(n);
	for (uint32_t i = 0; i < COUNT(names); i++) {
		const struct open_total *t =
		    open_of(node_workload(n, "/a"), OPEN_BLOCK_DEVICE, i);

		assert_string_equal(t->name, names[i].users);
		assert_int_equal(sparse_count(t->hist), i + 1);
		assert_int_equal(t->hist->sum_ns, 1000 * (i + 1));
		assert_int_equal(t->value, 0);
	}
}

static uint32_t published_gen(const struct node *n)
{
	struct tunes tunes = { .free_gen = 0 };
	uint32_t zero = 0;

	bpf_map_lookup_elem(n->cells.fds[MAP_TUNES], &zero, &tunes);
	return tunes.free_gen;
}

/* Programs may still add to what they know: nothing is given away before. */
static void no_slot_changes_hands_before_the_kernel_knows(void **state)
{
	struct node *n = *state;
	uint64_t id = node_mkdir(n, "a");
	uint32_t slot = node_slot(n, id), gen;

	node_kills(n, slot, 1);
	node_read_and_reap(n);
	assert_int_equal(published_gen(n), 0); /* nobody left: no news */
	node_rmdir(n, id);
	fake_maps[MAP_TUNES].error = -EPERM;
	node_read(n);
	assert_int_equal(snapshot_reap(n->s), -EPERM);
	for (int i = 0; i < 3; i++) {
		node_kills(n, slot, 10);
		node_read(n);
		assert_int_equal(snapshot_reap(n->s), 0);
		assert_int_equal(n->cells.owners[slot], OWNER_RESERVED);
	}
	fake_maps[MAP_TUNES].error = 0;
	node_kills(n, slot, 100);
	node_read(n); /* publishes it */
	gen = published_gen(n);
	assert_true(gen > 0);
	assert_int_equal(snapshot_reap(n->s), 0);
	assert_int_equal(n->cells.owners[slot], OWNER_FREE);
	assert_true(published_gen(n) > gen);
	assert_int_equal(kills_of(node_workload(n, "/a")), 131);
}

static void a_cell_that_is_none_is_not_read(void **state)
{
	struct node *n = *state;
	uint32_t slot = node_slot(n, node_mkdir(n, "a"));
	struct series_row *row = &n->cells.rows[slot];

	n->cells.counts[0].lane[MEMORY_OOM_KILLS] = 5; /* 0 means that there is none */
	n->cells.hists[0].buckets[3] = 5;
	node_read(n);
	row->cell[signal_descs[SIGNAL_MEMORY_COUNT].first] = NODE_CELLS;
	row->cell[signal_descs[SIGNAL_TCP_RTT].first] = NODE_CELLS;
	node_read(n);
	assert_int_equal(kills_of(node_workload(n, "/a")), 0);
	assert_null(hist_of(node_workload(n, "/a"), SIGNAL_TCP_RTT, 0));
}

static struct workload *some_workload(uint64_t times)
{
	struct workload *w = calloc(1, sizeof(*w));
	uint64_t *buckets;
	struct open_total *t;

	for (size_t i = 0; i < SNAPSHOT_HISTS; i += 2) {
		w->hists[i] = sparse_new(sizeof(uint64_t));
		buckets = sparse_make(&w->hists[i], (i + times) % SPARSE_GROUPS);
		buckets[2] = times * (i + 1);
		w->hists[i]->sum_ns = times * 100;
	}
	for (size_t i = 0; i < SNAPSHOT_COUNTS; i++)
		for (int k = 0; k < LANES; k++)
			w->counts[i][k] = times * (10 * i + k + 1);
	totals_open(w, OPEN_CONNECT_ERROR, times)->value = times;
	totals_open(w, OPEN_CONNECT_ERROR, OPEN_OTHER)->value = times * 2;
	t = totals_open(w, OPEN_BLOCK_DEVICE, 1);
	strcpy(t->name, "sda");
	t->hist = sparse_new(sizeof(uint64_t));
	buckets = sparse_make(&t->hist, 3);
	buckets[0] = times;
	totals_culprit(w, "/c")->ns = times * 3;
	totals_culprit(w, times == 1 ? "/d" : "idle")->ns = times * 4;
	return w;
}

static void one_folded_into_another_is_the_sum_of_both(void **state)
{
	struct workload *into = some_workload(1), *w = some_workload(1000);

	assert_int_equal(totals_fold(into, w, true), 0);
	totals_free(w); /* nothing is borrowed */
	for (size_t i = 0; i < SNAPSHOT_HISTS; i++) {
		assert_int_equal(into->hists[i] != NULL, i % 2 == 0);
		if (i % 2)
			continue;
		assert_int_equal(sparse_count(into->hists[i]), 1001 * (i + 1));
		assert_int_equal(into->hists[i]->sum_ns, 1001 * 100);
	}
	for (size_t i = 0; i < SNAPSHOT_COUNTS; i++)
		for (int k = 0; k < LANES; k++)
			assert_int_equal(into->counts[i][k], 1001 * (10 * i + k + 1));
	assert_int_equal(into->open_count, 4);
	assert_int_equal(open_of(into, OPEN_CONNECT_ERROR, 1)->value, 1);
	assert_int_equal(open_of(into, OPEN_CONNECT_ERROR, 1000)->value, 1000);
	assert_int_equal(open_of(into, OPEN_CONNECT_ERROR, OPEN_OTHER)->value, 2002);
	assert_int_equal(sparse_count(open_of(into, OPEN_BLOCK_DEVICE, 1)->hist), 1001);
	assert_string_equal(open_of(into, OPEN_BLOCK_DEVICE, 1)->name, "sda");
	assert_int_equal(into->culprit_count, 3);
	assert_int_equal(totals_culprit(into, "/c")->ns, 3003);
	assert_int_equal(totals_culprit(into, "/d")->ns, 4);
	assert_int_equal(totals_culprit(into, "idle")->ns, 4000);
	totals_free(into);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(every_series_is_the_sum_of_its_shards),
		NODE_TEST(lanes_of_blocks_add_up),
		NODE_TEST(every_bucket_is_in_its_place),
		NODE_TEST(a_bucket_that_wraps_loses_nothing),
		NODE_TEST(open_values_are_found_as_they_come),
		NODE_TEST(the_next_owner_of_a_slot_has_open_values_of_its_own),
		NODE_TEST(disks_have_the_names_their_users_know),
		NODE_TEST(no_slot_changes_hands_before_the_kernel_knows),
		NODE_TEST(a_cell_that_is_none_is_not_read),
		cmocka_unit_test(one_folded_into_another_is_the_sum_of_both),
	};

	return cmocka_run_group_tests_name("totals", tests, NULL, NULL);
}
