// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include "base/options.h"
#include "base/units.h"
#include "cmd/exports_cost.h"
#include "kernel/plan.h"
#include "metric/bound.h"
#include "metric/self.h"
#include "workload/group.h"
#include "workload/max_pods.h"

#define DAY_MS (24 * 3600 * 1000.0)
/*
 * What we take for granted of a node of Kubernetes: a container in each pod that is
 * busy, and a second one in every other; and units of the node's own.
 */
#define WORKLOADS_OF_2_PODS 3
#define UNITS		    50
#define SOME		    100 /* workloads, where nobody says how many there will be */

/* How many workloads exports will have, and why we think so. */
static uint64_t expect(const struct options *o, const struct cells_plan *plan,
		       char *why, size_t len)
{
	static const char *const own[] = {
		[GROUP_CONTAINER] = "",
		[GROUP_POD] = "",
		[GROUP_OWNER] = ", each with its own owner",
		[GROUP_NAMESPACE] = ", each with its own namespace",
	};
	uint64_t pods = o->max_pods, n;

	if (!pods)
		pods = max_pods_find(o->host_root ? o->host_root : "/");
	if (!pods) {
		snprintf(why, len, "for %d workloads", SOME);
		return SOME;
	}
	n = UNITS +
	    (o->group_by == GROUP_CONTAINER ? pods * WORKLOADS_OF_2_PODS / 2 : pods);
	snprintf(why, len, "with %ju pods (%s%s)", (uintmax_t)pods,
		 o->max_pods ? "--max-pods" : "maxPods of " MAX_PODS_FILE,
		 own[o->group_by]);
	return n < plan->slots ? n : plan->slots;
}

void exports_cost(const struct options *o, const struct cells_plan *plan, char *text,
		  size_t len)
{
	struct series_rules rules = { .basic = o->series == SERIES_BASIC,
				      .culprits = o->export_culprits,
				      .per_metric = o->series_per_metric };
	bool gzip = o->export_compression == COMPRESSION_GZIP;
	char why[160], raw[UNITS_LEN], sent[UNITS_LEN], day[UNITS_LEN];
	uint64_t workloads = expect(o, plan, why, sizeof(why));
	double series = (double)workloads * series_typical(&rules) + SELF_SERIES;
	double bytes = series * (gzip ? SERIES_GZIP_BYTES : SERIES_RAW_BYTES);
	uint64_t most =
	    series_bound(&rules, 2 * (uint64_t)plan->slots) + SELF_SERIES_MOST;

	units_bytes(raw, series * SERIES_RAW_BYTES);
	units_bytes(sent, series * SERIES_GZIP_BYTES);
	units_bytes(day, bytes * DAY_MS / o->export_interval_ms);
	snprintf(
	    text, len,
	    "about %.0f series %s%s, %u for each that is busy: %s an export, %s by "
	    "gzip, %s sent a day; at most %ju series",
	    series, why, o->include || o->exclude ? ", fewer by what is excluded" : "",
	    series_typical(&rules), raw, sent, day, (uintmax_t)most);
}
