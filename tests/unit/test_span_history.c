// SPDX-License-Identifier: Apache-2.0
/*
 * What a command takes from a history: CPU time of a short time, of which the agent
 * reads files once a minute; the facts of its node; a baseline of a copy.
 */
#include <math.h>
#include "some_history.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/baseline.h"
#include "cmd/option_rows.h"
#include "cmd/source.h"
#include "cmd/span.h"

#define READINGS 40 /* of 10 s */
#define CPUS	 0.4
#define BORN	 13 /* the other workload's first reading; it takes a CPU */

#define SHORT 5	 /* the first of a third one, with a CPU */
#define OVER  12 /* and its last */

static const struct metric cpu = { "assay.cgroup.cpu.time", "s", "", METRIC_SUM, true };
static const struct metric periods = { "assay.cgroup.cpu.periods", "{period}", "",
				       METRIC_SUM, .attrs = { "assay.throttled" } };
static struct some_file file;

static struct point_group *add(struct points *p, unsigned int workload,
			       uint64_t start_ns, double cpu_s)
{
	struct point_group *g;
	struct point *pt;

	some_group(p, workload);
	g = &p->groups[p->count - 1];
	pt = points_add(g, &some_calls);
	pt->values[0] = "a";
	pt->u = 100;
	pt->start_ns = start_ns;
	if (cpu_s > 0) {
		pt = points_add(g, &cpu);
		pt->d = cpu_s;
		pt->start_ns = start_ns;
	}
	return g;
}

/* Files are read at the end of readings 2, 8, 14, ... of one, of the other at 19, 25,
 * ...
 */
static void add_reading(unsigned int i)
{
	struct points p = { .time_ns = BEGIN + i * STEP, .delta = true };
	struct history_reading r = { .since_ns = p.time_ns - STEP,
				     .until_ns = p.time_ns,
				     .whole = i % 6 == 1 };
	struct point_group *g = add(&p, 0, r.since_ns, i % 6 == 2 ? 60 * CPUS : 0);
	struct point *pt;
	uint8_t *bytes;
	size_t len;
	char cause[256] = "";

	if (i == 14) { /* its quota ran out in the minute before, 120 times of 600 */
		pt = points_add(g, &periods);
		pt->values[0] = "true";
		pt->u = 120;
		pt->start_ns = r.since_ns;
	}
	if (i >= BORN)
		add(&p, 1, r.since_ns, i == 19 ? 70 : i % 6 == 1 && i > 19 ? 60 : 0);
	if (i >= SHORT && i <= OVER)
		add(&p, 2, r.since_ns, i == 6 ? 20 : i == OVER ? 60 : 0);
	assert_int_equal(encode_all(&p, &bytes, &len), 0);
	some_pack(&r, bytes, len);
	free(bytes);
	points_fini(&p);
	assert_int_equal(history_file_add(&file.f, &r, cause, sizeof(cause)), 0);
	free(r.bytes);
}

static int make_file(void **state)
{
	some_file_init(&file, SIZE);
	for (unsigned int i = 1; i <= READINGS; i++)
		add_reading(i);
	return 0;
}

static int remove_file(void **state)
{
	some_file_fini(&file);
	return 0;
}

/* From the end of one reading to that of another, in the file at path. */
static struct taken take_of(const char *path, unsigned int from, unsigned int to)
{
	struct options o;
	struct source src = { .o = &o };
	struct span span = { .time = { BEGIN + from * STEP, BEGIN + to * STEP, 0 } };
	struct taken t;
	char cause[512];

	options_init(&o, &option_table);
	o.history = path;
	assert_int_equal(span_take(&src, &span, &t, cause, sizeof(cause)), 0);
	return t;
}

static struct taken take(unsigned int from, unsigned int to)
{
	return take_of(file.path, from, to);
}

/* What a workload has of a metric per second; -1: nothing is said. */
static double rate(const struct taken *t, const char *workload, const struct metric *m)
{
	for (size_t i = 0; i < t->frame->count; i++) {
		const struct frame_series *s = &t->frame->series[i];

		if (!strcmp(s->name, m->name) &&
		    !strcmp(frame_name(s->resource), workload))
			return (s->real ? s->d : (double)s->i) / t->duration_s;
	}
	return -1;
}

static void assert_about(double x, double wanted)
{
	if (fabs(x - wanted) > 0.001)
		fail_msg("%g instead of %g", x, wanted);
}

static void a_reading_has_what_was_used_in_it(void **state)
{
	for (unsigned int i = 9; i <= READINGS; i++) {
		struct taken t = take(i - 1, i);

		assert_about(rate(&t, "workload-0", &cpu), CPUS);
		assert_about(rate(&t, "workload-0", &some_calls), 10);
		assert_about(t.duration_s, 10);
		frame_free(t.frame);
	}
}

static void so_has_a_time_of_some(void **state)
{
	for (unsigned int n = 2; n < 20; n++) {
		struct taken t = take(29 - n, 29);

		assert_about(rate(&t, "workload-0", &cpu), CPUS);
		frame_free(t.frame);
	}
}

static void what_is_rare_is_of_its_minute(void **state)
{
	struct taken t = take(10, 11);

	assert_about(rate(&t, "workload-0", &periods), 2);
	frame_free(t.frame);
	t = take(7, 8);
	assert_about(fmax(rate(&t, "workload-0", &periods), 0), 0);
	frame_free(t.frame);
	t = take(14, 15);
	assert_about(fmax(rate(&t, "workload-0", &periods), 0), 0);
	frame_free(t.frame);
}

static void who_came_meanwhile_has_no_time_before(void **state)
{
	for (unsigned int i = BORN; i <= READINGS; i++) {
		struct taken t = take(i - 1, i);

		assert_about(rate(&t, "workload-1", &cpu), 1);
		frame_free(t.frame);
	}
	struct taken t = take(BORN - 2, BORN - 1);

	assert_about(rate(&t, "workload-1", &cpu), -1);
	frame_free(t.frame);
}

static void who_ended_has_no_time_after(void **state)
{
	static const struct {
		unsigned int from, to;
		double cpus;
	} cases[] = {
		{ 5, 6, 1 }, { 8, 9, 1 }, { 11, 12, 1 }, { 4, 20, 0.5 }, { 8, 28, 0.2 }
	};
	struct taken t;

	for (size_t i = 0; i < COUNT(cases); i++) {
		t = take(cases[i].from, cases[i].to);
		assert_about(rate(&t, "workload-2", &cpu), cases[i].cpus);
		frame_free(t.frame);
	}
	t = take(14, 15);
	assert_about(rate(&t, "workload-2", &cpu), -1);
	frame_free(t.frame);
}

/* Not this machine's. */
static void facts_are_those_of_the_node_it_is_of(void **state)
{
	struct taken t = take(10, 11);

	assert_string_equal(t.host.name, "node-of-test");
	assert_string_equal(t.host.kernel, "6.1.0-of-test");
	assert_int_equal(t.host.cpus, 96);
	frame_free(t.frame);
}

static void a_baseline_counts_from_the_end_of_a_copy(void **state)
{
	struct options o;
	struct history_span at = { BEGIN + 38 * STEP, BEGIN + 40 * STEP, 0 };
	struct baseline before;

	options_init(&o, &option_table);
	o.from = file.path;
	o.baseline = "3m..2m";
	assert_int_equal(baseline_take(&o, &at, &before), 0);
	assert_string_equal(before.cause, "");
	assert_int_equal(before.taken.time.since_ns, BEGIN + 22 * STEP);
	assert_int_equal(before.taken.time.until_ns, BEGIN + 28 * STEP);
	frame_free(before.taken.frame);
}

/* A copy in which one reading cannot be read, nor what the statement says. */
static const char *damage(unsigned int reading, const char *sql)
{
	static char path[160];
	char text[400];
	sqlite3 *db;

	snprintf(path, sizeof(path), "%s.copy", file.path);
	unlink(path);
	snprintf(text, sizeof(text), "VACUUM INTO '%s'", path);
	assert_int_equal(history_run(file.f.db, text), 0);
	assert_int_equal(sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL), 0);
	snprintf(text, sizeof(text),
		 "UPDATE reading SET data=zeroblob(length(data)) WHERE id=%u; %s",
		 reading, sql);
	assert_int_equal(history_run(db, text), 0);
	history_end(db);
	return path;
}

/* What the command says on stderr while it takes that; ended by the next one. */
static const char *said(const char *path, unsigned int from, unsigned int to,
			struct taken *t)
{
	static char text[1024];
	FILE *f = tmpfile();
	int before = dup(STDERR_FILENO);
	size_t n;

	assert_non_null(f);
	dup2(fileno(f), STDERR_FILENO);
	*t = take_of(path, from, to);
	dup2(before, STDERR_FILENO);
	close(before);
	rewind(f);
	n = fread(text, 1, sizeof(text) - 1, f);
	text[n] = '\0';
	fclose(f);
	return text;
}

/* Its minute is there, and in it what came in the minute. */
static void a_damaged_reading_takes_nothing_from_its_minute(void **state)
{
	struct taken t;
	const char *path = damage(14, ""), *text = said(path, 12, 20, &t);

	assert_about(t.duration_s, 80);
	assert_about(rate(&t, "workload-0", &some_calls), 10);
	assert_about(rate(&t, "workload-0", &cpu), CPUS);
	assert_about(rate(&t, "workload-1", &cpu), 1);
	assert_non_null(strstr(text,
			       "1 more reading is damaged in or beside that time: "
			       "CPU time"));
	frame_free(t.frame);
}

/* Whichever it is of a time without minutes, what is told is of the rest. */
static void without_a_damaged_reading_it_is_the_rest(void **state)
{
	for (unsigned int i = 34; i <= READINGS; i++) {
		struct taken t;
		const char *text =
		    said(damage(i, "DELETE FROM minute"), 33, READINGS, &t);

		if (!strstr(text, "1 reading of the history is damaged, and left out: "
				  "10 s of that time"))
			fail_msg("%u: %s", i, text);
		assert_about(t.duration_s, 60);
		assert_about(rate(&t, "workload-0", &some_calls), 10);
		assert_about(rate(&t, "workload-0", &cpu), CPUS);
		assert_about(rate(&t, "workload-1", &cpu), 1);
		frame_free(t.frame);
	}
}

/* A longer time has its numbers from single readings, too, where one is damaged. */
static void a_long_time_is_told_by_the_rest_too(void **state)
{
	struct taken t;
	const char *path = damage(14, "DELETE FROM minute");
	const char *text = said(path, 8, READINGS, &t);

	assert_non_null(strstr(text, "10 s of that time"));
	assert_about(t.duration_s, 310);
	assert_about(rate(&t, "workload-0", &cpu), CPUS);
	frame_free(t.frame);
}

/* Nothing is told rather than that there was none. */
static void what_nobody_knows_is_no_number(void **state)
{
	struct taken t;
	const char *path = damage(6, "DELETE FROM minute;"
				     "UPDATE reading SET data=x'00' WHERE id IN "
				     "(5,7,8,9,10,11,12)");
	const char *text = said(path, 3, 14, &t);

	assert_non_null(strstr(text, "8 readings of the history are damaged, and left "
				     "out: 80 s of that time"));
	assert_about(t.duration_s, 30);
	assert_about(rate(&t, "workload-1", &cpu), -1);
	assert_about(rate(&t, "workload-2", &cpu), -1);
	frame_free(t.frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reading_has_what_was_used_in_it),
		cmocka_unit_test(so_has_a_time_of_some),
		cmocka_unit_test(what_is_rare_is_of_its_minute),
		cmocka_unit_test(who_came_meanwhile_has_no_time_before),
		cmocka_unit_test(who_ended_has_no_time_after),
		cmocka_unit_test(facts_are_those_of_the_node_it_is_of),
		cmocka_unit_test(a_baseline_counts_from_the_end_of_a_copy),
		cmocka_unit_test(a_damaged_reading_takes_nothing_from_its_minute),
		cmocka_unit_test(without_a_damaged_reading_it_is_the_rest),
		cmocka_unit_test(a_long_time_is_told_by_the_rest_too),
		cmocka_unit_test(what_nobody_knows_is_no_number),
	};

	return cmocka_run_group_tests(tests, make_file, remove_file);
}
