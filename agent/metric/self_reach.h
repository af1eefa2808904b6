/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's metric about how much it knows of what is under way. */
#ifndef SELF_REACH_H
#define SELF_REACH_H

#include "bpf/cell.h"
#include "metric/metric.h"

extern const struct metric self_reach;

/*
 * Adds it to a group, for each operation (enum inflight) of which something is known.
 * reach_s: up to which age, in s; below 0: nothing is known. 0 or -ENOMEM.
 */
int self_add_reach(struct point_group *g, const double reach_s[INFLIGHT_COUNT]);

#endif
