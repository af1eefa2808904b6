// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/log.h"
#include "base/number.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/source.h"
#include "cmd/span.h"
#include "cmd/span_usage.h"
#include "sink/client.h"
#include "view/counted.h"

#define SECOND_NS 1000000000ULL
#define NS_OF_MS  1000000ULL
#define FROM_NS	  (300 * SECOND_NS) /* of a copy, if nothing more is said */
#define SLACK_MS  5000		    /* what two readings may take */

/* since_ns: it ends what began then; 0: it does not. */
static int moment(const char *key, const char *text, uint64_t since_ns, uint64_t now_ns,
		  uint64_t *out, char *cause, size_t len)
{
	int err = span_moment_after(text, since_ns, now_ns, out);

	if (err)
		snprintf(cause, len,
			 "--%s %.60s: must be a time, as 03:12, '2026-11-27 03:12', "
			 "2026-11-27T03:12:00Z, 2026-11-27 (its midnight) or 10m (ago)",
			 key, text);
	else if (*out > now_ns) {
		snprintf(cause, len, "--%s %.60s: that is yet to come%s", key, text,
			 since_ns ? ": leave it out to look until now" : "");
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
	if (o->since)
		err = moment("since", o->since, 0, now_ns, &s->since_ns, cause, len);
	if (!err && o->until)
		err = moment("until", o->until, s->since_ns, now_ns, &s->until_ns,
			     cause, len);
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

int span_now(const struct options *o, uint64_t *now_ns, char *cause, size_t len)
{
	struct history_reader *r;
	struct history_span range;
	int err;

	if (!o->from) {
		*now_ns = now_wall_ns();
		return 0;
	}
	err = span_history(o, &r, cause, len);
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

bool span_is_live(const struct options *o)
{
	return !o->since && !o->until && !o->last_ms && !o->at && !o->from;
}

int span_of(const struct options *o, uint64_t now_ns, struct span *out, char *cause,
	    size_t len)
{
	bool some = o->since || o->until || o->last_ms;
	int err = 0;

	*out = (struct span){ .live = span_is_live(o) };
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
		err = moment("at", o->at, 0, now_ns, &out->time.since_ns, cause, len);
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
	if (o->from && access(o->from, F_OK)) { /* a slip of the pen, most likely */
		int err = -errno;

		snprintf(cause, len, "--from %.200s: %s", o->from, strerror(-err));
		return err;
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
static void find_host(struct history_reader *r, struct report_host *out)
{
	char cpus[32];
	uint64_t n;

	history_reader_fact(r, "host.name", out->name, sizeof(out->name));
	history_reader_fact(r, "kernel.release", out->kernel, sizeof(out->kernel));
	history_reader_fact(r, "cpus", cpus, sizeof(cpus));
	out->cpus = number_parse(cpus, INT_MAX, &n) ? 0 : (long)n;
}

void span_say_uncounted(const char *of, const struct frame *f, double covered_s)
{
	char text[256];

	if (counted_text(f, covered_s, text, sizeof(text)))
		log_warnx(
		    "%snot all probes were on all of that time: %s; in the rest they "
		    "counted nothing (see assay status, --budget)",
		    of ?: "", text);
}

void span_say_left_out(const char *of, const struct history_reader *r,
		       const struct history_span *time)
{
	struct history_damage d;

	history_reader_damage(r, time, &d);
	if (d.readings)
		log_warnx(
		    "%s%zu %s of the history %s damaged, and left out: %.0f s of that "
		    "time",
		    of ?: "", d.readings, d.readings == 1 ? "reading" : "readings",
		    d.readings == 1 ? "is" : "are", d.ns * 1e-9);
}

void span_say_unknown(const char *of, const struct history_reader *r,
		      const struct history_span *time)
{
	struct history_damage d;

	of = of ?: "";
	history_reader_damage(r, time, &d);
	if (d.unknown)
		log_warnx("%sthe history is damaged: more readings may be lost, of any "
			  "time; how many is not known",
			  of);
	if (d.facts)
		log_warnx(
		    "%sthe history is damaged where it says which machine it is of: "
		    "its name, kernel and CPUs are not known",
		    of);
}

void span_say_damaged(const char *of, const struct history_reader *r,
		      const struct history_span *time)
{
	span_say_left_out(of, r, time);
	span_say_unknown(of, r, time);
}

/* Of readings that are left out of nothing else, or lie beside the time. */
static void say_usage_damaged(const char *of, const struct history_reader *r,
			      size_t left_out)
{
	size_t n = history_reader_damaged(r) - left_out;

	if (n)
		log_warnx(
		    "%s%zu more %s damaged in or beside that time: CPU time, throttling "
		    "and pressure are told by those around",
		    of ?: "", n, n == 1 ? "reading is" : "readings are");
}

int span_take(struct source *src, const struct span *span, struct taken *out,
	      char *cause, size_t len)
{
	struct history_reader *r;
	size_t left_out;
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
	find_host(r, &out->host);
	if (!err)
		span_say_damaged(span->of, r, &span->time);
	left_out = history_reader_damaged(r);
	if (!err)
		err = span_usage(r, out, cause, len);
	if (!err)
		say_usage_damaged(span->of, r, left_out);
	history_reader_close(r);
	out->from_history = true;
	out->duration_s = out->time.covered_ns * 1e-9;
	if (!err)
		span_say_uncounted(span->of, out->frame, out->duration_s);
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
