// SPDX-License-Identifier: Apache-2.0
/* The maps of the plan: what each is made of, how many entries it has, what it takes.
 */
#include <stddef.h>
#include <stdint.h>
#include "bpf/dns.h"
#include "kernel/plan.h"

/* Of a preallocated hash, in the kernel: an element without key and value, a bucket. */
#define HASH_ELEMENT 48
#define HASH_BUCKET  16

/* Accepted by others than their listener's cgroup, and silent since: few at a time. */
#define ACCEPTS 2048

const struct map_desc map_descs[MAPS_ALL] = {
#define ARRAY(name, type, part)                                  \
	{                                                        \
		name, 0, sizeof(type), PART_##part, false, false \
	}
#define MAPPED(name, type, part)                                \
	{                                                       \
		name, 0, sizeof(type), PART_##part, true, false \
	}
#define HASH(name, key, type, part)                                        \
	{                                                                  \
		name, sizeof(key), sizeof(type), PART_##part, false, false \
	}
#define LRU(name, key, type, part)                                        \
	{                                                                 \
		name, sizeof(key), sizeof(type), PART_##part, false, true \
	}
	[MAP_OWNERS] = MAPPED("owners", uint64_t, WORKLOADS),
	[MAP_ROWS] = MAPPED("rows", struct series_row, WORKLOADS),
	[MAP_HISTS] = MAPPED("hists", struct hist_cell, HISTS),
	[MAP_COUNTS] = MAPPED("counts", struct count_cell, COUNTS),
	[MAP_FREE_HISTS] = MAPPED("free_hists", uint64_t, HISTS),
	[MAP_FREE_COUNTS] = MAPPED("free_counts", uint64_t, COUNTS),
	/* a section of the objects: kernel programs use it without a look-up */
	[MAP_CONTROL] = MAPPED(".data.control", struct control, FIXED),
	[MAP_INFLIGHTS] = MAPPED("inflights", struct inflight_row, WORKLOADS),
	[MAP_DELEGATES] = MAPPED("delegates", struct delegates, FIXED),
	[MAP_TUNES] = ARRAY(".data.tunes", struct tunes, FIXED),
	[MAP_SCHED_BLOCKS] = MAPPED("sched_blocks", struct sched_block, WORKLOADS),
	[MAP_SCHED_RINGS] = ARRAY("sched_rings", struct sched_ring, CPUS),
	[MAP_CALL_RINGS] = ARRAY("call_rings", struct call_ring, CPUS),
	[MAP_CGROUP_RING] = MAPPED("cgroup_ring", struct cgroup_names, FIXED),
	[MAP_CPUS] = ARRAY("cpus", struct cpu_state, CPUS),
	[MAP_OPENS] = HASH("opens", struct open_key, uint32_t, OPENS),
	/* what is pushed out does no harm */
	[MAP_ACCEPTS] = LRU("accepts", uint64_t, struct accepted, FIXED),
	[MAP_DISK_NAMES] = MAPPED("disk_names", struct disk_name, FIXED),
	[MAP_DNS_GATES] = ARRAY("dns_gates", struct dns_gate, CPUS),
	[MAP_DNS_QUERIES] =
	    HASH("dns_queries", struct dns_key, struct dns_query, QUERIES),
	[MAP_DNS_SHARES] = ARRAY("dns_shares", uint32_t, WORKLOADS),
	[MAP_DNS_ANSWERS] = ARRAY("dns_answers", struct dns_answered, QUERIES),
	[MAP_NUMBERS] = ARRAY("numbers", uint32_t, FIXED),
	[MAP_PEERS] = ARRAY("peers", struct peer_row, WORKLOADS),
	[MAP_THREADS] = ARRAY("threads", struct thread, THREADS),
	[MAP_THREADS_SPILL] = HASH("threads_spill", uint64_t, struct thread, THREADS),
	[MAP_CALLS] = ARRAY("calls", struct call, THREADS),
	[MAP_CALLS_SPILL] = HASH("calls_spill", uint64_t, struct call, THREADS),
	[MAP_CONNS] = ARRAY("conns", struct tcp_conn, CONNS),
	[MAP_CONNS_SPILL] = HASH("conns_spill", uint64_t, struct tcp_conn, CONNS),
	[MAP_CONNS_REFUSED] = ARRAY("conns_refused", uint64_t, FIXED),
	[MAP_TCP_LISTENERS] = HASH("tcp_listeners", uint64_t, uint32_t, FIXED),
	[MAP_SCHED_ASLEEP] = HASH("sched_asleep", uint64_t, uint64_t, FIXED),
	[MAP_RECLAIMS] = HASH("reclaims", uint64_t, uint64_t[2], FIXED),
	[MAP_DISKS] = HASH("disks", struct disk_name, uint32_t, FIXED),
#undef ARRAY
#undef MAPPED
#undef HASH
#undef LRU
};

/* An array element's step is its value rounded up to 8 (kernel/bpf/arraymap.c). */
size_t plan_step(enum cells_map m)
{
	return (map_descs[m].value_size + 7) & ~7UL;
}

_Static_assert(sizeof(struct series_row) % 8 == 0, "indexed as a C array");

static const uint32_t fixed_entries[MAPS_ALL] = {
	[MAP_CONTROL] = 1,
	[MAP_DELEGATES] = 1,
	[MAP_TUNES] = 1,
	[MAP_CGROUP_RING] = 1,
	[MAP_ACCEPTS] = ACCEPTS,
	[MAP_DISK_NAMES] = DISKS,
	[MAP_DNS_ANSWERS] = 1 << DNS_ANSWERED_LOG2,
	[MAP_CONNS_REFUSED] = REFUSED,
	[MAP_TCP_LISTENERS] = LISTENERS,
	[MAP_SCHED_ASLEEP] = ASLEEP,
	[MAP_RECLAIMS] = RECLAIMS,
	[MAP_DISKS] = DISKS,
};

uint32_t plan_entries(const struct cells_plan *p, enum cells_map m)
{
	switch (m) {
	case MAP_OWNERS:
	case MAP_ROWS:
	case MAP_INFLIGHTS:
		return p->slots;
	case MAP_PEERS:
		return p->peer_rows;
	case MAP_DNS_SHARES:
		return p->slots + SHARES;
	case MAP_SCHED_BLOCKS:
		return p->slots * p->sched_shards;
	case MAP_HISTS:
	case MAP_FREE_HISTS:
		return p->hists;
	case MAP_COUNTS:
	case MAP_FREE_COUNTS:
		return p->counts;
	case MAP_OPENS:
		return p->opens;
	case MAP_CPUS:
	case MAP_SCHED_RINGS:
	case MAP_CALL_RINGS:
		return p->cpus;
	case MAP_DNS_GATES:
		return p->cpus + 1;
	case MAP_NUMBERS:
		return p->cpus > LOOP_MAX ? p->cpus : LOOP_MAX;
	case MAP_DNS_QUERIES:
		return p->queries;
	case MAP_THREADS:
	case MAP_CALLS:
	case MAP_CONNS:
		return p->tables[(m - MAP_THREADS) / 2];
	case MAP_THREADS_SPILL:
	case MAP_CALLS_SPILL:
	case MAP_CONNS_SPILL:
		return p->spills[(m - MAP_THREADS) / 2];
	default:
		return fixed_entries[m];
	}
}
_Static_assert(MAP_CALLS == MAP_THREADS + 2 * TABLE_CALLS, "in the order of tables");
_Static_assert(MAP_CONNS == MAP_THREADS + 2 * TABLE_CONNS, "in the order of tables");

uint32_t plan_shift(const struct cells_plan *p, enum table t)
{
	return 32 - (31 - __builtin_clz(p->tables[t]));
}

size_t plan_map_bytes(const struct cells_plan *p, enum cells_map m)
{
	size_t n = plan_entries(p, m), buckets = 1;

	if (!map_descs[m].key_size)
		return n * plan_step(m);
	while (buckets < n)
		buckets *= 2;
	return (n + p->cpus) * (HASH_ELEMENT + ((map_descs[m].key_size + 7) & ~7UL) +
				plan_step(m)) +
	       buckets * HASH_BUCKET;
}
