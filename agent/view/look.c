// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "base/units.h"
#include "base/util.h"
#include "metric/self_node.h"
#include "view/counted.h"
#include "view/look.h"
#include "view/pick.h"
#include "view/report.h"

#define GAP_NS	   1000000000 /* less between two readings is none */
#define VALUE_MOST 44	      /* columns of an attribute's value */

/* What makes a series the first: time in a histogram, how much a sum grew, a value. */
static double weight(const struct frame_series *s)
{
	return s->kind == METRIC_HISTOGRAM ? (double)s->hist->sum_ns : report_value(s);
}

/* A gauge that is 0 in the end may have been something else before. */
static bool has_any(const struct frame_series *s)
{
	return (s->kind != METRIC_HISTOGRAM && s->kind != METRIC_SUM) ||
	       report_has_events(s);
}

static int compare(const void *a, const void *b)
{
	const struct look_series *x = a, *y = b;
	double of_x = weight(x->s), of_y = weight(y->s);

	return of_x != of_y ? (of_x > of_y ? -1 : 1) : (x->s < y->s ? -1 : 1);
}

static bool is_wanted(const struct frame_attrs *resource,
		      const struct frame_attrs *const *wanted, size_t count, bool all)
{
	for (size_t i = 0; i < count; i++)
		if (wanted[i] == resource)
			return true;
	return all;
}

/* For how long stands what a frame says of the metric. */
static double seconds_of(const struct look *l, const struct frame *f, double covered_s)
{
	double seconds[COUNTED_METERS];

	counted_read(f, l->told, covered_s, seconds);
	return seconds[l->meter];
}

int look_choose(struct look *l, const char *workload, size_t most)
{
	const struct frame *f = l->frame;
	size_t max = workload ? f->count : 0, wanted = 0;
	const struct frame_attrs **list = calloc(max + 1, sizeof(*list));

	l->list = calloc(f->count + 1, sizeof(*l->list));
	l->count = l->others = 0;
	l->meter = counted_meter(l->metric);
	l->told = f->delta && counted_is_told(f);
	l->seconds = seconds_of(l, f, l->duration_s);
	if (!list || !l->list) {
		free(list);
		return -ENOMEM;
	}
	if (workload)
		wanted = pick_workloads(f, workload, list, max);
	for (size_t i = 0; i < f->count; i++)
		if (!strcmp(f->series[i].name, l->metric) && has_any(&f->series[i]) &&
		    is_wanted(f->series[i].resource, list, wanted, !workload))
			l->list[l->count++].s = &f->series[i];
	free(list);
	if (workload && !wanted)
		return -ENOENT;
	qsort(l->list, l->count, sizeof(*l->list), compare);
	if (l->count > most) {
		l->others = l->count - most;
		l->count = most;
	}
	return 0;
}

int look_make_steps(struct look *l, size_t steps)
{
	for (size_t i = 0; i < l->count; i++) {
		l->list[i].steps = calloc(steps, sizeof(*l->list[i].steps));
		if (!l->list[i].steps)
			return -ENOMEM;
		l->list[i].count = steps;
	}
	return 0;
}

static bool is_now(const struct frame_series *s)
{
	return s->kind == METRIC_GAUGE || s->kind == METRIC_UPDOWN;
}

/*
 * What is now is so whatever is counted, and not known where nothing is said of it; a
 * sum of which nothing is said did not grow.
 */
static bool is_there(const struct frame_series *series, const struct frame_series *s,
		     double seconds)
{
	return is_now(series) ? s != NULL : seconds >= COUNTED_LEAST_S;
}

static int take_hist(const struct look *l, struct look_step *to, const struct hist *h)
{
	to->count = hist_count(h);
	to->p50 = report_quantile(h, 50);
	to->p99 = report_quantile(h, 99);
	if (!l->heat)
		return 0;
	to->hist = malloc(sizeof(*to->hist));
	if (!to->hist)
		return -ENOMEM;
	*to->hist = *h;
	return 0;
}

int look_take(struct look *l, size_t step, const struct frame *f,
	      const struct history_span *time)
{
	double seconds = seconds_of(l, f, (double)time->covered_ns * 1e-9);

	for (size_t i = 0; i < l->count; i++) {
		struct look_series *series = &l->list[i];
		const struct frame_series *s = frame_find(f, series->s);
		struct look_step *to;

		if (step >= series->count)
			continue;
		to = &series->steps[step];
		to->time = *time;
		to->seconds = seconds;
		to->there = is_there(series->s, s, seconds);
		if (!s)
			continue;
		to->value = report_value(s);
		if (s->kind == METRIC_HISTOGRAM && report_has_events(s) &&
		    take_hist(l, to, s->hist))
			return -ENOMEM;
	}
	return 0;
}

/* Has all of its time been counted, and is this moment in it? */
static bool spans(const struct look_step *step, uint64_t moment_ns)
{
	const struct history_span *t = &step->time;

	return step->there && t->since_ns <= moment_ns && moment_ns < t->until_ns &&
	       t->until_ns - t->since_ns <= t->covered_ns + GAP_NS;
}

const struct look_step *look_step_at(const struct look *l, const struct look_series *s,
				     size_t step)
{
	uint64_t middle = l->since_ns + step * l->step_ns + l->step_ns / 2;

	if (s->steps[step].time.covered_ns)
		return s->steps[step].there ? &s->steps[step] : NULL;
	for (size_t i = 0; i < s->count && l->step_ns; i++)
		if (spans(&s->steps[i], middle))
			return &s->steps[i];
	return NULL;
}

void look_fini(struct look *l)
{
	for (size_t i = 0; l->list && i < l->count; i++) {
		for (size_t k = 0; k < l->list[i].count; k++)
			free(l->list[i].steps[k].hist);
		free(l->list[i].steps);
	}
	free(l->list);
	l->list = NULL;
	l->count = 0;
}

/* What people call the value of an attribute. */
static void label_value(const struct frame *f, const char *key, const char *value,
			char *out, size_t size)
{
	char name[PATH_MAX + 1];

	if (!strcmp(key, "assay.sched.culprit")) {
		pick_name(f, value, name, sizeof(name));
		value = name;
	}
	/* of a long path both ends tell who it is */
	text_middle(out, size, value, VALUE_MOST);
}

void look_label(const struct frame *f, const struct frame_series *s, char *out,
		size_t size)
{
	const char *name = frame_name(s->resource);
	size_t at;

	text_copy(out, size,
		  *name			     ? name
		  : self_is_of_node(s->name) ? "the node"
					     : "the agent",
		  SIZE_MAX);
	at = strlen(out);
	for (size_t i = 0; i < s->attrs.count && at + 4 < size; i++) {
		if (!strcmp(s->attrs.list[i].key, "otel.metric.overflow"))
			continue;
		at += snprintf(out + at, size - at, "%s", i ? ", " : "  ");
		label_value(f, s->attrs.list[i].key, s->attrs.list[i].value, out + at,
			    size - at);
		at = strlen(out);
	}
}

const char *look_value(const struct frame_series *s, double value, double seconds,
		       char out[UNITS_LEN])
{
	bool bytes = !strcmp(s->unit, "By"), time = !strcmp(s->unit, "s");

	if (s->kind != METRIC_SUM)
		return bytes  ? units_bytes(out, value)
		       : time ? (value > 0 ? units_age(out, value) : "0s")
			      : units_count(out, value);
	if (time) {
		snprintf(out, UNITS_LEN, "%.3g s/s", value / seconds);
		return out;
	}
	return bytes ? units_bytes_rate(out, value / seconds)
		     : units_rate(out, value / seconds);
}

void look_spark(FILE *f, const double *values, const bool *there, size_t count,
		bool utf8)
{
	static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
	static const char *const letters[] = { "_", ".", ":", "-", "=", "+", "*", "#" };
	double most = 0;

	for (size_t i = 0; i < count; i++)
		most = values[i] > most ? values[i] : most;
	for (size_t i = 0; i < count; i++) {
		int level = values[i] > 0 ? 1 + (int)(values[i] / most * 6.999) : 0;

		fputs(!there[i] ? " " : utf8 ? blocks[level] : letters[level], f);
	}
}
