// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long tasks wait for a CPU, how long they sleep in which class of system calls,
 * and how often they are switched out.
 *
 * Hook: sched_switch (as hot as it gets: README.md has its cost); task_newtask and a
 * walk over the tasks, at the start, make each task's entry, so that nothing allocates
 * under the scheduler's lock. Who waits now the pass over tasks tells
 * (sched_tasks.bpf.h).
 *
 * The kernel keeps the wait itself (kernel/sched/stats.h): sched_info.run_delay is
 * what the task has waited so far, last_queued is set while it waits. Their sum at
 * switch-in, less the sum at the switch-in before, is this wait. Neither alone is
 * right: when a waiting task migrates, its wait so far moves into run_delay.
 *
 * A task that leaves of its own accord sleeps; when it runs again, the time that it was
 * away, less its wait, is how long (sched_sleep.bpf.h).
 *
 * Since 6.12 last_queued may be no beginning of a wait: see thread_asleep(). Hook:
 * sched_migrate_task, rare beside switches.
 *
 * The hook only writes down what happened, in the ring of its CPU: what that means is
 * worked out for many switches at once (sched_replay.bpf.h). It touches little memory
 * and code this way; what costs most there is what is not in a cache and not in the
 * TLB.
 *
 * The walk sees the tasks of the pid namespace of the agent and below. One outside (an
 * agent in a container without hostPID) is met when it is switched to: what a migration
 * moved of that wait is missing, since 6.12 all of it, which is counted as no_storage.
 * One that finds its place taken is met so each time, and its waits are counted.
 */
#define PROBE_ID PROBE_SCHED
#include "cell.bpf.h"
#include "sched_replay.bpf.h"
#include "sched_sleep.bpf.h"
#include "sched_thread.bpf.h"
#include "sched_throttled.bpf.h"

#define NOWHERE	  0xffff /* struct thread.cpu */
#define TASK_DEAD 0x80	 /* include/linux/sched.h: the last switch of a task */

/* These follow the tasks also while the probe is off, so that it may be switched on. */
SEC("tp_btf/task_newtask")
int sched_newtask(unsigned long long *ctx)
{
	return RUN_IF(true, sched_newtask, thread_born((void *)ctx[0]));
}

SEC("tp_btf/sched_migrate_task")
int sched_migrate(unsigned long long *ctx)
{
	return RUN_IF(true, sched_migrate, note_migration((void *)ctx[0]));
}

SEC("iter/task")
int sched_tasks_iter(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct thread *t;

	if (!task)
		return 0;
	thread_make(task);
	t = thread_get(task);
	if (t)
		note_earlier_sleep(t, task);
	return is_stamped_asleep(task) ? thread_asleep(t, task) : 0;
}

/* What goes into a record of a task: its slot, and whether it is ours. */
static __always_inline __u32 thread_word(struct cpu_state *cpu,
					 struct task_struct *task, __u64 owner)
{
	__u64 word = (__u64)slot_of_owner(cpu, owner) << SWITCH_SLOT_SHIFT;

	word |= task->tgid == tunes.self_tgid ? SWITCH_OURS : SWITCH_WAITED;
	return word >> SWITCH_SLOT_SHIFT;
}

static __always_inline void write_record(struct sched_ring *ring, __u64 now, __u64 word,
					 __u64 slept)
{
	struct sched_record *rec = &ring->records[ring->ring.head & (RING_SIZE - 1)];

	rec->now = now;
	rec->word = word;
	rec->slept = slept;
	ring->ring.head++;
}

static __always_inline void replay_full(struct sched_ring *ring)
{
	if (unlikely(!(ring->ring.head & (RING_SIZE - 1))))
		sched_replay(bpf_get_smp_processor_id());
}

/* A switch after a wait that may need two records. */
static __always_inline void write_long(struct sched_ring *ring, __u64 now, __u64 wait,
				       __u64 how, __u32 moved, __u64 slept)
{
	if (wait >> SWITCH_SLOT_SHIFT) {
		write_record(ring, wait >> SWITCH_SLOT_SHIFT << SWITCH_SLOT_SHIFT,
			     SWITCH_LONG, 0);
		replay_full(ring);
	}
	if (moved > SWITCH_MOVES_MAX)
		moved = SWITCH_MOVES_MAX;
	write_record(ring, now, (__u32)wait | how | (__u64)moved << SWITCH_MOVES,
		     slept);
}

/* The same of one whose clock may have gone backwards. */
static __always_inline void write_wait(struct sched_ring *ring, __u64 now, __u64 wait,
				       __u64 how, __u32 moved, __u64 slept)
{
	if ((__s64)wait < 0) {
		lose(LOSS_CLOCK_BACKWARDS);
		how &= ~SWITCH_WAITED;
		wait = slept = 0;
	}
	write_long(ring, now, wait, how, moved, slept);
}

/* Whether a task began to wait before the probe was switched on. */
static __always_inline bool waited_before(const struct sched_ring *ring,
					  struct task_struct *next)
{
	__u64 queued = next->sched_info.last_queued;

	return queued && (__s64)(queued - ring->since) < 0;
}

/*
 * What a task had waited when this wait began, into base: run_delay, unless more is
 * known. False: when it began is not known.
 */
static __always_inline bool find_base(const struct sched_ring *ring,
				      const struct thread *t, struct task_struct *next,
				      bool met, __u64 *base)
{
	if (was_asleep(t))
		return !is_asleep(t, next);
	if (met)
		*base = t->total;
	else if (waited_before(ring, next))
		return false;
	else if (!next->sched_info.pcount)
		*base = 0; /* new: it has waited since it was made */
	return true;
}

/* What a task had waited in all when it was switched to; a stamp of 0 happens. */
static __always_inline __u64 total_wait(struct task_struct *next, __u64 now)
{
	__u64 total = next->sched_info.run_delay, queued = next->sched_info.last_queued;

	if (queued)
		total += now - queued;
	return total;
}

/*
 * The entry of a task that has none yet, NULL: another has it. known: whether it is
 * known when its wait began; slept: it did meanwhile.
 */
static __always_inline struct thread *meet_outsider(struct task_struct *next,
						    bool *known, bool *slept)
{
	struct thread *t;

	/* the wait before a migration is missing */
	lose(spill_is_full(TABLE_THREADS) ? LOSS_TABLE_FULL : LOSS_NO_STORAGE);
	t = thread_meet(next);
	*slept = HAS_DELAYED_DEQUEUE && outsider_was_asleep(next);
	*known = !HAS_DELAYED_DEQUEUE || (t ? !next->sched_info.pcount : !*slept);
	return t;
}

/* What of a task's records depends on its cgroup and the ring's key, if that changed.
 */
static __always_inline void thread_renew(struct thread *t, struct cpu_state *cpu,
					 struct task_struct *task, struct ring *ring,
					 __u64 set, __u64 owner)
{
	__u64 key = ring->key;

	if (t->key == key && t->set == set)
		return;
	key = ring_key(ring);
	t->word = thread_word(cpu, task, owner);
	t->set = set;
	t->key = key;
}

/*
 * A task whose switch-in was not seen, but that it runs. If it was not met before, what
 * it has waited is in run_delay. Else what it waited then counts with its next wait, so
 * that the sum is right; and its next sleep, which is what is left, does not.
 */
static __always_inline void thread_met_running(struct thread *t, struct cpu_state *cpu,
					       struct task_struct *task,
					       struct ring *ring, __u64 set,
					       __u64 owner)
{
	bool met = !((t->key ^ ring->key) >> 32);

	thread_renew(t, cpu, task, ring, set, owner);
	if (!met) {
		t->moves = task->se.nr_migrations;
		t->total = task->sched_info.run_delay;
	}
	t->asleep = 0;
	t->throttled = 0;
	t->cpu = met ? UNSURE : NOWHERE;
}

/* What there is to compare with at a task's next switch-in. */
static __always_inline void thread_runs(struct thread *t, __u64 total, __u64 throttled,
					__u32 here, __u32 moves)
{
	t->total = total;
	t->throttled = throttled;
	t->cpu = here;
	t->moves = moves;
}

/* Writes the record of a switch to a task, with all that seldom happens. */
static __noinline int switch_to(struct sched_ring *ring, struct task_struct *next,
				struct thread *t, __u64 how)
{
	__u32 here = bpf_get_smp_processor_id(), moves, moved = 0;
	struct cpu_state *cpu = bpf_map_lookup_elem(&cpus, &here);
	__u64 total, wait, base, throttled = 0, now, clock, word, asleep = 0, set,
				 owner;
	struct cfs_rq *cfs;
	bool met, same, known = true, slept = false;

	if (!cpu || !ring || !next)
		return 0;
	set = task_set_here(next);
	owner = task_owner_here(next);
	cfs = next->se.cfs_rq;
	now = cfs->rq->clock;
	clock = throttled_ns(cfs);
	moves = next->se.nr_migrations;
	base = next->sched_info.run_delay;
	total = total_wait(next, now);
	if (!t)
		t = meet_outsider(next, &known, &slept);
	if (!t) {
		word = thread_word(cpu, next, owner);
		wait = total - base;
	} else {
		met = t->key >> 32 == ring->ring.key >> 32;
		if (!find_base(ring, t, next, met, &base))
			known = false;
		slept = was_asleep(t) && (met || !known);
		same = met && t->cpu == (__u16)here && t->set == set;
		if (!met || !known || was_asleep(t))
			t->asleep = 0; /* when it began, or its wait, is not known */
		if (!met)
			t->moves = next->sched_info.pcount ? moves : 0;
		thread_renew(t, cpu, next, &ring->ring, set, owner);
		word = t->word;
		wait = total - base;
		if (clock && known && (__s64)wait > 0)
			throttled =
			    throttled_part(sched_slot_get(cpu, word & SWITCH_SLOT_MASK),
					   t, same, (__u64)cfs, clock, now, wait);
		asleep = sleep_ended(t, now, wait);
		moved = (__u16)(moves - t->moves);
		thread_runs(t, total, clock, here, moves);
	}
	how |= word << SWITCH_SLOT_SHIFT;
	if (slept && (how & SWITCH_WAITED))
		lose(LOSS_DELAYED_DEQUEUE);
	how &= known ? ~0ULL : ~SWITCH_WAITED;
	if (!(how & SWITCH_WAITED))
		throttled = wait = 0;
	if (throttled && is_sampled(now, sample_log2()))
		record_throttled(here, word & SWITCH_SLOT_MASK, throttled);
	if (throttled && throttled == wait)
		how &= ~SWITCH_WAITED;
	write_wait(ring, now, wait - throttled, how, moved, asleep);
	return 0;
}

/* Who runs is not who came last: we have just begun, or were off. 0: we still are. The
 * agent that switches us off, and that switches us on, forgets who runs:
 * publish_one(). */
static __noinline int look_anew(struct sched_ring *ring, struct task_struct *prev)
{
	__u32 here = bpf_get_smp_processor_id();
	struct cpu_state *cpu = bpf_map_lookup_elem(&cpus, &here);
	struct thread *t;
	__u64 set, owner;

	if (!cpu || !ring || !prev)
		return 0;
	set = task_set_here(prev);
	owner = task_owner_here(prev);
	sched_replay(here);
	if (!(ring->ring.key >> 32)) {
		cpu->runs[PROGRAM_sched_switch].count++;
		return 0;
	}
	if (!ring->task)
		ring->since = prev->se.cfs_rq->rq->clock -
			      (bpf_ktime_get_ns() - tunes.on[PROBE_ID].since);
	ring->running = prev->pid ? slot_of_owner(cpu, owner) : CULPRIT_IDLE;
	ring->ours = prev->tgid == tunes.self_tgid;
	t = prev->pid ? thread_get(prev) : 0;
	if (t)
		thread_met_running(t, cpu, prev, &ring->ring, set, owner);
	return 1;
}

static __always_inline void on_switch(struct sched_ring *ring, struct task_struct *prev,
				      struct task_struct *next, __u32 here, __u32 state)
{
	struct cfs_rq *cfs = next->se.cfs_rq;
	__u64 now = cfs->rq->clock, total, wait, how = 0;
	__u32 moves, moved;
	struct thread *t;
	__u64 set;

	if (unlikely(ring->task != (__u64)prev) && !look_anew(ring, prev))
		return;
	ring->task = (__u64)next;
	if (state) {
		how = SWITCH_VOLUNTARY;
		note_sleep(ring->ring.key, prev, state, now);
	}
	if (!next->pid) {
		write_record(ring, now, how | (__u64)CULPRIT_IDLE << SWITCH_SLOT_SHIFT,
			     0);
		replay_full(ring);
		return;
	}
	set = task_set_here(next);
	t = thread_entry(next);
	if (unlikely(!t) || unlikely(t->task != (__u64)next))
		goto elsewhere;
found:
	if (unlikely(t->key != ring->ring.key || t->set != set || throttled_ns(cfs)))
		goto seldom;
	total = total_wait(next, now);
	wait = total - t->total;
	moves = next->se.nr_migrations;
	moved = (__u16)(moves - t->moves);
	if (unlikely(wait >> SWITCH_SLOT_SHIFT || moved > SWITCH_MOVES_MAX))
		goto seldom;
	thread_runs(t, total, 0, here, moves);
	write_record(ring, now,
		     wait | how | (__u64)t->word << SWITCH_SLOT_SHIFT |
			 (__u64)moved << SWITCH_MOVES,
		     sleep_ended(t, now, wait));
	replay_full(ring);
	return;
elsewhere:
	t = thread_spilled(next);
	if (likely(t))
		goto found;
seldom:
	if (unlikely(!(ring->ring.key >> 32))) {
		ring->task = 0;
		return;
	}
	switch_to(ring, next, t, how);
	replay_full(ring);
}

/*
 * As RUN, in the ring's own terms: the runs are its records. One of RUNS_TIMED is
 * timed, a prime, so that the replays have their share.
 */
static __noinline __u64 timing_begin(struct sched_ring *ring)
{
	if (!ring)
		return 0;
	ring->untimed = RUNS_TIMED;
	return timed_from();
}

static __noinline int timing_end(__u64 began)
{
	struct cpu_state *cpu = cpu_get();

	if (cpu)
		cpu->runs[PROGRAM_sched_switch].ns +=
		    (bpf_ktime_get_ns() - began) * RUNS_TIMED;
	return 0;
}

static __always_inline int run_switch(struct task_struct *prev,
				      struct task_struct *next, bool preempted,
				      __u32 state)
{
	__u32 here = bpf_get_smp_processor_id();
	struct sched_ring *ring = bpf_map_lookup_elem(&sched_rings, &here);
	__u64 began = 0;

	if (!ring)
		return 0;
	if (unlikely(!--ring->untimed))
		began = timing_begin(ring);
	if (unlikely(state & TASK_DEAD))
		thread_leave(prev);
	/* voluntary as in /proc/PID/status: kernel/sched/core.c, __schedule() */
	on_switch(ring, prev, next, here, preempted ? 0 : state);
	if (unlikely(began))
		timing_end(began);
	return 0;
}

/*
 * The arguments are preempt, prev, next; with prev_state at the end since 5.18; for a
 * while it was the second (vendors' kernels). The agent loads the one that fits. The
 * argument tells the state, where there is one: the field may change meanwhile.
 */
SEC("?tp_btf/sched_switch")
int sched_switch(unsigned long long *ctx)
{
	return run_switch((void *)ctx[1], (void *)ctx[2], ctx[0], ctx[3]);
}

SEC("?tp_btf/sched_switch")
int sched_switch_second(unsigned long long *ctx)
{
	return run_switch((void *)ctx[2], (void *)ctx[3], ctx[0], ctx[1]);
}

SEC("?tp_btf/sched_switch")
int sched_switch_bare(unsigned long long *ctx)
{
	struct task_struct *prev = (void *)ctx[1];

	return run_switch(prev, (void *)ctx[2], ctx[0], prev->__state);
}

TABLE_FORGET(TABLE_THREADS, thread, task, threads_spill)

static long asleep_forget(void *map, __u64 *task, __u64 *runs, void *ctx)
{
	small_drop(&sched_asleep, SMALL_ASLEEP, task);
	return 0;
}

/* A queue's throttling is followed while switches are seen: see throttled_part(). */
static long cpu_forget(void *map, const __u32 *at, struct cpu_state *cpu, void *ctx)
{
	for (__u32 i = 0; i < 1 << SCHED_CACHE_LOG2; i++)
		cpu->sched_slots[i].queue = 0;
	return 0;
}

/* On no hook: the agent runs it when none of the others is attached any more. */
SEC("syscall")
int sched_forget(void *ctx)
{
	bpf_for_each_map_elem(&threads, thread_forget, 0, 0);
	bpf_for_each_map_elem(&threads_spill, thread_forget_spilled, 0, 0);
	bpf_for_each_map_elem(&sched_asleep, asleep_forget, 0, 0);
	bpf_for_each_map_elem(&cpus, cpu_forget, 0, 0);
	sched_asleep_missed = false;
	return 0;
}
