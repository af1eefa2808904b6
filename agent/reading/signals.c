// SPDX-License-Identifier: Apache-2.0
#include "reading/snapshot_impl.h"

const struct signal_desc signal_descs[SIGNAL_COUNT] = {
#define SIGNAL_DESC(name, pool, values, shards) \
	[SIGNAL_##name] = { POOL_##pool, SERIES_##name, values, shards },
	SIGNALS(SIGNAL_DESC)
};

#define SIGNAL_HISTS(name, pool, values, shards) \
	+((POOL_##pool == POOL_HIST) ? (values) : 0)
#define SIGNAL_COUNTS(name, pool, values, shards) \
	+((POOL_##pool == POOL_COUNT) ? (values) : 0)
_Static_assert(SIGNALS(SIGNAL_HISTS) <= SNAPSHOT_HISTS, "room for all histograms");
_Static_assert(SIGNALS(SIGNAL_COUNTS) <= SNAPSHOT_COUNTS, "room for all counters");

unsigned int snapshot_values(enum signal signal)
{
	return signal_descs[signal].values;
}

size_t snapshot_index(enum signal signal, unsigned int v)
{
	size_t at = v;

	for (int i = 0; i < (int)signal; i++)
		if (signal_descs[i].pool == signal_descs[signal].pool)
			at += signal_descs[i].values;
	return at;
}
