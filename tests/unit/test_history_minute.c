// SPDX-License-Identifier: Apache-2.0
/*
 * Minutes that stand beside their readings: whoever looks at a long time reads a sixth
 * of the rows, and gets the same to the last bit.
 */
#include "some_kept.h"

#define HOUR	 360 /* readings */
#define MANY	 12
#define SERIES	 3
#define LARGE	 520 /* workloads: six readings of them are more than RAW_MOST */
#define ALL_TIME BEGIN, BEGIN + 2 * HOUR *STEP

static uint64_t seed;

static unsigned int random_below(unsigned int n)
{
	seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (unsigned int)((seed >> 33) % n);
}

/* In one order, with some of them missing, unless it is whole; one ends, one comes. */
static void add_random(unsigned int k)
{
	struct some list[MANY + 2];
	bool whole = k % 6 == 2;
	size_t n = 0;

	for (unsigned int i = 0; i < MANY + 2; i++) {
		if ((i == MANY && k > 40) || (i == MANY + 1 && k < 70))
			continue;
		if (!whole && !random_below(3))
			continue;
		list[n++] = (struct some){ .workload = i,
					   .calls = random_below(5000),
					   .memory = 1 + random_below(100000),
					   .series = 1 + random_below(SERIES) };
	}
	some_add(&file, BEGIN + (k + 1) * STEP, whole, list, n);
}

static int64_t number(const char *sql)
{
	int64_t n;

	assert_int_equal(history_number(file.f.db, sql, &n), 0);
	return n;
}

static void run(const char *sql)
{
	assert_int_equal(history_run(file.f.db, sql), 0);
}

static struct frame *frame_of(struct history_reader *r, uint64_t since, uint64_t until,
			      struct history_span *got)
{
	struct history_span asked = { since, until, 0 };
	struct frame *f;
	char cause[256];

	if (history_reader_frame(r, &asked, &f, got, cause, sizeof(cause)))
		fail_msg("%s", cause);
	return f;
}

static void assert_same(const struct frame *a, const struct frame *b)
{
	assert_int_equal(a->time_ns, b->time_ns);
	assert_int_equal(a->count, b->count);
	for (size_t i = 0; i < a->count; i++) {
		const struct frame_series *x = &a->series[i];
		const struct frame_series *y = frame_find(b, x);

		assert_ptr_equal(y, &b->series[i]);
		assert_int_equal(x->start_ns, y->start_ns);
		if (x->kind == METRIC_HISTOGRAM)
			assert_memory_equal(x->hist, y->hist, sizeof(*x->hist));
		else
			assert_int_equal(x->i, y->i);
	}
}

static void any_time_is_the_same_by_minutes_and_by_readings(void **state)
{
	struct history_reader *by_minutes, *by_readings;
	size_t fewer = 0;

	seed = 1;
	for (unsigned int k = 0; k < 120; k++)
		add_random(k);
	assert_true(number("SELECT count(*) FROM minute WHERE size > 0") >= 18);
	by_minutes = open_reader(file.path);
	run("UPDATE minute SET size = 0");
	by_readings = open_reader(file.path);
	for (unsigned int i = 0; i < 400; i++) {
		uint64_t since = BEGIN + random_below(1150) * NS;
		uint64_t until = since + (1 + random_below(600)) * NS;
		struct history_span got[2];
		struct frame *f[2] = { frame_of(by_minutes, since, until, &got[0]),
				       frame_of(by_readings, since, until, &got[1]) };

		assert_memory_equal(&got[0], &got[1], sizeof(got[0]));
		assert_same(f[0], f[1]);
		frame_free(f[0]);
		frame_free(f[1]);
		fewer += history_reader_unpacked(by_minutes) <
			 history_reader_unpacked(by_readings);
	}
	assert_true(fewer > 100);
	history_reader_close(by_minutes);
	history_reader_close(by_readings);
}

static int keep_step(void *to, const struct frame *f, const struct history_span *got)
{
	uint64_t **at = to;

	*(*at)++ = got->since_ns;
	*(*at)++ = got->covered_ns;
	*(*at)++ = f->count;
	for (size_t i = 0; i < f->count; i++)
		if (f->series[i].kind == METRIC_SUM)
			*(*at)++ = (uint64_t)f->series[i].i;
	return 0;
}

static void so_are_steps(void **state)
{
	struct history_span asked = { BEGIN + 7 * NS, BEGIN + 1150 * NS, 0 };
	static uint64_t seen[2][20000], *at;

	seed = 2;
	for (unsigned int k = 0; k < 120; k++)
		add_random(k);
	for (unsigned int step = 50; step < 700; step += 130) {
		for (int i = 0; i < 2; i++) {
			struct history_reader *r;
			char cause[256];

			if (i)
				run("UPDATE minute SET size = -size");
			r = open_reader(file.path);
			at = seen[i];
			assert_int_equal(history_reader_each(r, &asked, step * NS,
							     keep_step, &at, cause,
							     sizeof(cause)),
					 0);
			history_reader_close(r);
		}
		run("UPDATE minute SET size = -size");
		assert_true(at - seen[1] > 60);
		assert_memory_equal(seen[0], seen[1],
				    (size_t)(at - seen[1]) * sizeof(*at));
	}
}

static void an_hour_is_read_by_minutes(void **state)
{
	struct history_span got;
	struct history_reader *r;

	add_readings(0, HOUR, 10);
	r = open_reader(file.path);
	frame_free(frame_of(r, BEGIN, BEGIN + HOUR * STEP, &got));
	assert_int_equal(got.covered_ns, HOUR * STEP);
	/* all minutes but the last one or two, and how things stood before */
	assert_true(history_reader_unpacked(r) <= HOUR / 6 + 12);
	history_reader_close(r);
}

/* Of a reader that began before, and of a copy. */
static void what_is_merged_meanwhile_is_seen_as_it_was(void **state)
{
	struct history_reader *r;
	struct history_copied copied;
	struct history_span got;
	struct frame *f;
	char copy[160], cause[256];

	add_readings(0, HOUR + 6, 10);
	r = open_reader(file.path);
	add_readings(HOUR + 6, 60, 10);
	assert_true(number("SELECT count(*) FROM reading WHERE merged") >= 9);
	f = frame_of(r, ALL_TIME, &got);
	assert_int_equal(find(f, "test.calls", "a")->i, 10 * (HOUR + 6));
	frame_free(f);
	history_reader_close(r);
	snprintf(copy, sizeof(copy), "%s.copy", file.path);
	assert_int_equal(
	    history_save(file.path, copy, BEGIN, &copied, cause, sizeof(cause)), 0);
	r = open_reader(copy);
	f = frame_of(r, ALL_TIME, &got);
	assert_int_equal(find(f, "test.calls", "a")->i, 10 * (HOUR + 66));
	assert_true(history_reader_unpacked(r) <= (HOUR + 66) / 6 + 12);
	frame_free(f);
	history_reader_close(r);
}

static int64_t all_calls(size_t *damaged)
{
	return calls_in(file.path, ALL_TIME, NULL, damaged);
}

static void one_that_does_not_fit_its_readings_is_left_alone(void **state)
{
	static const char *const spoilt[] = {
		"DELETE FROM reading WHERE id = 8", /* as if it were dropped */
		"UPDATE reading SET merged = 1 WHERE id = 9",
		"UPDATE minute SET count = count - 1",
		"UPDATE minute SET first = first + 1",
		"UPDATE minute SET data = substr(data, 1, length(data) / 2)",
		"UPDATE minute SET data = x'00112233'",
		"DROP TABLE minute", /* an older program made the file */
	};
	size_t damaged;

	for (size_t i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
		some_file_fini(&file);
		some_file_init(&file, SIZE);
		add_readings(0, 30, 10);
		assert_int_equal(number("SELECT count(*) FROM minute"), 4);
		run(spoilt[i]);
		assert_int_equal(all_calls(&damaged), i ? 300 : 290);
		assert_int_equal(damaged, 0);
	}
	history_file_close(&file.f);
	add_readings(30, 2 * HOUR - 30, 10); /* it goes on, and they are made again */
	assert_true(number("SELECT count(*) FROM minute WHERE size > 0") > 50);
	assert_true(number("SELECT count(*) FROM reading") < HOUR + 70);
	assert_int_equal(all_calls(&damaged), 10 * 2 * HOUR);
}

/* An hour later, too, when it would have taken their place. */
static void a_damaged_one_takes_no_reading_along(void **state)
{
	static const char *const spoilt[] = {
		"UPDATE minute SET data = substr(data, 1, length(data) / 2)",
		"UPDATE minute SET data = x'00112233'",
		"UPDATE minute SET size = size - 1",
	};
	size_t damaged;

	for (size_t i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
		some_file_fini(&file);
		some_file_init(&file, SIZE);
		add_readings(0, 30, 10);
		run(spoilt[i]);
		add_readings(30, HOUR + 30, 10);
		assert_true(number("SELECT min(id) FROM reading WHERE NOT merged") >
			    30);
		assert_int_equal(all_calls(&damaged), 10 * (HOUR + 60));
		assert_int_equal(damaged, 0);
	}
}

/* The latest readings are not there any more, and the next ones get their numbers. */
static void numbers_that_come_again_fit_no_old_one(void **state)
{
	struct history_copied copied;
	char copy[160], cause[256];
	size_t damaged;

	add_readings(0, 13, 10);
	assert_int_equal(number("SELECT count(*) FROM minute WHERE id = 12"), 1);
	run("DELETE FROM reading WHERE id >= 10");
	snprintf(copy, sizeof(copy), "%s.copy", file.path);
	assert_int_equal(
	    history_save(file.path, copy, BEGIN, &copied, cause, sizeof(cause)), 0);
	assert_int_equal(copied.readings, 9);
	history_file_close(&file.f);
	assert_int_equal(rename(copy, file.path), 0);
	add_readings(13, 3, 1000);
	assert_int_equal(number("SELECT count(*) FROM reading WHERE id = 12"), 1);
	assert_int_equal(all_calls(&damaged), 9 * 10 + 3 * 1000);
}

/* A reading of so many that use all of their series, in their order or backwards. */
static void add_large(unsigned int k, unsigned int missing, bool backwards)
{
	static struct some list[LARGE];
	size_t n = 0;

	for (unsigned int i = 0; i < LARGE; i++) {
		unsigned int w = backwards ? LARGE - 1 - i : i;

		if (w == missing)
			continue;
		list[n++] = (struct some){ .workload = w,
					   .calls = 1 + (w * 7 + k * 13) % 1000,
					   .memory = 1 + w + k,
					   .series = CLASSES };
	}
	some_add(&file, BEGIN + (k + 1) * STEP, k % 6 == 2, list, n);
}

/* What the minutes there are come to is what their readings come to. */
static void assert_exact(unsigned int readings)
{
	struct history_span got[2];
	struct frame *f[2];

	for (int i = 0; i < 2; i++) {
		struct history_reader *r = open_reader(file.path);

		f[i] = frame_of(r, BEGIN, BEGIN + readings * STEP, &got[i]);
		history_reader_close(r);
		run("UPDATE minute SET size = 0");
	}
	assert_memory_equal(&got[0], &got[1], sizeof(got[0]));
	assert_same(f[0], f[1]);
	frame_free(f[0]);
	frame_free(f[1]);
}

static void a_large_minute_is_one_row_too(void **state)
{
	add_large(0, LARGE, false);
	assert_true(number("SELECT size FROM reading") * 6 > 4 << 20);
	for (unsigned int k = 1; k < 8; k++) /* one of them comes, one goes */
		add_large(k, k < 2 ? 17 : k == 2 ? 100 : 5, false);
	assert_int_equal(number("SELECT count FROM minute"), 6);
	assert_true(number("SELECT size FROM minute") > 0);
	assert_exact(8);
}

static void in_another_order_it_is_some_rows(void **state)
{
	for (unsigned int k = 0; k < 12; k++)
		add_large(k, LARGE, k == 4);
	assert_true(number("SELECT count(*) FROM minute") >= 2);
	assert_true(number("SELECT max(count) FROM minute WHERE id <= 6") < 6);
	assert_exact(12);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(any_time_is_the_same_by_minutes_and_by_readings),
		TEST(so_are_steps),
		TEST(an_hour_is_read_by_minutes),
		TEST(what_is_merged_meanwhile_is_seen_as_it_was),
		TEST(one_that_does_not_fit_its_readings_is_left_alone),
		TEST(a_damaged_one_takes_no_reading_along),
		TEST(numbers_that_come_again_fit_no_old_one),
		TEST(a_large_minute_is_one_row_too),
		TEST(in_another_order_it_is_some_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
