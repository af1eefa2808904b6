// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * What the agent runs on the rings of all CPUs (agent/kernel/rings.c); nothing here is
 * attached. Only a replay has to be on the ring's CPU, in an interrupt. What is
 * published is written from wherever the agent is: a ring's key is one word, with this
 * one writer. So no CPU is interrupted that has no records.
 */
/* Cells are claimed for switches only: a record of a call brings its own. */
#define PROBE_ID PROBE_SCHED
#include "cell.bpf.h"
#include "ring.bpf.h"
#include "sched_replay.bpf.h"
#include "syscall_replay.bpf.h"

static __always_inline long publish_one(__u32 i, void *ctx)
{
	__u32 at = i;
	struct sched_ring *switches = bpf_map_lookup_elem(&sched_rings, &at);
	struct call_ring *calls = bpf_map_lookup_elem(&call_rings, &at);

	if (!switches || !calls)
		return 1;
	/* The first switch with the probe on finds out who runs: look_anew(). The word
	 * "off" has the ring forget; a switch that crosses with that may undo it, so
	 * the ring forgets again before the word "on", when no such switch is left. */
	if (!(switches->ring.key >> 32))
		*(volatile __u64 *)&switches->task = 0;
	ring_publish(&switches->ring, PROBE_SCHED);
	if (!enabled_of(PROBE_SCHED))
		*(volatile __u64 *)&switches->task = 0;
	calls->sample_log2 = tunes.tune[PROBE_SYSCALL].sample_log2 & 15;
	ring_publish(&calls->ring, PROBE_SYSCALL);
	return 0;
}

LOOP_BODY(publish_one)

/* Has all rings know what is in `tunes`; on any CPU. Argument: how many there are. */
SEC("raw_tp")
int rings_publish(unsigned long long *ctx)
{
	LOOP(ctx[0], publish_one, 0);
	return 0;
}

/* Whether the latest switch of a CPU was to its idle task: nobody is disturbed there.
 */
static __always_inline bool is_idle(struct sched_ring *switches)
{
	__u32 latest = *(volatile __u32 *)&switches->ring.head - 1;
	__u64 word =
	    *(volatile __u64 *)&switches->records[latest & (RING_SIZE - 1)].word;

	return *(volatile __u64 *)&switches->task &&
	       (word >> SWITCH_SLOT_SHIFT & SWITCH_SLOT_MASK) == CULPRIT_IDLE;
}

static __always_inline long look_at_one(__u32 i, void *ctx)
{
	__u32 *at = ctx, here = *at;
	struct sched_ring *switches = bpf_map_lookup_elem(&sched_rings, &here);
	struct call_ring *calls = bpf_map_lookup_elem(&call_rings, &here);

	if (!switches || !calls || ring_has_some(&switches->ring) ||
	    ring_has_some(&calls->ring))
		return 1;
	*at = here + 1;
	return 0;
}

LOOP_BODY(look_at_one)

/* The first CPU whose rings hold records, with RINGS_IDLE; on any CPU. Arguments: where
 * to begin, and how many CPUs there are, which is the result when none has. */
SEC("raw_tp")
int rings_next(unsigned long long *ctx)
{
	__u32 at = ctx[0], count = ctx[1];
	struct sched_ring *switches;

	if (at < count)
		LOOP(count - at, look_at_one, &at);
	switches = at < count ? bpf_map_lookup_elem(&sched_rings, &at) : 0;
	return switches && is_idle(switches) ? at | RINGS_IDLE : at;
}

/* Replays both rings of a CPU, there. Argument: its number. */
SEC("raw_tp")
int rings_drain(unsigned long long *ctx)
{
	sched_replay(ctx[0]);
	return call_replay(ctx[0]);
}
