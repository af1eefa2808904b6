// SPDX-License-Identifier: Apache-2.0
/* One metric by itself: which series are shown, what is drawn, how it went. */
#include <jansson.h>
#include <errno.h>
#include "fake_frame.h"
#include "base/options.h"
#include "base/util.h"
#include "metric/self_budget.h"
#include "view/counted.h"
#include "view/look.h"
#include "view/pick.h"

#define MS 1000000ULL

static const struct metric response = { "assay.tcp.response.duration", "s", "",
					METRIC_HISTOGRAM,
					.attrs = { "assay.tcp.role" } };
static const struct metric io = { "assay.tcp.io", "By", "", METRIC_SUM,
				  .attrs = { "network.io.direction" } };

/* n responses of each of these durations, and some bytes. */
static struct frame *web(const char *name, const uint64_t *ns, size_t count,
			 uint64_t bytes, struct hist **h)
{
	struct points p = { 0 };
	struct point_group *g = add_workload(&p, name, name);

	*h = new_hist(ns, count);
	add_hist(g, &response, "server", *h);
	add_sum(g, &io, "receive", NULL, NULL, bytes);
	g = add_workload(&p, "quiet", "/quiet");
	add_sum(g, &io, "receive", NULL, NULL, 0);
	return to_frame(&p);
}

static char *printed(const struct look *l, int format,
		     int (*to)(const struct look *, int, FILE *))
{
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(to(l, format, f), 0);
	fclose(f);
	return text;
}

static const uint64_t durations[] = { 20 * MS, 20 * MS, 20 * MS, 20 * MS, 20 * MS,
				      20 * MS, 20 * MS, 20 * MS, 20 * MS, 1000 * MS };

static void a_distribution_is_drawn(void **state)
{
	struct hist *h;
	struct frame *f = web("shop/web", durations, COUNT(durations), 1 << 20, &h);
	struct look l = {
		.metric = response.name, .frame = f, .duration_s = 10, .width = 80
	};
	char *text;

	assert_int_equal(look_choose(&l, "web", 6), 0);
	assert_int_equal(l.count, 1);
	text = printed(&l, FORMAT_TABLE, look_print_hist);
	assert_has(text, "shop/web  server\n  10 in all (1/s), mean 118ms\n  p50 19ms");
	assert_has(text, "p99 958ms, p99.9 958ms, max 1s\n");
	assert_has(text, "        9  90.00%  ###");
	assert_has(text, "        1  10.00%  ###");
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		assert_true(strlen(line) <= 80);
	free(text);
	look_fini(&l);
	frame_free(f);
	test_free(h);
}

/* A program hears how far back it could look, and nothing of what is now. */
static void json_tells_how_far_the_history_goes(void **state)
{
	static int (*const prints[])(const struct look *, int,
				     FILE *) = { look_print_hist, look_print_trend };
	static const struct history_span kept = { 1700000000000000000,
						  1700003600000000000, 0 };
	struct hist *h;
	struct frame *f = web("shop/web", durations, COUNT(durations), 1 << 20, &h);
	struct look l = {
		.metric = response.name, .frame = f, .duration_s = 10, .width = 80
	};
	char *text;

	assert_int_equal(look_choose(&l, "web", 6), 0);
	for (size_t i = 0; i < COUNT(prints); i++) {
		l.kept = NULL;
		text = printed(&l, FORMAT_JSON, prints[i]);
		assert_null(strstr(text, "history"));
		free(text);
		l.kept = &kept;
		text = printed(&l, FORMAT_JSON, prints[i]);
		assert_has(text, "\"history\": {\n   \"since\": \"2023-11-14T22:13:20");
		assert_has(text, "\"until\": \"2023-11-14T23:13:20");
		free(text);
	}
	look_fini(&l);
	frame_free(f);
	test_free(h);
}

static void rows_are_few_and_hold_all(void **state)
{
	uint64_t ns[400];
	struct hist *h;
	struct frame *f;
	struct look l = { .metric = response.name, .duration_s = 1, .width = 80 };
	unsigned int lines = 0, sum = 0;
	json_t *top;
	char *text;

	for (size_t i = 0; i < COUNT(ns); i++)
		ns[i] = (uint64_t)100 << i % 27;
	f = web("a", ns, COUNT(ns), 0, &h);
	l.frame = f;
	assert_int_equal(look_choose(&l, NULL, 6), 0);
	text = printed(&l, FORMAT_TABLE, look_print_hist);
	for (const char *s = text; (s = strchr(s, '%')); s++)
		lines++;
	assert_in_range(lines, 8, 17);
	free(text);
	text = printed(&l, FORMAT_JSON, look_print_hist);
	top = json_loads(text, 0, NULL);
	assert_non_null(top);
	for (size_t i = 0;
	     i < json_array_size(json_object_get(json_array_get(top, 0), "buckets"));
	     i++)
		sum += json_integer_value(json_object_get(
		    json_array_get(json_object_get(json_array_get(top, 0), "buckets"),
				   i),
		    "count"));
	assert_int_equal(sum, COUNT(ns));
	json_decref(top);
	free(text);
	look_fini(&l);
	frame_free(f);
	test_free(h);
}

/* Three steps: 10 fast ones, nothing at all, 5 slow ones; and one that is not kept. */
static void a_trend_has_a_mark_for_each_step(void **state)
{
	static const uint64_t slow[] = { 1000 * MS, 1000 * MS, 1000 * MS, 1000 * MS,
					 1000 * MS };
	struct history_span at = { SECOND, 11 * SECOND, 10 * SECOND };
	struct hist *h[4];
	struct frame *all = web("w", durations, COUNT(durations), 100, &h[0]), *f[3];
	struct look l = { .metric = response.name, .frame = all, .duration_s = 40 };
	json_t *top, *steps;
	char *text;

	f[0] = web("w", durations, COUNT(durations), 100, &h[1]);
	f[1] = web("w", NULL, 0, 0, &h[2]);
	f[2] = web("w", slow, COUNT(slow), 50, &h[3]);
	assert_int_equal(look_choose(&l, NULL, 6), 0);
	assert_int_equal(look_make_steps(&l, 4), 0);
	assert_int_equal(look_take(&l, 0, f[0], &at), 0);
	assert_int_equal(look_take(&l, 1, f[1], &at), 0);
	assert_int_equal(look_take(&l, 3, f[2], &at), 0);
	assert_int_equal(look_take(&l, 4, f[2], &at), 0); /* out of the picture */
	text = printed(&l, FORMAT_TABLE, look_print_trend);
	assert_has(text, "rate   #_ =  0/s to 1/s");
	assert_has(text, "p99    #  #  ");
	free(text);
	text = printed(&l, FORMAT_JSON, look_print_trend);
	top = json_loads(text, 0, NULL);
	steps = json_object_get(json_array_get(top, 0), "steps");
	assert_int_equal(json_array_size(steps), 3);
	assert_true(
	    json_real_value(json_object_get(json_array_get(steps, 2), "rate")) == 0.5);
	assert_null(json_object_get(json_array_get(steps, 1), "p99"));
	json_decref(top);
	free(text);
	text = printed(&l, FORMAT_CSV, look_print_trend);
	assert_has(text, ",w,assay.tcp.role=server,1970-01-01T00:00:01Z,");
	free(text);
	look_fini(&l);
	for (size_t i = 0; i < COUNT(f); i++)
		frame_free(f[i]);
	frame_free(all);
	for (size_t i = 0; i < COUNT(h); i++)
		test_free(h[i]);
}

/* What a reading says of the probe: how long it was on, and what its windows stand for.
 */
static struct frame *counted(double on_s, double windows_s, uint64_t bytes,
			     size_t responses, struct hist **h)
{
	struct points p = { .delta = true };
	struct point_group *g = add_workload(&p, "w", "w");

	*h = new_hist(durations, responses);
	if (responses)
		add_hist(g, &response, "server", *h);
	if (bytes)
		add_sum(g, &io, "receive", NULL, NULL, bytes);
	points_add_d(points_group(&p), &self_attached_time, "cgroup", 1, 10);
	if (on_s > 0)
		points_add_d(&p.groups[1], &self_attached_time, "tcp", 1, on_s);
	if (windows_s > 0)
		points_add_d(&p.groups[1], &self_counted_time, "tcp", 1, windows_s);
	return to_frame(&p);
}

/*
 * Ten seconds each: all was counted; the probe was off; on half of the time; and two of
 * windows, of which the second one has what happened in both.
 */
static void what_was_not_counted_is_no_zero(void **state)
{
	static const struct {
		double on_s, windows_s;
		uint64_t bytes;
		size_t responses;
	} steps[] = { { 10, 10, 1000, 10 },
		      { 0, 0, 0, 0 },
		      { 5, 5, 500, 5 },
		      { 10, 0, 1000, 0 },
		      { 10, 20, 1000, 10 } };
	const struct metric *metrics[] = { &response, &io };
	const char *lines[] = { "  rate   # # =  0.5/s to 1/s\n",
				"  rate   # ###  100 B/s to 100 B/s\n" };
	char text[200];

	for (size_t k = 0; k < COUNT(metrics); k++) {
		struct hist *h;
		struct frame *all = counted(35, 35, 3500, 10, &h);
		struct look l = { .metric = metrics[k]->name,
				  .frame = all,
				  .duration_s = 50,
				  .step_ns = 10 * SECOND };
		char *out;

		assert_int_equal(look_choose(&l, "w", 6), 0);
		assert_true(l.seconds == 35);
		assert_int_equal(look_make_steps(&l, COUNT(steps)), 0);
		for (size_t i = 0; i < COUNT(steps); i++) {
			struct history_span at = { i * 10 * SECOND,
						   (i + 1) * 10 * SECOND, 10 * SECOND };
			struct hist *of;
			struct frame *f =
			    counted(steps[i].on_s, steps[i].windows_s, steps[i].bytes,
				    steps[i].responses, &of);

			assert_int_equal(look_take(&l, i, f, &at), 0);
			frame_free(f);
			test_free(of);
		}
		out = printed(&l, FORMAT_TABLE, look_print_trend);
		assert_has(out, lines[k]);
		free(out);
		assert_true(counted_text(all, 50, text, sizeof(text)) == false);
		look_fini(&l);
		frame_free(all);
		test_free(h);
	}
}

/* A reading that is longer than a step says what was in the steps that it spans. */
static void a_long_reading_fills_its_steps(void **state)
{
	struct history_span at[] = { { 0, 31 * SECOND, 31 * SECOND },
				     { 51 * SECOND, 60 * SECOND, 9 * SECOND } };
	struct hist *h;
	struct frame *f = web("w", durations, COUNT(durations), 100, &h);
	struct look l = { .metric = response.name, .frame = f, .step_ns = 10 * SECOND };
	char *text;

	assert_int_equal(look_choose(&l, NULL, 6), 0);
	assert_int_equal(look_make_steps(&l, 6), 0);
	assert_int_equal(look_take(&l, 1, f, &at[0]), 0);
	assert_int_equal(look_take(&l, 5, f, &at[1]), 0);
	text = printed(&l, FORMAT_TABLE, look_print_trend);
	assert_has(text, "rate   ---  #  0.3/s to 1.1/s");
	free(text);
	look_fini(&l);
	frame_free(f);
	test_free(h);
}

static void bytes_are_rates_and_what_is_nothing_is_left_out(void **state)
{
	struct history_span at = { SECOND, 3 * SECOND, 2 * SECOND };
	struct hist *h;
	struct frame *f = web("w", NULL, 0, 4 << 20, &h);
	struct look l = { .metric = io.name, .frame = f, .duration_s = 2 };
	char *text;

	assert_int_equal(look_choose(&l, "nobody", 6), -ENOENT);
	look_fini(&l);
	assert_int_equal(look_choose(&l, NULL, 6), 0);
	assert_int_equal(l.count, 1); /* `quiet` has none */
	assert_int_equal(look_make_steps(&l, 1), 0);
	assert_int_equal(look_take(&l, 0, f, &at), 0);
	text = printed(&l, FORMAT_TABLE, look_print_trend);
	assert_has(text, "2.0 MiB/s");
	free(text);
	look_fini(&l);
	frame_free(f);
	test_free(h);
}

static void a_part_of_a_name_will_do(void **state)
{
	const char *out[4];

	assert_int_equal(pick_metrics("tcp.io", false, out, 4), 1);
	assert_string_equal(out[0], "assay.tcp.io");
	assert_int_equal(pick_metrics("response", true, out, 4), 1);
	assert_int_equal(pick_metrics("response", false, out, 4), 2);
	assert_int_equal(pick_metrics("assay.blocked.duration", true, out, 4), 1);
	assert_int_equal(pick_metrics("assay.tcp.io", true, out, 4), 0);
	assert_int_equal(pick_metrics("nothing", false, out, 4), 0);
	assert_true(pick_metrics("assay", false, out, 4) > 20);
}

static void a_gauge_that_is_0_in_the_end_is_shown(void **state)
{
	static const struct metric age = {
		"assay.inflight.age", "s",  "",
		METRIC_GAUGE,	      true, .attrs = { "assay.operation" }
	};
	static const struct metric cpu = {
		"system.cpu.time", "s", "", METRIC_SUM, true, .attrs = { "cpu.mode" }
	};
	struct points p = { 0 };
	struct point_group *g = points_group(&p);
	struct look l = { .metric = age.name };
	struct frame *f;
	char text[64];

	points_attr(g, "service.name", "assay");
	add_sum(g, &cpu, "idle", NULL, NULL, 0);
	g = add_workload(&p, "w", "/w");
	add_sum(g, &age, "block", NULL, NULL, 0);
	l.frame = f = to_frame(&p);
	assert_int_equal(look_choose(&l, NULL, 6), 0);
	assert_int_equal(l.count, 1);
	assert_string_equal(look_value(l.list[0].s, 0, 1, text), "0s");
	look_fini(&l);
	l.metric = cpu.name; /* nothing of a sum is nothing */
	assert_int_equal(look_choose(&l, NULL, 6), 0);
	assert_int_equal(l.count, 0);
	look_fini(&l);
	for (size_t i = 0; i < f->count; i++) {
		look_label(f, &f->series[i], text, sizeof(text));
		assert_string_equal(text, strcmp(f->series[i].name, cpu.name)
					      ? "w  block"
					      : "the node  idle");
	}
	frame_free(f);
}

/* Whom a workload waited behind has the name that tables have for it. */
static void a_culprit_has_its_name(void **state)
{
	static const char *const paths[] = { "/pods/7", "/gone.slice/old.service",
					     "kernel" },
				 *const names[] = { "w  shop/db", "w  old.service",
						    "w  kernel" };
	static const struct metric waits = {
		"assay.sched.wait.culprit.time",   "s", "", METRIC_SUM, true,
		.attrs = { "assay.sched.culprit" }
	};
	struct points p = { 0 };
	struct point_group *g = add_workload(&p, "w", "/w");
	struct frame *f;
	char text[64];
	size_t told = 0;

	for (size_t i = 0; i < COUNT(paths); i++)
		add_sum(g, &waits, paths[i], NULL, NULL, 1e9);
	add_sum(add_workload(&p, "shop/db", paths[0]), &waits, "/w", NULL, NULL, 1e9);
	f = to_frame(&p);
	for (size_t i = 0; i < f->count; i++) {
		look_label(f, &f->series[i], text, sizeof(text));
		for (size_t k = 0; k < COUNT(names); k++)
			told += !strcmp(text, names[k]);
		told += !strcmp(text, "shop/db  w");
	}
	assert_int_equal(told, f->count);
	assert_int_equal(told, 4);
	frame_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_culprit_has_its_name),
		cmocka_unit_test(a_distribution_is_drawn),
		cmocka_unit_test(json_tells_how_far_the_history_goes),
		cmocka_unit_test(rows_are_few_and_hold_all),
		cmocka_unit_test(a_trend_has_a_mark_for_each_step),
		cmocka_unit_test(what_was_not_counted_is_no_zero),
		cmocka_unit_test(a_long_reading_fills_its_steps),
		cmocka_unit_test(bytes_are_rates_and_what_is_nothing_is_left_out),
		cmocka_unit_test(a_part_of_a_name_will_do),
		cmocka_unit_test(a_gauge_that_is_0_in_the_end_is_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
