// SPDX-License-Identifier: Apache-2.0
/*
 * The tree of messages lives in an arena that is used again for each resource, so
 * encoding needs little more than the bytes it makes. A request is nothing but
 * resource_metrics fields one after the other, so each resource is packed at the end of
 * the batch as soon as its tree stands.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/wall.h"
#include "otlp/otlp.h"
#include "otlp/otlp_pb.h"
#include "reading/sparse.h"

#define ERROR_LEN      80   /* three numbers */
#define RESOURCE_TAG   0x0a /* field 1, length-delimited */
#define ZERO_THRESHOLD 0x1p-20
#define NO_VALUE       1 /* DataPointFlags: DATA_POINT_FLAGS_NO_RECORDED_VALUE_MASK */

/* A message of the arena in its initial state. */
#define NEW(a, type)                                                   \
	({                                                             \
		struct type *message = arena_get(a, sizeof(*message)); \
		if (message)                                           \
			type##_init(message);                          \
		message;                                               \
	})

/* A new attribute at the end of list; a NULL value means the boolean true. */
static int add_attr(struct arena *a, struct pb_key_value **list, size_t *count,
		    const char *key, const char *value)
{
	struct pb_key_value *kv = NEW(a, pb_key_value);
	struct pb_any_value *v = NEW(a, pb_any_value);

	if (!kv || !v)
		return -ENOMEM;
	kv->key = (char *)key;
	kv->value = v;
	if (value) {
		v->value_case = PB_VALUE(STRING_VALUE);
		v->string_value = arena_utf8(a, value);
		if (!v->string_value)
			return -ENOMEM;
	} else {
		v->value_case = PB_VALUE(BOOL_VALUE);
		v->bool_value = 1;
	}
	list[(*count)++] = kv;
	return 0;
}

/* A list with one string in it. */
static int set_list(struct arena *a, struct pb_any_value *v, const char *value)
{
	struct pb_array *array = NEW(a, pb_array);
	struct pb_element *element = NEW(a, pb_element);

	if (!array || !element)
		return -ENOMEM;
	v->value_case = PB_VALUE(ARRAY_VALUE);
	v->array_value = array;
	array->values = arena_get(a, sizeof(*array->values));
	element->string_value = arena_utf8(a, value);
	if (!array->values || !element->string_value)
		return -ENOMEM;
	array->values[array->n_values++] = element;
	return 0;
}

/* A new attribute of a resource at the end of list. */
static int add_resource_attr(struct arena *a, const struct attr *attr,
			     struct pb_key_value **list, size_t *count)
{
	struct pb_any_value *v;
	int err;

	if (attr->kind == ATTR_TEXT)
		return add_attr(a, list, count, attr->key, attr->value);
	err = add_attr(a, list, count, attr->key, NULL);
	if (err)
		return err;
	v = list[*count - 1]->value;
	if (attr->kind == ATTR_LIST)
		return set_list(a, v, attr->value);
	v->value_case = PB_VALUE(INT_VALUE);
	v->int_value = attr->number;
	return 0;
}

/* Of an estimate: how far it may be off. */
static int add_error(struct arena *a, const struct metric_error *e,
		     struct pb_key_value **list, size_t *count)
{
	char *text = arena_get(a, ERROR_LEN);

	if (!text)
		return -ENOMEM;
	snprintf(text, ERROR_LEN, "%.17g,%.17g,%.9g", e->noise, e->change,
		 e->outstanding);
	return add_attr(a, list, count, METRIC_ERROR_KEY, text);
}

/* The attributes of a point, as a list of the arena. */
static int point_attrs(struct arena *a, const struct point *p, bool overflow,
		       struct pb_key_value ***list, size_t *count)
{
	int err = 0;

	*list = arena_get(a, (METRIC_ATTRS + 2) * sizeof(**list));
	if (!*list)
		return -ENOMEM;
	for (size_t i = 0; i < METRIC_ATTRS && p->metric->attrs[i] && !err; i++)
		if (p->values[i])
			err = add_attr(a, *list, count, p->metric->attrs[i],
				       p->values[i]);
	if ((overflow || p->overflow) && !err)
		err = add_attr(a, *list, count, "otel.metric.overflow", NULL);
	if (p->error.noise > 0 && !err)
		err = add_error(a, &p->error, *list, count);
	return err;
}

/* The non-empty run of the buckets above zero; NULL when there is none. */
static int positive_buckets(struct arena *a, uint64_t *buckets, struct pb_buckets **out)
{
	struct pb_buckets *b;
	size_t first = 1, last = BUCKET_COUNT - 1;

	while (first < BUCKET_COUNT && !buckets[first])
		first++;
	if (first == BUCKET_COUNT)
		return 0;
	while (!buckets[last])
		last--;
	b = NEW(a, pb_buckets);
	if (!b)
		return -ENOMEM;
	b->offset = (int32_t)first - 1 + BUCKET_OTLP_MIN;
	b->n_bucket_counts = last - first + 1;
	b->bucket_counts = &buckets[first];
	*out = b;
	return 0;
}

/* What one ResourceMetrics is made of. */
struct part {
	const struct points *all;
	const struct point_group *group;
	size_t from, to; /* of the group's points */
};

static uint64_t point_time(const struct part *part)
{
	return wall_time(part->all->wall_ns, part->all->time_ns) -
	       part->group->earlier_ns;
}

/* A point never starts when it ends: that would mean that nobody knows the start. */
static uint64_t point_start(const struct part *part, const struct point *p)
{
	uint64_t time = point_time(part),
		 start = wall_time(part->all->wall_ns, p->start_ns);

	return start < time ? start : time - 1;
}

static int hist_point(struct arena *a, const struct part *part, const struct point *p,
		      struct pb_hist_point **out)
{
	struct pb_hist_point *d = NEW(a, pb_hist_point);
	uint64_t *buckets;
	int err;

	if (!d)
		return -ENOMEM;
	d->start_time_unix_nano = point_start(part, p);
	d->time_unix_nano = point_time(part);
	*out = d;
	if (p->ended) {
		d->flags = NO_VALUE;
		return point_attrs(a, p, part->group->overflow, &d->attributes,
				   &d->n_attributes);
	}
	buckets = arena_get(a, BUCKET_COUNT * sizeof(*buckets));
	if (!buckets)
		return -ENOMEM;
	sparse_expand(p->hist, buckets);
	d->count = sparse_count(p->hist);
	d->sum_present_case = PB_SUM_IS_PRESENT;
	d->sum = (double)p->hist->sum_ns / 1e9;
	d->scale = BUCKET_SCALE;
	d->zero_count = buckets[0];
	d->zero_threshold = ZERO_THRESHOLD;
	err = positive_buckets(a, buckets, &d->positive);
	if (!err)
		err = point_attrs(a, p, part->group->overflow, &d->attributes,
				  &d->n_attributes);
	return err;
}

static int number_point(struct arena *a, const struct part *part, const struct point *p,
			struct pb_number **out)
{
	struct pb_number *d = NEW(a, pb_number);

	if (!d)
		return -ENOMEM;
	if (p->metric->kind != METRIC_GAUGE)
		d->start_time_unix_nano = point_start(part, p);
	d->time_unix_nano = point_time(part);
	if (p->ended) {
		d->flags = NO_VALUE;
	} else if (p->metric->real) {
		d->value_case = PB_NUMBER(AS_DOUBLE);
		d->as_double = p->d;
	} else {
		d->value_case = PB_NUMBER(AS_INT);
		d->as_int = (int64_t)p->u;
	}
	*out = d;
	return point_attrs(a, p, part->group->overflow, &d->attributes,
			   &d->n_attributes);
}

/* All points of the metric in the part, as `count` data points of a new list. */
static int number_points(struct arena *a, const struct part *part,
			 const struct metric *m, size_t *count,
			 struct pb_number ***list)
{
	const struct point *points = part->group->points;
	int err = 0;

	*list = arena_get(a, (part->to - part->from) * sizeof(**list));
	if (!*list)
		return -ENOMEM;
	for (size_t i = part->from; i < part->to && !err; i++)
		if (points[i].metric == m)
			err = number_point(a, part, &points[i], &(*list)[(*count)++]);
	return err;
}

/* Sums that go down too are never differences. */
static int temporality(const struct part *part, const struct metric *m)
{
	return part->all->delta && m->kind != METRIC_UPDOWN ? PB_DELTA : PB_CUMULATIVE;
}

static int set_hist(struct arena *a, const struct part *part, const struct metric *m,
		    struct pb_metric *out)
{
	const struct point *points = part->group->points;
	struct pb_hist *h = NEW(a, pb_hist);
	int err = 0;

	if (!h)
		return -ENOMEM;
	out->data_case = PB_DATA(EXPONENTIAL_HISTOGRAM);
	out->exponential_histogram = h;
	h->aggregation_temporality = temporality(part, m);
	h->data_points =
	    arena_get(a, (part->to - part->from) * sizeof(*h->data_points));
	if (!h->data_points)
		return -ENOMEM;
	for (size_t i = part->from; i < part->to && !err; i++)
		if (points[i].metric == m)
			err = hist_point(a, part, &points[i],
					 &h->data_points[h->n_data_points++]);
	return err;
}

static int set_sum(struct arena *a, const struct part *part, const struct metric *m,
		   struct pb_metric *out)
{
	struct pb_sum *s = NEW(a, pb_sum);

	if (!s)
		return -ENOMEM;
	out->data_case = PB_DATA(SUM);
	out->sum = s;
	s->aggregation_temporality = temporality(part, m);
	s->is_monotonic = m->kind == METRIC_SUM;
	return number_points(a, part, m, &s->n_data_points, &s->data_points);
}

static int set_gauge(struct arena *a, const struct part *part, const struct metric *m,
		     struct pb_metric *out)
{
	struct pb_gauge *g = NEW(a, pb_gauge);

	if (!g)
		return -ENOMEM;
	out->data_case = PB_DATA(GAUGE);
	out->gauge = g;
	return number_points(a, part, m, &g->n_data_points, &g->data_points);
}

/* One metric with all its points of the part, at the end of the scope's list. */
static int add_metric(struct arena *a, const struct part *part, const struct metric *m,
		      struct pb_scope_metrics *scope)
{
	struct pb_metric *out = NEW(a, pb_metric);

	if (!out)
		return -ENOMEM;
	out->name = (char *)m->name;
	out->unit = (char *)m->unit;
	/* differences stay on this node, where each byte is one of its disk */
	out->description = (char *)(m->help && !part->all->delta ? m->help : "");
	scope->metrics[scope->n_metrics++] = out;
	if (m->kind == METRIC_HISTOGRAM)
		return set_hist(a, part, m, out);
	return (m->kind == METRIC_GAUGE ? set_gauge : set_sum)(a, part, m, out);
}

/* True when no point of the part before point i has its metric. */
static bool first_of_metric(const struct part *part, size_t i)
{
	const struct point *points = part->group->points;

	for (size_t k = part->from; k < i; k++)
		if (points[k].metric == points[i].metric)
			return false;
	return true;
}

static int add_scope(struct arena *a, const struct part *part,
		     struct pb_scope_metrics *scope)
{
	int err = 0;

	scope->schema_url = (char *)OTLP_SCHEMA_URL;
	scope->scope = NEW(a, pb_scope);
	scope->metrics =
	    arena_get(a, (part->to - part->from) * sizeof(*scope->metrics));
	if (!scope->scope || !scope->metrics)
		return -ENOMEM;
	scope->scope->name = (char *)OTLP_SCOPE;
	scope->scope->version = (char *)ASSAY_VERSION;
	for (size_t i = part->from; i < part->to && !err; i++)
		if (first_of_metric(part, i))
			err = add_metric(a, part, part->group->points[i].metric, scope);
	return err;
}

/* The tree of messages for a part. */
static int build(struct arena *a, const struct part *part,
		 struct pb_resource_metrics **out)
{
	const struct point_group *g = part->group;
	struct pb_resource_metrics *rm = NEW(a, pb_resource_metrics);
	struct pb_scope_metrics *scope = NEW(a, pb_scope_metrics);
	struct pb_resource *r = NEW(a, pb_resource);
	int err = 0;

	if (!rm || !scope || !r)
		return -ENOMEM;
	rm->schema_url = (char *)OTLP_SCHEMA_URL;
	rm->resource = r;
	rm->scope_metrics = arena_get(a, sizeof(*rm->scope_metrics));
	r->attributes =
	    arena_get(a, (g->attr_count + g->extra_count) * sizeof(*r->attributes));
	if (!rm->scope_metrics || !r->attributes)
		return -ENOMEM;
	rm->scope_metrics[rm->n_scope_metrics++] = scope;
	for (size_t i = 0; i < g->attr_count && !err; i++)
		err =
		    add_resource_attr(a, &g->attrs[i], r->attributes, &r->n_attributes);
	for (size_t i = 0; i < g->extra_count && !err; i++)
		err =
		    add_resource_attr(a, &g->extra[i], r->attributes, &r->n_attributes);
	*out = rm;
	return err ? err : add_scope(a, part, scope);
}

static size_t varint(uint8_t *to, size_t v)
{
	size_t n = 0;

	for (; v > 0x7f; v >>= 7)
		to[n++] = v | 0x80;
	to[n++] = v;
	return n;
}

/* Hands over the batch in hand, if there is anything in it. */
static int hand_over(struct otlp_encoder *e)
{
	struct otlp_batch *b = &e->batch;
	int err = b->len ? e->take(e->arg, b) : 0;

	if (!b->bytes)
		e->room = 0;
	*b = (struct otlp_batch){ .bytes = b->bytes };
	return err;
}

/* Space for n more bytes in the batch. */
static int reserve(struct otlp_encoder *e, size_t n)
{
	size_t room = e->room ? e->room : 4096;
	uint8_t *p;

	while (room - e->batch.len < n)
		room *= 2;
	if (room == e->room)
		return 0;
	p = realloc(e->batch.bytes, room);
	if (!p)
		return -ENOMEM;
	e->batch.bytes = p;
	e->room = room;
	return 0;
}

static size_t limit_of(const struct otlp_encoder *e)
{
	return e->limit ? e->limit : OTLP_BATCH_LIMIT;
}

/* Appends a part to the batch, or to a new one; -EMSGSIZE: too large for any. */
static int append(struct otlp_encoder *e, const struct part *part)
{
	struct pb_resource_metrics *rm;
	struct otlp_batch *b = &e->batch;
	uint8_t head[12] = { RESOURCE_TAG };
	size_t n, head_len;
	int err;

	arena_reset(&e->arena);
	err = build(&e->arena, part, &rm);
	if (err)
		return err;
	n = protobuf_c_message_get_packed_size(&rm->base);
	head_len = 1 + varint(head + 1, n);
	if (head_len + n > limit_of(e))
		return -EMSGSIZE;
	if (b->len + head_len + n > limit_of(e))
		err = hand_over(e);
	if (!err)
		err = reserve(e, head_len + n);
	if (err)
		return err;
	memcpy(b->bytes + b->len, head, head_len);
	protobuf_c_message_pack(&rm->base, b->bytes + b->len + head_len);
	b->len += head_len + n;
	b->points += part->to - part->from;
	b->number = part->all->number;
	if (!part->from && part->to == part->group->count) {
		b->from = b->from ? b->from : part->group->serial;
		b->to = part->group->serial;
	}
	return 0;
}

/* Appends a part, in halves when it is too large for a batch of its own. */
static int append_split(struct otlp_encoder *e, const struct part *part)
{
	struct part half = *part;
	int err = append(e, part);

	if (err != -EMSGSIZE || part->to - part->from < 2)
		return err;
	half.to = part->from + (part->to - part->from) / 2;
	err = append_split(e, &half);
	if (err)
		return err;
	half.from = half.to;
	half.to = part->to;
	return append_split(e, &half);
}

int otlp_add(struct otlp_encoder *e, const struct points *p)
{
	int err = 0;

	for (size_t i = 0; i < p->count && !err; i++) {
		struct part part = { p, &p->groups[i], 0, p->groups[i].count };

		if (p->groups[i].incomplete)
			return -ENOMEM;
		if (part.to) /* a resource with no metric says nothing */
			err = append_split(e, &part);
	}
	return err;
}

int otlp_end(struct otlp_encoder *e, int err)
{
	if (!err)
		err = hand_over(e);
	arena_fini(&e->arena);
	free(e->batch.bytes);
	e->batch = (struct otlp_batch){ 0 };
	e->room = 0;
	return err;
}
