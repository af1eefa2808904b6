/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the passes over tasks and descriptors note: since when something is under way.
 * There is one over tasks for all probes (tasks.bpf.c), and one over descriptors
 * (tcp.bpf.c). What is found without an object of either is found at once, by programs
 * that the agent runs (dns.bpf.c, block.bpf.c).
 *
 * The agent reads a pass in slices, with read(fd, buf, 1). A program that returns 1
 * ends the read with EAGAIN, and the next one shows the same object first.
 */
#ifndef INFLIGHT_BPF_H
#define INFLIGHT_BPF_H

#include "maps.bpf.h"

#define SLICE 1024 /* objects: of descriptors about 0.2 ms, of connections 1 ms */

/* What this slice began with: there is one pass over the same at a time. */
static __u64 slice_from;

/* Whether this read has shown enough. Call it for each object, the first too. */
static __always_inline bool slice_is_over(struct bpf_iter_meta *meta)
{
	__u64 n = meta->seq_num;

	if (!n)
		slice_from = 0;
	if (n - slice_from < SLICE)
		return false;
	slice_from = n;
	return true;
}

/*
 * Notes that something is under way, and since when (ns, monotonic), for a probe; only
 * for passes.
 */
static __always_inline void inflight_note_for(enum probe_id probe, __u32 slot,
					      __u32 what, __u64 began)
{
	struct inflight_row *row = bpf_map_lookup_elem(&inflights, &slot);
	__u64 age = bpf_ktime_get_ns() - began;

	if ((__s64)age <= 0 || age < tunes.tune[probe].inflight_ns)
		return;
	if (row && what < INFLIGHT_COUNT &&
	    (!row->began[what] || began < row->began[what]))
		row->began[what] = began;
}

/* The same for this probe. */
static __always_inline void inflight_note(__u32 slot, __u32 what, __u64 began)
{
	inflight_note_for(PROBE_ID, slot, what, began);
}

#endif
