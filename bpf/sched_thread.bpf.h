/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the scheduler's hooks keep of a thread (struct thread), and what is noted there
 * of one that sleeps while the kernel believes that it waits.
 */
#ifndef SCHED_THREAD_BPF_H
#define SCHED_THREAD_BPF_H

#include "cell.bpf.h"
#include "entry.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries,
	       1); /* its true size, and the spill's: see agent/kernel/plan.c */
	__type(key, __u32);
	__type(value, struct thread);
} threads SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* the task's address */
	__type(value, struct thread);
} threads_spill SEC(".maps");

/*
 * Of tasks that have no entry at all: struct thread.total of THREAD_ASLEEP. It goes
 * when they are seen to run or to end, or get an entry.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, ASLEEP);
	__type(key, __u64); /* the task's address */
	__type(value, __u64);
} sched_asleep SEC(".maps");

/* One found no room there: whoever has no entry, and is not noted, may be that. */
bool sched_asleep_missed;

/* The entry of the table that a task shares with others. */
static __always_inline struct thread *thread_entry(struct task_struct *task)
{
	__u32 at = address_index(task, params.shift[TABLE_THREADS]);

	return bpf_map_lookup_elem(&threads, &at);
}

/* What is kept of a task in the spill, if it is; out of the way of all others. */
static __noinline struct thread *thread_spilled(struct task_struct *task)
{
	return task ? spill_find(&threads_spill, TABLE_THREADS, (__u64)task) : 0;
}

/* What is kept of a task, NULL: it was never met, or there is no room for it. */
static __always_inline struct thread *thread_get(struct task_struct *task)
{
	struct thread *t = thread_entry(task);

	if (likely(t && t->task == (__u64)task))
		return t;
	return thread_spilled(task);
}

/* The task's entry of the table; NULL: another has it. Does not allocate. */
static __always_inline struct thread *thread_meet(struct task_struct *task)
{
	struct thread *t = thread_entry(task);

	return t && entry_take(TABLE_THREADS, &t->task, (__u64)task) ? t : 0;
}

/*
 * An entry for a task of which nothing is known: in the table, if nobody has it, else
 * in the spill. There may be an entry there of a task whose end we did not see.
 */
static __noinline int thread_make(struct task_struct *task)
{
	struct thread empty = { .task = (__u64)task }, *t;

	if (!task || thread_meet(task))
		return 0;
	t = spill_make(&threads_spill, TABLE_THREADS, (__u64)task, &empty);
	if (!t) {
		lose(LOSS_TABLE_FULL);
		return 0;
	}
	t->key = 0;
	t->set = 0;
	return 0;
}

/* A new task may be where one was whose end we did not see. */
static __always_inline int thread_born(struct task_struct *task)
{
	struct thread *t = thread_entry(task);

	if (t && t->task == (__u64)task) {
		t->key = 0;
		t->set = 0;
	} else {
		thread_make(task);
	}
	return 0;
}

/*
 * A task that goes to sleep may stay on its queue until it has paid for what it had
 * too much: kernel/sched/fair.c, DELAY_DEQUEUE. When it is moved to another CPU
 * meanwhile, enqueue_task() sets last_queued, though it sleeps; nothing takes that
 * back, and at its wake-up the stamp stays. So that "wait", and run_delay behind it, is
 * its sleep, up to when it has run next. All ways to another queue lead through
 * set_task_cpu(); what takes a task off its queue and back for a change (nice, policy,
 * cgroup, allowed CPUs) leaves last_queued alone. How long it waited after its wake-up
 * nothing tells but a hook on each wake-up.
 */
static __always_inline int thread_asleep(struct thread *t, struct task_struct *task)
{
	if (t) {
		t->total = task->sched_info.pcount;
		t->set = THREAD_ASLEEP;
	}
	return 0;
}

/* Whether that is noted of a task; it may have run since, which we did not see. */
static __always_inline bool was_asleep(const struct thread *t)
{
	return t->set == THREAD_ASLEEP;
}

static __always_inline bool is_asleep(const struct thread *t, struct task_struct *task)
{
	return was_asleep(t) && t->total == task->sched_info.pcount;
}

static __noinline int outsider_asleep(struct task_struct *task)
{
	__u64 key = (__u64)task, runs, *noted;

	if (!task)
		return 0;
	runs = task->sched_info.pcount;
	noted = bpf_map_lookup_elem(&sched_asleep, &key);
	if (noted) {
		*noted = runs;
	} else if (!small_add(&sched_asleep, SMALL_ASLEEP, &key, &runs)) {
		sched_asleep_missed = true;
		lose(LOSS_STATE_FULL);
	}
	return 0;
}

static __always_inline void outsider_forget(struct task_struct *task)
{
	__u64 key = (__u64)task;

	if (HAS_DELAYED_DEQUEUE)
		small_drop(&sched_asleep, SMALL_ASLEEP, &key);
}

/* The same question as is_asleep(), of a task without an entry; answered once. */
static __noinline int outsider_was_asleep(struct task_struct *task)
{
	__u64 key = (__u64)task, *runs = bpf_map_lookup_elem(&sched_asleep, &key);
	bool asleep;

	if (!task)
		return false;
	if (!runs) /* who has never run has not slept */
		return sched_asleep_missed && task->sched_info.pcount;
	asleep = *runs == task->sched_info.pcount;
	outsider_forget(task);
	return asleep;
}

static __always_inline int note_migration(struct task_struct *task)
{
	struct thread *t;

	if (!HAS_DELAYED_DEQUEUE || !task->se.sched_delayed)
		return 0;
	t = thread_get(task);
	if (!t) {
		t = thread_meet(task);
		if (t)
			outsider_forget(task);
	}
	return t ? thread_asleep(t, task) : outsider_asleep(task);
}

/* What there is of a task without an entry of the table. */
static __always_inline void thread_forget_other(struct task_struct *task)
{
	spill_drop(&threads_spill, TABLE_THREADS, (__u64)task);
	outsider_forget(task);
}

/* The last that is seen of a task. */
static __noinline int thread_leave(struct task_struct *task)
{
	struct thread *t = task ? thread_entry(task) : 0;

	if (t && t->task == (__u64)task)
		ENTRY_GIVE_BACK(TABLE_THREADS, t, task);
	else if (task)
		thread_forget_other(task);
	return 0;
}

/* Whether a task that sleeps has last_queued set: it was moved before we came. */
static __always_inline bool is_stamped_asleep(struct task_struct *task)
{
	__u32 state = task->__state;

	if (!HAS_DELAYED_DEQUEUE || !task->sched_info.last_queued)
		return false;
	return task->se.sched_delayed ||
	       (!task->on_rq && state && !(state & TASK_WAKING));
}

#endif
