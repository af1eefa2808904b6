/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The memory that kernel and agent share (bpf/cell.h): created as planned (plan.h),
 * mapped, and given to every probe.
 */
#ifndef CELLS_H
#define CELLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/cell.h"
#include "kernel/parts.h"
#include "kernel/plan.h"

struct bpf_object;

struct cells {
	struct cells_plan plan;
	int fds[MAPS_SHARED];
	struct rings *rings; /* rings.c; NULL: not loaded, for this reason (-errno) */
	int rings_error;
	void *mem[MAPS_SHARED]; /* NULL where it is not mapped */
	size_t mem_len[MAPS_SHARED];
	/* the same memory, by name */
	uint64_t *owners;
	struct series_row *rows;
	struct hist_cell *hists; /* each may be read after parts_use() */
	struct parts hist_parts;
	struct count_cell *counts;
	uint64_t *free_cells[POOLS];
	uint64_t free_end[POOLS]; /* of the free list: where the next cell goes */
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
/* Is a map of this name one of them? */
bool cells_shares(const char *name);
/* The pool that the cells of an open signal come from. */
enum pool cells_open_pool(uint32_t signal);
/* Gives cells back to the kernel's free list. */
void cells_free(struct cells *c, enum pool pool, uint32_t cell);
/* How often a program ran, and how long by the runs that were timed. */
struct cells_runs {
	uint64_t count;
	int64_t ns;
};

/* What the kernel's programs count for each CPU. */
struct cells_counted {
	struct cells_runs runs[PROGRAM_COUNT];
	int32_t taken[TABLES]; /* entries of the tables, without the spills' */
};

/* Adds that up over all CPUs. -errno on failure. */
int cells_count(const struct cells *c, struct cells_counted *sum);

/*
 * The runs on one CPU alone; room: for what is copied, so that nothing is allocated.
 * -errno on failure.
 */
int cells_count_cpu(const struct cells *c, uint32_t cpu, struct cpu_state *room,
		    struct cells_runs runs[PROGRAM_COUNT]);
/* DNS queries that wait for an answer now. */
uint32_t cells_queries(const struct cells *c);
/* Rows of the table of peers that a slot has. */
uint32_t cells_peer_rows(const struct cells *c);

void cells_close(struct cells *c);

#endif
