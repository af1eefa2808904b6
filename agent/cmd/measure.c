// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/util.h"
#include "cmd/measure.h"
#include "cmd/measure_exact.h"
#include "cmd/measure_impl.h"
#include "cmd/measure_windows.h"
#include "kernel/walk.h"
#include "metric/metrics.h"
#include "metric/self_budget.h"
#include "otlp/otlp.h"
#include "workload/kubelet.h"
#include "workload/names.h"
#include "workload/unit_text.h"

#define SELF_SERIAL UINT64_MAX	  /* behind all workloads */
#define SWEEP_NS    5000000000ULL /* between two looks at the DNS queries that wait */
/* What ends is told of so much earlier than what begins under its instance. */
#define SUCCESSION_NS 1000000ULL

/* What those who wrote a unit call it: once, as it is a part of who it is. */
static void describe_unit(const struct measure *m, struct workload *w)
{
	if (w->described || w->id.kind != WORKLOAD_UNIT)
		return;
	w->described = true;
	w->description = unit_description(names_root(m->names), w->id.name);
}

/*
 * Who is new is asked for at once, and again until an export has shown who it is: from
 * then on that is who it is to a receiver.
 */
static int find_names(struct measure *m)
{
	struct workload **workloads;
	uint64_t time_ns;
	size_t count;
	int err = 0;

	workloads = snapshot_workloads(m->snapshot, &count, &time_ns);
	for (size_t i = 0; i < count && !err; i++) {
		struct workload *w = workloads[i];
		struct names *names = NULL;

		describe_unit(m, w);
		if (!snapshot_asks_names(m->snapshot, w, m->hold_ns))
			continue;
		err = names_find(m->names, &w->id, &names);
		if (err == -ENOENT && w->id.kind == WORKLOAD_POD)
			err = snapshot_pod_names(m->snapshot, w, &names);
		if (!err) {
			snapshot_find_sandbox(m->snapshot, w, names, now_mono_ns());
			err = snapshot_take_names(m->snapshot, w, names);
		} else if (err == -ENOENT) {
			err = 0;
		}
		/* a sandbox may have made its pod known */
		workloads = snapshot_workloads(m->snapshot, &count, &time_ns);
	}
	return err;
}

int measure_update(struct measure *m)
{
	int err = snapshot_read(m->snapshot);

	if (err)
		return err;
	measure_note_read(m);
	return find_names(m);
}

/* Reads the cells, with what the passes since then have found. */
static int collect(struct measure *m, uint64_t since_ns, bool whole)
{
	int err;

	measure_lose_late(m, since_ns);
	err = measure_update(m);
	measure_read_files(m, whole);
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

static int first_instance(void *resource, struct workload *w)
{
	return resource_instance(resource, w);
}

static int instance_again(void *resource, struct workload *w)
{
	return resource_instance_again(resource, w);
}

/* Decides who is in the export. */
static int settle(struct measure *m, bool last)
{
	struct hold_rules rules = { m->hold_ns, last, instance_again, &m->resource,
				    first_instance };
	struct workload **workloads;
	uint64_t time_ns;
	size_t count;
	int err = 0;

	workloads = snapshot_workloads(m->snapshot, &count, &time_ns);
	for (size_t i = 0; i < count && !err; i++)
		if (workloads[i]->names)
			err = resource_instance(&m->resource, workloads[i]);
	if (!err)
		err = snapshot_settle(m->snapshot, &rules);
	if (err > 0 && !m->said_unnamed) {
		log_warnx("containers of pods have had no name for %g s: exports have "
			  "them in `unknown` (is the node's root mounted? see "
			  "--host-root); assay report shows them by their ids",
			  m->hold_ns / 1e9);
		m->said_unnamed = true;
	}
	return err < 0 ? err : 0;
}

int measure_collect_last(struct measure *m, uint64_t since_ns, bool last)
{
	int err;

	find_missed_events(m);
	if (last) /* to the end of our links, which interrupts all CPUs anyway */
		snapshot_disturb(m->snapshot);
	snapshot_quarantine(m->snapshot);
	err = collect(m, since_ns, last);
	if (err) /* what was not read would be the next owner's of its cell */
		return err;
	err = snapshot_reap(m->snapshot);
	if (err)
		log_warn(err, "slots of cgroups that are gone");
	return settle(m, last);
}

void measure_make_room(struct measure *m)
{
	snapshot_make_room(m->snapshot);
}

/* Encodes the points of one resource, and forgets them. */
static int encode_group(struct measure *m, struct points *p, bool ends,
			struct otlp_encoder *e)
{
	struct point_group *g = &p->groups[0];
	int err = points_merge(g);

	if (!err && p->number)
		err = cap_take(&m->cap, g);

	for (size_t i = 0; ends && i < g->count; i++)
		g->points[i].ended = true;
	if (!err)
		err = otlp_add(e, p);
	points_clear(p);
	return err;
}

static int encode_workload(struct measure *m, struct workload *w, struct points *p,
			   bool ends, struct otlp_encoder *e)
{
	struct point_group *g = points_group(p);
	int err;

	if (!g)
		return -ENOMEM;
	g->serial = w->serial;
	g->unlimited =
	    w->id.kind == WORKLOAD_OVERFLOW || w->id.kind == WORKLOAD_UNKNOWN;
	g->earlier_ns = w->successors * SUCCESSION_NS;
	err = resource_workload(&m->resource, w, !p->number, g);
	if (!err)
		err = metrics_add(g, w, p->number ? m->export_use : METRICS_READ);
	if (p->number && g->count && !w->settled)
		w->settled = p->number;
	if (!err && !g->count) /* nothing to say of it */
		w->ending.over = w->gone && p->number;
	return err ? err : encode_group(m, p, ends, e);
}

/* A group: its counts are added up for this moment only. */
static int encode_sum(struct measure *m, struct workload *group, struct points *p,
		      bool ends, struct otlp_encoder *e)
{
	int err = snapshot_sum_group(m->snapshot, group);

	if (!err)
		err = encode_workload(m, group, p, ends, e);
	snapshot_clear_group(group);
	return err;
}

/*
 * Who asks at the socket is shown all there is, by what it is called so far. Exports do
 * without those that are held back, and `unknown` may have more in it.
 */
static int encode_one(struct measure *m, struct workload *w, struct points *p,
		      bool ends, struct otlp_encoder *e)
{
	struct workload *unknown = NULL;
	int err = 0;

	if (w->into || (p->number && (w->held || w->group)))
		return 0;
	if (w->sum)
		return encode_sum(m, w, p, ends, e);
	if (p->number && w->id.kind == WORKLOAD_UNKNOWN)
		err = snapshot_unknown(m->snapshot, &unknown);
	if (!err)
		err = encode_workload(m, unknown ? unknown : w, p, ends, e);
	snapshot_free_workload(unknown);
	return err;
}

int measure_self(struct measure *m, const struct export_stats *stats, uint64_t number,
		 struct point_group *g)
{
	struct self_facts facts = {
		.probes = m->probes,
		.cells = &m->cells,
		.slots_used = snapshot_slots(m->snapshot),
		.opens_used = snapshot_opens(m->snapshot),
		.stats = stats,
		.folded = snapshot_folded(m->snapshot),
		.overflown = m->cap.overflown,
		.number = number,
	};
	struct kubelet_stats kubelet;
	struct budget_facts budget;
	double reach_s[INFLIGHT_COUNT];

	measure_reach(m, reach_s);
	facts.reach_s = reach_s;
	if (m->kubelet) {
		kubelet_get_stats(m->kubelet, &kubelet);
		facts.kubelet = &kubelet;
	}
	measure_note_times(m);
	facts.budget = measure_budget_facts(m, &budget);
	if (!node_usage_read(&m->node))
		facts.node = &m->node;
	if (m->kept.on)
		facts.history = &m->kept.stats;
	resource_self(&m->resource, g);
	g->serial = SELF_SERIAL;
	return self_add(&m->self, g, &facts);
}

static int encode_self(struct measure *m, const struct export_stats *stats,
		       struct points *p, bool ends, struct otlp_encoder *e)
{
	struct point_group *g = points_group(p);
	int err = g ? measure_self(m, stats, p->number, g) : -ENOMEM;

	return err ? err : encode_group(m, p, ends, e);
}

/* One workload after the other: there are never more points than of one. */
static int encode_all(struct measure *m, const struct export_stats *stats,
		      struct points *p, bool ends, struct otlp_encoder *e)
{
	struct workload **workloads, **groups;
	size_t count, group_count, k = 0;
	int err = 0;

	workloads = snapshot_workloads(m->snapshot, &count, &p->time_ns);
	groups = snapshot_groups(m->snapshot, &group_count);
	if (!p->number) /* who asks is shown the workloads themselves */
		group_count = 0;
	if (ends)
		p->time_ns = now_boot_ns(); /* later than the values */
	if (p->number)
		cap_begin(&m->cap);
	/* in the order of their serials: struct otlp_batch */
	for (size_t i = 0; i + k < count + group_count && !err;) {
		bool group = k < group_count &&
			     (i == count || groups[k]->serial < workloads[i]->serial);

		err = encode_one(m, group ? groups[k++] : workloads[i++], p, ends, e);
	}
	if (!err && p->number)
		cap_end(&m->cap);
	if (!err)
		err = encode_self(m, stats, p, ends, e);
	points_fini(p);
	return otlp_end(e, err);
}

int measure_encode(struct measure *m, const struct export_stats *stats, bool ends,
		   struct otlp_encoder *e)
{
	int64_t step = wall_measure(&m->wall);
	struct points points;

	if (step)
		log_warnx(
		    "the wall clock was set by %+.3f s: all series begin anew there",
		    step * 1e-9);
	points = (struct points){
		.wall_ns = m->wall.offset_ns,
		.number = snapshot_export(m->snapshot),
	};
	return encode_all(m, stats, &points, ends, e);
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

int measure_read(struct measure *m, uint64_t since_ns, const struct export_stats *stats,
		 uint8_t **bytes, size_t *len)
{
	struct otlp_batch one = { 0 };
	struct otlp_encoder e = { .limit = SIZE_MAX,
				  .take = otlp_take_one,
				  .arg = &one };
	/* starts do not move while a command compares two readings */
	struct points points = { .wall_ns = m->first_wall_ns };
	int err;

	if (!measure_ready(m, since_ns))
		return -EAGAIN;
	/* who asks compares two readings: none of a file may be older */
	err = collect(m, since_ns, true);
	if (!err)
		err = encode_all(m, stats, &points, false, &e);
	*bytes = one.bytes;
	*len = one.len;
	return err;
}

static void sweep_queries(struct measure *m)
{
	uint64_t now = now_mono_ns();

	if (now < m->next_sweep_ns)
		return;
	m->next_sweep_ns = now + SWEEP_NS;
	if (cells_queries(&m->cells))
		measure_sweep(m);
}

int measure_wake_fd(const struct measure *m)
{
	return m->wakes.fd;
}

void measure_look_up(struct measure *m)
{
	wakes_take(&m->wakes);
	cgroups_listen(m->cgroups);
}

int measure_relieve(struct measure *m)
{
	int err;

	walk_nudge();
	measure_look_up(m);
	sweep_queries(m);
	if (!snapshot_is_pressed(m->snapshot))
		return 0;
	err = measure_update(m);
	return err ? err : snapshot_reap(m->snapshot);
}

/* A user's word on a probe counts more than the budget's, until it costs too much. */
static void take_over(struct measure *m, const struct tune_change *c)
{
	struct probe *p = &m->probes[c->probe];

	if (m->duties[c->probe].governed && c->keys & TUNE_ENABLED && !c->enabled)
		snprintf(p->reason, sizeof(p->reason), TUNE_OFF_REASON);
	m->duties[c->probe].governed = false;
	if (c->keys & TUNE_ENABLED && c->enabled && !(c->keys & TUNE_DUTY) &&
	    measure_duty(m, c->probe) != 1)
		measure_set_duty(m, c->probe, 1);
	measure_govern_told(m, c->probe, c->keys & TUNE_DUTY);
}

int measure_tune(struct measure *m, const char *words, char **text, size_t *text_len,
		 char *cause, size_t len)
{
	struct tune_change change;
	FILE *f;
	int err = tune_parse(words, &change, cause, len);

	if (!err)
		err = measure_switch(m, &change, cause, len);
	if (!err)
		err = measure_tune_duty(m, &change, cause, len);
	if (err)
		return err;
	if (change.probe != TUNE_ALL && change.keys & (TUNE_ENABLED | TUNE_DUTY))
		measure_forget_resume(m, change.probe);
	if (change.probe != TUNE_ALL && change.keys & (TUNE_ENABLED | TUNE_DUTY))
		take_over(m, &change);
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
