/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory plan: every map of the kernel's and what the agent itself keeps of them,
 * in entries and bytes, made before anything loads. It follows from the number of
 * possible CPUs, of slots, and the limit. Beside it are the program itself, what
 * plan_beside() says, and the names of all cgroups of the node (cgroup_tree.h), which
 * have no end of their own: some 250 bytes each, twice while they are read anew; the
 * kernel takes more of each.
 */
#ifndef PLAN_H
#define PLAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/cell.h"

struct options;

enum cells_map {
	MAP_OWNERS,
	MAP_ROWS,
	MAP_HISTS,
	MAP_COUNTS,
	MAP_FREE_HISTS,
	MAP_FREE_COUNTS,
	MAP_CONTROL,
	MAP_INFLIGHTS,
	MAP_DELEGATES,
	MAP_TUNES,
	MAP_SCHED_BLOCKS,
	MAP_SCHED_RINGS,
	MAP_CALL_RINGS,
	MAP_CGROUP_RING,
	MAP_CPUS,
	MAP_OPENS,
	MAP_ACCEPTS,
	MAP_DISK_NAMES,
	MAP_DNS_GATES,
	MAP_DNS_QUERIES,
	MAP_DNS_SHARES,
	MAP_DNS_ANSWERS,
	MAP_NUMBERS,
	MAP_PEERS,
	MAPS_SHARED,
	/* of one probe each: made when it is loaded */
	MAP_THREADS = MAPS_SHARED,
	MAP_THREADS_SPILL,
	MAP_CALLS,
	MAP_CALLS_SPILL,
	MAP_CONNS,
	MAP_CONNS_SPILL,
	MAP_CONNS_REFUSED,
	MAP_TCP_LISTENERS,
	MAP_SCHED_ASLEEP,
	MAP_RECLAIMS,
	MAP_DISKS,
	MAPS_ALL,
};

/* What the memory is for. */
enum plan_part {
	PART_WORKLOADS, /* slots: owners, rows, blocks of the scheduler's */
	PART_HISTS,
	PART_COUNTS,
	PART_OPENS,
	PART_QUERIES,
	PART_THREADS,
	PART_CONNS,
	PART_CPUS,
	PART_FIXED,
	PART_AGENT, /* user space: totals, what was read last, a batch that waits */
	PLAN_PARTS,
};

/* How a map is made. */
struct map_desc {
	const char *name;
	uint32_t key_size; /* 0: an array, whose keys are numbers */
	uint32_t value_size;
	enum plan_part part;
	bool mapped;
	bool lru;
};

extern const struct map_desc map_descs[MAPS_ALL];

struct cells_plan {
	uint32_t cpus; /* possible ones: per-CPU maps pay for all of them */
	uint32_t slots, hists, counts, opens, queries;
	uint32_t peer_rows;    /* a power of two, and so is a quarter of it */
	uint32_t busy;	       /* of the slots: may have each series in each shard */
	uint32_t sched_shards; /* blocks of a slot in `sched_blocks` */
	uint32_t tables[TABLES], spills[TABLES]; /* entries; tables: powers of two */
	size_t batch; /* of what is exported: see PLAN_BATCH */
	size_t bytes[PLAN_PARTS];
	size_t total, limit;
	/* -ENOSPC: what would do for these slots; and for the least number of them */
	size_t least, least_of_all;
	uint32_t most_slots; /* how many slots would do, 0: none */
	uint32_t asked; /* slots that were the default and did not fit; 0: all do */
};

/*
 * Computes the plan from the options (slots, memory) and the number of possible CPUs.
 * Slots that the user has not asked for may become fewer, see `asked`. -ENOSPC: it does
 * not fit, see plan_refusal().
 */
int cells_plan(const struct options *o, struct cells_plan *plan);
/* The same for given numbers, and exports as they are by default; slots is a power of
 * two, and kept. */
int cells_plan_for(uint64_t slots, uint64_t memory, uint32_t cpus,
		   struct cells_plan *plan);
/* Says in a line why a plan was refused, and what would do. */
void plan_refusal(const struct cells_plan *plan, char *text, size_t len);
/* Says in a line that there are fewer slots than the default. */
void plan_lowered(const struct cells_plan *plan, char *text, size_t len);

/* The entries of a map. */
uint32_t plan_entries(const struct cells_plan *plan, enum cells_map m);
/* What a map takes in the kernel; a hash has an element for each CPU, too, for updates.
 */
size_t plan_map_bytes(const struct cells_plan *plan, enum cells_map m);
/* Bytes from one element of an array to the next. */
size_t plan_step(enum cells_map m);
/* All that is planned in the kernel. */
size_t plan_kernel_bytes(const struct cells_plan *plan);
/* 32 less log2 of a table's entries: see struct params.shift. */
uint32_t plan_shift(const struct cells_plan *plan, enum table t);

/* Cells that a workload takes which has all its series, on a node of so many shards. */
uint32_t plan_busy_cells(enum pool pool, uint32_t shards);

/* What user space takes, at most, in bytes: tests/unit/test_plan.c has the proof. */
#define PLAN_SEEN_HIST	40 /* without its buckets; with what malloc adds */
#define PLAN_SEEN_COUNT 80
#define PLAN_BLOCK	304
#define PLAN_OPEN	16
#define PLAN_WORKLOAD	4384 /* with its names, and five culprits that exports name */
/* Of a row of peers: what was read of it, and the totals of some. */
#define PLAN_PEERS     1392
#define PLAN_ESTIMATES 752 /* of a workload that was counted in windows */
/*
 * Of a busy workload in exports to a collector: as it waits to be sent, in the snapshot
 * that is made meanwhile, and its part of the request in hand (of 256 workloads). By
 * --series and --export-compression; tests/unit/test_plan_batch.c measures it.
 */
#define PLAN_BATCH	   8192
#define PLAN_BATCH_ALL	   12288
#define PLAN_BATCH_RAW	   24576
#define PLAN_BATCH_ALL_RAW 32768
/* What the history has of a workload, without its histograms. */
#define PLAN_KEPT 320
/* Of a packed histogram, without its buckets, which have 2 bytes in the mean. */
#define PLAN_KEPT_HIST 16
/*
 * The history's own: SQLite's pages and statements, and readings that wait for the
 * disk. (What packs one is freed before a batch of an export is made.)
 */
#define PLAN_HISTORY (768 << 10)
/*
 * Of the 28 groups of buckets, an octave each, a histogram has these in the mean. (Of a
 * busy build machine's 5,000 it was 1.8, of those with more than 1,000 events 15.)
 */
#define PLAN_OCTAVES 5

/*
 * Beside the plan, at most. For moments: answers at the socket that wait to be read
 * (two there may be, however large), and what adds up a minute of the history
 * (tests/unit/test_history_cost.c). The start, when libbpf reads the kernel's types,
 * takes more than both, and is over by then.
 */
#define PLAN_ANSWERS (4UL << 20)
#define PLAN_MINUTE  (4608UL << 10)
/* The kernel's, of files of cgroups that stay open: usage_kept.h. */
#define PLAN_FILES (1280UL * 5120)
/*
 * With --kubelet: what is kept of its latest answer, and of the next one while that is
 * read (pods.h); one pod's text, and its JSON as it is read.
 */
#define PLAN_PODS (2 * (4UL << 20) + (1UL << 20) + (8UL << 20))
/* Bytes of all that, at most, by the options. */
size_t plan_beside(const struct options *o);

#endif
