/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The scheduler's part of the pass over tasks: who waits for a CPU, who sleeps. */
#ifndef SCHED_TASKS_BPF_H
#define SCHED_TASKS_BPF_H

#include "call_class.bpf.h"
#include "inflight.bpf.h"
#include "sched_thread.bpf.h"

/*
 * Who waits for a CPU now: it can run, and last_queued says since when. The clock is
 * that of the task's queue, a timer tick old at most while somebody waits there.
 */
static __always_inline bool is_waiting(struct task_struct *task)
{
	return !task->__state && task->on_rq == ON_RQ_QUEUED &&
	       !(HAS_DELAYED_DEQUEUE && task->se.sched_delayed);
}

/*
 * A call in which a task sleeps is under way, for as long as it sleeps at least: that
 * is known while the calls' own probe is not there (between its windows, or switched
 * off). The run queue's clock is that of this CPU, as the task's may stand still. Who
 * fell asleep before this probe was on has slept for what the kernel says.
 */
static __always_inline void sleep_look(struct cpu_state *cpu, struct task_struct *task,
				       const struct thread *t)
{
	__u32 class = (t->asleep & SLEEP_CLASS_MASK) - 1;
	__u64 age;

	if (class >= CALL_CLASSES || !(task->__state & TASK_ASLEEP))
		return;
	if (t->key >> 32 == enabled_of(PROBE_SCHED))
		age = bpf_get_current_task_btf()->se.cfs_rq->rq->clock -
		      (t->asleep >> SLEEP_NS_SHIFT);
	else
		age = slept_for(task);
	if ((__s64)age <= 0)
		return;
	/* what is young is said by who counts calls, here or not */
	inflight_note_for(PROBE_SYSCALL, slot_of_task(cpu, task),
			  INFLIGHT_SYSCALL + class, bpf_ktime_get_ns() - age);
}

static __always_inline void sched_look(struct cpu_state *cpu, struct task_struct *task)
{
	__u64 queued = task->sched_info.last_queued, age;
	struct thread *t;

	if (task->tgid == tunes.self_tgid)
		return;
	t = thread_get(task);
	if (t && t->asleep)
		sleep_look(cpu, task, t);
	if (!queued || !is_waiting(task))
		return;
	age = task->se.cfs_rq->rq->clock - queued;
	if (t ? is_asleep(t, task) : HAS_DELAYED_DEQUEUE)
		return; /* since when is not known */
	if (t && !was_asleep(t) && t->key >> 32 == enabled_of(PROBE_SCHED))
		age += task->sched_info.run_delay - t->total; /* moved meanwhile */
	inflight_note_for(PROBE_SCHED, slot_of_task(cpu, task), INFLIGHT_WAIT,
			  bpf_ktime_get_ns() - age);
}

#endif
