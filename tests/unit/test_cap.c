// SPDX-License-Identifier: Apache-2.0
/* The most attribute sets of a metric: sums stay, and so does what was decided. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "metric/cap.h"
#include "reading/snapshot.h"

#define WORKLOADS 9

static struct series_cap cap;
static bool unlimited; /* all of them are */
static struct workload workloads[WORKLOADS];

/* What an export has of a metric, of all workloads. */
struct told {
	size_t sets, overflows;
	double sum;
};

static void add_up(const struct point_group *g, const char *metric, struct told *t)
{
	for (size_t i = 0; i < g->count; i++) {
		const struct point *p = &g->points[i];

		if (strcmp(p->metric->name, metric))
			continue;
		if (p->overflow) {
			assert_true(!p->values[0] && !p->values[1]);
			t->overflows++;
		} else {
			t->sets++;
		}
		t->sum += p->metric->real ? p->d : p->u;
	}
}

/* An export of all that live; each has the metric's overflow once at most. */
static struct told export(const char *metric)
{
	struct told t = { 0 };

	cap_begin(&cap);
	for (size_t i = 0; i < WORKLOADS; i++) {
		struct points points = { 0 };
		struct point_group *g = points_group(&points);
		size_t before = t.overflows;

		if (!workloads[i].gone)
			assert_int_equal(metrics_add(g, &workloads[i], METRICS_EXPORT),
					 0);
		g->unlimited = unlimited;
		assert_int_equal(points_merge(g), 0);
		assert_int_equal(cap_take(&cap, g), 0);
		add_up(g, metric, &t);
		assert_true(t.overflows - before <= 1);
		points_fini(&points);
	}
	cap_end(&cap);
	return t;
}

static int begin(void **state)
{
	cap = (struct series_cap){ .most = 10 };
	unlimited = false;
	for (size_t i = 0; i < WORKLOADS; i++)
		workloads[i] = (struct workload){ .start_ns = 1 };
	return 0;
}

static int end(void **state)
{
	for (size_t i = 0; i < WORKLOADS; i++)
		free(workloads[i].opens);
	return 0;
}

#define CAP_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)
#define IO	       "assay.tcp.io"
#define ERRORS	       "assay.syscall.errors"

static uint64_t *bytes(size_t i)
{
	return workloads[i].counts[snapshot_index(SIGNAL_TCP_COUNT, 0)];
}

static void errors(size_t i, uint32_t class, uint32_t err, uint64_t more)
{
	struct workload *w = &workloads[i];

	for (size_t k = 0; k < w->open_count; k++)
		if (w->opens[k].signal == OPEN_SYSCALL_ERROR + class &&
		    w->opens[k].attr == err) {
			w->opens[k].value += more;
			return;
		}
	w->opens = reallocarray(w->opens, w->open_count + 1, sizeof(*w->opens));
	w->opens[w->open_count++] = (struct open_total){
		.signal = OPEN_SYSCALL_ERROR + class, .attr = err, .value = more
	};
}

static void what_is_more_is_one_set_of_its_workload(void **state)
{
	struct told t;

	for (size_t i = 0; i < WORKLOADS; i++) {
		bytes(i)[TCP_RX_BYTES] = 1;
		bytes(i)[TCP_TX_BYTES] = 100;
		bytes(i)[TCP_RETRANSMITS] = 1; /* one set each: not touched */
	}
	t = export(IO);
	assert_int_equal(t.sets, 10);
	assert_int_equal(t.overflows, 4);
	assert_true(t.sum == 909);
	assert_int_equal(cap.overflown, 8);
	t = export("assay.tcp.retransmits");
	assert_int_equal(t.sets, WORKLOADS);
	assert_int_equal(t.overflows, 0);
}

/* Those that others are added to have all their sets, and take none from others. */
static void who_is_not_limited_takes_no_place(void **state)
{
	struct told t;

	for (size_t i = 0; i < WORKLOADS; i++)
		bytes(i)[TCP_RX_BYTES] = bytes(i)[TCP_TX_BYTES] = 1;
	unlimited = true;
	t = export(IO);
	assert_int_equal(t.sets, 2 * WORKLOADS);
	unlimited = false;
	t = export(IO);
	assert_int_equal(t.sets, 10);
}

/* A set of before goes on; one that was too many is that also when there is room. */
static void what_was_decided_holds(void **state)
{
	struct told t;

	for (uint32_t err = 1; err <= 12; err++)
		errors(1, CALL_FILE, err, 1);
	t = export(ERRORS);
	assert_int_equal(t.sets, 10);
	assert_int_equal(t.overflows, 1);
	for (uint32_t err = 1; err <= 12; err++)
		errors(1, CALL_FILE, err, 100);
	errors(0, CALL_PIPE, 5, 1000); /* comes before it */
	t = export(ERRORS);
	assert_int_equal(t.sets, 10);
	assert_int_equal(t.overflows, 2);
	assert_true(t.sum == 2212);
	for (size_t k = 0; k < 12; k++)
		assert_int_equal(workloads[1].opens[k].set,
				 k < 10 ? SET_OWN : SET_OVERFLOW);
	workloads[1].gone = true;
	export(ERRORS);
	errors(2, CALL_FILE, 7, 1); /* who is new has the room of who is gone */
	errors(0, CALL_PIPE, 5, 1);
	t = export(ERRORS);
	assert_int_equal(t.sets, 1);
	assert_int_equal(t.overflows, 1);
	assert_int_equal(workloads[0].opens[0].set, SET_OVERFLOW);
	assert_int_equal(workloads[2].opens[0].set, SET_OWN);
}

/* Errnos without a name are one set, whichever of them came first. */
static void parts_of_a_set_are_of_one_mind(void **state)
{
	struct told t;

	cap.most = 1;
	errors(0, CALL_FILE, 600, 1);
	t = export(ERRORS);
	assert_int_equal(t.sets, 1);
	workloads[0].opens =
	    reallocarray(workloads[0].opens, 2, sizeof(struct open_total));
	workloads[0].opens[1] = workloads[0].opens[0];
	workloads[0].opens[0] = (struct open_total){
		.signal = OPEN_SYSCALL_ERROR + CALL_FILE, .attr = 601, .value = 10
	};
	workloads[0].open_count = 2;
	for (int i = 0; i < 2; i++) {
		t = export(ERRORS);
		assert_int_equal(t.sets, 1);
		assert_int_equal(t.overflows, 0);
		assert_true(t.sum == 11);
	}
}

static void each_fixed_series_has_a_state_of_its_own(void **state)
{
	unsigned int sets = 0, rows = 0;

	for (size_t i = 0; i < metric_table_count; i++)
		for (size_t k = 0; k < metric_tables[i]->count; k++, rows++)
			sets += metrics_sets(&metric_tables[i]->rows[k]);
	if (sets > WORKLOAD_SETS)
		fail_msg("WORKLOAD_SETS (agent/reading/snapshot.h): %u are needed",
			 sets);
	if (rows > METRIC_ROWS)
		fail_msg("METRIC_ROWS (agent/metric/metrics.h): %u are needed", rows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		CAP_TEST(what_is_more_is_one_set_of_its_workload),
		CAP_TEST(who_is_not_limited_takes_no_place),
		CAP_TEST(what_was_decided_holds),
		CAP_TEST(parts_of_a_set_are_of_one_mind),
		CAP_TEST(each_fixed_series_has_a_state_of_its_own),
	};

	return cmocka_run_group_tests_name("cap", tests, NULL, NULL);
}
