// SPDX-License-Identifier: Apache-2.0
/* Two values with one name are one point, whatever the metric is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "metric/metrics.h"
#include "metric/points_before.h"
#include "reading/snapshot.h"
#include "full_hist.h"

/* The points of a metric with this last attribute. */
static size_t find(const struct point_group *g, const char *metric, const char *type,
		   const struct point **found)
{
	size_t n = 0;

	for (size_t i = 0; i < g->count; i++) {
		const struct point *p = &g->points[i];
		const char *last = p->values[1] ? p->values[1] : p->values[0];

		if (strcmp(p->metric->name, metric) || (type && strcmp(last, type)))
			continue;
		*found = p;
		n++;
	}
	return n;
}

static void errnos_without_a_name_are_one_point(void **state)
{
	struct open_total opens[] = {
		{ .signal = OPEN_SYSCALL_ERROR + CALL_OTHER, .attr = 600, .value = 7 },
		{ .signal = OPEN_SYSCALL_ERROR + CALL_OTHER, .attr = 524, .value = 2 },
		{ .signal = OPEN_SYSCALL_ERROR + CALL_OTHER, .attr = 520, .value = 3 },
		{ .signal = OPEN_SYSCALL_ERROR + CALL_FILE, .attr = 600, .value = 11 },
		{ .signal = OPEN_SYSCALL_ERROR + CALL_OTHER,
		  .attr = OPEN_OTHER,
		  .value = 5 },
		{ .signal = OPEN_CONNECT_ERROR, .attr = 4000, .value = 20 },
		{ .signal = OPEN_CONNECT_ERROR, .attr = 4001, .value = 30 },
		{ .signal = OPEN_BLOCK_ERROR, .attr = 133, .value = 1 }, /* EHWPOISON */
		{ .signal = OPEN_BLOCK_ERROR, .attr = 134, .value = 1 },
		{ .signal = OPEN_BLOCK_ERROR, .attr = 135, .value = 1 },
	};
	struct workload w = { .path = "/x",
			      .start_ns = 9,
			      .opens = opens,
			      .open_count = sizeof(opens) / sizeof(*opens) };
	struct points points = { 0 };
	struct point_group *g = points_group(&points);
	const struct point *p;

	assert_int_equal(metrics_add(g, &w, METRICS_EXPORT), 0);
	assert_int_equal(points_merge(g), 0);
	assert_int_equal(find(g, "assay.syscall.errors", "ENOTSUPP", &p), 1);
	assert_int_equal(p->u, 2);
	assert_int_equal(find(g, "assay.syscall.errors", "_OTHER", &p), 2);
	assert_string_equal(p->values[0], "file");
	assert_int_equal(p->u, 11);
	assert_int_equal(find(g, "assay.syscall.errors", NULL, &p), 3);
	assert_int_equal(find(g, "assay.tcp.connect.errors", NULL, &p), 1);
	assert_int_equal(p->u, 50);
	assert_int_equal(find(g, "assay.block.errors", "_OTHER", &p), 1);
	assert_int_equal(p->u, 2);
	for (size_t i = 0; i < g->count; i++)
		if (g->points[i].values[0] &&
		    !strcmp(g->points[i].values[0], "other") &&
		    !strcmp(g->points[i].values[1], "_OTHER"))
			assert_int_equal(g->points[i].u, 7 + 3 + 5);
	points_fini(&points);
}

static void histograms_add_up_and_gauges_do_not(void **state)
{
	static const struct metric hist = { "h", "s", "", METRIC_HISTOGRAM,
					    .attrs = { "a" } },
				   sum = { "s", "1", "", METRIC_SUM, true, { "a" } },
				   gauge = {
					   "g", "1", "", METRIC_GAUGE, true, { "a" }
				   };
	const struct metric *metrics[] = { &hist, &sum, &gauge };
	uint64_t buckets[BUCKET_COUNT];
	struct hist hists[3] = { { 10, { 1, 2 } }, { 20, { 3 } }, { 40, { 0, 5 } } };
	char same[] = "x"; /* not the same pointer */
	struct points points = { 0 };
	struct point_group *g = points_group(&points);
	const struct point *p;

	for (size_t i = 0; i < 9; i++) { /* one after the other, and mixed */
		struct point *new = points_add(g, metrics[i % 3]);

		new->values[0] = i % 2 ? same : "x";
		new->start_ns = 100 - i;
		if (i % 3 == 0)
			new->hist = sparse_of(&hists[i / 3]);
		else
			new->d = i;
	}
	points_add(g, &sum)->values[0] = "x";
	g->points[9].ended = true;	       /* no value: nothing to add */
	points_add(g, &sum)->values[0] = NULL; /* without the attribute: another */
	assert_int_equal(points_merge(g), 0);
	assert_int_equal(g->count, 4);
	assert_int_equal(find(g, "h", "x", &p), 1);
	assert_int_equal(p->hist->sum_ns, 70);
	sparse_expand(p->hist, buckets);
	assert_int_equal(buckets[0], 4);
	assert_int_equal(buckets[1], 7);
	assert_int_equal(p->start_ns, 94);
	assert_int_equal(hists[0].sum_ns, 10); /* the workload's is as it was */
	assert_true(g->points[1].d == 1 + 4 + 7);
	assert_int_equal(find(g, "g", "x", &p), 1);
	assert_true(p->d == 8);
	points_fini(&points);
}

/* The one point of a metric with this first attribute; NULL: of that without. */
static const struct point *only(const struct point_group *g, const char *metric,
				const char *first)
{
	const struct point *found = NULL;

	for (size_t i = 0; i < g->count; i++) {
		const struct point *p = &g->points[i];

		if (strcmp(p->metric->name, metric) ||
		    (first ? !p->values[0] || strcmp(p->values[0], first)
			   : p->values[0] != NULL))
			continue;
		assert_null(found);
		found = p;
	}
	return found;
}

/* The sums are those of all series; what is left out is not there at all. */
static void basic_series_are_fewer_and_add_up(void **state)
{
	static const enum metrics_use uses[] = { METRICS_EXPORT,
						 METRICS_EXPORT | METRICS_BASIC };
	struct open_total opens[] = {
		{ .signal = OPEN_SYSCALL_ERROR + CALL_FILE, .attr = 2, .value = 7 },
		{ .signal = OPEN_SYSCALL_ERROR + CALL_PIPE, .attr = 2, .value = 20 },
		{ .signal = OPEN_SYSCALL_ERROR + CALL_PIPE, .attr = 13, .value = 300 },
	};
	struct workload w = { .start_ns = 9, .opens = opens, .open_count = 3 };
	struct points points = { 0 };
	struct hist h[CALL_CLASSES] = { 0 };
	struct point_group *g[2];
	unsigned int lane = snapshot_index(SIGNAL_SCHED_COUNT, 0);

	for (int i = 0; i < CALL_CLASSES; i++) {
		h[i].buckets[30 + i] = 1 << i;
		h[i].sum_ns = 1000 << i;
		w.hists[snapshot_index(SIGNAL_SYSCALL, i)] =
		    (struct sparse *)sparse_of(&h[i]);
	}
	w.counts[lane][SCHED_VOLUNTARY] = w.counts[lane][SCHED_MIGRATIONS] = 5;
	w.inflight_seen = 1 << (INFLIGHT_SYSCALL + CALL_WAIT) | 1 << INFLIGHT_DNS;
	for (int i = 0; i < 2; i++) {
		points_group(&points);
		points_group(&points);
	}
	for (int i = 0; i < 2; i++) {
		g[i] = &points.groups[i];
		assert_int_equal(metrics_add(g[i], &w, uses[i]), 0);
		assert_int_equal(points_merge(g[i]), 0);
	}
	assert_int_equal(g[0]->count, CALL_CLASSES + 3 + 2 + 2);
	assert_int_equal(g[1]->count, 3 + 2 + 0 + 1);
	assert_null(only(g[1], "assay.sched.migrations", NULL));
	assert_null(only(g[1], "assay.syscall.duration", "wait"));
	assert_int_equal(only(g[1], "assay.syscall.duration", "file")->hist->sum_ns,
			 only(g[0], "assay.syscall.duration", "file")->hist->sum_ns);
	assert_int_equal(only(g[1], "assay.syscall.duration", "_OTHER")->hist->sum_ns,
			 (1000 << CALL_PIPE) + (1000 << CALL_MEMORY) +
			     (1000 << CALL_PROCESS) + (1000 << CALL_OTHER));
	for (size_t i = 0; i < g[1]->count; i++) {
		const struct point *p = &g[1]->points[i];

		if (strcmp(p->metric->name, "assay.syscall.errors"))
			continue;
		assert_null(p->values[0]); /* the class is absent */
		assert_int_equal(p->u, strcmp(p->values[1], "ENOENT") ? 300 : 27);
	}
	points_fini(&points);
}

/* How much a sum is told to have grown, when it stands at `all`; 0: it is not there. */
static double grown(struct points_before *b, double all)
{
	static const struct metric sum = { "s", "s", "", METRIC_SUM, true, { "a" } };
	struct points points = { 0 };
	struct point_group *g = points_group(&points);
	double d = 0;

	if (all > 0)
		assert_int_equal(points_add_d(g, &sum, "x", 5, all), 0);
	assert_int_equal(points_add_d(g, &sum, "y", 5, 1), 0);
	assert_int_equal(points_since(b, g, 7), 0);
	for (size_t i = 0; i < g->count; i++)
		if (!strcmp(g->points[i].values[0], "x"))
			d = g->points[i].d;
	points_fini(&points);
	return d;
}

static void a_sum_that_is_missing_once_goes_on(void **state)
{
	struct points_before b = { 0 };

	assert_true(grown(&b, 10) == 10);
	assert_true(grown(&b, 10) == 0);
	assert_true(grown(&b, 13) == 3);
	assert_true(grown(&b, 0) == 0);
	assert_true(grown(&b, 0) == 0);
	assert_true(grown(&b, 17) == 4);
	assert_int_equal(b.count, 2);
	points_before_fini(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errnos_without_a_name_are_one_point),
		cmocka_unit_test(histograms_add_up_and_gauges_do_not),
		cmocka_unit_test(a_sum_that_is_missing_once_goes_on),
		cmocka_unit_test(basic_series_are_fewer_and_add_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
