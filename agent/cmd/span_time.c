// SPDX-License-Identifier: Apache-2.0
/* Times as people write them. */
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "base/options.h"
#include "cmd/span.h"

#define SECOND_NS  1000000000ULL
#define NS_OF_MS   1000000ULL
#define DAY_NS	   (86400 * SECOND_NS)
#define AGO_MS_MAX (400ULL * 86400 * 1000)

/* So many digits, within limits; NULL: they are not there. */
static const char *digits(const char *s, int count, int min, int max, int *out)
{
	*out = 0;
	for (int i = 0; i < count; i++, s++) {
		if (!isdigit((unsigned char)*s))
			return NULL;
		*out = *out * 10 + (*s - '0');
	}
	return *out >= min && *out <= max ? s : NULL;
}

static int days_of(int year, int month)
{
	static const char days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	bool leap = year % 4 == 0 && (year % 100 || year % 400 == 0);

	return days[month - 1] + (month == 2 && leap);
}

/* "2026-11-27", and a T or a space if there is more. */
static const char *parse_date(const char *s, struct tm *tm)
{
	s = digits(s, 4, 1971, 9999, &tm->tm_year);
	if (!s || *s != '-')
		return NULL;
	s = digits(s + 1, 2, 1, 12, &tm->tm_mon);
	if (!s || *s != '-')
		return NULL;
	s = digits(s + 1, 2, 1, days_of(tm->tm_year, tm->tm_mon), &tm->tm_mday);
	if (!s || !strchr("Tt ", *s))
		return NULL;
	tm->tm_year -= 1900;
	tm->tm_mon--;
	if (!*s)
		return s;
	return s[1] ? s + 1 : NULL;
}

/* "03:12", "3:12", "03:12:59" or "03:12:59.250": parts of a second are left out. */
static const char *parse_clock(const char *s, struct tm *tm)
{
	s = digits(s, isdigit((unsigned char)*s) && s[1] == ':' ? 1 : 2, 0, 23,
		   &tm->tm_hour);
	if (!s || *s != ':')
		return NULL;
	s = digits(s + 1, 2, 0, 59, &tm->tm_min);
	if (!s || *s != ':')
		return s;
	s = digits(s + 1, 2, 0, 60, &tm->tm_sec);
	if (s && *s == '.' && isdigit((unsigned char)s[1]))
		s += 1 + strspn(s + 1, "0123456789");
	return s;
}

/* "Z", "UTC", "+02:00" or nothing; a space before it. */
static int parse_zone(const char *s, bool *local, long *east_s)
{
	int h, m, sign;

	s += *s == ' ' && s[1];
	sign = *s == '-' ? -1 : 1;
	*local = !*s;
	*east_s = 0;
	if (!*s || !strcasecmp(s, "Z") || !strcasecmp(s, "UTC"))
		return 0;
	if (*s != '+' && *s != '-')
		return -EINVAL;
	s = digits(s + 1, 2, 0, 23, &h);
	if (s && *s == ':')
		s++;
	s = s ? digits(s, 2, 0, 59, &m) : NULL;
	if (!s || *s)
		return -EINVAL;
	*east_s = sign * (h * 3600L + m * 60L);
	return 0;
}

/* A local time that there is twice, as clocks are set back, is the latest until now. */
static time_t to_local_time(const struct tm *wanted, time_t now)
{
	struct tm tm = *wanted;
	time_t t, best;

	tm.tm_isdst = -1;
	best = mktime(&tm);
	for (int summer = 0; summer < 2; summer++) {
		tm = *wanted;
		tm.tm_isdst = summer;
		t = mktime(&tm);
		if (tm.tm_isdst == summer && t <= now && (t > best || best > now))
			best = t;
	}
	return best;
}

static time_t to_time(struct tm tm, bool local, long east_s, time_t now)
{
	return local ? to_local_time(&tm, now) : timegm(&tm) - east_s;
}

/* Today there, or yesterday if that is to come. */
static time_t latest(const struct tm *clock, time_t now, bool local, long east_s)
{
	time_t there = now + east_s, t;
	struct tm tm;

	if (local)
		localtime_r(&now, &tm);
	else
		gmtime_r(&there, &tm);
	tm.tm_hour = clock->tm_hour;
	tm.tm_min = clock->tm_min;
	tm.tm_sec = clock->tm_sec;
	t = to_time(tm, local, east_s, now);
	if (t <= now)
		return t;
	tm.tm_mday--;
	return to_time(tm, local, east_s, now);
}

/* "10m", "1m30s" or "10m ago", as ms; -EINVAL, -ERANGE. */
static int parse_ago(const char *text, uint64_t *ms)
{
	size_t len = strlen(text);
	char time[64];

	if (len > 4 && !strcmp(text + len - 4, " ago"))
		len -= 4;
	if (len >= sizeof(time))
		return -EINVAL;
	snprintf(time, sizeof(time), "%.*s", (int)len, text);
	return options_duration(time, 1, AGO_MS_MAX, ms);
}

/* As span_moment(); by_clock: is it a time of a day, and of which is not said? */
static int read_moment(const char *text, uint64_t now_ns, uint64_t *out_ns,
		       bool *by_clock)
{
	struct tm tm = { 0 };
	const char *clock = parse_date(text, &tm), *zone;
	bool local;
	uint64_t ms;
	long east_s;
	time_t t, now = (time_t)(now_ns / SECOND_NS);

	*by_clock = false;
	if (!strcmp(text, "now")) {
		*out_ns = now_ns;
		return 0;
	}
	if (!parse_ago(text, &ms)) {
		*out_ns = now_ns > ms * NS_OF_MS ? now_ns - ms * NS_OF_MS : 0;
		return 0;
	}
	if (clock && !*clock) /* a day begins at midnight */
		zone = clock;
	else
		zone = parse_clock(clock ? clock : text, &tm);
	if (!zone || parse_zone(zone, &local, &east_s))
		return -EINVAL;
	t = clock ? to_time(tm, local, east_s, now) : latest(&tm, now, local, east_s);
	if (t <= 0)
		return -EINVAL;
	*out_ns = (uint64_t)t * SECOND_NS;
	*by_clock = !clock;
	return 0;
}

int span_moment(const char *text, uint64_t now_ns, uint64_t *out_ns)
{
	bool by_clock;

	return read_moment(text, now_ns, out_ns, &by_clock);
}

int span_moment_after(const char *text, uint64_t since_ns, uint64_t now_ns,
		      uint64_t *out_ns)
{
	bool by_clock;
	int err = read_moment(text, now_ns, out_ns, &by_clock);

	if (err || !by_clock || !since_ns ||
	    (*out_ns >= since_ns && *out_ns - since_ns < DAY_NS))
		return err;
	return read_moment(text, since_ns + DAY_NS, out_ns, &by_clock);
}

int span_pair(const char *text, uint64_t now_ns, struct history_span *out)
{
	const char *dots = strstr(text, "..");
	char since[64];

	if (!dots || (size_t)(dots - text) >= sizeof(since))
		return -EINVAL;
	snprintf(since, sizeof(since), "%.*s", (int)(dots - text), text);
	if (span_moment(since, now_ns, &out->since_ns) ||
	    span_moment_after(dots + 2, out->since_ns, now_ns, &out->until_ns))
		return -EINVAL;
	if (out->until_ns > now_ns)
		return -ERANGE;
	return out->since_ns < out->until_ns ? 0 : -EINVAL;
}
