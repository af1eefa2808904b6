/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The rings of system calls that have ended, and what replays them. */
#ifndef SYSCALL_REPLAY_BPF_H
#define SYSCALL_REPLAY_BPF_H

#include "cell.bpf.h"
#include "loop.bpf.h"
#include "ring.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct call_ring);
} call_rings SEC(".maps");

/* The calls that are being replayed. */
struct ended_calls {
	struct call_ring *ring;
	__u32 from;
};

static __always_inline long replay_call(__u32 i, void *ctx)
{
	struct ended_calls *r = ctx;
	struct call_record *rec = &r->ring->records[(r->from + i) & (RING_SIZE - 1)];

	hist_put_for(PROBE_SYSCALL, rec->cell, rec->ns, rec->log2 & 15,
		     tunes.own_shards);
	return 0;
}

LOOP_BODY(replay_call)

/*
 * Replays what a CPU's ring holds. The records are taken before they are looked at: an
 * interrupt that replays too finds none.
 */
__noinline int call_replay(__u32 at)
{
	struct ended_calls r = { .ring = bpf_map_lookup_elem(&call_rings, &at) };
	__u32 head;

	if (!r.ring)
		return 0;
	r.from = *(volatile __u32 *)&r.ring->ring.done;
	head = *(volatile __u32 *)&r.ring->ring.head;
	if (__sync_val_compare_and_swap(&r.ring->ring.done, r.from, head) != r.from)
		return 0;
	LOOP(head - r.from < RING_SIZE ? head - r.from : RING_SIZE, replay_call, &r);
	return 0;
}

#endif
