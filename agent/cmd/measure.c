// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "base/wall.h"
#include "cmd/measure.h"
#include "kernel/cells.h"
#include "kernel/doctor.h"
#include "kernel/kernel_btf.h"
#include "kernel/probe.h"
#include "kernel/rings.h"
#include "kernel/tune.h"
#include "kernel/walk.h"
#include "metric/metrics.h"
#include "metric/resource.h"
#include "metric/self.h"
#include "otlp/otlp.h"
#include "reading/snapshot.h"
#include "workload/cgroup_root.h"
#include "workload/usage.h"

#define SELF_SERIAL UINT64_MAX	  /* behind all workloads */
#define SWEEP_NS    5000000000ULL /* between two looks at the DNS queries that wait */

struct measure {
	struct cells cells;
	struct cgroups *cgroups;
	struct snapshot *snapshot;
	struct usage_reader *usage;
	struct resource resource;
	struct self self;
	struct wall wall;
	int64_t first_wall_ns;
	struct probe probes[PROBE_COUNT];
	struct tuner tuner;
	unsigned int wanted;
	uint64_t next_sweep_ns;
	uint64_t missed_events; /* runs of the programs that tell of cgroups */
};

/* Is name in a list with commas between? */
static int in_list(const char *list, const char *name)
{
	size_t n = strlen(name);

	for (; list && *list; list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL)
		if (strncmp(list, name, n) == 0 && (list[n] == ',' || !list[n]))
			return 1;
	return 0;
}

/* Says which probes are missing, and why: lockdown takes several at once. */
static void warn_missing(const struct measure *m)
{
	char locked[256] = "";
	size_t len = 0;

	/* all names together are far shorter than the buffer */
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		const struct probe *p = &m->probes[i];

		if (p->state != PROBE_UNAVAILABLE)
			continue;
		if (p->locked)
			len += snprintf(locked + len, sizeof(locked) - len, " %s",
					p->desc->name);
		else
			log_warnx("probe %s: %s; going on without it", p->desc->name,
				  p->reason);
	}
	if (locked[0])
		log_warnx(PROBE_LOCKED "; going on without:%s", locked);
}

static void lose_walks(struct measure *m, size_t probe, unsigned int n)
{
	__atomic_fetch_add(&m->cells.control->lost[probe][LOSS_WALK_INTERRUPTED], n,
			   __ATOMIC_RELAXED);
}

/*
 * Opens a probe, if it is wanted. One whose work another probe does in part is switched
 * on when all of it is attached: else queries would be seen, and their answers not.
 */
static int open_probe(struct measure *m, size_t i, const struct options *o,
		      const struct params *params)
{
	const struct probe_desc *d = &probe_descs[i];
	struct probe *p = &m->probes[i];
	bool covered =
	    d->cover.program && m->probes[d->cover.by].state == PROBE_ATTACHED;

	p->desc = d;
	if (!d->always && !in_list(o->probes, d->name))
		return 0;
	m->wanted++;
	if (d->rings && !m->cells.rings && !m->cells.rings_error)
		rings_open(&m->cells, params); /* the probes that need it say why not */
	m->cells.tunes.tune[i].enabled = !d->cover.program;
	rings_publish(&m->cells);
	probe_open(p, d, &m->cells, params, covered);
	lose_walks(m, i, p->interrupted);
	m->cells.tunes.tune[i].enabled = p->state == PROBE_ATTACHED;
	return rings_publish(&m->cells);
}

static int open_probes(struct measure *m, const struct options *o, char *cause,
		       size_t len)
{
	struct params params;
	int err = probe_params(&m->cells.plan, &params, &m->cells.tunes.self_tgid);

	if (err) {
		snprintf(cause, len,
			 "cannot run the first BPF program: %s (try: assay doctor)",
			 strerror(-err));
		return err;
	}
	params.dns = in_list(o->probes, probe_descs[PROBE_DNS].name);
	params.queries = m->cells.plan.queries;
	for (size_t i = 0; i < probe_desc_count && !err; i++)
		err = open_probe(m, i, o, &params);
	if (err) {
		snprintf(cause, len, "cannot tell the probes to begin: %s",
			 strerror(-err));
		return err;
	}
	warn_missing(m);
	cgroups_events(m->cgroups, m->probes[PROBE_CGROUP].state == PROBE_ATTACHED);
	kernel_btf_free();
	return 0;
}

static int open_cells(struct measure *m, const struct options *o, char *cause,
		      size_t len)
{
	struct cells_plan plan;
	int err = cells_plan(o, &plan);

	if (err == -ENOSPC) {
		snprintf(
		    cause, len,
		    "--memory %zu bytes are too few for --slots %u: the least is %zu",
		    plan.limit, plan.slots, plan.total);
		return err;
	}
	if (!err)
		err = cells_open(&plan, &m->cells);
	if (err)
		snprintf(cause, len, "cannot create the maps (%zu KiB): %s",
			 plan.total / 1024, strerror(-err));
	return err;
}

static int open_cgroups(struct measure *m, const struct options *o, char *cause,
			size_t len)
{
	struct cgroup_root root;
	int err = cgroup_root_find(o->cgroup_root, &root, cause, len);

	if (err)
		return err;
	if (!root.whole)
		log_warnx("%s is the cgroup tree of a container: what is not below it "
			  "counts as unknown (mount the host's, see --cgroup-root)",
			  root.path);
	err = cgroups_open(root.path, &m->cells, &m->cgroups);
	if (err)
		snprintf(cause, len, "the cgroup tree at %s cannot be read: %s",
			 root.path, strerror(-err));
	return err;
}

int measure_open(const struct options *o, struct measure **out, char *cause, size_t len)
{
	struct measure *m;
	int err = doctor_require(cause, len);

	if (err)
		return err;
	m = calloc(1, sizeof(*m));
	if (!m) {
		snprintf(cause, len, "no memory");
		return -ENOMEM;
	}
	err = open_cells(m, o, cause, len);
	if (err) {
		free(m);
		return err;
	}
	err = open_cgroups(m, o, cause, len);
	if (err)
		goto fail;
	err = snapshot_open(&m->cells, m->cgroups, &m->snapshot);
	if (!err)
		err = usage_open(m->cgroups, &m->usage);
	if (err) {
		snprintf(cause, len, "%s", strerror(-err));
		goto fail;
	}
	err = resource_init(&m->resource, o, cause, len);
	if (err)
		goto fail;
	if (m->resource.host.fleeting)
		log_warnx("host.id is the boot id, another one after each boot of the "
			  "node: see --host-root and --host-id");
	err = open_probes(m, o, cause, len);
	if (err)
		goto fail;
	self_init(&m->self);
	wall_measure(&m->wall);
	m->first_wall_ns = m->wall.offset_ns;
	*out = m;
	return 0;
fail:
	measure_close(m);
	return err;
}

int measure_update(struct measure *m)
{
	return snapshot_read(m->snapshot);
}

/* Of each workload that is there: a few small files. */
static void read_usage(struct measure *m)
{
	struct workload **workloads;
	uint64_t time_ns;
	size_t count;

	workloads = snapshot_workloads(m->snapshot, &count, &time_ns);
	for (size_t i = 0; i < count; i++)
		if (workloads[i]->path && !workloads[i]->gone)
			usage_read(m->usage, workloads[i]->path, &workloads[i]->usage);
}

/* The walks of a probe; false: one is not at its end, which is a loss, or has failed.
 */
static bool walk_one(struct measure *m, size_t probe)
{
	int err = probe_walk(&m->probes[probe]);

	if (!err)
		return true;
	lose_walks(m, probe, 1);
	if (err != -ETIMEDOUT && err != -EBUSY)
		log_warn(err, "probe %s: its walk", probe_descs[probe].name);
	return false;
}

/* What is under way, as the walks find it; unknown when one of them is not at its end.
 */
static void walk_all(struct measure *m)
{
	bool whole = true;

	snapshot_clear_inflight(m->snapshot);
	for (size_t i = 0; i < PROBE_COUNT; i++)
		whole &= walk_one(m, i);
	snapshot_know_inflight(m->snapshot, whole);
}

int measure_collect(struct measure *m)
{
	int err;

	walk_all(m);
	err = measure_update(m);
	read_usage(m);
	return err;
}

/* The kernel skips a program that would interrupt itself. */
static void find_missed_events(struct measure *m)
{
	struct probe *p = &m->probes[PROBE_CGROUP];
	uint64_t missed = probe_recursion_misses(p);

	if (missed != m->missed_events)
		cgroups_events(m->cgroups, p->state == PROBE_ATTACHED);
	m->missed_events = missed;
}

int measure_collect_last(struct measure *m)
{
	int err;

	find_missed_events(m);
	snapshot_quarantine(m->snapshot);
	err = measure_collect(m);
	if (err) /* what was not read would be the next owner's of its cell */
		return err;
	err = snapshot_reap(m->snapshot);
	if (err)
		log_warn(err, "slots of cgroups that are gone");
	return 0;
}

void measure_make_room(struct measure *m)
{
	snapshot_make_room(m->snapshot);
}

static int add_group(struct measure *m, struct workload *w, struct points *points)
{
	struct point_group *g = points_group(points);
	int err;

	if (!g)
		return -ENOMEM;
	g->serial = w->serial;
	err = resource_workload(&m->resource, w, g);
	if (!err)
		err = metrics_add(g, w, points->number);
	if (!err)
		err = points_merge(g);
	if (err || g->count)
		return err;
	free(g->points);
	points->count--; /* nothing to say of it */
	w->ending.over = w->gone && points->number;
	return 0;
}

static int make_points(struct measure *m, const struct export_stats *stats,
		       struct points *points)
{
	struct self_facts facts = {
		.probes = m->probes,
		.cells = &m->cells,
		.slots_used = snapshot_slots(m->snapshot),
		.stats = stats,
		.folded = snapshot_folded(m->snapshot),
		.number = points->number,
	};
	struct workload **workloads;
	struct point_group *g;
	size_t count;
	int err = 0;

	workloads = snapshot_workloads(m->snapshot, &count, &points->time_ns);
	for (size_t i = 0; i < count && !err; i++)
		err = add_group(m, workloads[i], points);
	g = err ? NULL : points_group(points);
	if (g) {
		resource_self(&m->resource, g);
		g->serial = SELF_SERIAL;
	}
	err = g ? self_add(&m->self, g, &facts) : -ENOMEM;
	if (!err)
		err = points_merge(g);
	if (err)
		points_fini(points);
	return err;
}

int measure_points(struct measure *m, const struct export_stats *stats,
		   struct points *points)
{
	int64_t step = wall_measure(&m->wall);

	if (step)
		log_warnx(
		    "the wall clock was set by %+.3f s: all series begin anew there",
		    step * 1e-9);
	*points = (struct points){
		.wall_ns = m->wall.offset_ns,
		.number = snapshot_export(m->snapshot),
	};
	return make_points(m, stats, points);
}

int measure_ends(struct measure *m, const struct export_stats *stats,
		 struct points *points)
{
	int err = measure_points(m, stats, points);

	if (err)
		return err;
	points->time_ns = now_boot_ns(); /* later than the values */
	for (size_t i = 0; i < points->count; i++)
		for (size_t k = 0; k < points->groups[i].count; k++)
			points->groups[i].points[k].ended = true;
	return 0;
}

void measure_accepted(struct measure *m, const struct otlp_batch *b)
{
	if (!b) {
		snapshot_unheard(m->snapshot);
		return;
	}
	snapshot_accepted(m->snapshot, b->number, b->from, b->to);
	if (b->to == SELF_SERIAL)
		self_accepted(&m->self, b->number);
}

int measure_read(struct measure *m, const struct export_stats *stats, uint8_t **bytes,
		 size_t *len)
{
	/* starts do not move while a command compares two readings */
	struct points points = { .wall_ns = m->first_wall_ns };
	int err = measure_collect(m);

	if (!err)
		err = make_points(m, stats, &points);
	if (err)
		return err;
	err = otlp_encode(&points, bytes, len);
	points_fini(&points);
	return err;
}

/* Counts DNS queries that get no answer any more, and gives back their places. */
static void sweep_queries(struct measure *m)
{
	uint64_t now = now_mono_ns();

	if (now < m->next_sweep_ns)
		return;
	m->next_sweep_ns = now + SWEEP_NS;
	if (!cells_queries(&m->cells))
		return;
	walk_one(m, PROBE_DNS);
}

int measure_relieve(struct measure *m)
{
	int err;

	walk_nudge();
	cgroups_listen(m->cgroups);
	sweep_queries(m);
	if (!snapshot_is_pressed(m->snapshot))
		return 0;
	err = measure_update(m);
	return err ? err : snapshot_reap(m->snapshot);
}

int measure_tune(struct measure *m, const char *words, char **text, size_t *text_len,
		 char *cause, size_t len)
{
	struct tune_change change;
	FILE *f;
	int err = tune_parse(words, &change, cause, len);

	if (!err)
		err = tune_apply(&m->tuner, &change, &m->cells.tunes, m->probes, cause,
				 len);
	if (err)
		return err;
	err = rings_publish(&m->cells);
	if (err) {
		snprintf(cause, len, "the probes cannot be told: %s", strerror(-err));
		return err;
	}
	f = open_memstream(text, text_len);
	if (!f)
		return -ENOMEM;
	tune_print(f, change.probe, &m->cells.tunes, m->probes);
	return fclose(f) ? -ENOMEM : 0;
}

void measure_drop(struct measure *m)
{
	snapshot_drop(m->snapshot);
}

unsigned int measure_attached(const struct measure *m, unsigned int *wanted)
{
	unsigned int n = 0;

	for (size_t i = 0; i < PROBE_COUNT; i++)
		n += m->probes[i].state == PROBE_ATTACHED;
	*wanted = m->wanted;
	return n;
}

void measure_close(struct measure *m)
{
	if (!m)
		return;
	for (size_t i = 0; i < PROBE_COUNT; i++)
		probe_close(&m->probes[i]);
	snapshot_close(m->snapshot);
	usage_close(m->usage);
	cgroups_close(m->cgroups);
	rings_close(&m->cells);
	cells_close(&m->cells);
	resource_fini(&m->resource);
	free(m);
}
