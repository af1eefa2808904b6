// SPDX-License-Identifier: Apache-2.0
/* Readings for the history: what came since the latest one. */
#include <errno.h>
#include <stdlib.h>
#include "base/util.h"
#include "base/wall.h"
#include "cmd/measure.h"
#include "cmd/measure_impl.h"
#include "metric/metrics.h"
#include "otlp/otlp.h"
#include "reading/kept.h"

#define MINUTE_NS 60000000000ULL
#define USAGE_NS  59000000000ULL /* how old CPU time and memory may be */
#define AWAIT_NS  60000000000ULL /* for the next one, by who is gone */

/*
 * The points of what was made of a workload, for the batch; `more` is of another one
 * that goes under its name, or NULL.
 */
static int encode_made(struct measure *m, struct workload *w, struct workload *made,
		       struct workload *more, struct points *p, struct otlp_encoder *e)
{
	struct point_group *g = points_group(p);
	int err;

	if (!g)
		return -ENOMEM;
	g->serial = made->serial;
	err = resource_workload(&m->resource, w, g);
	if (!err)
		err = metrics_add(g, made, METRICS_READ);
	if (!err && more)
		err = metrics_add(g, more, METRICS_READ);
	if (!err)
		err = points_merge(g);
	if (!err)
		err = otlp_add(e, p);
	points_clear(p);
	return err;
}

/* Who is gone has nothing new, once all was told. */
static int encode_new(struct measure *m, struct workload *w, struct workload *more,
		      bool whole, struct points *p, struct otlp_encoder *e)
{
	struct workload made, other;
	bool any;
	int err;

	if (w->into || (!more && !kept_has_any(w)))
		return 0;
	err = kept_make(w, m->kept.time_ns, &made);
	if (more)
		err |= kept_make(more, m->kept.time_ns, &other);
	any =
	    kept_is_new(&made) || (whole && !w->gone) || (more && kept_is_new(&other));
	if (!err && any)
		err = encode_made(m, w, &made, more ? &other : NULL, p, e);
	if (!err)
		err = kept_note(w, &made);
	if (!err && more)
		err = kept_note(more, &other);
	kept_free(&made);
	if (more)
		kept_free(&other);
	return err;
}

/* What was a workload's own, and goes with what is fixed. */
static struct workload *more_of(struct measure *m, const struct workload *w)
{
	switch (w->id.kind) {
	case WORKLOAD_UNKNOWN:
		return snapshot_retired(m->snapshot);
	case WORKLOAD_OVERFLOW:
		return snapshot_untold(m->snapshot);
	default:
		return NULL;
	}
}

static int encode_all(struct measure *m, const struct export_stats *stats, bool whole,
		      struct points *p, struct otlp_encoder *e)
{
	struct workload **workloads;
	struct point_group *g;
	size_t count;
	int err = 0;

	workloads = snapshot_workloads(m->snapshot, &count, &p->time_ns);
	for (size_t i = 0; i < count && !err; i++)
		err =
		    encode_new(m, workloads[i], more_of(m, workloads[i]), whole, p, e);
	g = err ? NULL : points_group(p);
	if (!err)
		err = g ? measure_self(m, stats, p->number, g) : -ENOMEM;
	if (!err)
		err =
		    points_merge(g) ?: points_since(&m->kept.self, g, m->kept.time_ns);
	if (!err)
		err = otlp_add(e, p);
	points_fini(p);
	return err;
}

int measure_since(struct measure *m, const struct export_stats *stats,
		  struct measure_since *out)
{
	struct otlp_batch one = { 0 };
	struct otlp_encoder e = { .limit = SIZE_MAX,
				  .take = otlp_take_one,
				  .arg = &one };
	struct points points = { .delta = true };
	struct wall wall = { 0 };
	uint64_t minute, since = m->kept.time_ns;
	size_t count;
	int err;

	wall_measure(&wall);
	points.wall_ns = wall.offset_ns;
	snapshot_workloads(m->snapshot, &count, &points.time_ns);
	if (points.time_ns <= since)
		return -EAGAIN;
	measure_usage(m, USAGE_NS);
	minute = points.time_ns / MINUTE_NS;
	out->whole = minute != m->kept.minute;
	err = encode_all(m, stats, out->whole, &points, &e);
	err = otlp_end(&e, err);
	if (err)
		return err;
	out->bytes = one.bytes;
	out->len = one.len;
	snapshot_workloads(m->snapshot, &count, &m->kept.time_ns);
	out->since_ns = wall_time(wall.offset_ns, since);
	out->until_ns = wall_time(wall.offset_ns, m->kept.time_ns);
	m->kept.minute = minute;
	snapshot_keep(m->snapshot, m->kept.time_ns + AWAIT_NS);
	return 0;
}

const char *measure_host_name(const struct measure *m)
{
	return m->resource.host.name;
}

void measure_note_history(struct measure *m, const struct history_stats *h)
{
	m->kept.stats = *h;
	m->kept.on = true;
}
