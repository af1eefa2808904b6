/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the files of the snapshot share: snapshot.c reads cells, totals.c keeps what a
 * workload came to, reap.c gives slots back. Nobody else includes this.
 */
#ifndef SNAPSHOT_IMPL_H
#define SNAPSHOT_IMPL_H

#include "snapshot.h"

/* A fixed signal as the kernel lays it out in a row. */
struct signal_desc {
	enum pool pool;
	uint32_t first, values, shards;
};

extern const struct signal_desc signal_descs[SIGNAL_COUNT];

enum slot_state { SLOT_EMPTY, SLOT_LIVE, SLOT_QUARANTINE };

struct slot {
	uint64_t owner;
	enum slot_state state;
	bool freed; /* by this reap */
	struct workload *workload;
};

struct open_cell {
	struct open_key key;
	uint32_t cell;
};

struct snapshot {
	struct cells *cells;
	struct cgroups *cgroups;
	struct slot *slots;
	struct hist_cell **seen_hists; /* by cell number: what we added so far */
	struct count_cell **seen_counts;
	struct sched_block **seen_blocks; /* by number */
	struct open_cell *opens;
	size_t open_count;
	uint32_t open_gen;
	struct workload **workloads;
	size_t count, room;
	uint64_t open_ns, last_ns; /* when we began; the reading before this one */
	uint64_t time_ns;
	uint32_t claims; /* control.claims and names.head at the latest reading */
	uint64_t names;
};

#define CULPRIT_OTHER "_OTHER"

/* Frees a workload and all that it holds; NULL is fine. */
void totals_free(struct workload *w);
/* The total of an open value, made when it is new. NULL: no memory. */
struct open_total *totals_open(struct workload *w, uint32_t signal, uint32_t attr);
/* The entry of a culprit; when there are too many, that of all further ones. */
struct culprit_total *totals_culprit(struct workload *w, const char *name);
/* Adds all that w counted to another workload; what finds no memory is missing. */
void totals_fold(struct workload *into, const struct workload *w);

#endif
