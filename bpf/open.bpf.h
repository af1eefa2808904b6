/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Values of an open set (errno, disk): a hash leads to their cells. */
#ifndef OPEN_BPF_H
#define OPEN_BPF_H

#include "cell.bpf.h"

/* The pool of an open signal's cells. */
static __always_inline __u32 open_pool(__u32 signal)
{
	return signal >= OPEN_HIST ? POOL_HIST : POOL_COUNT;
}

/* Takes one of a slot's OPEN_MAX entries for a signal's open values. */
static __always_inline bool open_take(__u32 *used)
{
	if (*(volatile __u32 *)used >= OPEN_MAX)
		return false;
	if (__sync_fetch_and_add(used, 1) < OPEN_MAX)
		return true;
	__sync_fetch_and_add(used, -1);
	return false;
}

/* Makes the cell of an open value: at most OPEN_MAX of them, then OPEN_OTHER. */
__noinline __u32 open_claim(__u32 slot, __u32 signal, __u32 attr)
{
	struct open_key key = { .slot = slot, .signal = signal, .attr = attr };
	struct series_row *row = bpf_map_lookup_elem(&rows, &slot);
	struct cpu_state *cpu = cpu_get();
	__u32 n, *cell, pool = open_pool(signal);

	if (!row || !cpu || signal >= OPEN_COUNT)
		return 0;
	if (attr != OPEN_OTHER && !open_take(&row->open_used[signal])) {
		key.attr = attr = OPEN_OTHER;
		cell = bpf_map_lookup_elem(&opens, &key);
		if (cell)
			return *cell;
	}
	n = cell_take_for(row, cpu, pool);
	if (!n || bpf_map_update_elem(&opens, &key, &n, BPF_NOEXIST)) {
		if (n)
			cell_spare(cpu, pool, n);
		if (attr != OPEN_OTHER) /* the entry is not needed */
			__sync_fetch_and_add(&row->open_used[signal], -1);
		cell = bpf_map_lookup_elem(&opens, &key); /* lost a race, or full */
		return cell ? *cell : 0;
	}
	cell_taken(row, pool);
	__sync_fetch_and_add(&control.open_gen, 1);
	return n;
}

/* The slot's own cell of an open value, made on first use; 0: there is no entry. */
static __always_inline __u32 open_own(__u32 slot, __u32 signal, __u32 attr)
{
	struct open_key key = { .slot = slot, .signal = signal, .attr = attr };
	__u32 *cell = bpf_map_lookup_elem(&opens, &key);

	return cell ? *cell : open_claim(slot, signal, attr);
}

/* For an event that has no entry of its own: the overflow slot's _OTHER. */
static __always_inline __u32 open_overflow(__u32 signal)
{
	struct open_key key = { .slot = SLOT_OVERFLOW,
				.signal = signal,
				.attr = OPEN_OTHER };
	__u32 *cell = bpf_map_lookup_elem(&opens, &key);

	lose(LOSS_OPEN_FULL);
	return cell ? *cell : 0;
}

/*
 * The cell of an open value; when there is no entry for it, the overflow slot's
 * _OTHER, which always exists. Uses a preallocated hash map: not for hooks that run
 * under the scheduler's lock.
 */
static __always_inline __u32 open_cell(__u32 slot, __u32 signal, __u32 attr)
{
	__u32 n = open_own(slot, signal, attr);

	return n ? n : open_overflow(signal);
}

/* Counts events with an open attribute (an errno). */
static __always_inline void open_add(__u32 slot, __u32 signal, __u32 attr, __u64 by)
{
	count_put(open_cell(slot, signal, attr), 0, by, false);
}

#endif
