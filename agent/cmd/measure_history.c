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

/* The points of what was made of a workload, and of what it owes, for the batch. */
static int encode_made(struct measure *m, struct workload *w, struct workload *made,
		       struct points *p, struct otlp_encoder *e)
{
	struct workload *owed = kept_owed(w, m->kept.time_ns);
	struct point_group *g = points_group(p);
	int err;

	if (!g)
		return -ENOMEM;
	g->serial = made->serial;
	err = resource_workload(&m->resource, w, true, g);
	if (!err)
		err = metrics_add(g, made, METRICS_READ);
	if (!err && owed)
		err = metrics_add(g, owed, METRICS_READ);
	if (!err)
		err = points_merge(g);
	if (!err)
		err = otlp_add(e, p);
	if (!err)
		err = otlp_flush(e);
	points_clear(p);
	return err;
}

/* Who is gone has nothing new, once all was told. */
static int encode_new(struct measure *m, struct workload *w, bool whole,
		      struct points *p, struct otlp_encoder *e)
{
	struct workload made;
	int err;

	if (w->into || !kept_has_any(w))
		return 0;
	err = kept_make(w, m->kept.time_ns, &made);
	if (!err && (w->owed || kept_is_new(&made) || (whole && !w->gone)))
		err = encode_made(m, w, &made, p, e);
	if (!err)
		err = kept_note(w, &made);
	if (!err)
		kept_drop_owed(w);
	kept_free(&made);
	return err;
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
		err = encode_new(m, workloads[i], whole, p, e);
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

/* Pieces one after the other are one batch. */
static int take_piece(void *arg, struct otlp_batch *b)
{
	struct measure_since *s = arg;

	return s->take(s->arg, b->bytes, b->len);
}

int measure_since(struct measure *m, const struct export_stats *stats,
		  struct measure_since *s)
{
	struct otlp_encoder e = { .limit = SIZE_MAX, .take = take_piece, .arg = s };
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
	/* what an answer has read since is of its moment, not of this reading's */
	measure_usage(m, m->usage_ns == m->kept.usage_ns ? USAGE_NS : 0);
	m->kept.usage_ns = m->usage_ns;
	minute = points.time_ns / MINUTE_NS;
	s->whole = minute != m->kept.minute;
	err = encode_all(m, stats, s->whole, &points, &e);
	err = otlp_end(&e, err);
	if (err)
		return err;
	snapshot_workloads(m->snapshot, &count, &m->kept.time_ns);
	s->since_ns = wall_time(wall.offset_ns, since);
	s->until_ns = wall_time(wall.offset_ns, m->kept.time_ns);
	m->kept.minute = minute;
	return 0;
}

void measure_await_history(struct measure *m)
{
	snapshot_keep(m->snapshot, now_boot_ns() + AWAIT_NS);
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
