/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Sleeps: since when a task that leaves its CPU sleeps, and in which class of system
 * calls. The registers that it entered the kernel with are at the end of its kernel
 * stack, and have the number of the call and its first argument still.
 */
#ifndef SCHED_SLEEP_BPF_H
#define SCHED_SLEEP_BPF_H

#include "call_class.bpf.h"
#include "sched_thread.bpf.h"

/*
 * Whether a task that is switched out in this state of its own accord sleeps on its own
 * behalf: no thread of the kernel or of io_uring, none that is stopped, traced or
 * frozen (state, flags, jobctl), or has ended. One that a signal keeps from sleeping
 * leaves its CPU with a state, too, but is on its queue.
 */
static __always_inline bool falls_asleep(struct task_struct *task, __u32 state)
{
	if (!(state & TASK_ASLEEP) ||
	    task->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER | PF_FROZEN))
		return false;
	if (task->on_rq && !(HAS_DELAYED_DEQUEUE && task->se.sched_delayed))
		return false;
	return !(task->jobctl & JOBCTL_TRAP_FREEZE);
}

/*
 * What a task sleeps in: enum blocked_class. No call: a fault, or an interrupt on whose
 * way back something was to be done.
 */
static __always_inline __u32 sleep_class(struct task_struct *task)
{
	struct pt_regs *regs = (void *)bpf_task_pt_regs(task);
	__s32 nr = REGS_NR(regs);
	bool compat;
	__u32 info;

	if (nr == -1)
		return BLOCKED_FAULT;
	compat = is_compat(task, regs);
	info = call_info(nr, compat);
	if (info & CALL_BY_FD)
		info = class_by_fd(info, task, regs, compat);
	return CALL_CLASS(info);
}

#define UNSURE 0xfffe /* struct thread.cpu: there are waits that it was not told of */

/*
 * Notes that a task goes to sleep. Only where its entry is of its latest switch-in,
 * with the probe switched on as it is now: what it will have waited is told from there
 * on.
 */
static __always_inline void note_sleep(__u64 key, struct task_struct *task, __u32 state,
				       __u64 now)
{
	struct thread *t;

	if (!falls_asleep(task, state))
		return;
	t = thread_get(task);
	if (unlikely(!t) || unlikely((t->key ^ key) >> 32) ||
	    unlikely(t->cpu == UNSURE))
		return;
	t->asleep = now << SLEEP_NS_SHIFT | (sleep_class(task) + 1);
}

/*
 * The probe is about to be switched on: notes in which class a task sleeps now. Since
 * when the kernel knows (slept_for()), and no sample is made of it: the entry is not of
 * a switch-in with the probe on.
 */
static __always_inline void note_earlier_sleep(struct thread *t,
					       struct task_struct *task)
{
	t->asleep = falls_asleep(task, task->__state) ? sleep_class(task) + 1 : 0;
}

/* What a task slept that is switched to after a wait, for a record; its sleep is over.
 */
static __always_inline __u64 sleep_ended(struct thread *t, __u64 now, __u64 wait)
{
	__u64 since = t->asleep;

	if (!since)
		return 0;
	t->asleep = 0;
	return (now - wait - (since >> SLEEP_NS_SHIFT)) << SLEEP_NS_SHIFT |
	       (since & SLEEP_CLASS_MASK);
}

#endif
