/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that kernel and agent share (bpf/cell.h): planned, created, mapped, and
 * given to every probe.
 */
#ifndef CELLS_H
#define CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/cell.h"

struct bpf_object;
struct options;

/* Entries and bytes of kernel memory, part by part. */
struct cells_plan {
	uint32_t cpus; /* possible ones: per-CPU maps pay for all of them */
	uint32_t slots, hists, counts, opens, queries;
	uint32_t sched_shards; /* blocks of a slot in `sched_blocks` */
	size_t slot_bytes;     /* owner table and rows */
	size_t hist_bytes, count_bytes, open_bytes, query_bytes;
	size_t fixed_bytes; /* control, names, accepts, per-CPU state, tables of threads
			     * and connections */
	size_t total, limit;
	size_t thread_bytes; /* beside it, for a thread that finds its place taken */
};

/*
 * Computes the plan from the options (slots, memory) and the number of possible CPUs:
 * the pools shrink until all of it fits. -ENOSPC: even the least does not fit.
 */
int cells_plan(const struct options *o, struct cells_plan *plan);
/* The same for a given number of possible CPUs. */
int cells_plan_for(uint64_t slots, uint64_t memory, uint32_t cpus,
		   struct cells_plan *plan);

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
	MAP_COUNT_,
};

struct cells {
	struct cells_plan plan;
	int fds[MAP_COUNT_];
	struct rings *rings; /* rings.c; NULL: not loaded, for this reason (-errno) */
	int rings_error;
	void *mem[MAP_COUNT_]; /* NULL where it is not mapped */
	size_t mem_len[MAP_COUNT_];
	/* the same memory, by name */
	uint64_t *owners;
	struct series_row *rows;
	struct hist_cell *hists;
	struct count_cell *counts;
	uint64_t *free_cells[POOLS];
	uint32_t free_end[POOLS]; /* of the free list: where the next cell goes */
	struct control *control;
	struct inflight_row *inflights; /* by slot */
	struct sched_block *sched_blocks;
	struct tunes tunes; /* as we want them, see rings_publish() */
	struct cgroup_names *names;
	struct disk_name *disk_names; /* DISKS of them */
	struct delegates *delegates;
};

/* Creates and maps everything, and fills the free lists. -errno on failure. */
int cells_open(const struct cells_plan *plan, struct cells *c);
/* Makes an opened, not yet loaded object use these maps. */
int cells_reuse(const struct cells *c, struct bpf_object *obj);
/* The pool that the cells of an open signal come from. */
enum pool cells_open_pool(uint32_t signal);
/* Gives cells back to the kernel's free list. */
void cells_free(struct cells *c, enum pool pool, uint32_t cell);
/* How often a program ran, and how long by the runs that were timed. */
struct cells_runs {
	uint64_t count;
	int64_t ns;
};

/* Fills runs[PROGRAM_COUNT], added up over all CPUs. -errno on failure. */
int cells_runs(const struct cells *c, struct cells_runs *runs);

/* DNS queries that wait for an answer now. */
uint32_t cells_queries(const struct cells *c);

void cells_close(struct cells *c);

#endif
