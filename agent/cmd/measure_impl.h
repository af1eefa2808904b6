/* SPDX-License-Identifier: Apache-2.0 */
/* What measure.c and measure_open.c have in common, and nobody else knows. */
#ifndef MEASURE_IMPL_H
#define MEASURE_IMPL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/wall.h"
#include "cmd/measure.h"
#include "kernel/cells.h"
#include "kernel/probe.h"
#include "kernel/tune.h"
#include "metric/resource.h"
#include "metric/self.h"
#include "reading/snapshot.h"
#include "workload/cgroup_root.h"
#include "workload/usage.h"

struct measure {
	struct cells cells;
	struct cgroups *cgroups;
	struct snapshot *snapshot;
	struct usage_reader *usage;
	struct resource resource;
	struct self self;
	struct wall wall;
	int64_t first_wall_ns;
	struct probe probes[PROBE_COUNT];
	struct tuner tuner;
	unsigned int wanted;
	struct params params;	 /* of all probes */
	struct cgroup_root root; /* read when measuring begins */
	uint64_t next_sweep_ns;
	uint64_t missed_events; /* runs of the programs that tell of cgroups */
};

/* Counts walks of a probe that did not end. */
void measure_lose_walks(struct measure *m, size_t probe, unsigned int n);

#endif
