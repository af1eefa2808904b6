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
/* The same where a reading is damaged, which may be the one that a minute's came in. */
#define LONGER_NS 3600000000000ULL
#define READ_NS	  70000000000ULL /* in which files are read again, and a reading ends */
#define STEP_NS	  10000000000ULL
#define CLOCK	  "assay.cgroup.cpu.time" /* grows whenever its files are read */

/* What was found of one series, and when: (before, at] and what came in it. */
struct found {
	const struct frame_series *s; /* of all the time around */
	struct frame_series clock;    /* the key of its workload's CPU time */
	uint64_t before, at, since;   /* since: the first reading there is */
	double value, earlier;	      /* earlier: of (earlier_before, before] */
	uint64_t earlier_before;
	uint64_t seen; /* the last reading that has anything of the workload */
	bool ended;
	bool gap;	  /* since its files were read last a reading is damaged */
	uint64_t unknown; /* ns of (before, at] of which value has nothing, so */
};

struct spread {
	const struct history_span *time;
	double read; /* of the time: the rest is damaged, and in no number of it */
	struct found *list;
	size_t count;
};

static bool is_usage(const struct frame_series *s)
{
	return s->kind == METRIC_SUM && report_is_workload(s->resource) &&
	       report_is_usage(s->name);
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* From where on a value is that comes next, if it is behind the time's beginning. */
static uint64_t begin_of_next(const struct found *f)
{
	return f->at ? f->at : later(f->before, f->since);
}

/* gap: its files may have been read in it: so it is not known since when this came. */
static void note(struct found *f, const struct spread *w, uint64_t at, double value)
{
	uint64_t begin = begin_of_next(f);

	if (at <= w->time->since_ns) {
		f->earlier_before = f->gap ? at : f->before;
		f->earlier = f->gap ? 0 : value;
		f->before = at;
	} else if (!f->ended) {
		if (!f->gap)
			f->value += value;
		else if (at > begin)
			f->unknown += at - begin;
		f->at = at;
		f->ended = at >= w->time->until_ns;
	}
	f->gap = false;
}

static void note_gap(struct spread *w)
{
	for (size_t i = 0; i < w->count; i++)
		w->list[i].gap = true;
}

static int take_step(void *arg, const struct frame *frame,
		     const struct history_span *got)
{
	struct spread *w = arg;

	if (!frame)
		note_gap(w);
	for (size_t i = 0; frame && i < w->count; i++) {
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
 * as long as the workload was there. NAN: nobody knows, as what tells is damaged.
 */
static double share_of(const struct found *f, const struct history_span *time)
{
	uint64_t since = later(time->since_ns, f->since), before;
	uint64_t until = later(f->seen, f->at), from = later(f->before, f->since),
		 known;

	if (until > time->until_ns)
		until = time->until_ns;
	known = f->at > from + f->unknown ? f->at - from - f->unknown : 0;
	if (f->at && (known || !f->unknown))
		return part_of(f->value, from, from + known, since, until);
	before = later(f->earlier_before, f->since);
	/* it was not read since: as it was */
	if (f->before > before || !(f->gap || f->unknown))
		return part_of(f->earlier, before, f->before, since, until);
	return NAN;
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

/* Once more from the beginning. */
static void forget(struct spread *w)
{
	for (size_t i = 0; i < w->count; i++)
		w->list[i] = (struct found){ .s = w->list[i].s,
					     .clock = w->list[i].clock,
					     .since = w->list[i].since };
}

/*
 * Has w take each reading of a time, of which no more is read than that needs. Where
 * one is damaged, its minute may stand for it.
 */
static int take_steps(struct history_reader *r, struct spread *w,
		      const struct history_span *time, char *cause, size_t len)
{
	const char **names = find_names(w);
	struct history_damage damage;
	int err;

	if (!names) {
		snprintf(cause, len, "%s", strerror(ENOMEM));
		return -ENOMEM;
	}
	history_reader_only(r, names);
	err = history_reader_each(r, time, STEP_NS, take_step, w, cause, len);
	history_reader_damage(r, time, &damage);
	if (!err && damage.readings) {
		forget(w);
		err = history_reader_rows(r, time, take_step, w, cause, len);
	}
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

static void drop_usage(struct frame *f)
{
	size_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		if (!is_usage(&f->series[i]))
			f->series[n++] = f->series[i];
	f->count = n;
}

/* What is left of `around` are the shares, which take the place of what is in f. */
static int put_shares(struct frame *f, struct frame *around, const struct spread *w)
{
	uint64_t time_ns = f->time_ns;
	size_t n = 0;
	int err;

	drop_usage(f);
	for (size_t i = 0; i < w->count; i++) {
		struct frame_series s = *w->list[i].s;
		double share = share_of(&w->list[i], w->time) * w->read;

		if (isnan(share))
			continue;
		set_value(&s, share);
		around->series[n++] = s; /* which is at i or after it */
	}
	around->count = n;
	err = frame_add(f, around);
	f->time_ns = time_ns;
	return err;
}

int span_usage(struct history_reader *r, struct taken *t, char *cause, size_t len)
{
	struct history_span wide = t->time, got;
	struct spread w = { .time = &t->time };
	struct history_damage damage;
	struct frame *around;
	int err;

	history_reader_damage(r, &t->time, &damage);
	w.read = 1 - part_of(1, t->time.since_ns, t->time.until_ns, 0, damage.ns);
	if (t->time.until_ns - t->time.since_ns >=
	    (damage.readings ? LONGER_NS : LONG_NS))
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
