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

/* A count that several CPUs add to may be below 0 for a moment. */
static uint32_t counted(const int32_t *count)
{
	int32_t n = __atomic_load_n(count, __ATOMIC_RELAXED);

	return n > 0 ? n : 0;
}

static void small_tables(const struct cells *c, struct pool_use uses[POOL_USES])
{
	static const enum cells_map maps[SMALL_TABLES] = {
		[SMALL_LISTENERS] = MAP_TCP_LISTENERS,
		[SMALL_REFUSED] = MAP_CONNS_REFUSED,
		[SMALL_ASLEEP] = MAP_SCHED_ASLEEP,
		[SMALL_RECLAIMS] = MAP_RECLAIMS,
	};
	uint32_t disks = __atomic_load_n(&c->control->disks, __ATOMIC_RELAXED),
		 most = plan_entries(&c->plan, MAP_DISKS);

	for (int t = 0; t < SMALL_TABLES; t++)
		uses[USE_SMALL + t] =
		    (struct pool_use){ counted(&c->control->small[t]),
				       plan_entries(&c->plan, maps[t]) };
	/* CPUs that meet new ones at the end of the table count beyond it */
	uses[USE_DISKS] = (struct pool_use){ disks < most ? disks : most, most };
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
		uses[USE_TABLES + 2 * t] =
		    (struct pool_use){ taken[t] > 0 ? taken[t] : 0, c->plan.tables[t] };
		uses[USE_TABLES + 2 * t + 1] =
		    (struct pool_use){ counted(&c->control->spilled[t]),
				       c->plan.spills[t] };
	}
	small_tables(c, uses);
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
		[USE_SMALL + SMALL_LISTENERS] = "ports_listened_on",
		[USE_SMALL + SMALL_REFUSED] = "connections_refused",
		[USE_SMALL + SMALL_ASLEEP] = "threads_moved_asleep",
		[USE_SMALL + SMALL_RECLAIMS] = "reclaims",
		[USE_DISKS] = "disks",
	};

	_Static_assert(COUNT(names) == POOL_USES, "one name for each");
	return names[id];
}
