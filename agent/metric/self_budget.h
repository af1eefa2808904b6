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
};

extern const struct metric self_duty, self_cost, self_budget;

/* Adds them to a group. 0 or -ENOMEM. */
int self_add_budget(struct point_group *g, const struct budget_facts *b);

#endif
