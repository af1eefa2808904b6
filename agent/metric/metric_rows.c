// SPDX-License-Identifier: Apache-2.0
#include "base/util.h"
#include "metric/metrics.h"

/* The master copy of what we export of workloads. */
const struct metric_table *const metric_tables[] = {
#define METRIC_TABLE(name) &name##_rows,
	METRIC_TABLES(METRIC_TABLE)
};

const size_t metric_table_count = COUNT(metric_tables);
