/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's metrics about itself: which probes run, what was lost and why, how full
 * its memory is, what it costs, what its exports came to.
 */
#ifndef SELF_H
#define SELF_H

#include "kernel/probe.h"
#include "metric/export_stats.h"
#include "metric/metric.h"
#include "metric/self_node.h"

struct export_stats;
struct kubelet_stats;
struct budget_facts;
struct history_stats;

/* The state that was reported of a probe: with its reason it names a series. */
struct self_state {
	enum probe_state state;
	char reason[200];
};

/* Series of the agent itself: about so many, and at most. */
#define SELF_SERIES 109
#define SELF_SERIES_MOST                                                               \
	(PROBE_COUNT * (3 + SELF_ENDED) + 1 + PROBE_COUNT * (LOSS_COUNT + 1) + 2 +     \
	 2 * PROGRAM_COUNT + 2 + 2 * POOL_USES + 3 + 2 + 1 + 1 + EXPORT_FAILURES + 4 + \
	 SELF_NODE_SERIES)

#define SELF_ENDED 3 /* a probe has no more states but the one it is in */

/* What exports have said of a probe. */
struct self_probe {
	bool reported;
	struct self_state now;
	/* series that have ended, the oldest first, and the first export that says so
	 */
	struct {
		struct self_state state;
		uint64_t since;
	} ended[SELF_ENDED];
	size_t ended_count;
};

struct self {
	uint64_t start_ns;	       /* boot time */
	uint64_t heap_start;	       /* heap_used() then: the program's own */
	int64_t run_ns[PROGRAM_COUNT]; /* reported so far: a sum never goes down */
	struct self_probe probes[PROBE_COUNT];
};

struct self_facts {
	const struct probe *probes; /* PROBE_COUNT of them */
	const struct cells *cells;
	uint32_t slots_used, opens_used;
	const struct export_stats *stats;    /* NULL: nothing is exported */
	const struct kubelet_stats *kubelet; /* NULL: it is not asked */
	const struct budget_facts *budget;   /* NULL: nobody looks at it */
	const double *reach_s;		     /* see self_add_reach(); NULL: not told */
	const struct node_usage *node;	     /* NULL: it cannot be read */
	const struct history_stats *history; /* NULL: there is none */
	uint64_t folded;		     /* workloads, see snapshot_folded() */
	uint64_t overflown;		     /* attribute sets, see series_cap */
	uint64_t number;		     /* of the export; 0: it is none */
};

void self_init(struct self *s);
/* Adds all of them to a group. -ENOMEM. */
int self_add(struct self *s, struct point_group *g, const struct self_facts *f);
/* The export of this number has arrived. */
void self_accepted(struct self *s, uint64_t number);
/* What was planned in entries, and how much of it is in use. */
enum pool_use_id {
	USE_HISTS,
	USE_COUNTS,
	USE_OPENS,
	USE_QUERIES,
	USE_PEERS,  /* rows: one of a workload that has trouble with any */
	USE_TABLES, /* + 2 * enum table; + 1: its spill */
	USE_SMALL = USE_TABLES + 2 * TABLES, /* + enum small_table */
	USE_DISKS = USE_SMALL + SMALL_TABLES,
	POOL_USES,
};
struct pool_use {
	uint32_t used, limit;
};

/* How full all pools are; opens: error kinds and disks, taken: see cells_count(). */
void self_pools(const struct cells *c, uint32_t opens, const int32_t taken[TABLES],
		struct pool_use uses[POOL_USES]);
/* The value of assay.pool. */
const char *pool_use_name(enum pool_use_id id);

/* What a probe may lose: those of the kernel's side (enum loss), and what we know. */
enum self_loss {
	LOSS_RECURSION = LOSS_COUNT, /* runs that the kernel skipped */
	LOSS_FOLDED, /* of cgroup: workloads that ended and were added to the overflow
		      */
	LOSS_SERIES_FULL, /* the same: attribute sets, one too many for their metric */
	SELF_LOSSES,
};

/* The name of a loss (enum loss, enum self_loss): the value of assay.reason. */
const char *loss_name(int why);
/* How much of that a probe has lost since the start. */
uint64_t self_lost(const struct self_facts *f, size_t probe, int why);

/* The agent's own metrics, for the reference. */
extern const struct metric *const self_metrics[];
extern const size_t self_metric_count;

#endif
