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

	assert_int_equal(metrics_add(g, &w, 1), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(errnos_without_a_name_are_one_point),
		cmocka_unit_test(histograms_add_up_and_gauges_do_not),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
