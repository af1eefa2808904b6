/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's metrics about its node: what its CPUs did, and its memory. */
#ifndef SELF_NODE_H
#define SELF_NODE_H

#include <stdbool.h>
#include "metric/metric.h"
#include "reading/node_usage.h"

#define SELF_NODE_SERIES (CPU_MODES + 3) /* in exports */

extern const struct metric node_cpu_time, node_cpu_steal, node_cpu_count, node_memory,
    node_memory_available;

/*
 * Adds them to a group; sums began at start_ns. Steal of single CPUs is only added when
 * each_cpu: of those that ever had any. 0 or -ENOMEM.
 */
int self_add_node(struct point_group *g, const struct node_usage *u, uint64_t start_ns,
		  bool each_cpu);
/* Is a metric of this name about the node, and not about the agent? */
bool self_is_of_node(const char *name);

#endif
