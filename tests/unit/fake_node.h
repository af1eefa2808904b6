/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node without a kernel: cells in the test's own memory, cgroups that only events
 * report, and what the programs in the kernel do with both. The agent's side of it,
 * from the registry to the totals, is the real one.
 */
#ifndef FAKE_NODE_H
#define FAKE_NODE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "fake_clock.h"
#include "fake_maps.h"
#include "reading/snapshot_impl.h"
#include "workload/workload.h"

#define NODE_CELLS  256 /* of each pool */
#define NODE_SHARDS 2	/* blocks of a slot */

struct node {
	char root[40]; /* an empty directory: walks find nothing there */
	struct cells cells;
	struct cgroups *cgroups;
	struct snapshot *s;
	uint64_t root_id, last_id;
};

/* As make_overflow() in cells.c: what counts there has its cells beforehand. */
static inline void node_fill_pools(struct cells *c)
{
	uint32_t next[POOLS] = { 1, 1 };

	for (int sig = 0; sig < SIGNAL_COUNT; sig++)
		for (uint32_t i = 0;
		     i < signal_descs[sig].values * signal_descs[sig].shards; i++)
			c->rows[SLOT_OVERFLOW].cell[signal_descs[sig].first + i] =
			    next[signal_descs[sig].pool]++;
	for (int pool = 0; pool < POOLS; pool++)
		for (uint32_t i = next[pool]; i < NODE_CELLS; i++)
			cells_free(c, pool, i);
}

static inline void node_open_cells(struct cells *c, uint32_t slots)
{
	*c = (struct cells){ .plan = { .slots = slots,
				       .hists = NODE_CELLS,
				       .counts = NODE_CELLS,
				       .opens = 64,
				       .peer_rows = 8,
				       .sched_shards = NODE_SHARDS } };
	memset(c->fds, -1, sizeof(c->fds));
	c->fds[MAP_TUNES] =
	    fake_map_make(MAP_TUNES, sizeof(uint32_t), sizeof(struct tunes));
	c->fds[MAP_OPENS] =
	    fake_map_make(MAP_OPENS, sizeof(struct open_key), sizeof(uint32_t));
	c->fds[MAP_PEERS] =
	    fake_map_make(MAP_PEERS, sizeof(uint32_t), sizeof(struct peer_row));
	c->owners = calloc(slots, sizeof(*c->owners));
	c->rows = calloc(slots, sizeof(*c->rows));
	c->hists = calloc(NODE_CELLS, sizeof(*c->hists));
	c->counts = calloc(NODE_CELLS, sizeof(*c->counts));
	for (int pool = 0; pool < POOLS; pool++)
		c->free_cells[pool] = calloc(NODE_CELLS, sizeof(**c->free_cells));
	c->control = calloc(1, sizeof(*c->control));
	c->inflights = calloc(slots, sizeof(*c->inflights));
	c->sched_blocks = calloc(slots * NODE_SHARDS, sizeof(*c->sched_blocks));
	c->names = calloc(1, sizeof(*c->names));
	c->disk_names = calloc(DISKS, sizeof(*c->disk_names));
	c->delegates = calloc(1, sizeof(*c->delegates));
	for (int i = 0; i < SLOT_FIRST; i++)
		c->owners[i] = OWNER_RESERVED;
	c->control->open_gen = 1;
	node_fill_pools(c);
}

/* The agent begins. */
static inline void node_open(struct node *n, uint32_t slots)
{
	struct stat st;

	*n = (struct node){ .root = "/tmp/assay-node-XXXXXX", .last_id = 1ULL << 40 };
	assert_non_null(mkdtemp(n->root));
	assert_int_equal(stat(n->root, &st), 0);
	n->root_id = st.st_ino;
	node_open_cells(&n->cells, slots);
	assert_int_equal(cgroups_open(n->root, &n->cells, &n->cgroups), 0);
	cgroups_events(n->cgroups, true);
	cgroups_refresh(n->cgroups); /* from here on events report all */
	assert_int_equal(snapshot_open(&n->cells, n->cgroups, &n->s), 0);
}

static inline void node_close(struct node *n)
{
	struct cells *c = &n->cells;

	snapshot_close(n->s);
	cgroups_close(n->cgroups);
	for (int pool = 0; pool < POOLS; pool++)
		free(c->free_cells[pool]);
	free(c->owners);
	free(c->rows);
	free(c->hists);
	free(c->counts);
	free(c->control);
	free(c->inflights);
	free(c->sched_blocks);
	free(c->names);
	free(c->disk_names);
	free(c->delegates);
	for (int m = 0; m < MAPS_SHARED; m++)
		fake_map_make(m, 0, 0);
	assert_int_equal(rmdir(n->root), 0);
}

/* What the kernel reports of a cgroup made at the root, */
static inline uint64_t node_mkdir(struct node *n, const char *name)
{
	struct cgroup_names *names = n->cells.names;
	struct cgroup_name *e = &names->ring[names->head++ % NAME_RING];

	e->seq += 2;
	e->id = ++n->last_id;
	e->parent = n->root_id;
	snprintf(e->path, sizeof(e->path), "%s", name);
	return e->id;
}

/* and of one that is removed. */
static inline void node_rmdir(struct node *n, uint64_t id)
{
	struct cgroup_names *names = n->cells.names;

	names->gone[names->gone_head++ % GONE_RING] = id;
}

/* The slot of a cgroup, claimed at its first event; the overflow's when all are. */
static inline uint32_t node_slot(struct node *n, uint64_t id)
{
	struct cells *c = &n->cells;
	uint32_t found = SLOT_OVERFLOW;

	for (uint32_t i = SLOT_FIRST; i < c->plan.slots; i++) {
		if (c->owners[i] == id)
			return i;
		if (!found &&
		    (c->owners[i] == OWNER_NEVER || c->owners[i] == OWNER_FREE))
			found = i;
	}
	if (found) {
		c->owners[found] = id;
		c->control->claims++;
	} else {
		c->control->lost[PROBE_SCHED][LOSS_SLOTS_FULL]++;
	}
	return found;
}

/* A cell of the pool, or none. */
static inline uint32_t node_take(struct node *n, enum pool pool)
{
	__u64 at;

	if (!free_list_take(&n->cells.control->free_lists[pool], &at))
		return 0;
	return n->cells.free_cells[pool][at & (NODE_CELLS - 1)];
}

/* Takes a certain cell, which is free, from its pool. */
static inline void node_take_cell(struct node *n, enum pool pool, uint32_t cell)
{
	for (uint32_t i = 0, got; i < NODE_CELLS; i++) {
		got = node_take(n, pool);
		if (got == cell)
			return;
		cells_free(&n->cells, pool, got);
	}
	fail_msg("cell %u is not free", cell);
}

/* The cell of a series, taken at its first event; the overflow's when all are. */
static inline uint32_t node_cell(struct node *n, uint32_t slot, enum signal signal,
				 uint32_t value, uint32_t shard)
{
	const struct signal_desc *d = &signal_descs[signal];
	uint32_t at = d->first + value * d->shards + shard;
	uint32_t *cell = &n->cells.rows[slot].cell[at];

	assert_true(value < d->values && shard < d->shards);
	if (!*cell)
		*cell = node_take(n, d->pool);
	return *cell ? *cell : n->cells.rows[SLOT_OVERFLOW].cell[at];
}

static inline void node_count(struct node *n, uint32_t slot, enum signal signal,
			      uint32_t value, uint32_t shard, uint32_t lane,
			      uint64_t more)
{
	uint32_t cell = node_cell(n, slot, signal, value, shard);

	assert_int_equal(signal_descs[signal].pool, POOL_COUNT);
	n->cells.counts[cell].lane[lane] += more;
}

static inline void node_observe(struct node *n, uint32_t slot, enum signal signal,
				uint32_t value, uint32_t shard, uint64_t ns)
{
	struct hist_cell *h = &n->cells.hists[node_cell(n, slot, signal, value, shard)];

	assert_int_equal(signal_descs[signal].pool, POOL_HIST);
	h->sum_ns += ns;
	h->buckets[bucket_of(ns)]++;
}

/* The cell of a value of an open attribute. */
static inline uint32_t node_open_cell(struct node *n, uint32_t slot, uint32_t signal,
				      uint32_t attr)
{
	struct open_key key = { slot, signal, attr };
	uint32_t cell;

	if (!bpf_map_lookup_elem(n->cells.fds[MAP_OPENS], &key, &cell))
		return cell;
	cell = node_take(n, cells_open_pool(signal));
	assert_true(cell);
	bpf_map_update_elem(n->cells.fds[MAP_OPENS], &key, &cell, 0);
	n->cells.control->open_gen++;
	return cell;
}

/* For which events the tests count where it does not matter which. */
static inline void node_kills(struct node *n, uint32_t slot, uint64_t more)
{
	node_count(n, slot, SIGNAL_MEMORY_COUNT, 0, 0, MEMORY_OOM_KILLS, more);
}

static inline uint64_t kills_of(const struct workload *w)
{
	return w->counts[snapshot_index(SIGNAL_MEMORY_COUNT, 0)][MEMORY_OOM_KILLS];
}

/* A second later, the agent reads. */
static inline void node_read(struct node *n)
{
	fake_now_ns += FAKE_SECOND;
	assert_int_equal(snapshot_read(n->s), 0);
}

/* The same, and slots of who is gone change hands. */
static inline void node_read_and_reap(struct node *n)
{
	node_read(n);
	assert_int_equal(snapshot_reap(n->s), 0);
}

/* An export of which everything arrives, or nothing. */
static inline void node_export(struct node *n, bool arrives)
{
	uint64_t number = snapshot_export(n->s);

	if (arrives)
		snapshot_accepted(n->s, number, 0, UINT64_MAX);
	snapshot_drop(n->s);
}

/* The workload of a path, or NULL. */
static inline struct workload *node_find(struct node *n, const char *path)
{
	struct workload *found = NULL;

	for (size_t i = SLOT_FIRST; i < n->s->count; i++)
		if (!strcmp(n->s->workloads[i]->path, path)) {
			assert_null(found); /* two of one name are no backend's */
			found = n->s->workloads[i];
		}
	return found;
}

/* One that must be there. */
static inline struct workload *node_workload(struct node *n, const char *path)
{
	struct workload *w = node_find(n, path);

	if (!w)
		fail_msg("there is no workload %s", path);
	return w;
}

/* Setup and teardown: *state is an open node. */
#define NODE_SLOTS 8
static inline int node_setup(void **state)
{
	*state = calloc(1, sizeof(struct node));
	node_open(*state, NODE_SLOTS);
	return 0;
}

static inline int node_teardown(void **state)
{
	node_close(*state);
	free(*state);
	return 0;
}

#define NODE_TEST(name) cmocka_unit_test_setup_teardown(name, node_setup, node_teardown)

/* As a replay does it: its entry, or a free one, or the last one, which has no key. */
static inline void node_wait_behind(struct node *n, uint32_t victim, uint32_t shard,
				    uint32_t culprit, uint64_t ns)
{
	struct sched_block *b = &n->cells.sched_blocks[victim * NODE_SHARDS + shard];
	uint32_t at = CULPRITS;

	for (uint32_t i = 0; i < CULPRITS; i++) {
		if (b->key[i] == culprit + 1) {
			at = i;
			break;
		}
		if (!b->key[i] && at == CULPRITS)
			at = i;
	}
	if (at < CULPRITS)
		b->key[at] = culprit + 1;
	b->ns[at] += ns;
}

/* 0 to sides - 1: the same row of numbers in each run. */
static inline uint32_t node_dice(uint32_t sides)
{
	static uint64_t x = 88172645463325252ULL;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return (x >> 20) % sides;
}

#endif
