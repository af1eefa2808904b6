// SPDX-License-Identifier: Apache-2.0
/*
 * A request is nothing but resource_metrics fields one after the other, so each
 * resource is written at the end of the batch, straight from its points: encoding needs
 * no more than the bytes it makes. The numbers are those of the fields in proto/.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/wall.h"
#include "otlp/frame_impl.h"
#include "otlp/otlp.h"
#include "otlp/otlp_impl.h"
#include "otlp/otlp_pb.h"
#include "reading/sparse.h"

/* A list with one string in it. */
static void put_list(struct wire *w, const char *value)
{
	size_t list = wire_begin(w, 5), element = wire_begin(w, 1);

	wire_name(w, 1, value, false);
	wire_end(w, element);
	wire_end(w, list);
}

static void put_resource_attr(struct wire *w, const struct attr *attr)
{
	size_t begin, any;

	if (attr->kind == ATTR_TEXT) {
		otlp_put_attr(w, 1, attr->key, attr->value);
		return;
	}
	begin = wire_begin(w, 1);
	wire_text(w, 1, attr->key);
	any = wire_begin(w, 2);
	if (attr->kind == ATTR_LIST)
		put_list(w, attr->value);
	else
		wire_int(w, 3, attr->number);
	wire_end(w, any);
	wire_end(w, begin);
}

/* What one ResourceMetrics is made of. */
struct part {
	const struct points *all;
	const struct point_group *group;
	size_t from, to; /* of the group's points */
	struct otlp_known *known;
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

#define BUCKETS (SPARSE_GROUPS * SPARSE_GROUP)

/* Where the buckets are that have counted, and all of them between. */
static struct otlp_hist spread(const struct sparse *h, uint64_t all[BUCKETS])
{
	struct otlp_hist s = { .sum_ns = h->sum_ns };
	size_t end = 0, last = 0, group = 0;

	for (uint32_t left = h->groups; left; left &= left - 1) {
		size_t at = (size_t)__builtin_ctz(left) * SPARSE_GROUP;

		if (s.first && at > end)
			memset(all + end, 0, (at - end) * sizeof(*all));
		sparse_group(h, group++, all + at);
		for (end = at + SPARSE_GROUP; at < end; at++) {
			if (!all[at])
				continue;
			s.count += all[at];
			last = at;
			if (!at)
				s.zero = all[at];
			else if (!s.first)
				s.first = at;
		}
	}
	s.run = all + s.first;
	s.len = s.first ? last + 1 - s.first : 0;
	return s;
}

void otlp_put_hist(struct wire *w, const struct otlp_hist *h)
{
	size_t begin, packed;

	wire_fixed(w, 4, h->count);
	wire_double(w, 5, (double)h->sum_ns / 1e9);
	wire_sint(w, 6, BUCKET_SCALE);
	wire_fixed(w, 7, h->zero);
	if (h->len) {
		begin = wire_begin(w, 8);
		wire_sint(w, 1, (int32_t)h->first - 1 + BUCKET_OTLP_MIN);
		packed = wire_begin(w, 2);
		wire_packed(w, h->run, h->len);
		wire_end(w, packed);
		wire_end(w, begin);
	}
	wire_double(w, 14, FRAME_ZERO_THRESHOLD);
}

static void put_hist_point(struct wire *w, const struct part *part,
			   const struct point *p)
{
	size_t begin = wire_begin(w, 1);
	uint64_t all[BUCKETS];
	struct otlp_hist h;

	otlp_put_attrs(w, 1, p, part->group->overflow, part->known);
	wire_fixed(w, 2, point_start(part, p));
	wire_fixed(w, 3, point_time(part));
	if (p->ended) {
		wire_number(w, 10, FRAME_NO_VALUE);
		wire_end(w, begin);
		return;
	}
	h = spread(p->hist, all);
	otlp_put_hist(w, &h);
	wire_end(w, begin);
}

static void put_number_point(struct wire *w, const struct part *part,
			     const struct point *p)
{
	size_t begin = wire_begin(w, 1);

	if (p->metric->kind != METRIC_GAUGE)
		wire_fixed(w, 2, point_start(part, p));
	wire_fixed(w, 3, point_time(part));
	if (!p->ended && p->metric->real)
		wire_double(w, 4, p->d);
	else if (!p->ended)
		wire_sfixed(w, 6, (int64_t)p->u);
	otlp_put_attrs(w, 7, p, part->group->overflow, part->known);
	if (p->ended)
		wire_number(w, 8, FRAME_NO_VALUE);
	wire_end(w, begin);
}

const unsigned int otlp_field[] = { [METRIC_GAUGE] = 5,
				    [METRIC_SUM] = 7,
				    [METRIC_UPDOWN] = 7,
				    [METRIC_HISTOGRAM] = 10 };

void otlp_put_kind(struct wire *w, enum metric_kind kind, bool delta)
{
	/* sums that go down too are never differences */
	if (kind != METRIC_GAUGE)
		wire_number(w, 2,
			    delta && kind != METRIC_UPDOWN ? PB_DELTA : PB_CUMULATIVE);
	if (kind == METRIC_SUM)
		wire_number(w, 3, true);
}

/*
 * The metric of point i, the first that has it, with all its points of the part;
 * scattered: metrics whose points do not follow one another.
 */
static void put_metric(struct wire *w, const struct part *part, size_t i,
		       const struct metric_set *scattered)
{
	const struct point *points = part->group->points;
	const struct metric *m = points[i].metric;
	size_t begin = wire_begin(w, 2), data;

	wire_text(w, 1, m->name);
	/* differences stay on this node, where each byte is one of its disk */
	if (m->help && !part->all->delta)
		wire_text(w, 2, m->help);
	wire_text(w, 3, m->unit);
	data = wire_begin(w, otlp_field[m->kind]);
	for (; i < part->to; i++)
		if (points[i].metric == m)
			(m->kind == METRIC_HISTOGRAM
			     ? put_hist_point
			     : put_number_point)(w, part, &points[i]);
		else if (!metric_set_may_have(scattered, m))
			break;
	otlp_put_kind(w, m->kind, part->all->delta);
	wire_end(w, data);
	wire_end(w, begin);
}

/* True when no point of the part before point i has its metric. */
static bool first_of_metric(const struct part *part, size_t i,
			    const struct metric_set *scattered)
{
	const struct point *points = part->group->points;
	const struct metric *m = points[i].metric;

	if (i > part->from && points[i - 1].metric == m)
		return false;
	for (size_t k = i; metric_set_may_have(scattered, m) && k > part->from; k--)
		if (points[k - 1].metric == m)
			return false;
	return true;
}

/* The metrics that come again after points of others. */
static struct metric_set find_scattered(const struct part *part)
{
	struct metric_set scattered = { 0 }, seen = { 0 };
	const struct point *points = part->group->points;

	for (size_t i = part->from; i < part->to; i++) {
		const struct metric *m = points[i].metric;

		if (i > part->from && points[i - 1].metric == m)
			continue;
		if (metric_set_may_have(&seen, m))
			metric_set_add(&scattered, m);
		metric_set_add(&seen, m);
	}
	return scattered;
}

size_t otlp_begin_scope(struct wire *w)
{
	size_t begin = wire_begin(w, 2), scope = wire_begin(w, 1);

	wire_text(w, 1, OTLP_SCOPE);
	wire_text(w, 2, ASSAY_VERSION);
	wire_end(w, scope);
	return begin;
}

void otlp_end_scope(struct wire *w, size_t begin)
{
	wire_text(w, 3, OTLP_SCHEMA_URL);
	wire_end(w, begin);
}

static void put_scope(struct wire *w, const struct part *part)
{
	struct metric_set scattered = find_scattered(part);
	size_t begin = otlp_begin_scope(w);

	for (size_t i = part->from; i < part->to; i++)
		if (first_of_metric(part, i, &scattered))
			put_metric(w, part, i, &scattered);
	otlp_end_scope(w, begin);
}

static void put_part(struct wire *w, const struct part *part)
{
	const struct point_group *g = part->group;
	size_t begin = wire_begin(w, 1), resource = wire_begin(w, 1);

	for (size_t i = 0; i < g->attr_count; i++)
		put_resource_attr(w, &g->attrs[i]);
	for (size_t i = 0; i < g->extra_count; i++)
		put_resource_attr(w, &g->extra[i]);
	wire_end(w, resource);
	put_scope(w, part);
	wire_text(w, 3, OTLP_SCHEMA_URL);
	wire_end(w, begin);
}

/* Hands over the first len bytes of what is written, if there are any. */
static int hand_over(struct otlp_encoder *e, size_t len)
{
	struct otlp_batch *b = &e->batch;
	int err;

	if (!len)
		return 0;
	b->bytes = e->wire.bytes;
	b->len = len;
	err = e->take(e->arg, b);
	e->wire.bytes = b->bytes;
	if (!b->bytes)
		e->wire.room = 0;
	e->wire.len = 0;
	*b = (struct otlp_batch){ 0 };
	return err;
}

/* The same, but what follows these bytes is the beginning of the next request. */
static int split_off(struct otlp_encoder *e, size_t len)
{
	size_t rest = e->wire.len - len;
	uint8_t *copy = malloc(rest);
	int err;

	if (!copy)
		return -ENOMEM;
	memcpy(copy, e->wire.bytes + len, rest);
	err = hand_over(e, len);
	if (!err)
		err = wire_append(&e->wire, copy, rest);
	free(copy);
	return err;
}

static size_t limit_of(const struct otlp_encoder *e)
{
	return e->limit ? e->limit : OTLP_BATCH_LIMIT;
}

/* Appends a part to the batch, or to a new one; -EMSGSIZE: too large for any. */
static int append(struct otlp_encoder *e, const struct part *part)
{
	struct otlp_batch *b = &e->batch;
	size_t begin = e->wire.len;
	int err = 0;

	put_part(&e->wire, part);
	if (e->wire.full)
		return -ENOMEM;
	if (e->wire.len - begin > limit_of(e)) {
		e->wire.len = begin;
		return -EMSGSIZE;
	}
	if (e->wire.len > limit_of(e))
		err = split_off(e, begin);
	if (err)
		return err;
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

	if (!e->known)
		e->known = otlp_known_new(); /* without memory for it, it goes on */
	for (size_t i = 0; i < p->count && !err; i++) {
		struct part part = { p, &p->groups[i], 0, p->groups[i].count,
				     e->known };

		if (p->groups[i].incomplete)
			return -ENOMEM;
		/*
		 * A resource with no metric says nothing, but in differences: that
		 * nothing of what was told before of how it is stands any more.
		 */
		if (part.to || p->delta)
			err = append_split(e, &part);
	}
	return err;
}

int otlp_flush(struct otlp_encoder *e)
{
	return hand_over(e, e->wire.len);
}

int otlp_end(struct otlp_encoder *e, int err)
{
	if (!err)
		err = otlp_flush(e);
	free(e->wire.bytes);
	free(e->known);
	e->known = NULL;
	e->wire = (struct wire){ 0 };
	e->batch = (struct otlp_batch){ 0 };
	return err;
}
