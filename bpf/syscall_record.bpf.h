/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How system calls that have ended are written down in the ring of their CPU, and its
 * own count of runs. Only for syscall.bpf.c.
 */
#ifndef SYSCALL_RECORD_BPF_H
#define SYSCALL_RECORD_BPF_H

#include "syscall_call.bpf.h"
#include "syscall_replay.bpf.h"

static __always_inline struct call_ring *ring_get(void)
{
	__u32 here = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&call_rings, &here);
}

/* The slow way: after a move to another CPU, cgroup, or of a slot; or the first call.
 */
static __noinline __u32 call_cell_claim(struct call *call, __u64 set, __u64 owner,
					__u32 class, __u64 key)
{
	struct cpu_state *cpu = cpu_get();
	__u32 n, slot, series, here = bpf_get_smp_processor_id();

	if (!cpu)
		return 0;
	if (call->set != set || call->cpu != here || call->key != key) {
		call->key = key;
		call->cpu = here;
		call->set = set;
		__builtin_memset(call->cells, 0, sizeof(call->cells));
	}
	series = SERIES_HOT(cpu, SYSCALL, class & (CALL_CLASSES - 1));
	slot = slot_of_owner(cpu, owner);
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
static __always_inline __u32 call_cell(struct call *call, __u64 set, __u32 class,
				       __u64 key)
{
	if (likely(call->key == key && call->set == set &&
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
