// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cells.h"
#include "doctor.h"
#include "log.h"
#include "measure.h"
#include "metrics.h"
#include "options.h"
#include "otlp.h"
#include "probe.h"
#include "resource.h"
#include "self.h"
#include "snapshot.h"
#include "tune.h"
#include "usage.h"

struct measure {
	struct cells cells;
	struct cgroups *cgroups;
	struct snapshot *snapshot;
	struct usage_reader *usage;
	struct resource resource;
	struct self self;
	struct probe probes[PROBE_COUNT];
	struct tuner tuner;
	unsigned int wanted;
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
	m->cells.tunes.tune[i].enabled = !d->cover.program;
	cells_tell(&m->cells);
	probe_open(p, d, &m->cells, params, covered);
	m->cells.tunes.tune[i].enabled = p->state == PROBE_ATTACHED;
	if (i == PROBE_SCHED)
		m->cells.drain_fds[DRAIN_SCHED] = probe_runnable(p, "sched_drain");
	if (i == PROBE_SYSCALL)
		m->cells.drain_fds[DRAIN_CALLS] = probe_runnable(p, "syscall_drain");
	return cells_tell(&m->cells);
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
	for (size_t i = 0; i < probe_desc_count && !err; i++)
		err = open_probe(m, i, o, &params);
	if (err) {
		snprintf(cause, len, "cannot tell the probes to begin: %s",
			 strerror(-err));
		return err;
	}
	warn_missing(m);
	malloc_trim(0); /* libbpf read the kernel's BTF: some megabytes */
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
	err = cgroups_open(o->cgroup_root, &m->cells, &m->cgroups);
	if (err) {
		snprintf(cause, len,
			 "no cgroup v2 tree is mounted (see --cgroup-root)");
		goto fail;
	}
	err = snapshot_open(&m->cells, m->cgroups, &m->snapshot);
	if (!err)
		err = usage_open(m->cgroups, &m->usage);
	if (!err)
		err = resource_init(&m->resource, o);
	if (err) {
		snprintf(cause, len, "%s", strerror(-err));
		goto fail;
	}
	err = open_probes(m, o, cause, len);
	if (err)
		goto fail;
	self_init(&m->self);
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

int measure_collect(struct measure *m)
{
	int err;

	snapshot_clear_inflight(m->snapshot);
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		err = probe_walk(&m->probes[i]);
		if (err)
			log_warn(err, "probe %s: its walk", probe_descs[i].name);
	}
	err = measure_update(m);
	read_usage(m);
	return err;
}

int measure_points(struct measure *m, const struct export_stats *stats,
		   struct points *points)
{
	struct self_facts facts = {
		.probes = m->probes,
		.cells = &m->cells,
		.slots_used = snapshot_slots(m->snapshot),
		.stats = stats,
	};
	struct workload **workloads;
	struct point_group *g;
	size_t count;
	int err = 0;

	memset(points, 0, sizeof(*points));
	workloads = snapshot_workloads(m->snapshot, &count, &points->time_ns);
	for (size_t i = 0; i < count && !err; i++) {
		g = points_group(points);
		if (!g)
			err = -ENOMEM;
		if (!err)
			err = resource_workload(&m->resource, workloads[i], g);
		if (!err)
			err = metrics_add(g, workloads[i]);
		if (!err && !g->count)
			points->count--; /* nothing to say of it */
	}
	g = err ? NULL : points_group(points);
	if (g)
		resource_self(&m->resource, g);
	err = g ? self_add(&m->self, g, &facts) : -ENOMEM;
	if (err)
		points_fini(points);
	return err;
}

int measure_read(struct measure *m, const struct export_stats *stats, uint8_t **bytes,
		 size_t *len)
{
	struct points points;
	int err = measure_collect(m);

	if (!err)
		err = measure_points(m, stats, &points);
	if (err)
		return err;
	err = otlp_encode(&points, bytes, len);
	points_fini(&points);
	return err;
}

int measure_relieve(struct measure *m)
{
	int err;

	if (!snapshot_is_pressed(m->snapshot))
		return 0;
	err = measure_update(m);
	return snapshot_reap(m->snapshot) ?: err;
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
	err = cells_tell(&m->cells);
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

void measure_reap(struct measure *m)
{
	int err;

	snapshot_drop(m->snapshot);
	err = snapshot_reap(m->snapshot);
	if (err)
		log_warn(err, "slots of cgroups that are gone");
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
	cells_close(&m->cells);
	resource_fini(&m->resource);
	free(m);
}
