// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "cmd/span_usage.h"
#include "view/report.h"

#define LONG_NS 300000000000ULL /* in which a minute more or less is not much */
#define READ_NS 70000000000ULL	/* in which files are read again, and a reading ends */
#define STEP_NS 10000000000ULL
#define CLOCK	"assay.cgroup.cpu.time" /* grows whenever its files are read */

/* What was found of one series, and when: (before, at] and what came in it. */
struct found {
	const struct frame_series *s; /* of all the time around */
	struct frame_series clock;    /* the key of its workload's CPU time */
	uint64_t before, at, since;   /* since: the first reading there is */
	double value, earlier;	      /* earlier: of (earlier_before, before] */
	uint64_t earlier_before;
	uint64_t seen; /* the last reading that has anything of the workload */
	bool ended;
};

struct spread {
	const struct history_span *time;
	struct found *list;
	size_t count;
};

static bool is_usage(const struct frame_series *s)
{
	return s->kind == METRIC_SUM && report_is_workload(s->resource) &&
	       report_is_usage(s->name);
}

static void note(struct found *f, const struct spread *w, uint64_t at, double value)
{
	if (at <= w->time->since_ns) {
		f->earlier_before = f->before;
		f->earlier = value;
		f->before = at;
	} else if (!f->ended) {
		f->value += value;
		f->at = at;
		f->ended = at >= w->time->until_ns;
	}
}

static int take_step(void *arg, const struct frame *frame,
		     const struct history_span *got)
{
	struct spread *w = arg;

	for (size_t i = 0; i < w->count; i++) {
		struct found *f = &w->list[i];
		const struct frame_series *clock = frame_find(frame, &f->clock), *s;

		if (frame_has(frame, f->s->resource))
			f->seen = got->until_ns;
		if (!clock || !(report_value(clock) > 0))
			continue;
		s = frame_find(frame, f->s);
		note(f, w, got->until_ns, s ? report_value(s) : 0);
	}
	return 0;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* Of what came evenly from one time to another, as much as came in this one. */
static double part_of(double value, uint64_t from, uint64_t to, uint64_t since,
		      uint64_t until)
{
	return to > from && until > since
		   ? value * (double)(until - since) / (double)(to - from)
		   : 0;
}

/*
 * How much of it came in the time: as evenly as it did until its files were read, and
 * as long as the workload was there.
 */
static double share_of(const struct found *f, const struct history_span *time)
{
	uint64_t since = later(time->since_ns, f->since), before;
	uint64_t until = later(f->seen, f->at);

	if (until > time->until_ns)
		until = time->until_ns;
	if (f->at)
		return part_of(f->value, later(f->before, f->since), f->at, since,
			       until);
	before = later(f->earlier_before, f->since);
	/* it was not read since: as it was */
	return part_of(f->earlier, before, f->before, since, until);
}

/* The first reading that there is of a workload, of all its series. */
static uint64_t first_start(const struct frame *f, size_t i)
{
	uint64_t start = f->time_ns;

	while (i > 0 && f->series[i - 1].resource == f->series[i].resource)
		i--;
	for (size_t end = report_group_end(f, i); i < end; i++)
		if (f->series[i].start_ns && f->series[i].start_ns < start)
			start = f->series[i].start_ns;
	return start;
}

static int find_series(struct spread *w, struct frame *around, const struct frame *f)
{
	w->list = calloc(around->count + 1, sizeof(*w->list));
	if (!w->list)
		return -ENOMEM;
	for (size_t i = 0; i < around->count; i++) {
		const struct frame_series *s = &around->series[i];

		if (!is_usage(s) || !frame_has(f, s->resource))
			continue;
		w->list[w->count++] =
		    (struct found){ .s = s,
				    .clock = { .resource = s->resource, .name = CLOCK },
				    .since = first_start(around, i) };
	}
	return 0;
}

/* The metrics of these series, and the clock; NULL at the end. To be freed. */
static const char **find_names(const struct spread *w)
{
	const char **names = calloc(w->count + 2, sizeof(*names));
	size_t n = 0;

	if (!names)
		return NULL;
	names[n++] = CLOCK;
	for (size_t i = 0; i < w->count; i++) {
		size_t k = 0;

		while (k < n && strcmp(names[k], w->list[i].s->name) != 0)
			k++;
		if (k == n)
			names[n++] = w->list[i].s->name;
	}
	return names;
}

/* Has w take each reading of a time, of which no more is read than that needs. */
static int take_steps(struct history_reader *r, struct spread *w,
		      const struct history_span *time, char *cause, size_t len)
{
	const char **names = find_names(w);
	int err;

	if (!names) {
		snprintf(cause, len, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	history_reader_only(r, names);
	err = history_reader_each(r, time, STEP_NS, take_step, w, cause, len);
	history_reader_only(r, NULL);
	free(names);
	return err;
}

static void set_value(struct frame_series *s, double value)
{
	if (s->real)
		s->d = value;
	else
		s->i = llround(value);
}

/* What is left of `around` are the shares, which take the place of what is in f. */
static int put_shares(struct frame *f, struct frame *around, const struct spread *w)
{
	uint64_t time_ns = f->time_ns;
	int err;

	for (size_t i = 0; i < f->count; i++)
		if (is_usage(&f->series[i]))
			set_value(&f->series[i], 0);
	for (size_t i = 0; i < w->count; i++) {
		struct frame_series s = *w->list[i].s;

		set_value(&s, share_of(&w->list[i], w->time));
		around->series[i] = s; /* which is at i or after it */
	}
	around->count = w->count;
	err = frame_add(f, around);
	f->time_ns = time_ns;
	return err;
}

int span_usage(struct history_reader *r, struct taken *t, char *cause, size_t len)
{
	struct history_span wide = t->time, got;
	struct spread w = { .time = &t->time };
	struct frame *around;
	int err;

	if (t->time.until_ns - t->time.since_ns >= LONG_NS)
		return 0;
	/* back to where they were read twice, if they are not read again */
	wide.since_ns -= wide.since_ns > 2 * READ_NS ? 2 * READ_NS : wide.since_ns;
	wide.until_ns += READ_NS;
	err = history_reader_frame(r, &wide, &around, &got, cause, len);
	if (err)
		return err;
	err = find_series(&w, around, t->frame);
	if (!err)
		err = take_steps(r, &w, &got, cause, len);
	else
		snprintf(cause, len, "%s", strerror(-err));
	if (!err) {
		err = put_shares(t->frame, around, &w);
		if (err)
			snprintf(cause, len, "%s", strerror(-err));
	}
	free(w.list);
	frame_free(around);
	return err;
}
