// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "otlp/frame.h"
#include "otlp/frame_impl.h"
#include "otlp/otlp_pb.h"

#define ERROR_MAX 1e60 /* of struct metric_error: its square is a number */
/*
 * Memory that a message may take. What an agent says takes some 8 bytes for each of its
 * own; 2 bytes of a hostile message are a point of 200.
 */
#define MEMORY_BASE  (4UL << 20)
#define MEMORY_RATIO 24
#define MEMORY_MAX   (512UL << 20)

int frame_compare_attr(const void *a, const void *b)
{
	return strcmp(((const struct attr *)a)->key, ((const struct attr *)b)->key);
}

static int compare_pair(const struct attr *a, const struct attr *b)
{
	int c = strcmp(a->key, b->key);

	return c ? c : strcmp(a->value, b->value);
}

int frame_compare_attrs(const struct frame_attrs *a, const struct frame_attrs *b)
{
	for (size_t i = 0; i < a->count && i < b->count; i++) {
		int c = compare_pair(&a->list[i], &b->list[i]);

		if (c)
			return c;
	}
	return (a->count > b->count) - (a->count < b->count);
}

/* From i on, the next attribute that says who a workload is. */
static size_t next_of_identity(const struct frame_attrs *a, size_t i)
{
	while (i < a->count && !strcmp(a->list[i].key, "assay.identity.source"))
		i++;
	return i;
}

int frame_compare_resources(const struct frame_attrs *a, const struct frame_attrs *b)
{
	for (size_t i = 0, k = 0;; i++, k++) {
		int c;

		i = next_of_identity(a, i);
		k = next_of_identity(b, k);
		if (i == a->count || k == b->count)
			return (i < a->count) - (k < b->count);
		c = compare_pair(&a->list[i], &b->list[k]);
		if (c)
			return c;
	}
}

/* The order of a frame's series, which is by their keys. */
int frame_compare(const void *first, const void *second)
{
	const struct frame_series *a = first, *b = second;
	int c = 0;

	if (a->resource != b->resource)
		c = frame_compare_resources(a->resource, b->resource);
	if (!c && a->name != b->name)
		c = strcmp(a->name, b->name);
	return c ? c : frame_compare_attrs(&a->attrs, &b->attrs);
}

/* The strings of a list with commas between; NULL: no memory. */
static const char *list_value(struct arena *a, const struct pb_array *list)
{
	size_t len = 1;
	char *text, *end;

	for (size_t i = 0; i < list->n_values; i++)
		len += strlen(list->values[i]->string_value) + 1;
	end = text = arena_get(a, len);
	for (size_t i = 0; text && i < list->n_values; i++) {
		if (i)
			*end++ = ',';
		end = stpcpy(end, list->values[i]->string_value);
	}
	return text;
}

/* The value as a string; NULL: no memory, or nothing that we know. */
static const char *attr_value(struct arena *a, const struct pb_any_value *v)
{
	char *text;

	if (!v)
		return "";
	switch (v->value_case) {
	case PB_VALUE(STRING_VALUE):
		return v->string_value;
	case PB_VALUE(BOOL_VALUE):
		return v->bool_value ? "true" : "false";
	case PB_VALUE(ARRAY_VALUE):
		return list_value(a, v->array_value);
	case PB_VALUE(INT_VALUE):
	case PB_VALUE(DOUBLE_VALUE):
		text = arena_get(a, 32);
		if (text && v->value_case == PB_VALUE(INT_VALUE))
			snprintf(text, 32, "%lld", (long long)v->int_value);
		else if (text)
			snprintf(text, 32, "%.17g", v->double_value);
		return text;
	default:
		return "";
	}
}

int frame_read_attrs(struct arena *a, struct pb_key_value *const *list, size_t count,
		     struct frame_attrs *out)
{
	if (!count)
		return 0;
	out->list = arena_get(a, count * sizeof(*out->list));
	if (!out->list)
		return -ENOMEM;
	for (size_t i = 0; i < count; i++) {
		const char *value = attr_value(a, list[i]->value);

		if (!value)
			return -ENOMEM;
		if (!text_is_utf8(list[i]->key) || !text_is_utf8(value))
			return -EINVAL;
		out->list[i] = (struct attr){ list[i]->key, value };
	}
	out->count = count;
	qsort(out->list, count, sizeof(*out->list), frame_compare_attr);
	return 0;
}

/* A number at *s, not below least, and the comma behind it if there is one. */
static int read_part(const char **s, double least, double *out)
{
	char *end;

	*out = strtod(*s, &end);
	if (end == *s || !(*out >= least && *out < ERROR_MAX))
		return -EINVAL;
	*s = end + (*end == ',');
	return 0;
}

int frame_read_error(const char *text, bool delta, struct metric_error *out)
{
	/* what is outstanding may have become less */
	if (read_part(&text, 0, &out->noise) || read_part(&text, 0, &out->change) ||
	    read_part(&text, delta ? -ERROR_MAX : 0, &out->outstanding) || *text)
		return -EINVAL;
	return 0;
}

/* What an attribute says of how far off a point may be; it is none of the series'. */
static int take_error(struct frame_series *s, bool delta)
{
	struct attr want = { METRIC_ERROR_KEY, NULL }, *found = NULL;
	const char *text;

	if (s->attrs.count)
		found = bsearch(&want, s->attrs.list, s->attrs.count, sizeof(want),
				frame_compare_attr);
	if (!found)
		return 0;
	text = found->value;
	s->attrs.count--;
	memmove(found, found + 1,
		(size_t)(s->attrs.list + s->attrs.count - found) * sizeof(*found));
	return frame_read_error(text, delta, &s->error);
}

static int read_point_attrs(struct frame *f, struct pb_key_value *const *list,
			    size_t count, struct frame_series *s)
{
	return frame_read_attrs(&f->arena, list, count, &s->attrs)
		   ?: take_error(s, f->delta);
}

/* Copies the bucket counts; -EINVAL when they are not in the form that we send. */
static int read_buckets(const struct pb_hist_point *p, struct hist *h)
{
	const struct pb_buckets *b = p->positive;
	int64_t first = b ? (int64_t)b->offset - BUCKET_OTLP_MIN + 1 : 1;
	size_t n = b ? b->n_bucket_counts : 0;

	if (p->scale != BUCKET_SCALE || p->zero_threshold != FRAME_ZERO_THRESHOLD)
		return -EINVAL;
	if (p->negative && p->negative->n_bucket_counts)
		return -EINVAL;
	if (n &&
	    (first < 1 || first >= BUCKET_COUNT || n > (size_t)(BUCKET_COUNT - first)))
		return -EINVAL;
	h->buckets[0] = p->zero_count;
	if (n)
		memcpy(&h->buckets[first], b->bucket_counts, n * sizeof(*h->buckets));
	return hist_count(h) == p->count ? 0 : -EINVAL;
}

static int read_hist(struct frame *f, const struct pb_hist_point *p,
		     struct frame_series *s)
{
	double ns = p->sum_present_case == PB_SUM_IS_PRESENT ? p->sum * 1e9 : 0;

	s->hist = arena_get(&f->arena, sizeof(*s->hist));
	if (!s->hist)
		return -ENOMEM;
	if (!(ns >= 0 && ns < 0x1p64))
		return -EINVAL;
	s->hist->sum_ns = (uint64_t)rint(ns);
	s->start_ns = p->start_time_unix_nano;
	if (p->time_unix_nano > f->time_ns)
		f->time_ns = p->time_unix_nano;
	if (read_buckets(p, s->hist))
		return -EINVAL;
	return read_point_attrs(f, p->attributes, p->n_attributes, s);
}

static int read_number(struct frame *f, const struct pb_number *p,
		       struct frame_series *s)
{
	switch (p->value_case) {
	case PB_NUMBER(AS_DOUBLE):
		s->real = true;
		s->d = p->as_double;
		if (!isfinite(s->d))
			return -EINVAL;
		break;
	case PB_NUMBER(AS_INT):
		s->i = p->as_int;
		break;
	default:
		return -EINVAL;
	}
	s->start_ns = p->start_time_unix_nano;
	if (p->time_unix_nano > f->time_ns)
		f->time_ns = p->time_unix_nano;
	return read_point_attrs(f, p->attributes, p->n_attributes, s);
}

static size_t point_count(const struct pb_metric *m)
{
	switch (m->data_case) {
	case PB_DATA(GAUGE):
		return m->gauge->n_data_points;
	case PB_DATA(SUM):
		return m->sum->n_data_points;
	case PB_DATA(EXPONENTIAL_HISTOGRAM):
		return m->exponential_histogram->n_data_points;
	default:
		return 0;
	}
}

static unsigned int temporality(const struct frame *f, bool monotonic)
{
	return f->delta && monotonic ? PB_DELTA : PB_CUMULATIVE;
}

/* Reads point i of a metric into s. */
static int read_point(struct frame *f, const struct pb_metric *m, size_t i,
		      struct frame_series *s)
{
	if (m->data_case == PB_DATA(GAUGE)) {
		s->kind = METRIC_GAUGE;
		return read_number(f, m->gauge->data_points[i], s);
	}
	if (m->data_case == PB_DATA(SUM)) {
		if (m->sum->aggregation_temporality !=
		    temporality(f, m->sum->is_monotonic))
			return -EINVAL;
		s->kind = m->sum->is_monotonic ? METRIC_SUM : METRIC_UPDOWN;
		return read_number(f, m->sum->data_points[i], s);
	}
	if (m->exponential_histogram->aggregation_temporality != temporality(f, true))
		return -EINVAL;
	s->kind = METRIC_HISTOGRAM;
	return read_hist(f, m->exponential_histogram->data_points[i], s);
}

/* A point that says no more than that its series has ended. */
static bool has_no_value(const struct pb_metric *m, size_t i)
{
	uint32_t flags = 0;

	if (m->data_case == PB_DATA(GAUGE))
		flags = m->gauge->data_points[i]->flags;
	else if (m->data_case == PB_DATA(SUM))
		flags = m->sum->data_points[i]->flags;
	else
		flags = m->exponential_histogram->data_points[i]->flags;
	return flags & FRAME_NO_VALUE;
}

static int read_metric(struct frame *f, const struct frame_attrs *resource,
		       const struct pb_metric *m)
{
	int err = 0;

	if (!text_is_utf8(m->name) || !text_is_utf8(m->unit) ||
	    !text_is_utf8(m->description))
		return -EINVAL;
	for (size_t i = 0; i < point_count(m) && !err; i++) {
		struct frame_series *s = &f->series[f->count];

		if (has_no_value(m, i))
			continue;
		f->count++;
		s->resource = resource;
		s->name = m->name;
		s->unit = m->unit;
		s->help = m->description;
		err = read_point(f, m, i, s);
	}
	return err;
}

static int read_resource(struct frame *f, const struct pb_resource_metrics *rm)
{
	struct frame_attrs *resource = arena_get(&f->arena, sizeof(*resource));
	int err = 0;

	if (!resource)
		return -ENOMEM;
	if (rm->resource)
		err = frame_read_attrs(&f->arena, rm->resource->attributes,
				       rm->resource->n_attributes, resource);
	for (size_t i = 0; i < rm->n_scope_metrics && !err; i++) {
		const struct pb_scope_metrics *scope = rm->scope_metrics[i];

		for (size_t k = 0; k < scope->n_metrics && !err; k++)
			err = read_metric(f, resource, scope->metrics[k]);
	}
	return err;
}

/* The number of points in a request. */
static size_t request_points(const struct pb_request *r)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_resource_metrics; i++)
		for (size_t k = 0; k < r->resource_metrics[i]->n_scope_metrics; k++) {
			const struct pb_scope_metrics *scope =
			    r->resource_metrics[i]->scope_metrics[k];

			for (size_t m = 0; m < scope->n_metrics; m++)
				n += point_count(scope->metrics[m]);
		}
	return n;
}

/* Sorts the series, and gives those of one workload the same resource pointer. */
static void sort_series(struct frame *f)
{
	qsort(f->series, f->count, sizeof(*f->series), frame_compare);
	frame_share_resources(f);
}

void frame_share_resources(struct frame *f)
{
	for (size_t i = 1; i < f->count; i++)
		if (f->series[i - 1].resource != f->series[i].resource &&
		    !frame_compare_resources(f->series[i - 1].resource,
					     f->series[i].resource))
			f->series[i].resource = f->series[i - 1].resource;
}

static void *message_get(void *arena, size_t size)
{
	return arena_get(arena, size);
}

/* The arena takes everything back at once. */
static void message_put(void *arena, void *p)
{
}

static size_t memory_limit(size_t len)
{
	return len < (MEMORY_MAX - MEMORY_BASE) / MEMORY_RATIO
		   ? MEMORY_BASE + MEMORY_RATIO * len
		   : MEMORY_MAX;
}

struct frame *frame_new(size_t limit)
{
	struct frame *f = calloc(1, sizeof(*f));

	if (f) {
		f->arena.limit = limit;
		f->delta = true;
	}
	return f;
}

static int decode(const uint8_t *bytes, size_t len, bool delta, struct frame **out)
{
	struct frame *f = frame_new(memory_limit(len));
	struct pb_request *r;
	int err = -EINVAL;

	if (!f)
		return -ENOMEM;
	f->delta = delta;
	r = pb_request_unpack(
	    &(ProtobufCAllocator){ message_get, message_put, &f->arena }, len, bytes);
	if (!r)
		goto fail;
	err = -ENOMEM;
	f->series = arena_get(&f->arena, request_points(r) * sizeof(*f->series));
	if (!f->series)
		goto fail;
	err = 0;
	for (size_t i = 0; i < r->n_resource_metrics && !err; i++)
		err = read_resource(f, r->resource_metrics[i]);
	if (err)
		goto fail;
	sort_series(f);
	*out = f;
	return 0;
fail:
	if (f->arena.full)
		err = -EMSGSIZE;
	frame_free(f);
	return err;
}

int frame_decode(const uint8_t *bytes, size_t len, struct frame **out)
{
	return decode(bytes, len, false, out);
}

int frame_decode_delta(const uint8_t *bytes, size_t len, struct frame **out)
{
	return decode(bytes, len, true, out);
}

void frame_free(struct frame *f)
{
	if (!f)
		return;
	arena_fini(&f->arena);
	free(f);
}

const char *frame_attr(const struct frame_attrs *a, const char *key)
{
	struct attr want = { key, NULL }, *found = NULL;

	if (a->count)
		found =
		    bsearch(&want, a->list, a->count, sizeof(want), frame_compare_attr);
	return found ? found->value : NULL;
}

static const char *attr_or_empty(const struct frame_attrs *a, const char *key)
{
	const char *value = frame_attr(a, key);

	return value ? value : "";
}

const char *frame_kind(const struct frame_attrs *resource)
{
	return attr_or_empty(resource, "assay.workload.kind");
}

const char *frame_name(const struct frame_attrs *resource)
{
	return attr_or_empty(resource, "assay.workload.name");
}

const char *frame_cgroup(const struct frame_attrs *resource)
{
	return attr_or_empty(resource, "process.linux.cgroup");
}

struct frame_series *frame_find(const struct frame *f, const struct frame_series *key)
{
	if (!f->count)
		return NULL;
	return bsearch(key, f->series, f->count, sizeof(*key), frame_compare);
}
