// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/number.h"
#include "base/util.h"

static void what_is_a_number(void **state)
{
	static const struct {
		const char *text;
		uint64_t number;
	} cases[] = {
		{ "0", 0 },
		{ "007", 7 },
		{ "4194304", 4194304 },
		{ "18446744073709551615", UINT64_MAX },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t n = 1;

		assert_int_equal(number_parse(cases[i].text, UINT64_MAX, &n), 0);
		assert_true(n == cases[i].number);
	}
}

static void what_is_none_leaves_the_result_alone(void **state)
{
	static const struct {
		const char *text;
		int err;
	} cases[] = {
		{ "", -EINVAL },
		{ "-1", -EINVAL },
		{ "+1", -EINVAL },
		{ " 1", -EINVAL },
		{ "1 ", -EINVAL },
		{ "0x10", -EINVAL },
		{ "12ab", -EINVAL },
		{ "18446744073709551616x", -EINVAL },
		{ "18446744073709551616", -ERANGE },
		{ "99999999999999999999999", -ERANGE },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t n = 42;

		assert_int_equal(number_parse(cases[i].text, UINT64_MAX, &n),
				 cases[i].err);
		assert_true(n == 42);
	}
}

static void the_most_is_one_and_the_next_is_not(void **state)
{
	uint64_t n = 0;

	assert_int_equal(number_parse("1000", 1000, &n), 0);
	assert_int_equal(number_parse("1001", 1000, &n), -ERANGE);
	assert_int_equal(n, 1000);
}

static void what_follows_a_number_is_told(void **state)
{
	const char *end = NULL;
	uint64_t n = 0;

	assert_int_equal(number_read("90s", &end, &n), 0);
	assert_int_equal(n, 90);
	assert_string_equal(end, "s");
	assert_int_equal(number_read("18446744073709551616ms", &end, &n), -ERANGE);
	assert_string_equal(end, "ms");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_a_number),
		cmocka_unit_test(what_is_none_leaves_the_result_alone),
		cmocka_unit_test(the_most_is_one_and_the_next_is_not),
		cmocka_unit_test(what_follows_a_number_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
