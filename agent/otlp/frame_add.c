// SPDX-License-Identifier: Apache-2.0
/* Frames of differences, one after the other in time, added up. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "otlp/frame.h"
#include "otlp/frame_impl.h"

static bool is_now(const struct frame_series *s)
{
	return s->kind == METRIC_GAUGE || s->kind == METRIC_UPDOWN;
}

static const char *copy_text(struct arena *a, const char *s)
{
	size_t size = strlen(s) + 1;
	char *copy = arena_get(a, size);

	return copy ? memcpy(copy, s, size) : NULL;
}

static int copy_attrs(struct arena *a, const struct frame_attrs *from,
		      struct frame_attrs *to)
{
	*to = (struct frame_attrs){ 0 };
	if (!from->count)
		return 0;
	to->list = arena_get(a, from->count * sizeof(*to->list));
	if (!to->list)
		return -ENOMEM;
	for (size_t i = 0; i < from->count; i++) {
		to->list[i].key = copy_text(a, from->list[i].key);
		to->list[i].value = copy_text(a, from->list[i].value);
		if (!to->list[i].key || !to->list[i].value)
			return -ENOMEM;
	}
	to->count = from->count;
	return 0;
}

/* What is copied at the moment, and the copy of its resource. */
struct copying {
	struct arena *a;
	const struct frame_attrs *from, *to;
	const char *name, *unit, *help; /* of the latest metric, and its copies */
	const char *own_name, *own_unit, *own_help;
};

static int copy_resource(struct copying *c, const struct frame_attrs *from)
{
	struct frame_attrs *to;

	if (from == c->from)
		return 0;
	to = arena_get(c->a, sizeof(*to));
	if (!to || copy_attrs(c->a, from, to))
		return -ENOMEM;
	c->from = from;
	c->to = to;
	return 0;
}

static int copy_metric(struct copying *c, const struct frame_series *s)
{
	if (s->name == c->name)
		return 0;
	c->own_name = copy_text(c->a, s->name);
	c->own_unit = copy_text(c->a, s->unit);
	c->own_help = copy_text(c->a, s->help);
	c->name = s->name;
	return c->own_name && c->own_unit && c->own_help ? 0 : -ENOMEM;
}

static int copy_series(struct copying *c, const struct frame_series *s,
		       struct frame_series *out)
{
	*out = *s;
	if (copy_resource(c, s->resource) || copy_metric(c, s) ||
	    copy_attrs(c->a, &s->attrs, &out->attrs))
		return -ENOMEM;
	out->resource = c->to;
	out->name = c->own_name;
	out->unit = c->own_unit;
	out->help = c->own_help;
	if (s->kind != METRIC_HISTOGRAM)
		return 0;
	out->hist = arena_get(c->a, sizeof(*out->hist));
	if (!out->hist)
		return -ENOMEM;
	*out->hist = *s->hist;
	return 0;
}

void frame_series_add(struct frame_series *into, const struct frame_series *s)
{
	if (s->start_ns < into->start_ns)
		into->start_ns = s->start_ns;
	metric_error_add(&into->error, &s->error);
	if (s->kind != METRIC_HISTOGRAM)
		return;
	into->hist->sum_ns += s->hist->sum_ns;
	for (size_t i = 0; i < BUCKET_COUNT; i++)
		into->hist->buckets[i] += s->hist->buckets[i];
}

/* The later values of a series. What is something else by now stays as it was. */
void frame_add_to(struct frame_series *into, const struct frame_series *s)
{
	if (into->kind != s->kind || into->real != s->real)
		return;
	frame_series_add(into, s);
	if (s->kind == METRIC_HISTOGRAM)
		return;
	if (s->real) {
		into->d = is_now(s) ? s->d : into->d + s->d;
	} else {
		into->i =
		    is_now(s) ? s->i : (int64_t)((uint64_t)into->i + (uint64_t)s->i);
	}
}

/* Compares the next one; resources are long, and mostly those of the ones before. */
static int compare_next(struct frame_cursor *c, const struct frame *f,
			const struct frame_series *wanted)
{
	struct frame_series key = *wanted;
	const struct frame_series *s = &f->series[c->at];
	int order;

	if (s->resource == c->a && key.resource == c->b)
		key.resource = s->resource;
	order = frame_compare(s, &key);
	if (!order) {
		c->a = s->resource;
		c->b = wanted->resource;
	}
	return order;
}

struct frame_series *frame_find_next(const struct frame *f, struct frame_cursor *c,
				     const struct frame_series *key)
{
	struct frame_series *found = NULL;
	int order = -1;

	while (c->at < f->count && (order = compare_next(c, f, key)) < 0)
		c->at++;
	if (!order)
		return &f->series[c->at++];
	/* a key out of order */
	if (c->at && frame_compare(&f->series[c->at - 1], key) > 0)
		found = frame_find(f, key);
	if (found)
		c->at = (size_t)(found - f->series) + 1;
	return found;
}

/* Adds what is in both; notes which are not, in `missing`, and returns their number. */
static size_t add_common(struct frame *into, const struct frame *from, size_t *missing)
{
	struct frame_cursor c = { 0 };
	size_t n = 0;

	for (size_t k = 0; k < from->count; k++) {
		struct frame_series *s = frame_find_next(into, &c, &from->series[k]);

		if (s)
			frame_add_to(s, &from->series[k]);
		else
			missing[n++] = k;
	}
	return n;
}

static int make_room(struct frame *f, size_t more)
{
	size_t room = f->room ? f->room : f->count, n = room ? room : 64;
	struct frame_series *p;

	while (n < f->count + more)
		n *= 2;
	if (n == room)
		return 0;
	p = arena_get(&f->arena, n * sizeof(*p));
	if (!p)
		return -ENOMEM;
	if (f->count)
		memcpy(p, f->series, f->count * sizeof(*p));
	f->series = p;
	f->room = n;
	return 0;
}

/* Puts copies of those that are missing in their places, from the end on. */
static int insert(struct frame *into, const struct frame *from, const size_t *missing,
		  size_t n)
{
	struct copying c = { .a = &into->arena };
	struct frame_series *copies;
	size_t i = into->count, to;
	int err = make_room(into, n);

	if (err || !n)
		return err;
	copies = calloc(n, sizeof(*copies));
	if (!copies)
		return -ENOMEM;
	for (size_t k = 0; k < n && !err; k++)
		err = copy_series(&c, &from->series[missing[k]], &copies[k]);
	for (to = into->count + n; !err && n; to--) {
		if (i && frame_compare(&into->series[i - 1], &copies[n - 1]) > 0)
			into->series[to - 1] = into->series[--i];
		else
			into->series[to - 1] = copies[--n];
	}
	free(copies);
	return err;
}

static int insert_all(struct frame *into, const struct frame *from,
		      const size_t *missing, size_t n)
{
	int err = insert(into, from, missing, n);

	if (err)
		return into->arena.full ? -EMSGSIZE : err;
	into->count += n;
	if (n)
		frame_share_resources(into);
	return 0;
}

bool frame_is_state(const char *metric)
{
	return !strcmp(metric, "assay.probe.attached");
}

/* The state of a probe is an attribute: a later frame that has any of these series has
 * all that still hold. */
static void drop_states(struct frame *into, const struct frame *from)
{
	size_t n = 0, k = 0;

	while (k < from->count && !frame_is_state(from->series[k].name))
		k++;
	if (k == from->count)
		return;
	for (size_t i = 0; i < into->count; i++)
		if (!frame_is_state(into->series[i].name) ||
		    frame_find(from, &into->series[i]))
			into->series[n++] = into->series[i];
	into->count = n;
}

int frame_add(struct frame *into, const struct frame *from)
{
	size_t *missing = calloc(from->count + 1, sizeof(*missing)), n;
	int err;

	if (!missing)
		return -ENOMEM;
	drop_states(into, from);
	n = add_common(into, from, missing);
	err = insert_all(into, from, missing, n);
	free(missing);
	if (from->time_ns > into->time_ns)
		into->time_ns = from->time_ns;
	return err;
}

bool frame_has(const struct frame *f, const struct frame_attrs *resource)
{
	struct frame_series first = { .resource = resource, .name = "" };
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t mid = (low + high) / 2;

		if (frame_compare(&f->series[mid], &first) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == f->count)
		return false;
	first.name = f->series[low].name;
	first.attrs = f->series[low].attrs;
	return !frame_compare(&f->series[low], &first);
}
