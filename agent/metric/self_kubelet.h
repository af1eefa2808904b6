/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's metrics about what it asks the kubelet. */
#ifndef SELF_KUBELET_H
#define SELF_KUBELET_H

#include "metric/metric.h"

struct kubelet_stats;

extern const struct metric self_kubelet_requests, self_kubelet_containers,
    self_kubelet_left_out;

/* Adds them to a group; start_ns: the agent's, boot time. 0 or -ENOMEM. */
int self_add_kubelet(struct point_group *g, uint64_t start_ns,
		     const struct kubelet_stats *k);

#endif
