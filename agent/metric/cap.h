/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The most attribute sets that a metric has, over all workloads. What comes when there
 * are so many is one set of its workload, which has nothing but otel.metric.overflow =
 * true: sums are as before. What was decided of a series holds for its life, so none
 * goes down and nothing is counted twice. Metrics that have one set for each workload
 * are not touched, nor are the workloads that others are added to: what found no slot,
 * and what has no name.
 */
#ifndef CAP_H
#define CAP_H

#include "metric/metrics.h"

struct series_cap {
	uint64_t most;		    /* sets of a metric */
	uint64_t live[METRIC_ROWS]; /* at the latest export, and new ones since */
	uint64_t seen[METRIC_ROWS]; /* by the export that is being made */
	uint64_t overflown;	    /* sets that were too many, ever */
};

/* An export begins, */
void cap_begin(struct series_cap *c);
/* has these points of a workload, which are merged (points_merge), -ENOMEM, */
int cap_take(struct series_cap *c, struct point_group *g);
/* and was whole. */
void cap_end(struct series_cap *c);

#endif
