/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The system calls' part of the pass over tasks: the calls that are under way. */
#ifndef SYSCALL_TASKS_BPF_H
#define SYSCALL_TASKS_BPF_H

#include "inflight.bpf.h"
#include "syscall_call.bpf.h"

static __always_inline void syscall_look(struct cpu_state *cpu,
					 struct task_struct *task)
{
	struct call *call = call_get(task);
	__u64 start;
	__u32 class;

	if (!call || call->enabled != window_of(PROBE_SYSCALL))
		return;
	if (call->info & CALL_EARLIER && !(task->__state & TASK_BLOCKED))
		return; /* its end was not seen: syscall_earlier_iter() */
	start = call->start ? call->start : call->held ? call->held_start : 0;
	class = CALL_CLASS(call->start ? call->info : call->held_info);
	if (start)
		inflight_note_for(PROBE_SYSCALL, slot_of_task(cpu, task),
				  INFLIGHT_SYSCALL + class, start);
}

#endif
