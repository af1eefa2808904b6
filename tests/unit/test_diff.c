// SPDX-License-Identifier: Apache-2.0
/* What has changed from one time to another. */
#include <jansson.h>
#include "fake_frame.h"
#include "base/options.h"
#include "base/util.h"
#include "metric/self_budget.h"
#include "metric/self_node.h"
#include "view/diff.h"

#define MS    1000000ULL
#define STEPS 9

static const struct metric naps = { "assay.blocked.duration", "s", "", METRIC_HISTOGRAM,
				    .attrs = { "assay.syscall.class" } };
static struct metric errors = { "assay.syscall.errors", "{error}", "", METRIC_SUM,
				.attrs = { "error.type" } };
static const struct metric cpu = { "assay.cgroup.cpu.time", "s", "", METRIC_SUM, true };

static const struct metric memory = { "assay.cgroup.memory.usage", "By", "",
				      METRIC_UPDOWN };
static const struct metric age = { "assay.inflight.age", "s", "", METRIC_GAUGE, true };

/*
 * What happened in some time: n naps of so many ms, errors, CPU time; on_s: how long
 * the probes were on, 0: nobody says; memory then.
 */
static struct frame *time_of(int n, uint64_t ms, uint64_t failed, double busy_s,
			     double on_s, uint64_t has)
{
	struct hist *h = new_hist(NULL, 0);
	struct points p = { 0 };
	struct point_group *g = add_workload(&p, "w", "/w");
	struct frame *f;

	for (int i = 0; i < n; i++)
		h->buckets[bucket_of(ms * MS)]++;
	h->sum_ns = (uint64_t)n * ms * MS;
	add_hist(g, &naps, "wait", h);
	add_sum(g, &errors, "EIO", NULL, NULL, failed);
	points_add(g, &cpu)->d = busy_s;
	points_add(g, &memory)->u = has;
	points_add(g, &age)->d = ms * 1e3; /* it grows by itself */
	g = points_group(&p);		   /* the agent */
	points_add_d(g, &node_cpu_time, "user", 1, busy_s);
	if (on_s > 0) {
		points_add_d(g, &self_attached_time, "sched", 1, on_s);
		points_add_d(g, &self_counted_time, "syscall", 1, on_s);
	}
	f = to_frame(&p);
	test_free(h);
	return f;
}

struct phase {
	int n; /* of each step of 10 s, the next has one more, then one less */
	uint64_t ms, failed;
	double busy_s;
	double on_s; /* of it the probes, 0: nobody says */
	uint64_t has;
};

static void take(struct diff *d, int side, const struct phase *p)
{
	struct history_span at = { 0, 10 * SECOND, 10 * SECOND };

	for (int i = 0; i < STEPS; i++) {
		struct frame *f =
		    time_of(p->n + i % 3 - 1, p->ms, p->failed,
			    p->busy_s * (1 + 0.01 * (i % 2)), p->on_s, p->has + i % 2);

		diff_take(d, side, (size_t)i, f, &at);
		frame_free(f);
	}
}

/* What diff prints in a format; the caller frees it. */
static char *printed(const struct phase *a, const struct phase *b, int format)
{
	struct frame *before = time_of(STEPS * a->n, a->ms, STEPS * a->failed,
				       STEPS * a->busy_s, STEPS * a->on_s, a->has);
	struct frame *after = time_of(STEPS * b->n, b->ms, STEPS * b->failed,
				      STEPS * b->busy_s, STEPS * b->on_s, b->has);
	struct diff d;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	assert_int_equal(diff_open(&d, before, after), 0);
	take(&d, 0, a);
	take(&d, 1, b);
	assert_int_equal(diff_judge(&d), 0);
	assert_int_equal(diff_print(&d, format, f), 0);
	fclose(f);
	diff_fini(&d);
	frame_free(before);
	frame_free(after);
	return text;
}

static json_t *compare(const struct phase *a, const struct phase *b)
{
	char *text = printed(a, b, FORMAT_JSON);
	json_t *top = json_loads(text, 0, NULL);

	assert_non_null(top);
	free(text);
	return top;
}

/* The ratio of a change in one of the lists, 0: it is not told there. */
static double told_in(const json_t *top, const char *list, const char *metric,
		      const char *what)
{
	json_t *c;
	size_t i;

	json_array_foreach(json_object_get(top, list), i, c)
	{
		if (!strcmp(json_string_value(json_object_get(c, "metric")), metric) &&
		    !strcmp(json_string_value(json_object_get(c, "what")), what))
			return json_number_value(json_object_get(c, "ratio"));
	}
	return 0;
}

static double told(const json_t *top, const char *metric, const char *what)
{
	return told_in(top, "changes", metric, what);
}

static void assert_near(double x, double wanted)
{
	if (x < 0.85 * wanted || x > 1.15 * wanted) {
		print_message("# %g instead of %g\n", x, wanted);
		fail();
	}
}

static void nothing_is_told_of_the_same(void **state)
{
	struct phase a = { 100, 5, 3, 2, 0, 1000 };
	json_t *top = compare(&a, &a);

	assert_int_equal(json_array_size(json_object_get(top, "changes")), 0);
	assert_int_equal(json_integer_value(json_object_get(top, "tested")), 6);
	json_decref(top);
}

/* Half of the time nothing was counted, and so there was half as much of it. */
static void what_was_not_counted_is_no_change(void **state)
{
	struct phase a = { 100, 5, 30, 2, 10 }, half = { 50, 5, 15, 2, 5 };
	json_t *top = compare(&a, &half);

	assert_true(told(top, naps.name, "rate") == 0);
	assert_true(told(top, errors.name, "rate") == 0);
	assert_near(told_in(top, "measuring", self_attached_time.name, "rate"), 0.5);
	json_decref(top);
	half.busy_s = 3; /* it is no probe's */
	top = compare(&a, &half);
	assert_near(told(top, cpu.name, "rate"), 1.5);
	json_decref(top);
	half.on_s = 10;
	top = compare(&a, &half);
	assert_near(told(top, naps.name, "rate"), 0.5);
	assert_near(told(top, errors.name, "rate"), 0.5);
	json_decref(top);
}

/* What probes cost changes with each load: it is a line behind what people look for. */
static void the_measuring_itself_is_told_apart(void **state)
{
	struct phase a = { 100, 5, 30, 2, 10 }, half = { 50, 5, 15, 2, 5 };
	json_t *top = compare(&a, &half);
	char *text = printed(&a, &half, FORMAT_TABLE);

	/* of the workload five, of the node one */
	assert_int_equal(json_integer_value(json_object_get(top, "tested")), 6);
	assert_int_equal(json_integer_value(json_object_get(top, "changed")), 0);
	assert_int_equal(json_array_size(json_object_get(top, "measuring")), 2);
	assert_non_null(strstr(text, "0 of 6 numbers changed"));
	assert_non_null(
	    strstr(text, "\nthe measuring itself: 2 of its numbers changed"));
	assert_non_null(strstr(text, " assay.probe.attached.time sched (x0.5)"));
	json_decref(top);
	free(text);
	text = printed(&a, &half, FORMAT_CSV);
	assert_null(strstr(text, self_attached_time.name));
	free(text);
	text = printed(&a, &a, FORMAT_TABLE);
	assert_null(strstr(text, "measuring"));
	free(text);
}

/* A file may come from anybody. */
static void a_name_of_the_file_does_not_reach_the_terminal_raw(void **state)
{
	struct phase a = { 100, 5, 3, 2, 0, 1000 }, failing = a;
	const char *name = errors.name;
	char *text;

	failing.failed = 300;
	errors.name = "assay.\33[31mred\r\xe2\x80\xae";
	text = printed(&a, &failing, FORMAT_TABLE);
	errors.name = name;
	assert_non_null(strstr(text, "[31mred"));
	for (const char *c = text; *c; c++)
		assert_true(*c == '\n' || (*c >= ' ' && *c <= '~'));
	free(text);
}

static void what_changed_is_told_and_nothing_else(void **state)
{
	struct phase a = { 100, 5, 3, 2, 0, 1000 }, slow = a, often = a, busy = a,
		     failing = a, large = a;
	json_t *top;

	slow.ms = 20;
	top = compare(&a, &slow);
	assert_near(told(top, naps.name, "duration"), 4);
	assert_int_equal(json_array_size(json_object_get(top, "changes")), 1);
	json_decref(top);
	often.n = 200;
	top = compare(&a, &often);
	assert_near(told(top, naps.name, "rate"), 2);
	assert_int_equal(json_array_size(json_object_get(top, "changes")), 1);
	json_decref(top);
	busy.busy_s = 3;
	top = compare(&a, &busy);
	assert_near(told(top, cpu.name, "rate"), 1.5);
	assert_near(told(top, node_cpu_time.name, "rate"), 1.5);
	assert_int_equal(json_array_size(json_object_get(top, "changes")), 2);
	json_decref(top);
	failing.failed = 30;
	top = compare(&a, &failing);
	assert_near(told(top, errors.name, "rate"), 10);
	assert_int_equal(json_array_size(json_object_get(top, "changes")), 1);
	json_decref(top);
	large.has = 1500;
	top = compare(&a, &large);
	assert_near(told(top, memory.name, "level"), 1.5);
	assert_int_equal(json_array_size(json_object_get(top, "changes")), 1);
	json_decref(top);
}

/* Below the least bound all is 0: that it is longer now is no news of something new. */
static void what_was_very_short_is_not_new(void **state)
{
	struct phase a = { 100, 0, 3, 2 }, b = a;
	json_t *top;

	b.ms = 5;
	top = compare(&a, &b);
	assert_true(told(top, naps.name, "duration") > 1000);
	json_decref(top);
}

static void little_is_not_told(void **state)
{
	struct phase a = { 100, 5, 0, 0.001, 0, 1000 },
		     b = { 110, 5, 0, 0.004, 0, 1100 };
	json_t *top = compare(&a, &b);

	/* a tenth more naps and memory, and a CPU that is hardly used */
	assert_int_equal(json_array_size(json_object_get(top, "changes")), 0);
	json_decref(top);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_told_of_the_same),
		cmocka_unit_test(what_was_not_counted_is_no_change),
		cmocka_unit_test(the_measuring_itself_is_told_apart),
		cmocka_unit_test(a_name_of_the_file_does_not_reach_the_terminal_raw),
		cmocka_unit_test(what_changed_is_told_and_nothing_else),
		cmocka_unit_test(what_was_very_short_is_not_new),
		cmocka_unit_test(little_is_not_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
