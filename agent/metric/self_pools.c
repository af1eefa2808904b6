// SPDX-License-Identifier: Apache-2.0
/* How full the pools and tables are that were made at start. */
#include "base/util.h"
#include "metric/self.h"

/* What a pool of cells has given, of all that it could. */
static void pool_of(const struct cells *c, enum pool pool, struct pool_use *use)
{
	int32_t left =
	    __atomic_load_n(&c->control->free_lists[pool].left, __ATOMIC_RELAXED);

	use->limit = (pool == POOL_HIST ? c->plan.hists : c->plan.counts) - 1;
	use->used = use->limit - (left > 0 ? left : 0);
}

void self_pools(const struct cells *c, uint32_t opens, const int32_t taken[TABLES],
		struct pool_use uses[POOL_USES])
{
	pool_of(c, POOL_HIST, &uses[USE_HISTS]);
	pool_of(c, POOL_COUNT, &uses[USE_COUNTS]);
	uses[USE_OPENS] = (struct pool_use){ opens, c->plan.opens };
	uses[USE_QUERIES] = (struct pool_use){ cells_queries(c), c->plan.queries };
	uses[USE_PEERS] = (struct pool_use){ cells_peer_rows(c), c->plan.peer_rows };
	for (int t = 0; t < TABLES; t++) {
		int32_t spilled =
		    __atomic_load_n(&c->control->spilled[t], __ATOMIC_RELAXED);

		uses[USE_TABLES + 2 * t] =
		    (struct pool_use){ taken[t] > 0 ? taken[t] : 0, c->plan.tables[t] };
		uses[USE_TABLES + 2 * t + 1] =
		    (struct pool_use){ spilled > 0 ? spilled : 0, c->plan.spills[t] };
	}
}

const char *pool_use_name(enum pool_use_id id)
{
	static const char *const names[] = {
		[USE_HISTS] = "histograms",
		[USE_COUNTS] = "counters",
		[USE_OPENS] = "errors_and_disks",
		[USE_QUERIES] = "dns_queries",
		[USE_PEERS] = "peers",
		[USE_TABLES] = "threads",
		"threads_spill",
		"calls",
		"calls_spill",
		"connections",
		"connections_spill",
	};

	_Static_assert(COUNT(names) == POOL_USES, "one name for each");
	return names[id];
}
