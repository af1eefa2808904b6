// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "base/resident.h"
#include "base/util.h"
#include "metric/export_stats.h"
#include "metric/self.h"
#include "metric/self_budget.h"
#include "metric/self_history.h"
#include "metric/self_kubelet.h"
#include "metric/self_node.h"
#include "metric/self_reach.h"

static const struct metric probe_attached = {
	"assay.probe.attached",
	"", /* a state: a receiver makes _ratio of the unit 1 */
	"1: the probe measures; 0: it does not, and why.",
	METRIC_GAUGE,
	.attrs = { "assay.probe", "assay.state", "assay.reason" },
};
static const struct metric lost = {
	"assay.lost",
	"{event}",
	"Events that were not counted, or not where they belong, by reason.",
	METRIC_SUM,
	.attrs = { "assay.probe", "assay.reason" },
};
static const struct metric bpf_runs = {
	"assay.bpf.runs",
	"{run}",
	"Runs of a probe's programs.",
	METRIC_SUM,
	.attrs = { "assay.probe", "assay.program" },
};
static const struct metric bpf_run_time = {
	"assay.bpf.run.time",
	"s",
	"Time in a probe's programs: one of about 1000 runs is timed, net of the clock.",
	METRIC_SUM,
	.real = true,
	.attrs = { "assay.probe", "assay.program" },
};
static const struct metric slot_usage = {
	"assay.slot.usage",
	"{slot}",
	"Slots for workloads in use.",
	METRIC_UPDOWN,
};
static const struct metric slot_limit = {
	"assay.slot.limit",
	"{slot}",
	"Slots for workloads.",
	METRIC_UPDOWN,
};
static const struct metric pool_usage = {
	"assay.pool.usage",
	"{entry}",
	"Entries in use of the pools and tables that were made at start; of peers: "
	"workloads that had trouble with any.",
	METRIC_UPDOWN,
	.attrs = { "assay.pool" },
};
static const struct metric pool_limit = {
	"assay.pool.limit",
	"{entry}",
	"Entries of these, as planned.",
	METRIC_UPDOWN,
	.attrs = { "assay.pool" },
};
static const struct metric map_size = {
	"assay.map.size",
	"By",
	"Kernel memory of all maps, as planned.",
	METRIC_UPDOWN,
};
static const struct metric heap_usage = {
	"assay.heap.usage",
	"By",
	"Memory of the agent's numbers: totals, what was read last, requests that wait.",
	METRIC_UPDOWN,
};
static const struct metric heap_limit = {
	"assay.heap.limit",
	"By",
	"The most that these take, as planned.",
	METRIC_UPDOWN,
};
static const struct metric cpu_time = {
	"process.cpu.time", "s",	  "CPU time of the agent.",
	METRIC_SUM,	    .real = true, .attrs = { "cpu.mode" },
};
static const struct metric memory_usage = {
	"process.memory.usage",
	"By",
	"Resident memory of the agent; the mapped cells are in it.",
	METRIC_UPDOWN,
};
static const struct metric exported = {
	"otel.sdk.exporter.metric_data_point.exported",
	"{data_point}",
	"Data points that the exporter is done with; failed ones have an error.type.",
	METRIC_SUM,
	.attrs = { "error.type" },
};
const struct metric *const self_metrics[] = {
	&probe_attached,
	&self_duty,
	&self_cost,
	&self_budget,
	&self_attached_time,
	&self_counted_time,
	&self_reach,
	&lost,
	&bpf_runs,
	&bpf_run_time,
	&slot_usage,
	&slot_limit,
	&pool_usage,
	&pool_limit,
	&map_size,
	&heap_usage,
	&heap_limit,
	&cpu_time,
	&memory_usage,
	&exported,
	&self_kubelet_requests,
	&self_kubelet_containers,
	&self_kubelet_left_out,
	&self_history_size,
	&self_history_readings,
	&node_cpu_time,
	&node_cpu_steal,
	&node_cpu_count,
	&node_memory,
	&node_memory_available,
};
const size_t self_metric_count = COUNT(self_metrics);

const char *loss_name(int why)
{
	static const char *const names[] = {
		[LOSS_SLOTS_FULL] = "slots_full",
		[LOSS_CELLS_FULL] = "cells_full",
		[LOSS_OPEN_FULL] = "open_full",
		[LOSS_ABOVE_RANGE] = "above_range",
		[LOSS_NO_STORAGE] = "no_storage",
		[LOSS_DELAYED_DEQUEUE] = "delayed_dequeue",
		[LOSS_CLOCK_BACKWARDS] = "clock_backwards",
		[LOSS_UNPAIRED] = "unpaired",
		[LOSS_UNREADABLE] = "unreadable",
		[LOSS_NO_STAMP] = "no_stamp",
		[LOSS_STATE_FULL] = "state_full",
		[LOSS_SHARE_FULL] = "share_full",
		[LOSS_WALK_LIMIT] = "walk_limit",
		[LOSS_UNNAMED] = "unnamed",
		[LOSS_WALK_INTERRUPTED] = "walk_interrupted",
		[LOSS_TABLE_FULL] = "table_full",
		[LOSS_RECURSION] = "recursion",
		[LOSS_FOLDED] = "folded",
		[LOSS_SERIES_FULL] = "series_full",
	};

	_Static_assert(COUNT(names) == SELF_LOSSES, "one name for each reason");
	return names[why];
}

void self_init(struct self *s)
{
	s->start_ns = now_boot_ns();
	s->heap_start = heap_used();
}

static struct point *add(const struct self *s, struct point_group *g,
			 const struct metric *m, const char *v0, const char *v1)
{
	struct point *p = points_add(g, m);

	if (!p)
		return NULL;
	p->start_ns = m->kind == METRIC_GAUGE ? 0 : s->start_ns;
	p->values[0] = v0;
	p->values[1] = v1;
	return p;
}

static int add_u(const struct self *s, struct point_group *g, const struct metric *m,
		 const char *v0, const char *v1, uint64_t value)
{
	struct point *p = add(s, g, m, v0, v1);

	if (!p)
		return -ENOMEM;
	p->u = value;
	return 0;
}

static int add_d(const struct self *s, struct point_group *g, const struct metric *m,
		 const char *v0, const char *v1, double value)
{
	struct point *p = add(s, g, m, v0, v1);

	if (!p)
		return -ENOMEM;
	p->d = value;
	return 0;
}

static bool same_state(const struct self_state *a, const struct self_state *b)
{
	return a->state == b->state && !strcmp(a->reason, b->reason);
}

static void forget_ended(struct self_probe *p, size_t i)
{
	memmove(&p->ended[i], &p->ended[i + 1],
		(--p->ended_count - i) * sizeof(p->ended[0]));
}

/*
 * Export `number` reports a state: where it is not the one reported before, that one's
 * series has ended, until an export that says so has arrived. Also when none with the
 * state itself has so far: one that is on its way may.
 */
static void note_state(struct self_probe *p, const struct self_state *now,
		       uint64_t number)
{
	if (p->reported && !same_state(&p->now, now)) {
		if (p->ended_count == SELF_ENDED)
			forget_ended(p, 0);
		p->ended[p->ended_count].state = p->now;
		p->ended[p->ended_count++].since = number;
	}
	for (size_t i = p->ended_count; i-- > 0;)
		if (same_state(&p->ended[i].state, now))
			forget_ended(p, i);
	p->now = *now;
	p->reported = true;
}

void self_accepted(struct self *s, uint64_t number)
{
	for (size_t i = 0; i < COUNT(s->probes); i++)
		for (size_t k = s->probes[i].ended_count; k-- > 0;)
			if (number >= s->probes[i].ended[k].since)
				forget_ended(&s->probes[i], k);
}

/* The reason is borrowed until the points are encoded. */
static int add_state(const struct self *s, struct point_group *g, size_t i,
		     enum probe_state state, const char *reason, bool ended)
{
	struct point *p =
	    add(s, g, &probe_attached, probe_descs[i].name, probe_state_name(state));

	if (!p)
		return -ENOMEM;
	p->values[2] = reason[0] ? reason : NULL;
	p->u = state == PROBE_ATTACHED;
	p->ended = ended;
	return 0;
}

static int add_ended(const struct self *s, struct point_group *g, size_t i)
{
	const struct self_probe *p = &s->probes[i];
	int err = 0;

	for (size_t k = 0; k < p->ended_count && !err; k++)
		err = add_state(s, g, i, p->ended[k].state.state,
				p->ended[k].state.reason, true);
	return err;
}

static int add_probes(struct self *s, struct point_group *g, const struct self_facts *f)
{
	int err = 0;

	for (size_t i = 0; i < probe_desc_count && !err; i++) {
		const struct probe *p = &f->probes[i];
		struct self_state now = { .state = p->state };

		snprintf(now.reason, sizeof(now.reason), "%s", p->reason);
		if (f->number)
			note_state(&s->probes[i], &now, f->number);
		err = add_state(s, g, i, p->state, p->reason, false);
		if (!err && f->number)
			err = add_ended(s, g, i);
	}
	return err;
}

uint64_t self_lost(const struct self_facts *f, size_t probe, int why)
{
	if (why < LOSS_COUNT)
		return f->cells->control->lost[probe][why];
	if (why == LOSS_RECURSION)
		return probe_recursion_misses(&f->probes[probe]);
	if (probe != PROBE_CGROUP)
		return 0;
	return why == LOSS_FOLDED ? f->folded : f->overflown;
}

static int add_losses(const struct self *s, struct point_group *g,
		      const struct self_facts *f)
{
	int err = 0;

	for (size_t i = 0; i < probe_desc_count; i++) {
		for (int why = 0; why < SELF_LOSSES && !err; why++) {
			uint64_t n = self_lost(f, i, why);

			if (n)
				err = add_u(s, g, &lost, probe_descs[i].name,
					    loss_name(why), n);
		}
	}
	return err;
}

/* What the programs cost, by their own counting. */
static int add_runs(struct self *s, struct point_group *g,
		    const struct cells_runs *runs)
{
	int err = 0;

	for (size_t i = 0; i < PROGRAM_COUNT && !err; i++) {
		const char *probe = probe_descs[programs[i].probe].name;

		if (!runs[i].count)
			continue;
		/* a timed run may come out below 0, when the clock is slow for once */
		if (runs[i].ns > s->run_ns[i])
			s->run_ns[i] = runs[i].ns;
		err = add_u(s, g, &bpf_runs, probe, programs[i].name, runs[i].count);
		if (!err)
			err = add_d(s, g, &bpf_run_time, probe, programs[i].name,
				    s->run_ns[i] * 1e-9);
	}
	return err;
}

static int add_pools(const struct self *s, struct point_group *g,
		     const struct self_facts *f, const int32_t *taken)
{
	struct pool_use uses[POOL_USES];
	int err = 0;

	self_pools(f->cells, f->opens_used, taken, uses);
	for (int i = 0; i < POOL_USES && !err; i++) {
		err = add_u(s, g, &pool_usage, pool_use_name(i), NULL, uses[i].used);
		if (!err)
			err = add_u(s, g, &pool_limit, pool_use_name(i), NULL,
				    uses[i].limit);
	}
	return err;
}

/* What user space keeps, of what the plan allows it. */
static int add_heap(const struct self *s, struct point_group *g,
		    const struct cells_plan *plan)
{
	uint64_t used = heap_used();
	int err = add_u(s, g, &heap_usage, NULL, NULL,
			used > s->heap_start ? used - s->heap_start : 0);

	return err ? err
		   : add_u(s, g, &heap_limit, NULL, NULL, plan->bytes[PART_AGENT]);
}

static uint64_t resident_bytes(void)
{
	unsigned long total, resident;
	char buf[128];

	if (read_file("/proc/self/statm", buf, sizeof(buf)) <= 0 ||
	    sscanf(buf, "%lu %lu", &total, &resident) != 2)
		return 0;
	return (uint64_t)resident * sysconf(_SC_PAGESIZE);
}

static int add_process(const struct self *s, struct point_group *g)
{
	struct rusage ru;
	int err = 0;

	if (!getrusage(RUSAGE_SELF, &ru)) {
		err |= add_d(s, g, &cpu_time, "user", NULL,
			     ru.ru_utime.tv_sec + ru.ru_utime.tv_usec * 1e-6);
		err |= add_d(s, g, &cpu_time, "system", NULL,
			     ru.ru_stime.tv_sec + ru.ru_stime.tv_usec * 1e-6);
	}
	err |= add_u(s, g, &memory_usage, NULL, NULL, resident_bytes());
	return err ? -ENOMEM : 0;
}

static int add_exports(const struct self *s, struct point_group *g,
		       const struct export_stats *stats)
{
	int err = add_u(s, g, &exported, NULL, NULL, stats->exported);

	for (unsigned int i = 0; i < stats->failed_count && !err; i++)
		err = add_u(s, g, &exported, stats->failed[i].type, NULL,
			    stats->failed[i].points);
	return err;
}

/* What was planned at the start, in slots and bytes. */
static int add_plan(const struct self *s, struct point_group *g,
		    const struct self_facts *f)
{
	int err = add_u(s, g, &slot_usage, NULL, NULL, f->slots_used);

	if (!err)
		err = add_u(s, g, &slot_limit, NULL, NULL, f->cells->plan.slots);
	return err ? err
		   : add_u(s, g, &map_size, NULL, NULL,
			   plan_kernel_bytes(&f->cells->plan));
}

int self_add(struct self *s, struct point_group *g, const struct self_facts *f)
{
	struct cells_counted counted;
	int err = cells_count(f->cells, &counted);

	if (!err)
		err = add_probes(s, g, f);
	if (!err)
		err = add_losses(s, g, f);
	if (!err && f->budget)
		err = self_add_budget(g, f->budget, s->start_ns, !f->number);
	if (!err && f->reach_s && !f->number)
		err = self_add_reach(g, f->reach_s);
	if (!err)
		err = add_runs(s, g, counted.runs);
	if (!err)
		err = add_pools(s, g, f, counted.taken);
	if (!err)
		err = add_plan(s, g, f);
	if (!err)
		err = add_heap(s, g, &f->cells->plan);
	if (!err)
		err = add_process(s, g);
	if (!err && f->node)
		err = self_add_node(g, f->node, s->start_ns, !f->number);
	if (!err && f->stats)
		err = add_exports(s, g, f->stats);
	if (!err && f->kubelet)
		err = self_add_kubelet(g, s->start_ns, f->kubelet);
	if (!err && f->history)
		err = self_add_history(g, s->start_ns, f->history);
	return err;
}
