// SPDX-License-Identifier: Apache-2.0
/*
 * A frame of a sum. Its order is kept from one to the next, as there are few new series
 * each time.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "otlp/delta_sum_impl.h"
#include "otlp/frame_impl.h"

static int compare_resources(const void *a, const void *b)
{
	const struct sum_resource *const *x = a, *const *y = b;

	return frame_compare_resources(&(*x)->attrs, &(*y)->attrs);
}

static int compare_series(const void *a, const void *b)
{
	const struct sum_series *x = *(const struct sum_series *const *)a,
				*y = *(const struct sum_series *const *)b;
	int c = 0;

	if (x->metric != y->metric)
		c = strcmp((const char *)x->metric->name.at,
			   (const char *)y->metric->name.at);
	return c ? c : frame_compare_attrs(&x->attrs, &y->attrs);
}

static struct sum_series **put_series(const struct sum_resource *r,
				      struct sum_series **to)
{
	struct sum_series **begin = to;

	for (struct sum_metric *m = r->first; m; m = m->next)
		for (struct sum_series *t = m->first; t; t = t->next)
			*to++ = t;
	if (to > begin)
		qsort(begin, (size_t)(to - begin), sizeof(struct sum_series *),
		      compare_series);
	return to;
}

static int sort_all(struct delta_sum *s)
{
	struct sum_series **order, **to;
	struct sum_resource **sorted;
	size_t n = 0;

	if (s->sorted && s->sorted_series == s->series)
		return 0; /* a resource without series has no place in it */
	sorted =
	    reallocarray(s->sorted, s->resources + 1, sizeof(struct sum_resource *));
	if (!sorted)
		return -ENOMEM;
	s->sorted = sorted;
	order = reallocarray(s->order, s->series + 1, sizeof(struct sum_series *));
	if (!order)
		return -ENOMEM;
	s->order = order;
	for (struct sum_resource *r = s->first; r; r = r->next)
		if (r->series)
			sorted[n++] = r;
	if (n)
		qsort(sorted, n, sizeof(struct sum_resource *), compare_resources);
	to = order;
	for (size_t i = 0; i < n; i++)
		to = put_series(sorted[i], to);
	s->sorted_count = n;
	s->sorted_series = s->series;
	return 0;
}

static void fill(struct frame_series *to, const struct sum_resource *r,
		 const struct sum_series *t)
{
	to->resource = &r->attrs;
	to->name = (const char *)t->metric->name.at;
	to->unit = (const char *)t->metric->unit.at;
	to->help = "";
	to->kind = t->metric->kind;
	to->real = t->real;
	to->attrs = t->attrs;
	to->start_ns = t->start_ns;
	to->error = t->error;
	if (to->kind == METRIC_HISTOGRAM)
		to->hist = t->hist;
	else if (t->real)
		to->d = t->d;
	else
		to->i = (int64_t)t->i;
}

/* Of how many batches before the sum comes what is told of it; 0: it is of the sum. */
static uint64_t nearest(const struct delta_sum *s, struct sum_resource *const *r,
			size_t count)
{
	uint64_t least = UINT64_MAX;

	for (size_t i = 0; i < count; i++)
		if (delta_before(s, r[i]) < least)
			least = delta_before(s, r[i]);
	return least;
}

/* Series and when each was seen, while resources that are one are put together. */
struct dated {
	struct frame_series series;
	uint64_t seen;
};

static int compare_dated(const void *a, const void *b)
{
	const struct dated *x = a, *y = b;
	int c = frame_compare(&x->series, &y->series);

	return c ? c : (x->seen > y->seen) - (x->seen < y->seen);
}

/*
 * Adds the later one of two that have one key. The histograms of a frame are the sum's,
 * which stay as they are.
 */
static int add_later(struct frame *f, struct frame_series *into,
		     const struct frame_series *later)
{
	if (into->kind == METRIC_HISTOGRAM) {
		struct hist *copy = arena_get(&f->arena, sizeof(*copy));

		if (!copy)
			return -ENOMEM;
		*copy = *into->hist;
		into->hist = copy;
	}
	frame_add_to(into, later);
	return 0;
}

static int join(struct frame *f, struct dated *list, size_t count)
{
	size_t begin = f->count;
	int err = 0;

	if (count)
		qsort(list, count, sizeof(*list), compare_dated);
	for (size_t i = 0; i < count && !err; i++) {
		struct frame_series *last =
		    f->count > begin ? &f->series[f->count - 1] : NULL;

		if (last && !frame_compare(last, &list[i].series))
			err = add_later(f, last, &list[i].series);
		else
			f->series[f->count++] = list[i].series;
	}
	return err;
}

/* What the latest batch says of it, of those. */
static const struct frame_attrs *latest(struct sum_resource *const *r, size_t count)
{
	size_t last = 0;

	for (size_t i = 1; i < count; i++)
		if (r[i]->seen > r[last]->seen)
			last = i;
	return &r[last]->attrs;
}

/*
 * Resources that are one, of which a file may have bytes in several forms: those that
 * merged readings had once, and those of now.
 */
static int put_forms(struct delta_sum *s, struct sum_resource *const *r, size_t count,
		     struct sum_series *const *from, struct frame *f)
{
	const struct frame_attrs *resource = latest(r, count);
	uint64_t before = nearest(s, r, count);
	struct dated *list;
	size_t room = 0, n = 0;
	int err;

	for (size_t i = 0; i < count; i++)
		room += r[i]->series;
	list = calloc(room + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < count; from += r[i++]->series)
		for (size_t k = 0; k < r[i]->series; k++) {
			const struct sum_series *t = from[k];

			if (delta_before(s, r[i]) != before ||
			    !delta_is_told(s, r[i], t))
				continue;
			list[n].seen = t->seen;
			fill(&list[n].series, r[i], t);
			list[n++].series.resource = resource;
		}
	err = join(f, list, n);
	free(list);
	return err;
}

/* The same of one that has one form: its series are sorted. False: some are twice. */
static bool put_one(const struct delta_sum *s, const struct sum_resource *r,
		    struct sum_series *const *from, struct frame *f)
{
	size_t begin = f->count;

	for (size_t k = 0; k < r->series; k++) {
		struct frame_series *to = f->series + f->count;

		if (!delta_is_told(s, r, from[k]))
			continue;
		fill(to, r, from[k]);
		if (f->count > begin && !frame_compare(to - 1, to)) {
			f->count = begin; /* with attributes in another order */
			return false;
		}
		f->count++;
	}
	return true;
}

static int put_all(struct delta_sum *s, struct frame *f)
{
	struct sum_series *const *from = s->order;
	size_t same;
	int err = 0;

	for (size_t i = 0; i < s->sorted_count && !err; i += same) {
		struct sum_resource **r = &s->sorted[i];

		for (same = 1;
		     i + same < s->sorted_count && !compare_resources(r, r + same);
		     same++)
			;
		if (same > 1 || !put_one(s, *r, from, f))
			err = put_forms(s, r, same, from, f);
		for (size_t k = 0; k < same; k++)
			from += r[k]->series;
	}
	return err;
}

int delta_sum_frame(struct delta_sum *s, struct frame **out)
{
	struct frame *f = frame_new(0);
	int err = f ? sort_all(s) : -ENOMEM;

	if (!err)
		f->series = arena_get(&f->arena, (s->series + 1) * sizeof(*f->series));
	if (!err && !f->series)
		err = -ENOMEM;
	if (!err)
		err = put_all(s, f);
	if (err) {
		frame_free(f);
		return err;
	}
	f->time_ns = s->time_ns;
	*out = f;
	return 0;
}

int delta_sum_end(struct delta_sum *s, struct frame **out)
{
	int err = delta_sum_frame(s, out);

	if (!err)
		arena_adopt(&(*out)->arena, &s->arena);
	delta_sum_free(s);
	return err;
}
