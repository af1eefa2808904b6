// SPDX-License-Identifier: Apache-2.0
/* A frame back to bytes: by way of points, as all that is encoded. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "otlp/frame.h"
#include "otlp/otlp.h"
#include "reading/sparse.h"

#define OVERFLOW "otel.metric.overflow"

/* The points of one resource in the making. */
struct making {
	struct arena arena; /* metrics */
	struct points points;
	struct point_group *group;
	struct metric *metric; /* of the latest point */
};

/* Where a key is among the metric's; a new one at the end. -EINVAL: it has no room. */
static int find_key(struct metric *m, const char *key)
{
	for (int i = 0; i < METRIC_ATTRS; i++) {
		if (!m->attrs[i])
			m->attrs[i] = key;
		if (!strcmp(m->attrs[i], key))
			return i;
	}
	return -EINVAL;
}

static int set_values(struct making *m, struct point *p, const struct frame_series *s)
{
	for (size_t i = 0; i < s->attrs.count; i++) {
		const struct attr *a = &s->attrs.list[i];
		int at = 0;

		if (!strcmp(a->key, OVERFLOW)) {
			p->overflow = true;
			continue;
		}
		at = find_key(m->metric, a->key);
		if (at < 0)
			return at;
		p->values[at] = a->value;
	}
	return 0;
}

/* The buckets as points have them; they go with the group (merged). NULL: no memory. */
static struct sparse *make_sparse(struct point_group *g, const struct hist *h)
{
	struct sparse *s = sparse_new(sizeof(uint64_t));
	struct sparse **p =
	    s ? reallocarray(g->merged, g->merged_count + 1, sizeof(*p)) : NULL;

	if (!p) {
		free(s);
		return NULL;
	}
	g->merged = p;
	for (unsigned int i = 0; i < BUCKET_COUNT; i++) {
		uint64_t *to;

		if (!h->buckets[i])
			continue;
		to = sparse_make(&s, i / SPARSE_GROUP);
		if (!to) {
			free(s);
			return NULL;
		}
		to[i % SPARSE_GROUP] = h->buckets[i];
	}
	s->sum_ns = h->sum_ns;
	g->merged_room = g->merged_count + 1;
	g->merged[g->merged_count++] = s;
	return s;
}

static int begin_metric(struct making *m, const struct frame_series *s)
{
	if (m->metric && !strcmp(m->metric->name, s->name) &&
	    m->metric->kind == s->kind && m->metric->real == s->real)
		return 0;
	m->metric = arena_get(&m->arena, sizeof(*m->metric));
	if (!m->metric)
		return -ENOMEM;
	m->metric->name = s->name;
	m->metric->unit = s->unit;
	m->metric->help = s->help;
	m->metric->kind = s->kind;
	m->metric->real = s->real;
	return 0;
}

static int add_series(struct making *m, const struct frame_series *s)
{
	struct point *p;
	int err = begin_metric(m, s);

	if (err)
		return err;
	p = points_add(m->group, m->metric);
	if (!p)
		return -ENOMEM;
	p->start_ns = s->start_ns;
	p->error = s->error;
	if (s->kind == METRIC_HISTOGRAM)
		p->hist = make_sparse(m->group, s->hist);
	else if (s->real)
		p->d = s->d;
	else
		p->u = (uint64_t)s->i;
	if (s->kind == METRIC_HISTOGRAM && !p->hist)
		return -ENOMEM;
	return set_values(m, p, s);
}

/* All series of the resource of series i; the first one behind them. */
static int add_resource(struct making *m, const struct frame *f, size_t *i)
{
	const struct frame_attrs *resource = f->series[*i].resource;
	int err = 0;

	m->metric = NULL;
	m->group = points_group(&m->points);
	if (!m->group)
		return -ENOMEM;
	for (size_t k = 0; k < resource->count; k++)
		points_attr(m->group, resource->list[k].key, resource->list[k].value);
	for (; *i < f->count && f->series[*i].resource == resource && !err; ++*i)
		err = add_series(m, &f->series[*i]);
	return err;
}

int frame_encode(const struct frame *f, uint8_t **bytes, size_t *len)
{
	struct making m = { .points = { .time_ns = f->time_ns, .delta = f->delta } };
	struct otlp_batch one = { 0 };
	struct otlp_encoder e = { .limit = SIZE_MAX,
				  .take = otlp_take_one,
				  .arg = &one };
	int err = 0;

	for (size_t i = 0; i < f->count && !err;) {
		err = add_resource(&m, f, &i);
		if (!err)
			err = otlp_add(&e, &m.points);
		points_clear(&m.points);
		arena_reset(&m.arena);
	}
	points_fini(&m.points);
	arena_fini(&m.arena);
	err = otlp_end(&e, err);
	*bytes = one.bytes;
	*len = one.len;
	return err;
}
