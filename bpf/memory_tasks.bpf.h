/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is kept of a task that frees memory for itself, and the memory probe's part of
 * the pass over tasks: who does so now. (The hash alone would also tell of tasks that
 * are gone, if their end was missed.)
 */
#ifndef MEMORY_TASKS_BPF_H
#define MEMORY_TASKS_BPF_H

#include "cell.bpf.h"
#include "entry.bpf.h"
#include "inflight.bpf.h"

struct reclaim {
	__u64 start;   /* ns */
	__u32 enabled; /* tune.enabled at the beginning: another now means that the
			  end may have been missed */
	__u32 pad;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, RECLAIMS);
	__type(key, __u64); /* the task's address */
	__type(value, struct reclaim);
} reclaims SEC(".maps");

static __always_inline void memory_look(struct cpu_state *cpu, struct task_struct *task)
{
	__u64 key = (__u64)task;
	struct reclaim *r = bpf_map_lookup_elem(&reclaims, &key);

	/* set before the begin, and NULL after the end: mm/vmscan.c; one whose end was
	 * missed reclaims no more, nor does a new task at its address */
	if (!task->reclaim_state)
		return;
	if (r && r->enabled == enabled_of(PROBE_MEMORY))
		inflight_note_for(PROBE_MEMORY, slot_of_task(cpu, task),
				  INFLIGHT_RECLAIM, r->start);
}

#endif
