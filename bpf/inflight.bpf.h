/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the passes over tasks and descriptors note: since when something is under way.
 *
 * The agent reads a pass in slices, with read(fd, buf, 1). A program that returns 1
 * ends the read with EAGAIN, and the next one shows the same object first. One that
 * writes a byte ends the pass: read() returns it, and the agent reads no further.
 */
#ifndef INFLIGHT_BPF_H
#define INFLIGHT_BPF_H

#include "maps.bpf.h"

#define SLICE 1024 /* objects: of descriptors about 0.2 ms, of connections 1 ms */

/* What this slice began with: there is one pass of a probe at a time. */
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

/* The pass is over: no further object is shown. */
static __always_inline void pass_end(struct bpf_iter_meta *meta)
{
	char byte = 0;

	bpf_seq_write(meta->seq, &byte, 1);
}

/* Notes that something is under way, and since when (ns, monotonic); only for passes.
 */
static __always_inline void inflight_note(__u32 slot, __u32 what, __u64 began)
{
	struct inflight_row *row = bpf_map_lookup_elem(&inflights, &slot);
	__u64 age = bpf_ktime_get_ns() - began;

	if ((__s64)age <= 0 || age < tunes.tune[PROBE_ID].inflight_ns)
		return;
	if (row && what < INFLIGHT_COUNT &&
	    (!row->began[what] || began < row->began[what]))
		row->began[what] = began;
}

#endif
