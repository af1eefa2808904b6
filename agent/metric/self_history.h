/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's metrics about the history that it keeps on the node. */
#ifndef SELF_HISTORY_H
#define SELF_HISTORY_H

#include "metric/history_stats.h"
#include "metric/metric.h"

#define SELF_HISTORY_SERIES 4

extern const struct metric self_history_size, self_history_readings;

/* Adds them to a group; start_ns: the agent's, boot time. 0 or -ENOMEM. */
int self_add_history(struct point_group *g, uint64_t start_ns,
		     const struct history_stats *h);

#endif
