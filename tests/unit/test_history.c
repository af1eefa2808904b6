// SPDX-License-Identifier: Apache-2.0
/* What is kept, is read. */
#include <sys/stat.h>
#include "some_kept.h"

static void a_span_is_the_sum_of_its_readings(void **state)
{
	struct history_span asked = { BEGIN + 2 * STEP, BEGIN + 8 * STEP, 0 }, got;
	const struct frame_series *s;
	struct history_reader *r;
	struct frame *f;
	char cause[256];

	add_readings(0, 12, 100);
	r = open_reader(file.path);
	assert_int_equal(
	    history_reader_frame(r, &asked, &f, &got, cause, sizeof(cause)), 0);
	assert_int_equal(got.since_ns, asked.since_ns);
	assert_int_equal(got.until_ns, asked.until_ns);
	assert_int_equal(got.covered_ns, 6 * STEP);
	s = find(f, "test.calls", "a");
	assert_int_equal(s->i, 600);
	assert_true(s->error.noise == 24);
	assert_int_equal(find(f, "test.calls", "b")->i, 606);
	s = find(f, "test.time", "b");
	assert_int_equal(hist_count(s->hist), 606);
	assert_int_equal(find(f, "test.memory", NULL)->i, 1007);
	frame_free(f);
	history_reader_close(r);
	/* less than half of a reading does not count, half of it does */
	assert_int_equal(
	    calls_in(file.path, BEGIN + 4 * NS, BEGIN + 24 * NS, NULL, NULL), 200);
	/* within one it is that one */
	assert_int_equal(
	    calls_in(file.path, BEGIN + 4 * NS, BEGIN + 4 * NS + 1, NULL, NULL), 100);
}

static void nothing_is_kept_of_a_time_before(void **state)
{
	struct history_span asked = { BEGIN - STEP, BEGIN, 0 }, got;
	struct history_reader *r;
	struct frame *f;
	char cause[256];

	add_readings(0, 1, 5);
	r = open_reader(file.path);
	assert_int_equal(
	    history_reader_frame(r, &asked, &f, &got, cause, sizeof(cause)), -ENODATA);
	assert_string_equal(cause,
			    "nothing is kept of that time: the history goes from "
			    "2023-11-14T22:14:00Z to 2023-11-14T22:14:10Z");
	history_reader_close(r);
}

/* Who had nothing new is told as it was. */
static void what_did_not_change_is_as_it_was(void **state)
{
	struct some both[] = {
		{ .workload = 1, .calls = 5, .memory = 10, .series = 1 },
		{ .workload = 2, .calls = 7, .memory = 70, .series = 1 }
	};
	struct history_span asked = { BEGIN + 2 * STEP, BEGIN + 3 * STEP, 0 }, got;
	struct history_reader *r;
	struct frame *f;
	char cause[256];

	some_add(&file, BEGIN + STEP, true, both, 2);
	both[1].memory = 80;
	some_add(&file, BEGIN + 2 * STEP, false, &both[1], 1);
	some_add(&file, BEGIN + 3 * STEP, false, both, 1);
	r = open_reader(file.path);
	assert_int_equal(
	    history_reader_frame(r, &asked, &f, &got, cause, sizeof(cause)), 0);
	assert_int_equal(f->count, 4);
	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		bool second = !strcmp(frame_name(s->resource), "workload-2");

		if (second)
			assert_string_equal(s->name, "test.memory");
		if (!strcmp(s->name, "test.memory"))
			assert_int_equal(s->i, second ? 80 : 10);
	}
	frame_free(f);
	history_reader_close(r);
}

static int64_t count(const char *what)
{
	char sql[200];
	int64_t n;

	snprintf(sql, sizeof(sql), "SELECT %s FROM reading", what);
	assert_int_equal(history_number(file.f.db, sql, &n), 0);
	return n;
}

static void an_hour_later_readings_are_minutes(void **state)
{
	uint64_t got_s;

	add_readings(0, 2 * 360, 10);
	assert_int_equal(count("sum(merged)"), 60);
	assert_int_equal(count("count(*) - sum(merged)"), 360);
	assert_int_equal(count("sum(until - since) / 1000000000"), 7200);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 720 * STEP, &got_s, NULL),
			 7200);
	assert_true(got_s == 7200);
	/* a minute, which is one step by now; and ten seconds of the last hour */
	assert_int_equal(
	    calls_in(file.path, BEGIN + 600 * NS, BEGIN + 660 * NS, &got_s, NULL), 60);
	assert_int_equal(
	    calls_in(file.path, BEGIN + 600 * NS, BEGIN + 610 * NS, &got_s, NULL), 60);
	assert_true(got_s == 60);
	assert_int_equal(
	    calls_in(file.path, BEGIN + 500 * STEP, BEGIN + 501 * STEP, &got_s, NULL),
	    10);
}

/* An agent was not there for half a minute, twice: nothing is known of that time. */
static void a_gap_stays_a_gap_in_a_minute(void **state)
{
	uint64_t got_s;

	add_readings(0, 2, 10);
	add_readings(5, 1, 10);
	add_readings(6, 2, 10);
	add_readings(11, 2 * 360, 10);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 60 * NS, &got_s, NULL), 30);
	assert_int_equal(got_s, 30);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 800 * STEP, &got_s, NULL),
			 (5 + 720) * 10);
	assert_int_equal(got_s, (5 + 720) * 10);
	assert_int_equal(count("sum(until - since) / 1000000000"), 7250);
	/* 0-20, 50-60; 60-80, 110-120 */
	assert_int_equal(count("sum(merged * (until <= 1700000160000000000))"), 4);
}

static int add_up(void *sum, const struct frame *f, const struct history_span *got)
{
	int64_t *all = sum;

	all[0] += find(f, "test.calls", "a")->i;
	all[1]++;
	all[2] += (int64_t)(got->covered_ns / NS);
	return 0;
}

static void steps_have_each_reading_once(void **state)
{
	struct history_span asked = { BEGIN - 1000 * NS, BEGIN + 900 * STEP, 0 };
	struct history_reader *r;
	char cause[256];

	add_readings(0, 2 * 360, 10);
	r = open_reader(file.path);
	for (uint64_t step = 7; step < 2000; step = step * 3 + 1) {
		int64_t all[3] = { 0 };

		assert_int_equal(history_reader_each(r, &asked, step * NS, add_up, all,
						     cause, sizeof(cause)),
				 0);
		assert_int_equal(all[0], 7200);
		assert_int_equal(all[2], 7200);
		if (step == 1498)
			assert_int_equal(all[1], 6);
	}
	history_reader_close(r);
}

static void the_oldest_goes_when_the_size_is_reached(void **state)
{
	uint64_t bytes, oldest, most = 0;
	struct some list[40];

	file.f.size = HISTORY_SIZE_MIN;
	for (unsigned int k = 0; k < 800; k++) {
		for (unsigned int i = 0; i < 40; i++)
			list[i] = (struct some){ .workload = i,
						 .calls = 100 + i * k % 977,
						 .series = CLASSES };
		some_add(&file, BEGIN + (k + 1) * STEP, true, list, 40);
		history_file_measure(&file.f, &bytes, &oldest);
		most = bytes > most ? bytes : most;
	}
	assert_true(most <= HISTORY_SIZE_MIN);
	assert_true(most > HISTORY_SIZE_MIN / 2);
	assert_true(oldest > BEGIN);
	assert_int_equal(count("max(until) / 1000000000"), BEGIN / NS + 8000);
	assert_int_equal(count("count(*) = 0"), 0);
}

/* A smaller size than before: the file follows, bit by bit. */
static void a_smaller_size_shrinks_the_file(void **state)
{
	uint64_t bytes, oldest;
	struct some list[40];

	for (unsigned int k = 0; k < 500; k++) {
		for (unsigned int i = 0; i < 40; i++)
			list[i] = (struct some){ .workload = i,
						 .calls = 100 + i * k % 977,
						 .series = CLASSES };
		if (k == 450)
			file.f.size = HISTORY_SIZE_MIN;
		some_add(&file, BEGIN + (k + 1) * STEP, true, list, 40);
	}
	history_file_close(&file.f);
	history_file_measure(&file.f, &bytes, &oldest);
	assert_true(bytes <= HISTORY_SIZE_MIN);
}

static void a_copy_is_whole_by_itself_and_readable_by_all(void **state)
{
	struct history_copied copied;
	char copy[160], cause[256];
	uint64_t got_s;

	add_readings(0, 30, 100);
	snprintf(copy, sizeof(copy), "%s.copy", file.path);
	assert_int_equal(
	    history_save(file.path, copy, BEGIN, &copied, cause, sizeof(cause)), 0);
	assert_int_equal(copied.readings, 30);
	assert_int_equal(copied.damaged, 0);
	assert_string_equal(copied.host, "node-of-test");
	assert_int_equal(copied.range.until_ns, BEGIN + 30 * STEP);
	assert_int_equal(
	    history_save(file.path, copy, BEGIN, &copied, cause, sizeof(cause)),
	    -EEXIST);
	history_file_close(&file.f);
	assert_int_equal(rename(copy, file.path), 0);
	assert_int_equal(chmod(file.path, 0400), 0);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 30 * STEP, &got_s, NULL),
			 3000);
}

/* A bit of what is compressed: SQLite does not see it. */
static void damage_two_bits(void)
{
	sqlite3_stmt *st;

	for (int id = 7; id <= 9; id += 2) {
		assert_int_equal(history_prepare(file.f.db,
						 "UPDATE reading SET data = "
						 "CAST(substr(data, 1, 40) || x'00' || "
						 "substr(data, 42) AS BLOB) "
						 "WHERE id = ?",
						 &st),
				 0);
		sqlite3_bind_int(st, 1, id);
		assert_int_equal(sqlite3_step(st), SQLITE_DONE);
		history_done(st);
	}
}

/* Their minute was added up before: it has all of them. */
static void a_copy_has_minutes_for_what_cannot_be_read(void **state)
{
	struct history_copied copied;
	char copy[160], cause[256];
	size_t damaged;

	add_readings(0, 30, 100);
	damage_two_bits();
	snprintf(copy, sizeof(copy), "%s.copy", file.path);
	assert_int_equal(
	    history_save(file.path, copy, BEGIN, &copied, cause, sizeof(cause)), 0);
	assert_int_equal(copied.damaged, 0);
	assert_int_equal(copied.in_minutes, 2);
	assert_int_equal(copied.readings, 25); /* six are one */
	history_file_close(&file.f);
	assert_int_equal(rename(copy, file.path), 0);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 30 * STEP, NULL, &damaged),
			 3000);
	assert_int_equal(damaged, 0);
}

static void a_copy_leaves_out_what_cannot_be_read(void **state)
{
	struct history_copied copied;
	char copy[160], cause[256];

	add_readings(0, 30, 100);
	damage_two_bits();
	assert_int_equal(history_run(file.f.db, "DELETE FROM minute"), 0);
	snprintf(copy, sizeof(copy), "%s.copy", file.path);
	assert_int_equal(
	    history_save(file.path, copy, BEGIN, &copied, cause, sizeof(cause)), 0);
	assert_int_equal(copied.damaged, 2);
	assert_int_equal(copied.readings, 28);
	history_file_close(&file.f);
	assert_int_equal(rename(copy, file.path), 0);
	assert_int_equal(calls_in(file.path, BEGIN, BEGIN + 30 * STEP, NULL, NULL),
			 2800);
}

static int count_there(void *to, const struct frame *f, const struct history_span *got)
{
	size_t *steps = to;

	for (size_t i = 0; i < f->count; i++)
		if (!strcmp(frame_name(f->series[i].resource), "workload-1")) {
			++*steps;
			break;
		}
	return 0;
}

/* One that is idle is there all the same, also for who looks at one metric only. */
static void who_is_idle_is_there_in_each_step(void **state)
{
	static const char *const only[] = { "test.calls", NULL };
	struct history_span asked = { BEGIN, BEGIN + 5 * STEP, 0 };
	struct some one = { .workload = 1, .calls = 5, .memory = 100, .series = 2 },
		    other = { .workload = 2, .calls = 5, .memory = 100, .series = 2 };
	struct history_reader *r;
	size_t steps[2] = { 0 };
	char cause[256];

	some_add(&file, BEGIN + STEP, true, (struct some[]){ one, other }, 2);
	for (unsigned int k = 1; k < 5; k++)
		some_add(&file, BEGIN + (k + 1) * STEP, false, &other, 1);
	r = open_reader(file.path);
	for (int i = 0; i < 2; i++) {
		history_reader_only(r, i ? only : NULL);
		assert_int_equal(history_reader_each(r, &asked, STEP, count_there,
						     &steps[i], cause, sizeof(cause)),
				 0);
	}
	assert_int_equal(steps[0], 5);
	assert_int_equal(steps[1], 5);
	history_reader_close(r);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_is_idle_is_there_in_each_step),
		TEST(a_span_is_the_sum_of_its_readings),
		TEST(nothing_is_kept_of_a_time_before),
		TEST(what_did_not_change_is_as_it_was),
		TEST(an_hour_later_readings_are_minutes),
		TEST(a_gap_stays_a_gap_in_a_minute),
		TEST(steps_have_each_reading_once),
		TEST(the_oldest_goes_when_the_size_is_reached),
		TEST(a_smaller_size_shrinks_the_file),
		TEST(a_copy_is_whole_by_itself_and_readable_by_all),
		TEST(a_copy_has_minutes_for_what_cannot_be_read),
		TEST(a_copy_leaves_out_what_cannot_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
