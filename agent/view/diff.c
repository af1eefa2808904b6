// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include "base/util.h"
#include "view/diff.h"
#include "view/report.h"
#include "view/significance.h"

/*
 * How many events a series has. Seconds and bytes come in pieces whose size nobody
 * knows: they are counted finely, and how they come is seen from the steps alone.
 */
static double events(const struct frame_series *s)
{
	if (!s)
		return 0;
	if (s->kind == METRIC_SUM && s->real)
		return fmax(report_value(s), 0) * 1e6;
	return s->kind == METRIC_HISTOGRAM ? (double)hist_count(s->hist)
					   : fmax(report_value(s), 0);
}

static bool is_level(const struct frame_series *s)
{
	return s->kind == METRIC_GAUGE || s->kind == METRIC_UPDOWN;
}

/* An age grows by itself. */
static bool is_compared(const struct frame_series *s)
{
	return !is_level(s) || strcmp(s->unit, "s");
}

/* The first bucket above that in which the percentile is. */
static int bucket_beyond(const struct hist *h, double percent)
{
	double seen = 0, part = percent / 100 * (double)hist_count(h);
	int b = 0;

	for (; b < BUCKET_COUNT - 1; b++) {
		seen += (double)h->buckets[b];
		if (seen >= part)
			break;
	}
	return b + 1;
}

static void find_beyond(struct diff_series *s)
{
	if (!s->in[0] || !s->in[1] || s->in[0]->kind != METRIC_HISTOGRAM)
		return;
	s->beyond[0] = bucket_beyond(s->in[0]->hist, 50);
	s->beyond[1] = bucket_beyond(s->in[0]->hist, 99);
}

static void add_series(struct diff *d, const struct frame_series *before,
		       const struct frame_series *after)
{
	bool level = is_level(before ? before : after), both = before && after;

	if (level ? !both : !events(before) && !events(after))
		return;
	d->series[d->count] =
	    (struct diff_series){ .in = { before, after },
				  .meter = counted_meter((before ?: after)->name),
				  .measuring = report_is_measuring(before ?: after) };
	find_beyond(&d->series[d->count++]);
}

/* One piece of memory for all counts of a series. */
static int make_counts(struct diff *d)
{
	for (size_t i = 0; i < d->count; i++) {
		struct diff_series *s = &d->series[i];
		double *at = calloc(6 * DIFF_STEPS, sizeof(*at));

		if (!at)
			return -ENOMEM;
		for (int side = 0; side < 2; side++) {
			s->count[side] = at + side * DIFF_STEPS;
			for (int of = 0; of < 2; of++)
				s->above[side][of] =
				    at + (2 + 2 * side + of) * DIFF_STEPS;
		}
	}
	return 0;
}

int diff_open(struct diff *d, const struct frame *before, const struct frame *after)
{
	*d = (struct diff){ .side = { { .frame = before }, { .frame = after } } };
	for (int side = 0; side < 2; side++)
		d->side[side].told = counted_is_told(d->side[side].frame);
	d->series = calloc(before->count + after->count + 1, sizeof(*d->series));
	if (!d->series)
		return -ENOMEM;
	for (size_t i = 0; i < before->count; i++)
		if (is_compared(&before->series[i]))
			add_series(d, &before->series[i],
				   frame_find(after, &before->series[i]));
	for (size_t i = 0; i < after->count; i++)
		if (is_compared(&after->series[i]) &&
		    !frame_find(before, &after->series[i]))
			add_series(d, NULL, &after->series[i]);
	return make_counts(d);
}

/* How many are in this bucket and those above it. */
static double count_from(const struct hist *h, int bucket)
{
	uint64_t n = 0;

	for (; bucket < BUCKET_COUNT; bucket++)
		n += h->buckets[bucket];
	return (double)n;
}

static void take_durations(const struct diff_series *s, int side, size_t step,
			   const struct hist *h)
{
	for (int of = 0; of < 2; of++)
		s->above[side][of][step] += count_from(h, s->beyond[of]);
}

/* The newest value of a step; one that was not there then has none. */
static void take_level(struct diff_series *s, int side, const struct frame_series *now)
{
	if (now && s->values[side] < DIFF_STEPS)
		s->count[side][s->values[side]++] = report_value(now);
}

void diff_take(struct diff *d, int side, size_t step, const struct frame *f,
	       const struct history_span *time)
{
	double seconds[COUNTED_METERS], covered_s = (double)time->covered_ns * 1e-9;
	struct diff_side *to = &d->side[side];
	struct frame_cursor at = { 0 };

	if (step >= DIFF_STEPS)
		return;
	if (step >= to->steps)
		to->steps = step + 1;
	counted_read(f, to->told, covered_s, seconds);
	for (size_t i = 0; i < COUNTED_METERS; i++) {
		to->seconds[i][step] += seconds[i];
		to->counted_s[i] += seconds[i];
	}
	to->all_s += covered_s;
	for (size_t i = 0; i < d->count; i++) {
		const struct diff_series *s = &d->series[i];
		const struct frame_series *now =
		    frame_find_next(f, &at, s->in[side] ? s->in[side] : s->in[!side]);

		if (is_level(s->in[0] ? s->in[0] : s->in[1])) {
			take_level(&d->series[i], side, now);
			continue;
		}
		s->count[side][step] += events(now);
		if (now && now->kind == METRIC_HISTOGRAM && s->in[0] && s->in[1])
			take_durations(s, side, step, now->hist);
	}
}

/* Whichever way it went, 1 and more. */
static double distance(double ratio)
{
	return ratio >= 1 ? ratio : ratio > 0 ? 1 / ratio : INFINITY;
}

static double ratio_of(double before, double after)
{
	return before > 0 ? after / before : after > 0 ? INFINITY : 1;
}

static double rate_ratio(const struct diff *d, const struct diff_series *s)
{
	return ratio_of(events(s->in[0]) / d->side[0].counted_s[s->meter],
			events(s->in[1]) / d->side[1].counted_s[s->meter]);
}

/* What is below the least bound is told as 0, but it is not nothing. */
static double quantile(const struct hist *h, unsigned int percent)
{
	return fmax(report_quantile(h, percent), report_bound(0));
}

/* Of the median or of p99, whichever differs more. */
static double duration_ratio(const struct diff_series *s)
{
	const struct hist *a = s->in[0]->hist, *b = s->in[1]->hist;
	double p50 = ratio_of(quantile(a, 50), quantile(b, 50));
	double p99 = ratio_of(quantile(a, 99), quantile(b, 99));

	return distance(p50) > distance(p99) ? p50 : p99;
}

static bool is_counted(const struct frame_series *s)
{
	return s->kind == METRIC_HISTOGRAM || (!s->real && strcmp(s->unit, "By"));
}

/*
 * Of all that were counted, how many took longer than most did before: of the median
 * and of p99. Two questions have two chances to be wrong.
 */
static double durations_p(const struct diff *d, const struct diff_series *s)
{
	double p[2];

	for (int of = 0; of < 2; of++) {
		struct counts a = { s->above[0][of], s->count[0], d->side[0].steps };
		struct counts b = { s->above[1][of], s->count[1], d->side[1].steps };

		p[of] = significance_counts(&a, &b);
	}
	return fmin(1, 2 * fmin(p[0], p[1]));
}

double diff_level(const struct diff_series *s, int side)
{
	return significance_mean(&(struct levels){ s->count[side], s->values[side] });
}

static void test_level(struct diff *d, const struct diff_series *s)
{
	struct levels a = { s->count[0], s->values[0] };
	struct levels b = { s->count[1], s->values[1] };
	double before = diff_level(s, 0), after = diff_level(s, 1);

	if (a.steps < LEVELS_LEAST || b.steps < LEVELS_LEAST || before < 0 || after < 0)
		return;
	d->changes[d->change_count++] =
	    (struct diff_change){ s, DIFF_LEVEL, significance_levels(&a, &b),
				  ratio_of(before, after) };
}

static void test(struct diff *d, const struct diff_series *s)
{
	struct counts a = { s->count[0], d->side[0].seconds[s->meter],
			    d->side[0].steps };
	struct counts b = { s->count[1], d->side[1].seconds[s->meter],
			    d->side[1].steps };
	const struct frame_series *any = s->in[0] ? s->in[0] : s->in[1];

	if (!is_counted(any) && a.steps + b.steps < 4)
		return; /* too few steps to see how it comes */
	if (d->side[0].counted_s[s->meter] < COUNTED_LEAST_S ||
	    d->side[1].counted_s[s->meter] < COUNTED_LEAST_S)
		return; /* of one of the times nobody knows */
	d->changes[d->change_count++] =
	    (struct diff_change){ s, DIFF_RATE, significance_counts(&a, &b),
				  rate_ratio(d, s) };
	if (any->kind == METRIC_HISTOGRAM && events(s->in[0]) && events(s->in[1]))
		d->changes[d->change_count++] =
		    (struct diff_change){ s, DIFF_DURATION, durations_p(d, s),
					  duration_ratio(s) };
}

static int compare(const void *a, const void *b)
{
	const struct diff_change *x = a, *y = b;

	if (x->s->measuring != y->s->measuring)
		return x->s->measuring ? 1 : -1;
	if (x->p != y->p)
		return x->p < y->p ? -1 : 1;
	if (distance(x->ratio) != distance(y->ratio))
		return distance(x->ratio) > distance(y->ratio) ? -1 : 1;
	return x->s < y->s ? -1 : x->s > y->s;
}

/* Does it differ enough for somebody to care? Seconds: a hundredth of a CPU, or thread.
 */
static bool is_much(const struct diff *d, const struct diff_change *c)
{
	const struct frame_series *s = c->s->in[0] ? c->s->in[0] : c->s->in[1];

	if (distance(c->ratio) < DIFF_LEAST)
		return false;
	return s->kind != METRIC_SUM || !s->real ||
	       fabs(events(c->s->in[0]) / d->side[0].counted_s[c->s->meter] -
		    events(c->s->in[1]) / d->side[1].counted_s[c->s->meter]) >= 1e4;
}

/*
 * Leaves of a list what is no chance, and differs enough for somebody to care; returns
 * how many, or -ENOMEM.
 */
static ssize_t choose(const struct diff *d, struct diff_change *list, size_t count)
{
	double *p = calloc(count + 1, sizeof(*p)), limit;
	size_t kept = 0;

	if (!p)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++)
		p[i] = list[i].p;
	limit = significance_limit(p, count, DIFF_FALSE);
	free(p);
	for (size_t i = 0; i < count; i++)
		if (list[i].p <= limit && is_much(d, &list[i]))
			list[kept++] = list[i];
	return (ssize_t)kept;
}

/*
 * What the agent's own probes cost and count changes with every load, and many such
 * sure changes would let more of the others pass for sure: they are judged by
 * themselves.
 */
static int choose_both(struct diff *d)
{
	size_t others = 0;
	ssize_t kept, own;

	while (others < d->change_count && !d->changes[others].s->measuring)
		others++;
	d->tested = others;
	d->own = d->changes + others;
	own = choose(d, d->own, d->change_count - others);
	kept = choose(d, d->changes, others);
	if (own < 0 || kept < 0)
		return -ENOMEM;
	d->own_count = (size_t)own;
	d->change_count = (size_t)kept;
	return 0;
}

int diff_judge(struct diff *d)
{
	d->changes = calloc(2 * d->count + 1, sizeof(*d->changes));
	if (!d->changes)
		return -ENOMEM;
	for (size_t i = 0; i < d->count; i++)
		if (d->series[i].in[0] && is_level(d->series[i].in[0]))
			test_level(d, &d->series[i]);
		else
			test(d, &d->series[i]);
	qsort(d->changes, d->change_count, sizeof(*d->changes), compare);
	return choose_both(d);
}

void diff_fini(struct diff *d)
{
	for (size_t i = 0; d->series && i < d->count; i++)
		free(d->series[i].count[0]);
	free(d->series);
	free(d->changes);
	d->series = NULL;
	d->changes = NULL;
}
