// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/util.h"
#include "metric/bound.h"
#include "metric/errno_name.h"
#include "metric/metrics.h"

/* Measured, but for culprits, with the controllers cpu and memory: README.md. */
#define TYPICAL_BASIC 19
#define TYPICAL_ALL   39

#define UNLIMITED 2    /* workloads: overflow, unknown */
#define ERRNO_END 4096 /* the kernel has none beyond */

static uint64_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

static bool is_same(const char *a, const char *b)
{
	return a == b || (a && b && strcmp(a, b) == 0);
}

/* How many different values the row's own attribute has. */
static uint64_t values_of(const struct metric_row *r, bool basic)
{
	unsigned int all =
	    r->source == FROM_LANE ? snapshot_values(r->signal) : r->value_count;
	uint64_t n = 0;

	if (!r->basic || !basic)
		return all;
	for (unsigned int i = 0; i < all; i++) {
		unsigned int k = 0;

		while (k < i && !is_same(r->basic[k], r->basic[i]))
			k++;
		n += k == i && r->basic[i] != metric_left_out;
	}
	return n;
}

/* And an open one: over the life of a workload it may have all that there are. */
static uint64_t opens_of(const struct metric_row *r)
{
	uint64_t n = 1; /* _OTHER */

	if (r->signal >= OPEN_HIST)
		return n + DISKS;
	for (uint32_t err = 1; err < ERRNO_END; err++)
		n += strcmp(errno_name(err, NULL, 0), "_OTHER") != 0;
	return n + (r->signal == OPEN_CONNECT_ERROR); /* aborted */
}

/* Sets of a metric that one workload may have. */
static uint64_t sets_of(const struct metric_row *r, const struct series_rules *rules)
{
	uint64_t n = values_of(r, rules->basic);

	if (r->local || (rules->basic && r->detail))
		return 0;
	if (r->source == FROM_CULPRITS && rules->culprits)
		return rules->culprits + CULPRITS_ENDING + 1;
	if (r->source == FROM_CULPRITS)
		return 1;
	if (r->source == FROM_OPEN)
		return n * opens_of(r);
	return r->lane_count ? n * r->lane_count : n;
}

uint64_t series_bound(const struct series_rules *r, uint64_t workloads)
{
	uint64_t n = 0;

	for (size_t i = 0; i < metric_table_count; i++)
		for (size_t k = 0; k < metric_tables[i]->count; k++) {
			const struct metric_row *row = &metric_tables[i]->rows[k];
			uint64_t sets = sets_of(row, r), all = workloads * sets;

			/* beyond the most, one for all others of its workload */
			n += row->metric.attrs[0]
				 ? least(all,
					 r->per_metric + workloads + UNLIMITED * sets)
				 : all;
		}
	return n;
}

unsigned int series_typical(const struct series_rules *r)
{
	return (r->basic ? TYPICAL_BASIC : TYPICAL_ALL) + r->culprits + 1;
}
