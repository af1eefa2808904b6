/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The ring in which system calls that have ended are written down, what replays it, and
 * its own count of runs. Only for syscall.bpf.c.
 */
#ifndef SYSCALL_REPLAY_BPF_H
#define SYSCALL_REPLAY_BPF_H

#include "syscall_call.bpf.h"

#define RUNS_TIMED                                                        \
	1021 /* one in so many: a prime, so that replays have their share \
	      */

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct call_ring);
} call_rings SEC(".maps");

static __always_inline struct call_ring *ring_get(void)
{
	__u32 here = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&call_rings, &here);
}

struct replay {
	struct call_ring *ring;
	__u32 from;
};

static long replay_one(__u64 i, void *ctx)
{
	struct replay *r = ctx;
	struct call_record *rec = &r->ring->records[(r->from + i) & (RING_SIZE - 1)];

	hist_put_many(rec->cell, rec->ns, rec->log2 & 15, tunes.own_shards);
	return 0;
}

/* Notes in a CPU's ring what the agent has told. Returns whether that is so still. */
static __always_inline bool note_tunes(struct call_ring *ring)
{
	volatile struct tune *tune = &tunes.tune[PROBE_ID];
	__u64 key = key_now(enabled_now());
	__u32 log2 = tune->sample_log2;

	ring->ring.key = key;
	ring->sample_log2 = log2 & 15;
	barrier();
	return key == key_now(enabled_now()) && log2 == tune->sample_log2;
}

/*
 * The agent's request may interrupt this between looking and noting, and what is noted
 * then is out of date, for long: so it looks again.
 */
static __always_inline void learn(struct call_ring *ring)
{
	if (unlikely(!note_tunes(ring)))
		note_tunes(ring);
}

/*
 * Replays what a CPU's ring holds, and learns what the agent has told meanwhile. The
 * records are taken before they are looked at: an interrupt that replays too finds
 * none.
 */
__noinline int call_replay(__u32 at)
{
	struct replay r = { .ring = bpf_map_lookup_elem(&call_rings, &at) };
	__u32 head;

	if (!r.ring)
		return 0;
	learn(r.ring);
	for (__u32 i = 0; i < 2; i++)
		if (!r.ring->untimed[i] || r.ring->untimed[i] > RUNS_TIMED)
			r.ring->untimed[i] = RUNS_TIMED; /* it begins */
	r.from = *(volatile __u32 *)&r.ring->ring.done;
	head = *(volatile __u32 *)&r.ring->ring.head;
	if (__sync_val_compare_and_swap(&r.ring->ring.done, r.from, head) != r.from)
		return 0;
	bpf_loop(head - r.from < RING_SIZE ? head - r.from : RING_SIZE, replay_one, &r,
		 0);
	return 0;
}

/* The slow way: after a move to another CPU, cgroup, or of a slot; or the first call.
 */
static __noinline __u32 call_cell_claim(struct call *call, struct task_struct *task,
					__u32 class, __u64 key)
{
	struct cpu_state *cpu = cpu_get();
	__u32 n, slot, series, here = bpf_get_smp_processor_id();

	if (!cpu)
		return 0;
	if (call->set != (__u64)task->cgroups || call->cpu != here ||
	    call->key != key) {
		call->key = key;
		call->cpu = here;
		call->set = (__u64)task->cgroups;
		__builtin_memset(call->cells, 0, sizeof(call->cells));
	}
	series = SERIES_HOT(cpu, SYSCALL, class & (CALL_CLASSES - 1));
	slot = slot_of_task(cpu, task);
	n = cell_of(slot, series, POOL_HIST);
	call->cells[class & (CALL_CLASSES - 1)] = n;
	return n;
}

/*
 * The cell of a class, kept with the task: one place to look instead of four. A task
 * keeps its set of cgroups alive, so the same set is the same cgroup. (For a new set to
 * be at the address of the old one, the task has to be moved twice without a call
 * between.)
 */
static __always_inline __u32 call_cell(struct call *call, struct task_struct *task,
				       __u32 class, __u64 key)
{
	if (likely(call->key == key && call->set == (__u64)task->cgroups &&
		   call->cpu == bpf_get_smp_processor_id()))
		return call->cells[class & (CALL_CLASSES - 1)];
	return 0;
}

/* Writes down a call that has ended. */
static __always_inline void write_record(struct call_ring *ring, __u64 ns, __u32 cell,
					 __u32 log2)
{
	__u32 head = ring->ring.head;
	struct call_record *rec = &ring->records[head & (RING_SIZE - 1)];

	rec->ns = ns;
	rec->cell = cell;
	rec->log2 = log2;
	barrier(); /* the agent's request may come now: first the record, then its
		      number */
	ring->ring.head = head + 1;
	if (unlikely(!((head + 1) & (RING_SIZE - 1))))
		call_replay(bpf_get_smp_processor_id());
}

/* As RUN, but what is counted stands in the ring. which: 0 enter, 1 exit. */
static __noinline __u64 timing_begin(struct call_ring *ring, __u32 which)
{
	if (!ring)
		return 0;
	ring->untimed[which & 1] = RUNS_TIMED;
	return timed_from();
}

static __noinline int timing_end(struct call_ring *ring, __u32 which, __u64 began)
{
	if (ring)
		ring->runs[which & 1].ns += (bpf_ktime_get_ns() - began) * RUNS_TIMED;
	return 0;
}

static __always_inline __u64 begin(struct call_ring *ring, __u32 which)
{
	ring->runs[which].count++;
	return likely(--ring->untimed[which]) ? 0 : timing_begin(ring, which);
}

#endif
