/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's metrics about what its probes cost. */
#ifndef SELF_BUDGET_H
#define SELF_BUDGET_H

#include <stdbool.h>
#include "bpf/cell.h"
#include "metric/metric.h"

struct budget_facts {
	double budget;		  /* a share of a CPU's busy time; 0: none */
	bool loaded[PROBE_COUNT]; /* the others are not told of */
	double duty[PROBE_COUNT]; /* how much of the time they are on */
	double cost[PROBE_COUNT]; /* share of the busy time of the worst CPU */
	/* for how long it was on, and for how long what it counts in windows stands */
	double attached_s[PROBE_COUNT], counted_s[PROBE_COUNT];
};

extern const struct metric self_duty, self_cost, self_budget;
extern const struct metric self_attached_time, self_counted_time;

/* Adds them to a group; times, from start_ns on, only if they are asked for. 0 or
 * -ENOMEM. */
int self_add_budget(struct point_group *g, const struct budget_facts *b,
		    uint64_t start_ns, bool times);

#endif
