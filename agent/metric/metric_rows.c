// SPDX-License-Identifier: Apache-2.0
#include "base/util.h"
#include "metric/metrics.h"

/* The master copy of what we export of workloads, in the order of the reference. */
const struct metric_table *const metric_tables[] = {
	&sched_rows, &syscall_rows, &tcp_rows,	    &dns_rows,
	&block_rows, &memory_rows,  &inflight_rows, &cgroup_rows,
};

const size_t metric_table_count = COUNT(metric_tables);
