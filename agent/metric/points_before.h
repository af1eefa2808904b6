/* SPDX-License-Identifier: Apache-2.0 */
/* Differences of points that are made by their total each time: the agent's own. */
#ifndef POINTS_BEFORE_H
#define POINTS_BEFORE_H

#include "metric/metric.h"

struct before;

/* What was there the last time; a zeroed struct: nothing. */
struct points_before {
	struct before *list;
	size_t count;
};

/*
 * Makes of a group's sums what they are more than the last time, and leaves out those
 * that are not; they begin at since_ns. -ENOMEM: as it was. There are no histograms.
 */
int points_since(struct points_before *b, struct point_group *g, uint64_t since_ns);
void points_before_fini(struct points_before *b);

#endif
