/* SPDX-License-Identifier: Apache-2.0 */
/* For how long somebody who looks gets exact numbers: a minute at once, a tenth of any
 * hour. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "reading/exact.h"

#define SECOND 1000ULL
#define HOUR   (3600 * SECOND)
#define START  (5 * HOUR + 17)

static void test_what_is_asked_for(void **state)
{
	struct exact e = { 0 };

	assert_false(exact_is_on(&e, START));
	assert_int_equal(exact_ask(&e, START, 5 * SECOND), 5 * SECOND);
	assert_true(exact_is_on(&e, START));
	assert_true(exact_is_on(&e, START + 5 * SECOND - 1));
	assert_false(exact_is_on(&e, START + 5 * SECOND));
}

static void test_a_minute_at_once(void **state)
{
	struct exact e = { 0 };

	assert_int_equal(exact_ask(&e, START, HOUR), 60 * SECOND);
	assert_false(exact_is_on(&e, START + 60 * SECOND));
}

/* Two who look at the same time use it once. */
static void test_together(void **state)
{
	struct exact e = { 0 };

	for (int i = 0; i < 100; i++)
		assert_int_equal(exact_ask(&e, START, 60 * SECOND), 60 * SECOND);
	assert_int_equal(exact_ask(&e, START + 30 * SECOND, 10 * SECOND), 10 * SECOND);
	assert_true(exact_is_on(&e, START + 59 * SECOND)); /* not made shorter */
	assert_int_equal(exact_ask(&e, START + 60 * SECOND, 60 * SECOND), 60 * SECOND);
}

static void test_used_up(void **state)
{
	struct exact e = { 0 };
	uint64_t now = START;

	for (int i = 0; i < 6; i++, now += 60 * SECOND)
		assert_int_equal(exact_ask(&e, now, 60 * SECOND), 60 * SECOND);
	assert_int_equal(exact_ask(&e, now, 60 * SECOND), 0);
	assert_false(exact_is_on(&e, now));
	assert_int_equal(exact_ask(&e, START + HOUR - SECOND, SECOND), 0);
	assert_int_equal(exact_ask(&e, START + HOUR + 120 * SECOND, SECOND), SECOND);
}

static void test_what_is_left(void **state)
{
	struct exact e = { 0 };

	for (int i = 0; i < 7; i++)
		exact_ask(&e, START + i * 100 * SECOND, 50 * SECOND);
	assert_int_equal(exact_ask(&e, START + 700 * SECOND, 50 * SECOND), 10 * SECOND);
}

/* In no hour is it on for more than a tenth, whoever asks when and for how long. */
static void test_any_hour(void **state)
{
	static uint8_t on[8 * 3600];
	struct exact e = { 0 };
	int in_hour = 0, most = 0;

	srandom(7);
	for (int s = 0; s < 8 * 3600; s++) {
		uint64_t now = START + s * SECOND;

		if (random() % 20 == 0)
			exact_ask(&e, now, random() % 90 * SECOND);
		on[s] = exact_is_on(&e, now);
		in_hour += on[s] - (s >= 3600 ? on[s - 3600] : 0);
		most = in_hour > most ? in_hour : most;
	}
	assert_in_range(most, 300, 360);
	/* and it is given again */
	assert_true(exact_ask(&e, START + 9 * HOUR, SECOND));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_what_is_asked_for),
		cmocka_unit_test(test_a_minute_at_once),
		cmocka_unit_test(test_together),
		cmocka_unit_test(test_used_up),
		cmocka_unit_test(test_what_is_left),
		cmocka_unit_test(test_any_hour),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
