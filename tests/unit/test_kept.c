// SPDX-License-Identifier: Apache-2.0
/* What the history gets of a workload: each event once, whoever it counts for by then.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "metric/metrics.h"
#include "reading/kept.h"
#include "reading/snapshot_impl.h"

#define ERRNO 2

static struct workload *new_workload(void)
{
	struct workload *w = calloc(1, sizeof(*w));

	assert_non_null(w);
	w->id.name = strdup("some");
	w->path = strdup("/some");
	w->start_ns = 100;
	return w;
}

/* n events of each kind, and n bytes now. */
static void count(struct workload *w, uint64_t n)
{
	size_t calls = snapshot_index(SIGNAL_SYSCALL, 1);
	struct open_total *t = totals_open(w, OPEN_SYSCALL_ERROR, ERRNO);
	struct sparse **h = &w->hists[calls];
	uint64_t *bucket;

	if (!*h)
		*h = sparse_new(sizeof(uint64_t));
	bucket = sparse_make(h, 3);
	bucket[2] += n;
	(*h)->sum_ns += 10 * n;
	w->counts[snapshot_index(SIGNAL_TCP_CONN, 0)][CONN_OPENED] += n;
	t->value += n;
	totals_culprit(w, "/other")->ns += n;
	w->usage.value[USAGE_CPU_TIME] += n;
	w->usage.has |= 1U << USAGE_CPU_TIME | 1U << USAGE_MEMORY;
	w->usage.value[USAGE_MEMORY] = n;
}

/* What was made of it has n events of each kind; open: connections now. */
static void assert_made(struct workload *w, uint64_t n, uint64_t open)
{
	struct points p = { 0 };
	struct point_group *g = points_group(&p);
	struct workload made;
	size_t seen = 0;

	assert_int_equal(kept_make(w, 500, &made), 0);
	assert_int_equal(kept_is_new(&made), n > 0);
	assert_int_equal(metrics_add(g, &made, METRICS_READ), 0);
	for (size_t i = 0; i < g->count; i++) {
		const struct point *pt = &g->points[i];
		const char *name = pt->metric->name;

		if (pt->metric->kind == METRIC_HISTOGRAM) {
			assert_int_equal(sparse_count(pt->hist), n);
			assert_int_equal(pt->hist->sum_ns, 10 * n);
			assert_int_equal(pt->start_ns, 500);
		} else if (pt->metric->kind == METRIC_UPDOWN) {
			if (strstr(name, "connection"))
				assert_int_equal(pt->u, open);
			assert_int_equal(pt->start_ns, 100);
		} else if (pt->metric->real) {
			/* a culprit's ns, or CPU time in us */
			assert_true(fabs(pt->d - n * 1e-9) < 1e-15 * n ||
				    fabs(pt->d - n * 1e-6) < 1e-12 * n);
		} else {
			assert_int_equal(pt->u, n);
		}
		seen += pt->metric->kind != METRIC_UPDOWN;
	}
	/* calls, their errors, connections that were opened, a culprit, CPU time */
	assert_int_equal(seen, n ? 5 : 0);
	assert_int_equal(kept_note(w, &made), 0);
	kept_free(&made);
	points_fini(&p);
}

static void each_event_is_told_once(void **state)
{
	struct workload *w = new_workload();

	assert_false(kept_has_any(w));
	count(w, 7);
	assert_true(kept_has_any(w));
	assert_made(w, 7, 7);
	assert_made(w, 0, 7);
	count(w, 5);
	count(w, 6);
	assert_made(w, 11, 18);
	assert_made(w, 0, 18);
	totals_free(w);
}

/* More than 32 bits hold in all, less in a reading. */
static void sums_may_grow_beyond_32_bits(void **state)
{
	struct workload *w = new_workload();

	for (int i = 0; i < 5; i++) {
		count(w, 3000000000);
		assert_made(w, 3000000000, (i + 1) * 3000000000);
	}
	totals_free(w);
}

/* A sandbox becomes its pod's, after half of it was told. */
static void what_moves_is_not_told_twice(void **state)
{
	struct workload *pod = new_workload(), *w = new_workload();

	count(pod, 100);
	assert_made(pod, 100, 100);
	count(w, 30);
	assert_made(w, 30, 30);
	count(w, 4);
	assert_int_equal(totals_fold(pod, w, true), 0);
	totals_fold_usage(&pod->usage, &w->usage);
	kept_fold_usage(pod, w);
	totals_clear(w);
	assert_made(pod, 4, 134);
	totals_free(w);
	totals_free(pod);
}

/*
 * What it counted becomes another's in exports, when a part of it was in no reading
 * yet: that is told beside what it has counted since then; what is now, once.
 */
static void what_is_owed_is_told_beside(void **state)
{
	struct workload *w = new_workload(), made, *owed;
	struct points p = { 0 };
	struct point_group *g = points_group(&p);
	unsigned int sums = 0;

	count(w, 30);
	assert_made(w, 30, 30);
	count(w, 4);
	assert_int_equal(kept_owe(w), 0);
	totals_clear(w);
	usage_restart(&w->usage);
	assert_true(kept_has_any(w));
	count(w, 3);
	assert_int_equal(kept_make(w, 500, &made), 0);
	owed = kept_owed(w, 500);
	assert_int_equal(metrics_add(g, &made, METRICS_READ), 0);
	assert_int_equal(metrics_add(g, owed, METRICS_READ), 0);
	assert_int_equal(points_merge(g), 0);
	for (size_t i = 0; i < g->count; i++) {
		const struct point *pt = &g->points[i];

		if (pt->metric->kind == METRIC_HISTOGRAM)
			assert_int_equal(sparse_count(pt->hist), 7);
		else if (pt->metric->kind == METRIC_UPDOWN)
			assert_int_equal(pt->u, 3);
		else if (pt->metric->real)
			assert_true(fabs(pt->d - 7e-9) < 1e-15 ||
				    fabs(pt->d - 7e-6) < 1e-12);
		else
			assert_int_equal(pt->u, 7);
		sums += pt->metric->kind != METRIC_UPDOWN;
	}
	assert_int_equal(sums, 5);
	assert_int_equal(kept_note(w, &made), 0);
	kept_free(&made);
	points_fini(&p);
	kept_drop_owed(w);
	assert_made(w, 0, 3);
	totals_free(w);
}

/* It ends with what it owes: the history has not all of it. */
static void who_owes_is_not_whole(void **state)
{
	struct workload *w = new_workload(), *other = new_workload();

	count(w, 3);
	assert_int_equal(kept_owe(w), 0);
	totals_clear(w);
	w->gone = w->kept_whole = true;
	assert_false(kept_is_whole(w));
	assert_int_equal(kept_move_owed(other, w), 0);
	assert_true(kept_is_whole(w));
	assert_non_null(kept_owed(other, 1));
	totals_free(w);
	totals_free(other);
}

static void who_is_gone_is_told_a_last_time(void **state)
{
	struct workload *w = new_workload();

	count(w, 3);
	w->gone = true;
	assert_false(kept_is_whole(w));
	assert_made(w, 3, 3);
	assert_true(kept_is_whole(w));
	assert_made(w, 0, 3);
	totals_free(w);
}

/* A service that is started again has the path, and is the workload, of the one before.
 */
static void who_comes_again_is_told_again(void **state)
{
	struct workload *w = new_workload();

	count(w, 3);
	w->gone = true;
	assert_made(w, 3, 3);
	w->gone = false;
	count(w, 4);
	assert_made(w, 4, 7);
	assert_false(kept_is_whole(w));
	count(w, 2);
	w->gone = true;
	assert_made(w, 2, 9);
	totals_free(w);
}

static void the_error_goes_with_its_events(void **state)
{
	const struct window_rule *r = windows_rule(SIGNAL_SYSCALL);
	struct workload *w = new_workload(), made;
	struct estimate *e = windows_estimate(w, r, 1);

	count(w, 8);
	*e = (struct estimate){ .noise = 9, .change = 4, .outstanding = 2 };
	assert_int_equal(kept_make(w, 0, &made), 0);
	assert_true(made.estimates[r->at + 1].noise == 9);
	assert_int_equal(kept_note(w, &made), 0);
	kept_free(&made);
	e->change = 6; /* no event came, so no point tells of it: it waits */
	assert_int_equal(kept_make(w, 0, &made), 0);
	assert_true(made.estimates[r->at + 1].change == 2);
	assert_int_equal(kept_note(w, &made), 0);
	kept_free(&made);
	count(w, 1);
	e->noise = 10;
	e->outstanding = 1;
	assert_int_equal(kept_make(w, 0, &made), 0);
	assert_true(made.estimates[r->at + 1].noise == 1);
	assert_true(made.estimates[r->at + 1].change == 2);
	assert_true(made.estimates[r->at + 1].outstanding == -1);
	kept_free(&made);
	totals_free(w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_event_is_told_once),
		cmocka_unit_test(sums_may_grow_beyond_32_bits),
		cmocka_unit_test(what_moves_is_not_told_twice),
		cmocka_unit_test(what_is_owed_is_told_beside),
		cmocka_unit_test(who_owes_is_not_whole),
		cmocka_unit_test(who_is_gone_is_told_a_last_time),
		cmocka_unit_test(who_comes_again_is_told_again),
		cmocka_unit_test(the_error_goes_with_its_events),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
