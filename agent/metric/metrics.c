// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include "metric/metrics.h"

/* What points are added to, and of what. */
struct adding {
	struct point_group *g;
	struct workload *w;
	unsigned int use; /* enum metrics_use */
	unsigned int row; /* the metric's number */
	unsigned int set; /* number of its first series, of those that are fixed */
};

/* Are all its series those of the table? */
static bool is_fixed(const struct metric_row *r)
{
	return r->source != FROM_OPEN && r->source != FROM_CULPRITS;
}

/* A point of a row, of its series v; values in the order of the metric's attributes. */
static struct point *add(struct adding *a, const struct metric_row *r, unsigned int v,
			 const char *first, const char *last)
{
	struct point *p = points_add(a->g, &r->metric);

	if (!p)
		return NULL;
	p->row = a->row;
	p->lasting = is_fixed(r);
	p->set = &a->w->sets[a->set + v];
	p->start_ns = a->w->start_ns;
	if (a->w->is_since && r->metric.kind == METRIC_UPDOWN)
		p->start_ns = a->w->of->start_ns;
	p->values[r->values && last ? 1 : 0] =
	    last; /* the only one, if it has no other */
	if (first)
		p->values[0] = first;
	return p;
}

/* e: NULL: it is exact. Exports have no place for it. */
static void set_error(const struct adding *a, struct point *p, const struct estimate *e)
{
	if (e && !(a->use & METRICS_EXPORT))
		p->error = (struct metric_error){ e->noise, e->change, e->outstanding };
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

static int add_hists(struct adding *a, const struct metric_row *r)
{
	for (unsigned int v = 0; v < r->value_count; v++) {
		const struct sparse *h = a->w->hists[snapshot_index(r->signal, v)];
		struct point *p;

		if (!h || !sparse_has_any(h) || is_left_out(r, v, a->use))
			continue;
		p = add(a, r, v, value_name(r, v, a->use), NULL);
		if (!p)
			return -ENOMEM;
		p->hist = h;
		set_error(a, p, snapshot_estimate(a->w, r->signal, v, 0));
	}
	return 0;
}

static int add_lanes(struct adding *a, const struct metric_row *r)
{
	const struct workload *w = a->w;
	unsigned int values = snapshot_values(r->signal);

	for (unsigned int i = 0; i < values * r->lane_count; i++) {
		unsigned int v = i / r->lane_count, k = i % r->lane_count;
		uint64_t n = w->counts[snapshot_index(r->signal, v)][r->lanes[k].lane];
		struct point *p;

		if (!n || is_left_out(r, v, a->use))
			continue;
		p = add(a, r, i, value_name(r, v, a->use), r->lanes[k].value);
		if (!p)
			return -ENOMEM;
		p->u = n;
		set_error(a, p, snapshot_estimate(w, r->signal, v, r->lanes[k].lane));
	}
	return 0;
}

/* Of what came in a while (kept.h), too, it is what there is now. */
static int add_open_connections(struct adding *a, const struct metric_row *r)
{
	const struct workload *w = a->w->is_since ? a->w->of : a->w;

	for (unsigned int v = 0; v < r->value_count; v++) {
		const uint64_t *lane = w->counts[snapshot_index(r->signal, v)];
		uint64_t all = lane[CONN_OPENED] + lane[CONN_EXISTING];
		struct point *p;

		if (!all || is_left_out(r, v, a->use))
			continue;
		p = add(a, r, v, value_name(r, v, a->use), NULL);
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

static int add_opens(struct adding *a, const struct metric_row *r)
{
	struct workload *w = a->w;
	for (size_t i = 0; i < w->open_count; i++) {
		struct open_total *t = &w->opens[i];
		struct point *p;

		if (t->signal < r->signal || t->signal >= r->signal + r->value_count ||
		    !(t->hist ? sparse_has_any(t->hist) : t->value) ||
		    is_left_out(r, t->signal - r->signal, a->use))
			continue;
		p = add(a, r, 0, value_name(r, t->signal - r->signal, a->use),
			open_value(r, t));
		if (!p)
			return -ENOMEM;
		p->set = &t->set;
		set_error(a, p, t->estimate);
		if (t->hist)
			p->hist = t->hist;
		else
			p->u = t->value;
	}
	return 0;
}

static int add_culprit(struct adding *a, const struct metric_row *r, const char *name,
		       uint64_t ns, uint64_t start_ns, bool ended)
{
	struct point *p = add(a, r, 0, name, NULL);

	if (!p)
		return -ENOMEM;
	p->set = NULL; /* their number was bounded when they got a series */
	p->d = ns * 1e-9;
	p->start_ns = start_ns;
	p->ended = ended;
	return 0;
}

/* As exports have them: a few by name, the rest together. */
static int add_culprits_sent(struct adding *a, const struct metric_row *r)
{
	const struct workload *w = a->w;
	int err = 0;

	for (size_t i = 0; i < w->culprit_count && !err; i++) {
		const struct culprit_series *own = w->culprits[i].series;

		if (own)
			err = add_culprit(a, r, w->culprits[i].name, own->ns,
					  own->start_ns, own->ending.last);
	}
	if (w->other_ns && !err)
		err = add_culprit(a, r, CULPRIT_OTHER, w->other_ns, w->start_ns, false);
	return err;
}

static int add_culprits(struct adding *a, const struct metric_row *r)
{
	const struct workload *w = a->w;
	int err = 0;

	if (a->use & METRICS_EXPORT)
		return add_culprits_sent(a, r);
	for (size_t i = 0; i < w->culprit_count && !err; i++) {
		const struct culprit_total *c = &w->culprits[i];

		if (c->export_only)
			continue;
		err = add_culprit(a, r, c->name, c->ns,
				  c->start_ns ? c->start_ns : w->start_ns, false);
	}
	return err;
}

static int add_inflight(struct adding *a, const struct metric_row *r)
{
	const struct workload *w = a->w;
	for (unsigned int v = 0; v < r->value_count; v++) {
		uint64_t age = w->gone ? 0 : w->inflight_ns[v];
		struct point *p;

		/* once reported it is 0, not absent: absent is the same as before */
		if (!(w->inflight_seen & 1U << v) || is_left_out(r, v, a->use))
			continue;
		p = add(a, r, v, value_name(r, v, a->use), NULL);
		if (!p)
			return -ENOMEM;
		p->start_ns = 0;		    /* a gauge has none */
		p->ended = age == INFLIGHT_UNKNOWN; /* no value, for now */
		p->d = age * 1e-9;
	}
	return 0;
}

static int add_usage(struct adding *a, const struct metric_row *r)
{
	const struct workload *w = a->w;
	bool now = r->metric.kind != METRIC_SUM;

	for (unsigned int v = 0; v < r->value_count; v++) {
		uint64_t value = w->usage.value[r->signal + v];
		uint32_t bit = 1U << (r->signal + v);
		struct point *p;

		/* 0 of what is now is a fact, a counter of 0 says nothing */
		if (!((w->usage.has | w->usage_ended) & bit) || (!value && !now) ||
		    is_left_out(r, v, a->use))
			continue;
		p = add(a, r, v, value_name(r, v, a->use), NULL);
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
		if (!ends && p->ended)
			continue;
		if (kept++ != i)
			g->points[kept - 1] = *p;
	}
	g->count = kept;
}

size_t metrics_windowed(const struct metric_row *r)
{
	switch (r->source) {
	case FROM_HIST:
		return snapshot_windowed(r->signal, 0);
	case FROM_LANE:
		return snapshot_windowed(r->signal, r->lanes[0].lane);
	case FROM_OPEN:
		return snapshot_windowed_open(r->signal);
	default:
		return PROBE_COUNT;
	}
}

/* Of the parts that are counted apart: lanes, or the signals of open values. */
enum metrics_exactness metrics_exactness(const struct metric_row *r)
{
	unsigned int parts = 1, seen = 0;

	if (r->source == FROM_LANE)
		parts = r->lane_count;
	else if (r->source == FROM_OPEN && r->value_count)
		parts = r->value_count;
	for (unsigned int i = 0; i < parts; i++) {
		size_t probe = r->source == FROM_LANE
				   ? snapshot_windowed(r->signal, r->lanes[i].lane)
			       : r->source == FROM_OPEN
				   ? snapshot_windowed_open(r->signal + i)
				   : metrics_windowed(r);

		seen += probe != PROBE_COUNT;
	}
	return !seen	      ? METRICS_EXACT
	       : seen < parts ? METRICS_PARTLY
			      : METRICS_ESTIMATED;
}

size_t metrics_probe(const char *name, bool *windowed)
{
	*windowed = false;
	for (size_t t = 0; t < metric_table_count; t++)
		for (size_t i = 0; i < metric_tables[t]->count; i++) {
			const struct metric_row *r = &metric_tables[t]->rows[i];
			size_t probe = metrics_windowed(r);

			if (strcmp(r->metric.name, name))
				continue;
			*windowed = probe != PROBE_COUNT;
			return *windowed ? probe : metric_tables[t]->probe;
		}
	return PROBE_COUNT;
}

unsigned int metrics_sets(const struct metric_row *r)
{
	unsigned int values =
	    r->source == FROM_LANE ? snapshot_values(r->signal) : r->value_count;

	if (!is_fixed(r))
		return 0;
	return r->lane_count ? values * r->lane_count : values;
}

static int add_row(struct adding *a, const struct metric_row *r)
{
	static int (*const adders[])(struct adding *, const struct metric_row *) = {
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
	if (r->source == FROM_USAGE && !a->g->count && !a->w->is_since)
		return 0;
	if (r->local && a->use & METRICS_EXPORT)
		return 0;
	if (r->detail && a->use & METRICS_BASIC)
		return 0;
	return adders[r->source](a, r);
}

int metrics_add(struct point_group *g, struct workload *w, unsigned int use)
{
	struct adding a = { .g = g, .w = w, .use = use };
	int err = 0;

	for (size_t i = 0; i < metric_table_count; i++)
		for (size_t k = 0; k < metric_tables[i]->count && !err; k++) {
			const struct metric_row *r = &metric_tables[i]->rows[k];

			err = add_row(&a, r);
			a.row++;
			a.set += metrics_sets(r);
		}
	settle_ended(g, w, use);
	return err;
}
