// SPDX-License-Identifier: Apache-2.0
/* --filter: what is read, and who passes. */
#include <errno.h>
#include <math.h>
#include "base/util.h"
#include "fake_frame.h"
#include "view/filter.h"

static const struct {
	const char *text, *key;
	enum filter_op op;
	double number;
} good[] = {
	{ "p99>10ms", "p99", FILTER_ABOVE, 0.01 },
	{ "p50<=1.5us", "p50", FILTER_UP_TO, 1.5e-6 },
	{ "p99>=250ns", "p99", FILTER_FROM, 250e-9 },
	{ "p99>2s", "p99", FILTER_ABOVE, 2 },
	{ "stuck>2m", "stuck", FILTER_ABOVE, 120 },
	{ "stuck<1h", "stuck", FILTER_BELOW, 3600 },
	{ "errors>0", "errors", FILTER_ABOVE, 0 },
	{ "p99!=0", "p99", FILTER_IS_NOT, 0 },
	{ "errors>=5/s", "errors", FILTER_FROM, 5 },
	{ "errors>2k/s", "errors", FILTER_ABOVE, 2000 },
	{ "calls>1.5M", "calls", FILTER_ABOVE, 1.5e6 },
	{ "others>0.5", "others", FILTER_ABOVE, 0.5 },
	{ "full>90%", "full", FILTER_ABOVE, 0.9 },
	{ "full>90 %", "full", FILTER_ABOVE, 0.9 },
	{ "memory>64MiB", "memory", FILTER_ABOVE, 67108864 },
	{ "memory>64 KiB", "memory", FILTER_ABOVE, 65536 },
	{ "memory>1GiB", "memory", FILTER_ABOVE, 1073741824 },
	{ "memory>1000", "memory", FILTER_ABOVE, 1000 },
	{ "receive>4MiB/s", "receive", FILTER_ABOVE, 4194304 },
	{ "name=shop/*", "name", FILTER_IS, 0 },
	{ "name!=a=b>c", "name", FILTER_IS_NOT, 0 },
	{ "pod=", "pod", FILTER_IS, 0 },
	{ "P99 > 10 ms", "p99", FILTER_ABOVE, 0.01 },
	{ "OTHER>0.5", "others", FILTER_ABOVE, 0.5 }, /* as the screen has it */
	{ "stuck on!=tcp", "stuck_on", FILTER_IS_NOT, 0 },
};

static void what_users_write_is_read(void **state)
{
	for (size_t i = 0; i < COUNT(good); i++) {
		char cause[FILTER_CAUSE] = "";
		struct filter f;

		if (filter_parse(good[i].text, &f, cause, sizeof(cause)))
			fail_msg("%s: %s", good[i].text, cause);
		assert_string_equal(f.column->key, good[i].key);
		assert_int_equal(f.op, good[i].op);
		if (fabs(f.number - good[i].number) > 1e-12 * good[i].number)
			fail_msg("%s: %g", good[i].text, f.number);
	}
}

static const struct {
	const char *text, *cause;
} bad[] = {
	{ "", "'': must be COLUMN=PATTERN, or as p99>10ms" },
	{ "p99", "'p99': must be COLUMN=PATTERN, or as p99>10ms" },
	{ "=1", "'=1': must be COLUMN=PATTERN, or as p99>10ms" },
	{ "p99!10ms", "'p99!10ms': must be COLUMN=PATTERN, or as p99>10ms" },
	{ "p99>10", "'p99>10': must be p99 and a time with its unit, as 10ms" },
	{ "p99>10msx", "'p99>10msx': must be p99 and a time with its unit, as 10ms" },
	{ "p99>-1ms", "'p99>-1ms': must be p99 and a time with its unit, as 10ms" },
	{ "p99>1e3s", "'p99>1e3s': must be p99 and a time with its unit, as 10ms" },
	{ "p99>infs", "'p99>infs': must be p99 and a time with its unit, as 10ms" },
	{ "p99>1.ms", "'p99>1.ms': must be p99 and a time with its unit, as 10ms" },
	{ "p99==1ms", "'p99==1ms': must be p99 and a time with its unit, as 10ms" },
	{ "full>0.9", "'full>0.9': must be full and a share, as 90%" },
	{ "memory>1MB", "'memory>1MB': must be memory and a size, as 64MiB" },
	{ "others>1%", "'others>1%': must be others and a number, as 0.5" },
	{ "others>1234567890123456789",
	  "'others>1234567890123456789': must be others and a number, as 0.5" },
	{ "name>a", "'name>a': must be = or != and a pattern: it is a text" },
	{ "p9\033>1", "there is no column 'p9\\x1b'; there are name, p50, p99" },
	{ "P9 > 1ms", "there is no column 'P9'; there are name, p50, p99" },
	{ " > 1ms", "' > 1ms': must be COLUMN=PATTERN, or as p99>10ms" },
};

static void what_cannot_be_meant_is_said_in_one_line(void **state)
{
	for (size_t i = 0; i < COUNT(bad); i++) {
		char cause[FILTER_CAUSE] = "";
		struct filter f;

		assert_int_equal(filter_parse(bad[i].text, &f, cause, sizeof(cause)),
				 -EINVAL);
		if (strncmp(cause, bad[i].cause, strlen(bad[i].cause)))
			fail_msg("%s: %s", bad[i].text, cause);
	}
}

static bool passes(const char *text, bool there, double number, const char *name)
{
	struct cell cell = { .there = there, .number = number, .text = name };
	char cause[FILTER_CAUSE];
	struct filter f;

	assert_int_equal(filter_parse(text, &f, cause, sizeof(cause)), 0);
	return filter_passes(&f, &cell);
}

static void numbers_pass_by_their_size(void **state)
{
	assert_true(passes("p99>10ms", true, 0.011, ""));
	assert_false(passes("p99>10ms", true, 0.01, ""));
	assert_true(passes("p99>=10ms", true, 0.01, ""));
	assert_false(passes("p99>=10ms", true, 0.009, ""));
	assert_true(passes("p99<10ms", true, 0.009, ""));
	assert_false(passes("p99<10ms", true, 0.01, ""));
	assert_true(passes("p99<=10ms", true, 0.01, ""));
	assert_false(passes("p99<=10ms", true, 0.011, ""));
	assert_true(passes("full=90%", true, 0.9, ""));
	assert_false(passes("full!=90%", true, 0.9, ""));
	assert_true(passes("full!=90%", true, 0.91, ""));
}

static void what_is_not_there_has_no_size(void **state)
{
	assert_false(passes("p99<10ms", false, 0, ""));
	assert_false(passes("p99=0", false, 0, ""));
	assert_true(passes("p99!=0", false, 0, ""));
	assert_true(passes("pod=", true, 0, ""));
	assert_false(passes("pod=", true, 0, "web"));
}

static void texts_pass_by_patterns(void **state)
{
	assert_true(passes("name=shop/*", true, 0, "shop/web-0/app"));
	assert_false(passes("name=shop", true, 0, "shop/web-0/app"));
	assert_true(passes("name=*web-?/app", true, 0, "shop/web-0/app"));
	assert_false(passes("name!=shop/*", true, 0, "shop/web-0/app"));
	assert_true(passes("name!=shop/*", true, 0, "cron.service"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_users_write_is_read),
		cmocka_unit_test(what_cannot_be_meant_is_said_in_one_line),
		cmocka_unit_test(numbers_pass_by_their_size),
		cmocka_unit_test(what_is_not_there_has_no_size),
		cmocka_unit_test(texts_pass_by_patterns),
	};

	return cmocka_run_group_tests_name("filter", tests, NULL, NULL);
}
