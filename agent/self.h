/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The agent's metrics about itself: which probes run, what was lost and why, how full
 * its memory is, what it costs, what its exports came to.
 */
#ifndef SELF_H
#define SELF_H

#include "metric.h"
#include "probe.h"

struct export_stats;

struct self {
	uint64_t start_ns;	       /* wall clock */
	int64_t run_ns[PROGRAM_COUNT]; /* told so far: a sum never goes down */
};

struct self_facts {
	const struct probe *probes; /* PROBE_COUNT of them */
	const struct cells *cells;
	uint32_t slots_used;
	const struct export_stats *stats; /* NULL: nothing is exported */
};

void self_init(struct self *s);
/* Adds all of them to a group. -ENOMEM. */
int self_add(struct self *s, struct point_group *g, const struct self_facts *f);
/* The name of a loss: the value of assay.reason. */
const char *loss_name(enum loss why);

/* The agent's own metrics, for the reference. */
extern const struct metric *const self_metrics[];
extern const size_t self_metric_count;

#endif
