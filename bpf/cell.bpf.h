/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernel side of cell.h: find the slot of a cgroup (slot.bpf.h), the cell of a series,
 * and add.
 *
 * Usable from every hook, the scheduler's too: arrays and atomic operations only,
 * nothing allocates, nothing takes a lock (open.bpf.h is the exception).
 */
#ifndef CELL_BPF_H
#define CELL_BPF_H

#include "maps.bpf.h"
#include "run.bpf.h"
#include "slot.bpf.h"

/* Takes a cell number from this CPU's spares or the pool's free list; 0: none left. */
static __always_inline __u32 cell_take(struct cpu_state *cpu, __u32 pool)
{
	__u64 *free_cell, next;
	__u32 n;

	for (__u32 i = 0; i < SPARES; i++) {
		n = __sync_lock_test_and_set(&cpu->spare[pool & 1][i], 0);
		if (n)
			return n;
	}
	if (!free_list_take(&control.free_lists[pool & 1], &next))
		return 0;
	n = next % params.cells[pool & 1];
	free_cell = pool == POOL_HIST ? bpf_map_lookup_elem(&free_hists, &n)
				      : bpf_map_lookup_elem(&free_counts, &n);
	return free_cell ? *free_cell : 0;
}

/*
 * Keeps a cell that the loser of a race does not need, for the next one who does. A
 * free entry is found: a cell is only taken from the list when there are no spares, and
 * no more programs hold one at a time than there are entries.
 */
static __always_inline void cell_spare(struct cpu_state *cpu, __u32 pool, __u32 n)
{
	for (__u32 i = 0; i < SPARES; i++)
		if (!__sync_val_compare_and_swap(&cpu->spare[pool & 1][i], 0, n))
			return;
}

/* How many cells of a pool the share has that a slot is of; NULL: it is of none. */
static __always_inline __u32 *share_cells(const struct series_row *row, __u32 pool)
{
	__u32 zero = 0, share = row->share & (SHARES - 1);
	struct delegates *d = share ? bpf_map_lookup_elem(&delegates, &zero) : NULL;

	return d ? &d->cells[pool & 1][share] : NULL;
}

/* Takes a cell for a slot, unless its share is used up. */
static __always_inline __u32 cell_take_for(const struct series_row *row,
					   struct cpu_state *cpu, __u32 pool)
{
	__u32 *used = share_cells(row, pool);

	if (used && *used >= params.cells[pool & 1] / SHARE_PART)
		return 0;
	return cell_take(cpu, pool);
}

/* It has that cell now. Noted in its row, too: so much it gives back in the end. */
static __always_inline void cell_taken(struct series_row *row, __u32 pool)
{
	__u32 *used = share_cells(row, pool);

	if (!used)
		return;
	__sync_fetch_and_add(&row->own[pool & 1], 1);
	__sync_fetch_and_add(used, 1);
}

/*
 * Gives a series its cell on first use. With an empty pool it is the overflow slot's,
 * which the agent made beforehand: whoever keeps that looks again when slots have
 * become free (tunes.free_gen), and with them cells.
 */
__noinline __u32 cell_claim(__u32 slot, __u32 series, __u32 pool)
{
	struct cpu_state *cpu = cpu_get();
	struct series_row *row = bpf_map_lookup_elem(&rows, &slot);
	__u32 overflow = SLOT_OVERFLOW, n, seen;

	if (!cpu || !row || series >= SERIES_COUNT)
		return 0;
	n = cell_take_for(row, cpu, pool & 1);
	barrier_var(series); /* spilled by now: the verifier forgot its bound */
	if (series >= SERIES_COUNT)
		return 0;
	if (!n) {
		lose(LOSS_CELLS_FULL);
		row = bpf_map_lookup_elem(&rows, &overflow);
		return row ? row->cell[series] : 0;
	}
	seen = __sync_val_compare_and_swap(&row->cell[series], 0, n);
	if (!seen) {
		cell_taken(row, pool);
		return n;
	}
	cell_spare(cpu, pool, n);
	return seen;
}

/* The cell of a series, or 0 while it has none of its own. */
static __always_inline __u32 cell_peek(__u32 slot, __u32 series)
{
	struct series_row *row = bpf_map_lookup_elem(&rows, &slot);

	/* or the check is dropped: 6.1 needs it to know the bound */
	barrier_var(series);
	return row && series < SERIES_COUNT ? row->cell[series] : 0;
}

/* The cell of a series, made on first use; 0 is no cell. */
static __always_inline __u32 cell_of(__u32 slot, __u32 series, __u32 pool)
{
	__u32 n = cell_peek(slot, series);

	return n ? n : cell_claim(slot, series, pool);
}

/* alone: nobody else can add to this word now, so it need not be atomic. */
#define ADD(word, by, alone)                               \
	do {                                               \
		if (likely(alone))                         \
			(word) += (by);                    \
		else                                       \
			__sync_fetch_and_add(&(word), by); \
	} while (0)

/*
 * Adds a duration to histogram cell n, 2^log2 times, for a probe. alone: see ADD; only
 * the replays of rings can say so.
 */
static __always_inline void hist_put_for(enum probe_id probe, __u32 n, __u64 ns,
					 __u32 log2, bool alone)
{
	struct hist_cell *h = bpf_map_lookup_elem(&hists, &n);
	__u32 bucket = bucket_of(ns), by = 1 << log2;

	if (!h || !n)
		return;
	ADD(h->sum_ns, ns << log2, alone);
	barrier_var(by);
	barrier_var(bucket); /* the bound has to be seen right before its use */
	if (bucket < BUCKET_COUNT)
		ADD(h->buckets[bucket], by, alone);
	if (ns > BUCKET_MAX_NS)
		lose_for(probe, LOSS_ABOVE_RANGE);
}

static __always_inline void hist_put(__u32 n, __u64 ns, bool alone)
{
	hist_put_for(PROBE_ID, n, ns, 0, alone);
}

/* Adds to one counter of counter cell n. lane is below LANES. */
static __always_inline void count_put(__u32 n, __u32 lane, __u64 by, bool alone)
{
	struct count_cell *c = bpf_map_lookup_elem(&counts, &n);

	barrier_var(lane); /* the bound has to be seen right before its use */
	if (c && n)
		ADD(c->lane[lane & (LANES - 1)], by, alone);
}

/*
 * Adds a duration to a histogram series: SERIES_x + value * shards (+ shard of the
 * CPU, see SERIES_HOT).
 */
static __always_inline void hist_add(__u32 slot, __u32 series, __u64 ns)
{
	hist_put(cell_of(slot, series, POOL_HIST), ns, false);
}

/* Adds to one counter of a counter series. */
static __always_inline void count_add(__u32 slot, __u32 series, __u32 lane, __u64 by)
{
	count_put(cell_of(slot, series, POOL_COUNT), lane, by, false);
}

/* A hot signal's series: one per value and shard. */
#define SERIES_HOT(cpu, name, value) \
	(SERIES_##name + (value)*SHARDS_MAX + ((cpu)->shard & (SHARDS_MAX - 1)))

#endif
