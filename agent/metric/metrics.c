// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include "metric/metrics.h"

/* A point of a row: values in the order of the metric's attributes. */
static struct point *add(struct point_group *g, const struct metric_row *r,
			 const struct workload *w, const char *first, const char *last)
{
	struct point *p = points_add(g, &r->metric);

	if (!p)
		return NULL;
	p->start_ns = w->start_ns;
	p->values[r->values && last ? 1 : 0] =
	    last; /* the only one, if it has no other */
	if (first)
		p->values[0] = first;
	return p;
}

static const char *value_name(const struct metric_row *r, unsigned int v,
			      unsigned int use)
{
	if (r->basic && use & METRICS_BASIC)
		return r->basic[v];
	return r->values ? r->values[v] : NULL;
}

static bool is_left_out(const struct metric_row *r, unsigned int v, unsigned int use)
{
	return value_name(r, v, use) == metric_left_out;
}

static int add_hists(struct point_group *g, const struct metric_row *r,
		     const struct workload *w, unsigned int use)
{
	for (unsigned int v = 0; v < r->value_count; v++) {
		const struct sparse *h = w->hists[snapshot_index(r->signal, v)];
		struct point *p;

		if (!h || !sparse_count(h) || is_left_out(r, v, use))
			continue;
		p = add(g, r, w, value_name(r, v, use), NULL);
		if (!p)
			return -ENOMEM;
		p->hist = h;
	}
	return 0;
}

static int add_lanes(struct point_group *g, const struct metric_row *r,
		     const struct workload *w, unsigned int use)
{
	unsigned int values = snapshot_values(r->signal);

	for (unsigned int i = 0; i < values * r->lane_count; i++) {
		unsigned int v = i / r->lane_count, k = i % r->lane_count;
		uint64_t n = w->counts[snapshot_index(r->signal, v)][r->lanes[k].lane];
		struct point *p;

		if (!n || is_left_out(r, v, use))
			continue;
		p = add(g, r, w, value_name(r, v, use), r->lanes[k].value);
		if (!p)
			return -ENOMEM;
		p->u = n;
	}
	return 0;
}

static int add_open_connections(struct point_group *g, const struct metric_row *r,
				const struct workload *w, unsigned int use)
{
	for (unsigned int v = 0; v < r->value_count; v++) {
		const uint64_t *lane = w->counts[snapshot_index(r->signal, v)];
		uint64_t all = lane[CONN_OPENED] + lane[CONN_EXISTING];
		struct point *p;

		if (!all || is_left_out(r, v, use))
			continue;
		p = add(g, r, w, value_name(r, v, use), NULL);
		if (!p)
			return -ENOMEM;
		/* the three are read one after the other: a close may seem to come
		 * first */
		p->u = all > lane[CONN_CLOSED] ? all - lane[CONN_CLOSED] : 0;
	}
	return 0;
}

/* The value, borrowed from the workload, where its names are kept. */
static const char *open_value(const struct metric_row *r, struct open_total *t)
{
	if (t->attr == OPEN_OTHER)
		return "_OTHER";
	return r->open_name(t->attr, t->name, sizeof(t->name));
}

static int add_opens(struct point_group *g, const struct metric_row *r,
		     const struct workload *w, unsigned int use)
{
	for (size_t i = 0; i < w->open_count; i++) {
		struct open_total *t = &w->opens[i];
		struct point *p;

		if (t->signal < r->signal || t->signal >= r->signal + r->value_count ||
		    !(t->hist ? sparse_count(t->hist) : t->value) ||
		    is_left_out(r, t->signal - r->signal, use))
			continue;
		p = add(g, r, w, value_name(r, t->signal - r->signal, use),
			open_value(r, t));
		if (!p)
			return -ENOMEM;
		if (t->hist)
			p->hist = t->hist;
		else
			p->u = t->value;
	}
	return 0;
}

static int add_culprit(struct point_group *g, const struct metric_row *r,
		       const struct workload *w, const char *name, uint64_t ns,
		       uint64_t start_ns, bool ended)
{
	struct point *p = add(g, r, w, name, NULL);

	if (!p)
		return -ENOMEM;
	p->d = ns * 1e-9;
	p->start_ns = start_ns;
	p->ended = ended;
	return 0;
}

/* As exports have them: a few by name, the rest together. */
static int add_culprits_sent(struct point_group *g, const struct metric_row *r,
			     const struct workload *w)
{
	int err = 0;

	for (size_t i = 0; i < w->culprit_count && !err; i++) {
		const struct culprit_series *own = w->culprits[i].series;

		if (own)
			err = add_culprit(g, r, w, w->culprits[i].name, own->ns,
					  own->start_ns, own->ending.last);
	}
	if (w->other_ns && !err)
		err = add_culprit(g, r, w, CULPRIT_OTHER, w->other_ns,
				  w->other_start_ns, false);
	return err;
}

static int add_culprits(struct point_group *g, const struct metric_row *r,
			const struct workload *w, unsigned int use)
{
	int err = 0;

	if (use & METRICS_EXPORT)
		return add_culprits_sent(g, r, w);
	for (size_t i = 0; i < w->culprit_count && !err; i++) {
		const struct culprit_total *c = &w->culprits[i];

		err = add_culprit(g, r, w, c->name, c->ns,
				  c->start_ns ? c->start_ns : w->start_ns, false);
	}
	return err;
}

static int add_inflight(struct point_group *g, const struct metric_row *r,
			const struct workload *w, unsigned int use)
{
	for (unsigned int v = 0; v < r->value_count; v++) {
		uint64_t age = w->gone ? 0 : w->inflight_ns[v];
		struct point *p;

		/* once reported it is 0, not absent: absent is the same as before */
		if (!(w->inflight_seen & 1U << v) || is_left_out(r, v, use))
			continue;
		p = add(g, r, w, value_name(r, v, use), NULL);
		if (!p)
			return -ENOMEM;
		p->start_ns = 0;		    /* a gauge has none */
		p->ended = age == INFLIGHT_UNKNOWN; /* no value, for now */
		p->d = age * 1e-9;
	}
	return 0;
}

static int add_usage(struct point_group *g, const struct metric_row *r,
		     const struct workload *w, unsigned int use)
{
	bool now = r->metric.kind != METRIC_SUM;

	for (unsigned int v = 0; v < r->value_count; v++) {
		uint64_t value = w->usage.value[r->signal + v];
		uint32_t bit = 1U << (r->signal + v);
		struct point *p;

		/* 0 of what is now is a fact, a counter of 0 says nothing */
		if (!((w->usage.has | w->usage_ended) & bit) || (!value && !now) ||
		    is_left_out(r, v, use))
			continue;
		p = add(g, r, w, value_name(r, v, use), NULL);
		if (!p)
			return -ENOMEM;
		p->ended = !(w->usage.has & bit);
		if (r->metric.real)
			p->d = value * 1e-6;
		else
			p->u = value;
	}
	return 0;
}

/* Marks or leaves out what has ended, of all points. */
static void settle_ended(struct point_group *g, const struct workload *w,
			 unsigned int use)
{
	bool ends = use & METRICS_EXPORT;
	size_t kept = 0;

	for (size_t i = 0; i < g->count; i++) {
		struct point *p = &g->points[i];

		if (ends)
			p->ended |= w->ending.last;
		if (ends || !p->ended)
			g->points[kept++] = *p;
	}
	g->count = kept;
}

static int add_row(struct point_group *g, const struct metric_row *r,
		   const struct workload *w, unsigned int use)
{
	static int (*const adders[])(struct point_group *, const struct metric_row *,
				     const struct workload *, unsigned int) = {
		[FROM_HIST] = add_hists,
		[FROM_LANE] = add_lanes,
		[FROM_OPEN] = add_opens,
		[FROM_OPEN_CONNECTIONS] = add_open_connections,
		[FROM_CULPRITS] = add_culprits,
		[FROM_INFLIGHT] = add_inflight,
		[FROM_USAGE] = add_usage,
	};

	/* they come last: a cgroup where nothing happened, but for our own activity, is
	 * not reported */
	if (r->source == FROM_USAGE && !g->count)
		return 0;
	if (r->detail && use & METRICS_BASIC)
		return 0;
	return adders[r->source](g, r, w, use);
}

int metrics_add(struct point_group *g, const struct workload *w, unsigned int use)
{
	int err = 0;

	for (size_t i = 0; i < metric_table_count; i++)
		for (size_t k = 0; k < metric_tables[i]->count && !err; k++)
			err = add_row(g, &metric_tables[i]->rows[k], w, use);
	settle_ended(g, w, use);
	return err;
}
