/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of CPUs: what the kernel prints, and what users write. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/cpu_list.h"
#include "base/util.h"

/* A list, as it is understood, back as text. */
static void expect(const char *list, const char *understood)
{
	struct cpu_list l = { 0 };
	char text[100];

	assert_int_equal(cpu_list_parse(list, &l), 0);
	cpu_list_text(&l, text, sizeof(text));
	assert_string_equal(text, understood);
	assert_int_equal(cpu_list_is_empty(&l), !*understood);
}

static void test_lists(void **state)
{
	expect("", "");
	expect("\n", "");
	expect("0", "0");
	expect("3-3", "3");
	expect("1-3\n", "1-3");
	expect("7,0-1", "0-1,7");
	expect("0-63,64,128", "0-64,128");
	expect("2-4,3-6", "2-6");
	expect("8191", "8191");
}

static void test_no_lists(void **state)
{
	static const char *const texts[] = { "a",
					     "-1",
					     "1-",
					     "3-1",
					     "1,",
					     ",1",
					     "1,,2",
					     "8192",
					     "1 2",
					     "(null)",
					     "1-2-3",
					     "0x1",
					     "99999999999999999999" };
	struct cpu_list l = { 0 };

	for (size_t i = 0; i < COUNT(texts); i++)
		assert_int_equal(cpu_list_parse(texts[i], &l), -EINVAL);
}

static void test_has(void **state)
{
	struct cpu_list l = { 0 };

	assert_int_equal(cpu_list_parse("1,64-65", &l), 0);
	assert_true(cpu_list_has(&l, 1) && cpu_list_has(&l, 64) &&
		    cpu_list_has(&l, 65));
	assert_false(cpu_list_has(&l, 0) || cpu_list_has(&l, 63) ||
		     cpu_list_has(&l, 66));
	assert_false(cpu_list_has(&l, CPU_LIST_MAX));
}

/* What does not fit is cut, and nothing is written behind the end. */
static void test_cut(void **state)
{
	struct cpu_list l = { 0 };
	char text[8] = "0123456";

	assert_int_equal(cpu_list_parse("0,2,4,6,8", &l), 0);
	cpu_list_text(&l, text, 5);
	assert_string_equal(text, "0,2,");
	assert_int_equal(text[5], '5');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_no_lists),
		cmocka_unit_test(test_has),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
