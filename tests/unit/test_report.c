// SPDX-License-Identifier: Apache-2.0
/* What `assay report` prints, as JSON and as a table. */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include "base/units.h"
#include "base/util.h"
#include "fake_frame.h"

static const struct metric response = { "assay.tcp.response.duration", "s", "",
					METRIC_HISTOGRAM,
					.attrs = { "assay.tcp.role" } };
static const struct metric calls = { "assay.syscall.duration", "s", "",
				     METRIC_HISTOGRAM,
				     .attrs = { "assay.syscall.class" } };
static const struct metric waits = { "assay.sched.wait.duration", "s", "",
				     METRIC_HISTOGRAM };
static const struct metric io = { "assay.tcp.io", "By", "", METRIC_SUM,
				  .attrs = { "network.io.direction" } };
static const struct metric errors = { "assay.tcp.connect.errors", "{error}", "",
				      METRIC_SUM, .attrs = { "error.type" } };
static const struct metric open_now = { "assay.tcp.connection.count", "{connection}",
					"", METRIC_UPDOWN };
static const struct metric attached = { "assay.probe.attached", "", "", METRIC_GAUGE,
					.attrs = { "assay.probe", "assay.state",
						   "assay.reason" } };
static const struct metric lost = { "assay.lost", "{event}", "", METRIC_SUM,
				    .attrs = { "assay.probe", "assay.reason" } };

/* The agent, a busy web server, a quiet unit that only holds connections. */
static struct frame *new_frame(struct hist **hists)
{
	static const uint64_t ms[] = { 20000000, 20000000, 20000000, 1000 };
	static const uint64_t ready[] = { SECOND, SECOND };
	struct points p = { 0 };
	struct point_group *g;

	hists[0] = new_hist(ms, COUNT(ms));
	hists[1] = new_hist(ready, COUNT(ready));
	hists[2] = new_hist(NULL, 0);
	g = points_group(&p);
	points_attr(g, "service.name", "assay");
	points_attr(g, "host.name", "node-of-test");
	add_sum(g, &attached, "sched", "attached", NULL, 1);
	add_sum(g, &attached, "tcp", "unavailable", "no such hook", 0);
	add_sum(g, &lost, "sched", "pool_empty", NULL, 3);
	add_sum(g, &lost, "sched", "no_storage", NULL, 0);
	g = add_workload(&p, "web", "/web");
	add_hist(g, &response, "server", hists[0]);
	add_hist(g, &calls, "wait", hists[0]);
	add_hist(g, &calls, "file", hists[2]);
	add_hist(g, &waits, NULL, hists[1]);
	add_sum(g, &io, "receive", NULL, NULL, 4 << 20);
	add_sum(g, &io, "transmit", NULL, NULL, 0);
	add_sum(g, &errors, "ECONNREFUSED", NULL, NULL, 6);
	add_sum(g, &open_now, NULL, NULL, NULL, 7);
	g = add_workload(&p, "quiet", "/quiet");
	add_sum(g, &open_now, NULL, NULL, NULL, 7);
	add_sum(g, &io, "receive", NULL, NULL, 0);
	return to_frame(&p);
}

static void free_frame(struct frame *f, struct hist **hists)
{
	frame_free(f);
	for (int i = 0; i < 3; i++)
		test_free(hists[i]);
}

/* Truth by floating point: the bucket of OTLP is base^i < x <= base^(i+1). */
static void quantiles_are_the_geometric_middle_of_their_bucket(void **state)
{
	for (uint64_t ns = 2000; ns < 100 * SECOND; ns += ns / 3 + 1) {
		struct hist *h = new_hist(&ns, 1);
		double i = log2(ns * 1e-9) * 8, p50 = report_quantile(h, 50);
		double max = report_max(h);

		/* the value is in a bucket that reaches from middle - 1/2 to middle +
		 * 1/2 */
		assert_true(fabs(log2(p50) * 8 - i) < 0.51);
		assert_true(fabs(log2(max) * 8 - log2(p50) * 8 - 0.5) < 1e-9);
		assert_true(fabs(log2(max) * 8 - round(log2(max) * 8)) < 1e-9);
		test_free(h);
	}
}

/* Truth: what Python's statistics.median and R's quantile(type = 2) say of the values.
 */
static const struct {
	unsigned int count, percent;
	double rank; /* 50.5: between the 50th and the 51st */
} ranks[] = {
	{ 100, 50, 50.5 }, { 100, 90, 90.5 }, { 100, 99, 99.5 }, { 100, 100, 100 },
	{ 100, 1, 1.5 },   { 99, 50, 50 },    { 99, 90, 90 },	 { 99, 99, 99 },
	{ 2, 50, 1.5 },	   { 1, 50, 1 },      { 1, 99, 1 },	 { 3, 50, 2 },
	{ 4, 50, 2.5 },	   { 10, 90, 9.5 },   { 10, 99, 10 },	 { 20, 90, 18.5 },
};

/* One value in each bucket, so the n-th value is in bucket n. */
static void a_quantile_has_as_many_values_below_it_as_above(void **state)
{
	for (size_t i = 0; i < COUNT(ranks); i++) {
		struct hist *h = new_hist(NULL, 0);
		double low = exp2(-20 + (floor(ranks[i].rank) - 0.5) / 8);
		double high = exp2(-20 + (ceil(ranks[i].rank) - 0.5) / 8);
		double got;

		for (unsigned int n = 1; n <= ranks[i].count; n++)
			h->buckets[n] = 1;
		got = report_quantile(h, ranks[i].percent);
		if (fabs(got / ((low + high) / 2) - 1) > 1e-9)
			fail_msg("p%u of %u: %g, not between %g and %g",
				 ranks[i].percent, ranks[i].count, got, low, high);
		test_free(h);
	}
}

static void many_values_in_a_bucket_are_one_value(void **state)
{
	struct hist *h = new_hist(NULL, 0);
	double first = exp2(-20 + 0.5 / 8), second = exp2(-20 + 1.5 / 8);

	h->buckets[0] = h->buckets[1] = 100;
	assert_true(fabs(report_quantile(h, 50) / (first / 2) - 1) < 1e-9);
	assert_true(report_quantile(h, 49) == 0);
	assert_true(fabs(report_quantile(h, 51) / first - 1) < 1e-9);
	h->buckets[0] = 0;
	h->buckets[1] = h->buckets[2] = 1ULL << 62; /* times 50 is over 2^64 */
	assert_true(fabs(report_quantile(h, 50) / ((first + second) / 2) - 1) < 1e-9);
	assert_true(fabs(report_quantile(h, 99) / second - 1) < 1e-9);
	test_free(h);
}

static void the_zero_bucket_and_the_last_one_have_their_bounds(void **state)
{
	struct hist *h = new_hist(NULL, 0);

	assert_true(report_quantile(h, 50) == 0 && report_max(h) == 0);
	h->buckets[0] = 5;
	assert_true(report_quantile(h, 99) == 0);
	assert_true(report_max(h) == 1.0 / (1 << 20));
	h->buckets[BUCKET_COUNT - 1] = 5;
	assert_true(report_max(h) == 128);
	test_free(h);
}

static json_t *find_metric(json_t *workload, const char *name)
{
	json_t *m;
	size_t i;

	json_array_foreach(json_object_get(workload, "metrics"), i,
			   m) if (!strcmp(json_string_value(json_object_get(m, "name")),
					  name)) return m;
	return NULL;
}

static void json_holds_what_happened_and_nothing_else(void **state)
{
	struct hist *hists[3];
	struct frame *f = new_frame(hists);
	char *text = print(report_json, f);
	json_t *top = json_loads(text, 0, NULL), *list, *w, *m;

	assert_non_null(top);
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(top, "node"), "name")),
	    "node-of-test");
	list = json_object_get(top, "workloads");
	assert_int_equal(json_array_size(list),
			 1); /* the agent and `quiet` are not in */
	w = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(w, "cgroup")), "/web");
	assert_string_equal(json_string_value(json_object_get(w, "kind")), "unit");
	/* no empty histogram, no sum of 0: 8 series less 2 */
	assert_int_equal(json_array_size(json_object_get(w, "metrics")), 6);
	m = find_metric(w, "assay.tcp.response.duration");
	assert_int_equal(json_integer_value(json_object_get(m, "count")), 4);
	assert_true(json_real_value(json_object_get(m, "sum")) == 0.060001);
	assert_true(fabs(json_real_value(json_object_get(m, "p50")) - 0.02) < 0.001);
	assert_string_equal(json_string_value(json_object_get(
				json_object_get(m, "attributes"), "assay.tcp.role")),
			    "server");
	m = find_metric(w, "assay.tcp.io");
	assert_string_equal(json_string_value(json_object_get(m, "type")), "sum");
	assert_int_equal(json_integer_value(json_object_get(m, "value")), 4 << 20);
	m = find_metric(w, "assay.tcp.connection.count");
	assert_string_equal(json_string_value(json_object_get(m, "type")), "gauge");
	json_decref(top);
	free(text);
	free_frame(f, hists);
}

static void add_error(struct point_group *g, double noise, double change,
		      double outstanding)
{
	g->points[g->count - 1].error =
	    (struct metric_error){ noise, change, outstanding };
}

/* A workload whose calls and their errors are estimates, and whose bytes are not. */
static struct frame *estimated_frame(uint64_t failed, double noise, double change,
				     double outstanding)
{
	static const struct metric call_errors = {
		"assay.syscall.errors", "{error}", "", METRIC_SUM,
		.attrs = { "assay.syscall.class", "error.type" }
	};
	struct hist *h = new_hist((uint64_t[]){ 20000, 20000, 20000, 20000 }, 4);
	struct points p = { 0 };
	struct point_group *g = add_workload(&p, "web", "/web");

	add_hist(g, &calls, "file", h);
	add_error(g, noise, change, outstanding);
	add_sum(g, &call_errors, "file", "ENOENT", NULL, failed);
	add_error(g, noise, change, outstanding);
	add_sum(g, &io, "receive", NULL, NULL, 1 << 20);
	test_free(h);
	return to_frame(&p);
}

static void estimates_are_marked_and_have_an_error(void **state)
{
	struct frame *f = estimated_frame(400, 900, 1600, 30);
	char *text = print(report_json, f);
	json_t *top = json_loads(text, 0, NULL), *w, *m;

	w = json_array_get(json_object_get(top, "workloads"), 0);
	m = find_metric(w, "assay.syscall.errors");
	assert_true(json_is_true(json_object_get(m, "estimated")));
	assert_true(
	    fabs(json_real_value(json_object_get(m, "relative_standard_error")) -
		 50 / 400.0) < 1e-9);
	assert_int_equal(json_object_size(json_object_get(m, "attributes")), 2);
	m = find_metric(w, "assay.tcp.io");
	assert_null(json_object_get(m, "estimated"));
	assert_null(json_object_get(m, "relative_standard_error"));
	json_decref(top);
	free(text);
	text = print(report_table, f);
	assert_has(text, "   ~2/s    ~21us    ~21us    ~21us    ~22us\n");
	assert_has(text, "file ENOENT ~400 (~200/s)");
	assert_has(text, "tcp receive 512 KiB/s");
	assert_has(text, "\nweb      ~21us ~21us f      - - ");
	assert_has(text, "\n~ is an estimate: ");
	free(text);
	frame_free(f);
}

static void what_was_exact_between_two_readings_has_no_mark(void **state)
{
	struct frame *before = estimated_frame(400, 900, 1600, 30),
		     *after = estimated_frame(410, 900, 1600, 0);
	struct frame_series *s;
	char *text;

	frame_subtract(after, before);
	text = print(report_table, after);
	assert_has(text, "file ENOENT 10 (5/s)");
	assert_null(strchr(text, '~'));
	free(text);
	frame_free(after);
	/* and of the rest only what came since is as unsure */
	after = estimated_frame(500, 1000, 1601, 32);
	frame_subtract(after, before);
	s = &after->series[1];
	assert_string_equal(s->name, "assay.syscall.errors");
	assert_true(fabs(report_relative_error(s) - sqrt(100 + 4) / 100) < 1e-9);
	frame_free(after);
	frame_free(before);
}

static void json_tells_what_is_missing(void **state)
{
	struct hist *hists[3];
	struct frame *f = new_frame(hists);
	char *text = print(report_json, f);
	json_t *top = json_loads(text, 0, NULL), *want;

	want = json_pack("[{s:s, s:s, s:n}, {s:s, s:s, s:s}]", "name", "sched", "state",
			 "attached", "reason", "name", "tcp", "state", "unavailable",
			 "reason", "no such hook");
	assert_true(json_equal(json_object_get(top, "probes"), want));
	json_decref(want);
	want = json_pack("[{s:s, s:s, s:i}]", "probe", "sched", "reason", "pool_empty",
			 "count", 3);
	assert_true(json_equal(json_object_get(top, "lost"), want));
	json_decref(want);
	json_decref(top);
	free(text);
	free_frame(f, hists);
}

static void the_table_has_a_block_for_each_golden_signal(void **state)
{
	struct hist *hists[3];
	struct frame *f = new_frame(hists);
	char *text = print(report_table, f);

	assert_has(text, "node-of-test, Linux ");
	assert_has(text, "\nweb      19ms 19ms s    3/s ECONNREFUSED  1.00    -     -"
			 "     -    -\n");
	assert_has(text, "\nweb (unit)  /web");
	assert_has(text,
		   "  LATENCY    tcp response server                     2/s     19ms");
	assert_has(text, "  waiting    in calls wait");
	assert_has(text, "  TRAFFIC    tcp receive 2.0 MiB/s   open now 7\n");
	assert_has(text, "  ERRORS     connect ECONNREFUSED 6 (3/s)\n");
	assert_has(text, "  SATURATION wait for a CPU");
	assert_has(text, "1.00 threads were waiting on average\n");
	assert_has(text, "NOT MEASURED  tcp is unavailable: no such hook\n");
	assert_has(text, "LOST          sched: 3 pool_empty\n");
	assert_null(strstr(text, "quiet"));
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 100);
	free(text);
	free_frame(f, hists);
}

static void the_table_says_when_nothing_was_measured(void **state)
{
	struct points p = { 0 };
	struct frame *f;
	char *text;

	add_sum(points_group(&p), &attached, "sched", "attached", NULL, 1);
	f = to_frame(&p);
	text = print(report_table, f);
	assert_has(text, "Nothing was measured");
	free(text);
	frame_free(f);
}

/* Forty workloads: the one that hurts is the first, the calmest are only counted. */
static void the_table_starts_with_what_hurts(void **state)
{
	struct points p = { 0 };
	struct frame *f;
	char names[40][16], *text;

	for (int i = 0; i < 40; i++) {
		snprintf(names[i], sizeof(names[i]), "/w%02d", i);
		add_sum(add_workload(&p, names[i], names[i]),
			i == 13 ? &errors : &open_now, NULL, NULL, NULL, 100);
		add_sum(&p.groups[i], &io, "receive", NULL, NULL, 1);
	}
	f = to_frame(&p);
	text = print(report_table, f);
	assert_true(strstr(text, "\n/w13 ") < strstr(text, "\n/w00 "));
	assert_true(strstr(text, "\n/w13 (unit)") < strstr(text, "\n/w00 (unit)"));
	assert_has(text, "and 25 more, quieter");
	assert_has(text, "\n/w08 (unit)"); /* w13 and nine more in detail */
	assert_null(strstr(text, "\n/w09 (unit)"));
	free(text);
	frame_free(f);
}

static const struct {
	double n;
	const char *seconds, *rate, *bytes;
} units[] = {
	{ 0, "<1us", "0/s", "0 B" },
	{ 0.0000012, "1.2us", "1.2e-06/s", "1.2e-06 B" },
	{ 0.00034, "340us", "0.00034/s", "0.00034 B" },
	{ 0.0012, "1.2ms", "0.0012/s", "0.0012 B" },
	{ 0.06, "60ms", "0.06/s", "0.06 B" },
	{ 0.6, "600ms", "0.6/s", "0.6 B" },
	{ 0.9999, "1.0s", "1.0/s", "1.0 B" },
	{ 12, "12s", "12/s", "12 B" },
	{ 999.9, "1000s", "1.0k/s", "1000 B" },
	{ 3400, "3400s", "3.4k/s", "3.3 KiB" },
	{ 34000000, "34000000s", "34M/s", "32 MiB" },
};

static void units_have_two_or_three_digits(void **state)
{
	char out[UNITS_LEN];

	for (size_t i = 0; i < COUNT(units); i++) {
		assert_string_equal(units_seconds(out, units[i].n), units[i].seconds);
		assert_string_equal(units_rate(out, units[i].n), units[i].rate);
		assert_string_equal(units_bytes(out, units[i].n), units[i].bytes);
	}
}

/* What no agent sends, but a peer on its socket may. */
static void a_sum_with_the_name_of_a_histogram_does_no_harm(void **state)
{
	static const struct metric wrong[] = {
		{ "assay.sched.wait.duration", "s", "", METRIC_SUM },
		{ "assay.tcp.response.duration", "s", "", METRIC_UPDOWN },
		{ "assay.syscall.duration", "s", "", METRIC_SUM },
	};
	struct points p = { 0 };
	struct point_group *g = add_workload(&p, "odd", "/odd");
	struct frame *f;
	char *text;

	for (size_t i = 0; i < COUNT(wrong); i++)
		add_sum(g, &wrong[i], NULL, NULL, NULL, 0x100000);
	f = to_frame(&p);
	text = print(report_table, f);
	assert_has(text, "odd");
	free(text);
	free(print(report_json, f));
	frame_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(quantiles_are_the_geometric_middle_of_their_bucket),
		cmocka_unit_test(a_quantile_has_as_many_values_below_it_as_above),
		cmocka_unit_test(many_values_in_a_bucket_are_one_value),
		cmocka_unit_test(the_zero_bucket_and_the_last_one_have_their_bounds),
		cmocka_unit_test(json_holds_what_happened_and_nothing_else),
		cmocka_unit_test(estimates_are_marked_and_have_an_error),
		cmocka_unit_test(what_was_exact_between_two_readings_has_no_mark),
		cmocka_unit_test(json_tells_what_is_missing),
		cmocka_unit_test(the_table_has_a_block_for_each_golden_signal),
		cmocka_unit_test(the_table_says_when_nothing_was_measured),
		cmocka_unit_test(the_table_starts_with_what_hurts),
		cmocka_unit_test(units_have_two_or_three_digits),
		cmocka_unit_test(a_sum_with_the_name_of_a_histogram_does_no_harm),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
