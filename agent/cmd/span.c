// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/source.h"
#include "cmd/span.h"
#include "cmd/span_usage.h"
#include "sink/client.h"
#include "view/counted.h"

#define SECOND_NS  1000000000ULL
#define NS_OF_MS   1000000ULL
#define DAY_S	   86400
#define AGO_MS_MAX (400ULL * 86400 * 1000)
#define FROM_NS	   (300 * SECOND_NS) /* of a copy, if nothing more is said */
#define SLACK_MS   5000		     /* what two readings may take */

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

/* "2026-11-27" and a T or a space. */
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
	return *s ? s + 1 : NULL;
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

int span_moment(const char *text, uint64_t now_ns, uint64_t *out_ns)
{
	struct tm tm = { 0 };
	const char *clock = parse_date(text, &tm), *zone;
	bool local;
	uint64_t ms;
	long east_s;
	time_t t, now = (time_t)(now_ns / SECOND_NS);

	if (!strcmp(text, "now")) {
		*out_ns = now_ns;
		return 0;
	}
	if (!parse_ago(text, &ms)) {
		*out_ns = now_ns > ms * NS_OF_MS ? now_ns - ms * NS_OF_MS : 0;
		return 0;
	}
	zone = parse_clock(clock ? clock : text, &tm);
	if (!zone || parse_zone(zone, &local, &east_s))
		return -EINVAL;
	t = clock ? to_time(tm, local, east_s, now) : latest(&tm, now, local, east_s);
	if (t <= 0)
		return -EINVAL;
	*out_ns = (uint64_t)t * SECOND_NS;
	return 0;
}

static int moment(const char *key, const char *text, uint64_t now_ns, uint64_t *out,
		  char *cause, size_t len)
{
	int err = span_moment(text, now_ns, out);

	if (err)
		snprintf(cause, len,
			 "--%s %.60s: must be a time, as 03:12, '2026-11-27 03:12', "
			 "2026-11-27T03:12:00Z or 10m (ago)",
			 key, text);
	else if (*out > now_ns) {
		snprintf(cause, len, "--%s %.60s: that is yet to come", key, text);
		err = -EINVAL;
	}
	return err;
}

static int set_ends(const struct options *o, uint64_t now_ns, struct history_span *s,
		    char *cause, size_t len)
{
	uint64_t last_ns = o->last_ms * NS_OF_MS;
	int err = 0;

	s->until_ns = now_ns;
	if (o->until)
		err = moment("until", o->until, now_ns, &s->until_ns, cause, len);
	if (!err && o->since)
		err = moment("since", o->since, now_ns, &s->since_ns, cause, len);
	if (err)
		return err;
	if (!o->since)
		s->since_ns = s->until_ns > last_ns ? s->until_ns - last_ns : 0;
	if (s->since_ns >= s->until_ns) {
		snprintf(cause, len, "--since %.60s: is not before --until %.60s",
			 o->since, o->until ? o->until : "(now)");
		return -EINVAL;
	}
	return 0;
}

int span_pair(const char *text, uint64_t now_ns, struct history_span *out)
{
	const char *dots = strstr(text, "..");
	char since[64];

	if (!dots || (size_t)(dots - text) >= sizeof(since))
		return -EINVAL;
	snprintf(since, sizeof(since), "%.*s", (int)(dots - text), text);
	if (span_moment(since, now_ns, &out->since_ns) ||
	    span_moment(dots + 2, now_ns, &out->until_ns))
		return -EINVAL;
	return out->since_ns < out->until_ns && out->until_ns <= now_ns ? 0 : -EINVAL;
}

int span_now(const struct options *o, uint64_t *now_ns, char *cause, size_t len)
{
	struct history_reader *r;
	struct history_span range;
	int err;

	if (!o->from) {
		*now_ns = now_wall_ns();
		return 0;
	}
	err = history_reader_open(o->from, &r, cause, len);
	if (err) /* no option is wrong, but the file */
		return err == -EINVAL ? -EBADMSG : err;
	err = history_reader_range(r, &range);
	if (err)
		snprintf(cause, len, "--from %.200s: nothing is kept there", o->from);
	else
		*now_ns = range.until_ns;
	history_reader_close(r);
	return err;
}

int span_of(const struct options *o, uint64_t now_ns, struct span *out, char *cause,
	    size_t len)
{
	bool some = o->since || o->until || o->last_ms;
	int err = 0;

	*out = (struct span){ .live = !some && !o->at && !o->from };
	if (out->live)
		return 0;
	if (o->total) {
		snprintf(cause, len,
			 "--total is all since the agent's start: not with --at, "
			 "--since, --until, --last or --from");
		return -EINVAL;
	}
	if (o->at && some) {
		snprintf(cause, len,
			 "--at is one moment: not with --since, --until or "
			 "--last");
		return -EINVAL;
	}
	if (o->since && o->last_ms) {
		snprintf(cause, len,
			 "--since and --last are two beginnings: one of them");
		return -EINVAL;
	}
	if (o->until && !o->since && !o->last_ms) {
		snprintf(cause, len, "--until needs --since or --last");
		return -EINVAL;
	}
	if (o->from)
		err = span_now(o, &now_ns, cause, len);
	if (err)
		return err;
	if (o->at) {
		err = moment("at", o->at, now_ns, &out->time.since_ns, cause, len);
		out->time.until_ns = out->time.since_ns + 1; /* the step it lies in */
		return err;
	}
	if (some)
		return set_ends(o, now_ns, &out->time, cause, len);
	out->time.until_ns = now_ns;
	out->time.since_ns = now_ns > FROM_NS ? now_ns - FROM_NS : 0;
	return 0;
}

int span_history(const struct options *o, struct history_reader **out, char *cause,
		 size_t len)
{
	if (!o->from && !strcmp(o->history, "none")) {
		snprintf(cause, len,
			 "--history none: there is nothing to look back into");
		return -ENOENT;
	}
	return history_reader_open(o->from ? o->from : o->history, out, cause, len);
}

static void sleep_until(uint64_t mono_ns)
{
	struct timespec ts = {
		.tv_sec = (time_t)(mono_ns / SECOND_NS),
		.tv_nsec = (long)(mono_ns % SECOND_NS),
	};

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL) == EINTR)
		;
}

/* Since the agent's start: the earliest start of anything. */
static double seconds_since_start(const struct frame *f)
{
	uint64_t start = f->time_ns;

	for (size_t i = 0; i < f->count; i++)
		if (f->series[i].start_ns && f->series[i].start_ns < start)
			start = f->series[i].start_ns;
	return (f->time_ns - start) * 1e-9;
}

/*
 * Seconds between two frames by their own times, which are those of the readings. They
 * are wall clock; when somebody set it meanwhile, what we waited has to do.
 */
static double seconds_between(const struct frame *before, const struct frame *after,
			      uint64_t waited_ns)
{
	double s = ((double)after->time_ns - (double)before->time_ns) * 1e-9;

	return fabs(s - waited_ns * 1e-9) < 1 && s > 0 ? s : waited_ns * 1e-9;
}

/*
 * Has an agent, if there is one, count all while we look, whatever the budget. One that
 * knows of no windows does so anyway, and what it refuses the reading tells.
 */
static void ask_exact(const struct options *o)
{
	uint64_t given = 0, wanted = o->duration_ms;
	char cause[256];
	int err;

	if (o->total || o->estimate)
		return;
	err = client_exact(o->socket, wanted + SLACK_MS, &given, cause, sizeof(cause));
	if (err == -ETIMEDOUT || err == -EAGAIN)
		log_warnx("the agent does not come to measure exactly: what has ~ are "
			  "estimates");
	if (err)
		return;
	if (given < wanted)
		log_warnx(
		    "numbers are exact for %g s only, as the agent measures exactly "
		    "for 60 s at a time and for 6 min of an hour",
		    given / 1e3);
}

/* Now, for as long as the options say; all since the start if they ask for that. */
static int take_live(struct source *src, struct taken *t, char *cause, size_t len)
{
	struct frame *before;
	uint64_t start;
	int err;

	ask_exact(src->o);
	err = source_read(src, !src->o->total, &before, cause, len);
	if (err)
		return err;
	t->from_agent = src->from_agent;
	if (src->o->total) {
		t->duration_s = seconds_since_start(before);
		t->frame = before;
		return 0;
	}
	start = now_mono_ns();
	sleep_until(start + src->o->duration_ms * NS_OF_MS);
	err = source_read(src, false, &t->frame, cause, len);
	if (!err) {
		t->duration_s =
		    seconds_between(before, t->frame, now_mono_ns() - start);
		t->time.until_ns = t->frame->time_ns;
		t->time.since_ns = before->time_ns;
		frame_subtract(t->frame, before);
	}
	frame_free(before);
	return err;
}

/* The machine that the history is of. */
static void find_host(const struct history_reader *r, struct report_host *out)
{
	char cpus[32];

	history_reader_fact(r, "host.name", out->name, sizeof(out->name));
	history_reader_fact(r, "kernel.release", out->kernel, sizeof(out->kernel));
	history_reader_fact(r, "cpus", cpus, sizeof(cpus));
	out->cpus = strtol(cpus, NULL, 10);
}

void span_say_uncounted(const struct frame *f, double covered_s)
{
	char text[256];

	if (counted_text(f, covered_s, text, sizeof(text)))
		log_warnx(
		    "not all probes were on all of that time: %s; in the rest they "
		    "counted nothing (see assay status, --budget)",
		    text);
}

int span_take(struct source *src, const struct span *span, struct taken *out,
	      char *cause, size_t len)
{
	struct history_reader *r;
	int err;

	*out = (struct taken){ 0 };
	report_host_here(&out->host);
	if (span->live)
		return take_live(src, out, cause, len);
	err = span_history(src->o, &r, cause, len);
	if (err)
		return err;
	history_reader_only(r, span->only);
	err = history_reader_frame(r, &span->time, &out->frame, &out->time, cause, len);
	if (!err)
		err = history_reader_range(r, &out->kept);
	if (!err && history_reader_damaged(r))
		log_warnx("%zu readings of the history are damaged, and left out",
			  history_reader_damaged(r));
	find_host(r, &out->host);
	if (!err)
		err = span_usage(r, out, cause, len);
	history_reader_close(r);
	out->from_history = true;
	out->duration_s = out->time.covered_ns * 1e-9;
	if (!err)
		span_say_uncounted(out->frame, out->duration_s);
	return err;
}

static void say_moment(uint64_t ns, char *text, size_t len)
{
	time_t s = (time_t)(ns / SECOND_NS);
	struct tm tm;

	localtime_r(&s, &tm);
	strftime(text, len, "%Y-%m-%dT%H:%M:%S%z", &tm);
}

void span_describe_range(const struct history_span *kept, char *text, size_t len)
{
	char first[40], last[40];

	say_moment(kept->since_ns, first, sizeof(first));
	say_moment(kept->until_ns, last, sizeof(last));
	snprintf(text, len, "the history goes from %s to %s", first, last);
}

void span_describe(const struct history_span *time, const struct history_span *kept,
		   char *text, size_t len)
{
	char since[40], until[40], range[128];

	say_moment(time->since_ns, since, sizeof(since));
	say_moment(time->until_ns, until, sizeof(until));
	span_describe_range(kept, range, sizeof(range));
	snprintf(text, len, "%s to %s, %.0f s of it kept; %s", since, until,
		 time->covered_ns * 1e-9, range);
}
