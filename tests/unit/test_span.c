// SPDX-License-Identifier: Apache-2.0
/* Which time the options of a command mean. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "base/options.h"
#include "base/util.h"
#include "cmd/option_rows.h"
#include "cmd/span.h"

#define NS  1000000000ULL
#define NOW (1795749120ULL * NS) /* 2026-11-27T03:12:00Z */

static void moments_are_as_people_write_them(void **state)
{
	static const struct {
		const char *text, *zone;
		int64_t ago_s;
	} cases[] = {
		{ "10m", "UTC", 600 },
		{ "2h", "UTC", 7200 },
		{ "10m ago", "UTC", 600 },
		{ "1m30s", "UTC", 90 },
		{ "1d", "UTC", 86400 },
		{ "3:10", "UTC", 120 },
		{ "2026-11-27T03:10:00.250Z", "UTC", 120 },
		{ "2026-11-27 03:10:00 +0000", "UTC",
		  120 }, /* of date(1), and kubectl */
		{ "03:10 UTC", "Europe/Berlin", 120 },
		{ "2026-11-27T03:10:00Z", "UTC", 120 },
		{ "2026-11-27T03:10Z", "Europe/Berlin", 120 },
		{ "2026-11-27", "UTC", 3 * 3600 + 12 * 60 },
		{ "2026-11-27", "Europe/Berlin", 4 * 3600 + 12 * 60 },
		{ "2026-11-26", "UTC", 27 * 3600 + 12 * 60 },
		{ "2026-11-27 03:10:30", "UTC", 90 },
		{ "2026-11-27T04:10:00", "Europe/Berlin", 120 },
		{ "2026-11-27T05:40:00+02:30", "UTC", 120 },
		{ "03:10", "UTC", 120 },
		{ "03:10:05Z", "Asia/Tokyo", 115 },
		{ "12:10", "Asia/Tokyo", 120 },
		{ "03:13", "UTC", 86400 - 60 }, /* yesterday */
		{ "22:00-05:00", "UTC", 12 * 60 },
		{ "2024-02-29T03:12Z", "UTC", 1002LL * 86400 },
		/* as it was written in summer */
		{ "2026-10-01T12:00:00", "Europe/Berlin",
		  56 * 86400 + 17 * 3600 + 720 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t ns = 0;

		setenv("TZ", cases[i].zone, 1);
		tzset();
		if (span_moment(cases[i].text, NOW, &ns))
			fail_msg("%s is none", cases[i].text);
		if ((int64_t)((NOW - ns) / NS) != cases[i].ago_s)
			fail_msg("%s: %lld s ago", cases[i].text,
				 (long long)((NOW - ns) / NS));
	}
	setenv("TZ", "UTC", 1);
	tzset();
}

#define SET_BACK \
	(1792890000ULL * NS) /* 2026-10-25T01:00:00Z: 03:00 is 02:00 in Berlin */

/* An hour is there twice, and one is not, where clocks are set. */
static void of_two_equal_times_the_latest_is_meant(void **state)
{
	static const struct {
		const char *text;
		int64_t now_s, wanted_s; /* after they were set back */
	} cases[] = {
		{ "02:30", 3000, 1800 },		/* now it is 02:50 again */
		{ "02:30", -600, -1800 },		/* 02:50 for the first time */
		{ "02:55", 3000, -300 },		/* not yet again */
		{ "2026-10-25T02:30:00", 86400, 1800 }, /* the next day */
		{ "2026-10-25T02:30:00", 600, -1800 },	/* nor is this there again */
		{ "2026-10-25T02:30:00+02:00", 3000, -1800 } /* as it is written */
	};

	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	for (size_t i = 0; i < COUNT(cases); i++) {
		uint64_t ns = 0;

		assert_int_equal(span_moment(cases[i].text,
					     SET_BACK + (uint64_t)cases[i].now_s * NS,
					     &ns),
				 0);
		if ((int64_t)(ns - SET_BACK) / (int64_t)NS != cases[i].wanted_s)
			fail_msg("%s: %lld", cases[i].text,
				 (long long)((int64_t)(ns - SET_BACK) / (int64_t)NS));
	}
	setenv("TZ", "UTC", 1);
	tzset();
}

static void what_is_no_moment_is_refused(void **state)
{
	static const char *const texts[] = { "",
					     "10",
					     "-10m",
					     "ago",
					     " ago",
					     "03:12 ago",
					     "10 ago",
					     "3:2",
					     "123:12",
					     "03:12:",
					     "03:12  Z",
					     "03:12 ",
					     "03:12:00.",
					     "03:12.5",
					     "24:00",
					     "03:60",
					     "2026-11-27T",
					     "2026-13-01T03:12",
					     "2026-02-29T03:12",
					     "2100-02-29T03:12",
					     "2026-11-31T03:12",
					     "2026-11-27T03:12:00z2",
					     "2026-11-27T03:12:00+2",
					     "2026-11-27T03:12:00+02:00:00" };
	uint64_t ns;

	for (size_t i = 0; i < COUNT(texts); i++)
		if (span_moment(texts[i], NOW, &ns) != -EINVAL)
			fail_msg("\"%s\" is a moment", texts[i]);
}

/* A time without a date ends what began before it: not the day before. */
static void an_end_is_the_first_after_the_beginning(void **state)
{
	static const struct {
		const char *text;
		int since_ago_s, until_ago_s, err;
	} cases[] = {
		{ "02:00..02:10", 4320, 3720, 0 },
		{ "23:00..01:30", 15120, 6120, 0 }, /* over midnight */
		{ "yesterday..02:10", 0, 0, -EINVAL },
		{ "2h..02:10", 7200, 3720, 0 },
		{ "03:00..03:13", 0, 0, -ERANGE },
		{ "1h..03:13", 0, 0, -ERANGE },
		{ "03:10..03:10", 0, 0, -EINVAL },
		{ "5m..10m", 0, 0, -EINVAL },
		{ "2026-11-27T02:10Z..2026-11-27T02:00Z", 0, 0, -EINVAL },
		{ "02:00..2030-01-01T00:00Z", 0, 0, -ERANGE },
		{ "04:00..03:00", 83520, 720, 0 }, /* began yesterday */
		{ "2d..02:10", 172800, 90120, 0 }, /* not today's */
		{ "2026-11-25 23:00..01:30", 101520, 92520, 0 },
		{ "02:00-02:10", 0, 0, -EINVAL },
	};
	struct history_span s;

	for (size_t i = 0; i < COUNT(cases); i++) {
		int err = span_pair(cases[i].text, NOW, &s);

		if (err != cases[i].err)
			fail_msg("%s: %d", cases[i].text, err);
		if (!err && (NOW - s.since_ns != cases[i].since_ago_s * NS ||
			     NOW - s.until_ns != cases[i].until_ago_s * NS))
			fail_msg("%s: from %llu to %llu s ago", cases[i].text,
				 (unsigned long long)((NOW - s.since_ns) / NS),
				 (unsigned long long)((NOW - s.until_ns) / NS));
	}
}

static struct span span;
static char cause[512];

static int span_for(const char *at, const char *since, const char *until,
		    uint64_t last_ms)
{
	struct options o;

	options_init(&o, &option_table);
	o.at = at;
	o.since = since;
	o.until = until;
	o.last_ms = last_ms;
	cause[0] = '\0';
	return span_of(&o, NOW, &span, cause, sizeof(cause));
}

static int span_for_total(const char *since)
{
	struct options o;

	options_init(&o, &option_table);
	o.total = true;
	o.since = since;
	return span_of(&o, NOW, &span, cause, sizeof(cause));
}

static void assert_span(uint64_t from_s, uint64_t to_s)
{
	assert_false(span.live);
	assert_int_equal(NOW - span.time.since_ns, from_s * NS);
	assert_int_equal(NOW - span.time.until_ns, to_s * NS);
}

static void options_say_a_span(void **state)
{
	assert_int_equal(span_for(NULL, NULL, NULL, 0), 0);
	assert_true(span.live);
	assert_int_equal(span_for(NULL, NULL, NULL, 60000), 0);
	assert_span(60, 0);
	assert_int_equal(span_for(NULL, "10m", NULL, 0), 0);
	assert_span(600, 0);
	assert_int_equal(span_for(NULL, "10m", "03:10", 0), 0);
	assert_span(600, 120);
	assert_int_equal(span_for(NULL, "23:00", "01:30", 0), 0);
	assert_span(15120, 6120);
	assert_int_equal(span_for(NULL, NULL, "5m", 60000), 0);
	assert_span(360, 300);
	assert_int_equal(span_for("03:10", NULL, NULL, 0), 0);
	assert_int_equal(span.time.until_ns - span.time.since_ns, 1);
	assert_int_equal((NOW - span.time.since_ns) / NS, 120);
}

static void what_contradicts_is_said(void **state)
{
	assert_int_equal(span_for("03:10", "10m", NULL, 0), -EINVAL);
	assert_non_null(strstr(cause, "--at is one moment"));
	assert_int_equal(span_for(NULL, "10m", NULL, 60000), -EINVAL);
	assert_non_null(strstr(cause, "two beginnings"));
	assert_int_equal(span_for(NULL, NULL, "10m", 0), -EINVAL);
	assert_non_null(strstr(cause, "--until needs"));
	assert_int_equal(span_for(NULL, "5m", "10m", 0), -EINVAL);
	assert_string_equal(cause, "--since 5m: is not before --until 10m");
	assert_int_equal(span_for(NULL, "03:00", "03:13", 0), -EINVAL);
	assert_string_equal(cause,
			    "--until 03:13: that is yet to come: leave it out to "
			    "look until now");
	assert_int_equal(span_for_total("10m"), -EINVAL);
	assert_non_null(strstr(cause, "--total is all since"));
	assert_int_equal(span_for("2030-01-01T00:00Z", NULL, NULL, 0), -EINVAL);
	assert_string_equal(cause, "--at 2030-01-01T00:00Z: that is yet to come");
	assert_int_equal(span_for(NULL, "yesterday", NULL, 0), -EINVAL);
	assert_non_null(strstr(cause, "--since yesterday: must be a time, as "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(moments_are_as_people_write_them),
		cmocka_unit_test(of_two_equal_times_the_latest_is_meant),
		cmocka_unit_test(what_is_no_moment_is_refused),
		cmocka_unit_test(an_end_is_the_first_after_the_beginning),
		cmocka_unit_test(options_say_a_span),
		cmocka_unit_test(what_contradicts_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
