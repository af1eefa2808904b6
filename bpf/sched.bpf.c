// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long tasks wait for a CPU, and how often they are switched out.
 *
 * Hook: sched_switch (as hot as it gets: README.md has its cost); task_newtask and one
 * walk over the tasks make the storage, so that nothing allocates under the scheduler's
 * lock.
 *
 * The kernel keeps the wait itself (kernel/sched/stats.h): sched_info.run_delay is
 * what the task has waited so far, last_queued is set while it waits. Their sum at
 * switch-in, less the sum at the switch-in before, is this wait. Neither alone is
 * right: when a waiting task migrates, its wait so far moves into run_delay.
 *
 * The hook runs with the run queue locked and interrupts off: on a machine with no more
 * CPUs than shards nobody else adds to this CPU's cells, and adds need not be atomic.
 *
 * The walk sees the tasks of the pid namespace of the agent and below. A task outside
 * (an agent in a container without hostPID) has no storage: its waits are measured,
 * less what a migration moved, and counted as no_storage.
 */
#define PROBE_ID PROBE_SCHED
#include "cell.bpf.h"

struct sched_task {
	__u64 total;	 /* ns waited up to the latest switch-in */
	__u64 throttled; /* throttled_ns() of the run queue then */
	__u64 queue;	 /* that run queue */
	__u32 moves;	 /* migrations up to then */
	__u32 seen;	 /* tune.enabled then, 0: never */
	/* its set of cgroups then, its cgroup in them, and where that is in sched_slots
	 */
	__u64 set;
	__u64 id;
	__u32 at;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sched_task);
} sched_tasks SEC(".maps");

SHARED_ARRAY(sched_blocks, struct sched_block);

#define SCHED_SLOTS (1 << SCHED_CACHE_LOG2)

/* Fills an entry for a cgroup. */
static __noinline int sched_slot_fill(struct cpu_state *cpu, struct sched_slot *e,
				      __u64 id)
{
	if (!cpu || !e)
		return 0;
	if (e->id != id)
		e->queue = 0;
	e->gen = tunes.free_gen;
	e->waits = 0;
	e->throttled = 0;
	e->culprit = 0;
	e->id = id;
	e->slot = id == OWNER_RESERVED ? SLOT_KERNEL : slot_of(cpu, id);
	e->block = e->slot * params.sched_shards + cpu->shard;
	return 0;
}

/* Where the entry of a task's cgroup is. */
static __always_inline __u32 sched_slot_of(struct cpu_state *cpu,
					   struct task_struct *task)
{
	__u64 id = OWNER_RESERVED; /* kernel threads */
	struct sched_slot *e;
	__u32 at;

	if (!(task->flags & PF_KTHREAD)) {
		id = task_cgroup_id(task);
		if (id == 1)
			id = OWNER_ROOT;
	}
	/* ids of neighbours are far apart: each cgroup has files with ids too */
	at = id * 0x9E3779B97F4A7C15ULL >> (64 - SCHED_CACHE_LOG2);
	e = &cpu->sched_slots[at & (SCHED_SLOTS - 1)];
	if (e->id != id || e->gen != tunes.free_gen)
		sched_slot_fill(cpu, e, id);
	return at;
}

/*
 * The same by what is kept with the task: three dependent loads less. A task keeps its
 * set of cgroups alive, so the same set is the same cgroup. (For a new set to be at the
 * address of the old one, the task has to be moved twice without a run between.)
 */
static __always_inline __u32 sched_slot_kept(struct cpu_state *cpu,
					     struct task_struct *task,
					     struct sched_task *st)
{
	__u64 set = (__u64)task->cgroups;
	struct sched_slot *e;
	__u32 at;

	if (!st)
		return sched_slot_of(cpu, task);
	e = &cpu->sched_slots[st->at & (SCHED_SLOTS - 1)];
	if (likely(st->set == set && st->seen == enabled_now() && e->id == st->id &&
		   e->gen == tunes.free_gen))
		return st->at;
	at = sched_slot_of(cpu, task);
	st->set = set;
	st->id = cpu->sched_slots[at & (SCHED_SLOTS - 1)].id;
	st->at = at;
	return at;
}

/* The cell of a series of waits, also when it is the overflow's: then it is not kept.
 */
static __noinline __u32 sched_cell(__u32 slot, __u32 series, __u32 *kept)
{
	struct cpu_state *cpu = cpu_get();
	__u32 n;

	if (!cpu || !kept)
		return 0;
	series += cpu->shard & (SHARDS_MAX - 1);
	n = cell_of(slot, series, POOL_HIST);
	*kept = cell_peek(slot, series);
	return n;
}

static __always_inline int make_storage(struct task_struct *task)
{
	if (!bpf_task_storage_get(&sched_tasks, task, 0,
				  BPF_LOCAL_STORAGE_GET_F_CREATE))
		lose(LOSS_NO_STORAGE);
	return 0;
}

SEC("tp_btf/task_newtask")
int sched_newtask(unsigned long long *ctx)
{
	return RUN(sched_newtask, make_storage((void *)ctx[0]));
}

SEC("iter/task")
int sched_tasks_iter(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;

	return task ? make_storage(task) : 0;
}

/*
 * Time in ns for which a run queue of a group was out of CPU quota, it or a group above
 * it: kernel/sched/fair.c. It grows when the throttling ends. 6.6 and later count the
 * time in which tasks were queued, by the clock that waits are measured by.
 */
static __always_inline __u64 throttled_ns(struct cfs_rq *cfs)
{
	struct cfs_rq___pelt *old = (void *)cfs;
	struct cfs_rq___task *older = (void *)cfs;

	if (bpf_core_field_exists(cfs->throttled_clock_self_time))
		return cfs->throttled_clock_self_time;
	if (bpf_core_field_exists(old->throttled_clock_pelt_time))
		return old->throttled_clock_pelt_time;
	if (bpf_core_field_exists(older->throttled_clock_task_time))
		return older->throttled_clock_task_time;
	return 0;
}

/*
 * The part of a wait in ns during which the task's group was throttled: by what the
 * group's run queue was throttled since this task ran last, at most up to the end of
 * the latest throttling. A task that is new to this queue has only that one to go by;
 * an entry that is new (another cgroup had its place) has only the task to go by.
 */
static __always_inline __u64 throttled_part(struct sched_slot *e,
					    const struct sched_task *st, bool known,
					    __u64 queue, __u64 clock, __u64 now,
					    __u64 wait)
{
	__u64 part, most, began = now - wait;

	if (e->queue != queue) {
		e->queue = queue;
		e->clock = known && st->queue == queue ? st->throttled : clock;
		e->ended = 0;
		e->lasted = 0;
	}
	if (e->clock != clock) {
		e->lasted = clock - e->clock;
		e->clock = clock;
		e->ended = now;
	}
	if (began >= e->ended)
		return 0;
	most = e->ended - began;
	part = known && st->queue == queue ? clock - st->throttled : e->lasted;
	if ((__s64)part < 0)
		return 0;
	return part < most ? part : most;
}

/* Notes who ran at each point of the grid since the switch before. */
__noinline int fill_grid(__u64 point)
{
	struct cpu_state *cpu = cpu_get();
	__u64 from, i;

	if (!cpu)
		return 0;
	from = cpu->sched.filled;
	if (point - from > GRID_SIZE)
		from = point - GRID_SIZE;
	for (i = 1; i <= GRID_SIZE && from + i <= point; i++)
		cpu->grid[(from + i) & (GRID_SIZE - 1)] = cpu->sched.running;
	cpu->sched.filled = point;
	return 0;
}

/*
 * Who had the CPU during a wait: one point of the grid, chosen evenly, so that on
 * average each gets its share. A wait with no point in it was for who ran until now.
 */
static __always_inline __u32 pick_culprit(struct cpu_state *cpu, __u64 now, __u64 wait,
					  __u32 before)
{
	__u64 last = now >> GRID_LOG2, points = last - ((now - wait) >> GRID_LOG2);
	__u32 random = (__u32)now * 2654435761U;

	if (!points)
		return before;
	if (points > GRID_SIZE)
		points = GRID_SIZE;
	return cpu->grid[(last - (random * points >> 32)) & (GRID_SIZE - 1)];
}

/* The place of a culprit in a block, claimed if it is new; CULPRITS: none is free. */
__noinline __u32 culprit_place(__u32 n, __u32 key)
{
	struct sched_block *block = bpf_map_lookup_elem(&sched_blocks, &n);
	__u32 i, free = CULPRITS, seen;

	if (!block)
		return CULPRITS;
	for (i = 0; i < CULPRITS; i++) {
		if (block->key[i] == key)
			return i;
		if (!block->key[i] && free == CULPRITS)
			free = i;
	}
	if (free >= CULPRITS)
		return CULPRITS;
	seen = __sync_val_compare_and_swap(&block->key[free], 0, key);
	return !seen || seen == key ? free : CULPRITS;
}

static __always_inline void blame(struct sched_slot *e, __u32 culprit, __u64 ns)
{
	struct sched_block *block = bpf_map_lookup_elem(&sched_blocks, &e->block);
	__u32 at;

	if (!block)
		return;
	if (e->culprit != culprit + 1) { /* places are freed with a new free_gen only */
		e->place = culprit_place(e->block, culprit + 1);
		e->culprit = culprit + 1;
	}
	at = e->place;
	barrier_var(at); /* the bound has to be seen right before its use */
	if (at > CULPRITS)
		return;
	ADD(block->ns[at], ns, tunes.own_shards);
}

/* One of 2^sample_log2 waits is taken, by chance, and counts for all of them. */
static __always_inline bool is_sampled(__u64 now, __u32 log2)
{
	return !log2 ||
	       !((__u32)(now * 0x9E3779B97F4A7C15ULL >> 32) >> (32 - (log2 & 31)));
}

/* The part of a wait that is for lack of quota: rare, and so out of the way. */
static __noinline int record_throttled(struct sched_slot *e, __u64 ns, __u32 log2)
{
	__u32 n;

	if (!e)
		return 0;
	n = e->throttled;
	if (!n)
		n = sched_cell(e->slot, SERIES_SCHED_WAIT + WAIT_THROTTLED * SHARDS_MAX,
			       &e->throttled);
	hist_put_many(n, ns, log2, tunes.own_shards);
	return 0;
}

static __always_inline void record_wait(struct cpu_state *cpu, struct sched_slot *e,
					__u64 now, __u64 wait, __u64 throttled,
					__u32 before)
{
	__u32 n, log2 = tunes.tune[PROBE_ID].sample_log2 & 15;

	if (unlikely(!is_sampled(now, log2)))
		return;
	if (unlikely(throttled)) {
		record_throttled(e, throttled, log2);
		wait -= throttled;
		if (!wait)
			return;
	}
	n = e->waits;
	if (unlikely(!n))
		n = sched_cell(e->slot,
			       SERIES_SCHED_WAIT + WAIT_CONTENTION * SHARDS_MAX,
			       &e->waits);
	hist_put_many(n, wait, log2, tunes.own_shards);
	if (wait)
		blame(e, pick_culprit(cpu, now, wait, before), wait << log2);
}

static __always_inline void count_switches(struct sched_slot *e, __u32 lane, __u64 by)
{
	struct sched_block *block = bpf_map_lookup_elem(&sched_blocks, &e->block);

	if (block && lane < SCHED_LANES)
		ADD(block->lane[lane], by, tunes.own_shards);
}

static __always_inline void count_wait(struct cpu_state *cpu, struct sched_slot *e,
				       struct task_struct *next, struct sched_task *st,
				       __u64 now, __u32 before)
{
	__u64 queued = next->sched_info.last_queued, total, wait, base, throttled = 0;
	struct cfs_rq *cfs = next->se.cfs_rq;
	__u64 clock = throttled_ns(cfs), queue = (__u64)cfs;
	__u32 enabled = enabled_now(), moves;
	bool known;

	base = next->sched_info.run_delay;
	total = base;
	if (queued) /* 0 happens: no pending part, not a time stamp */
		total += now - queued;
	if (unlikely(!st)) {
		lose(LOSS_NO_STORAGE); /* the wait before a migration is missing */
		wait = total - base;
	} else {
		moves = next->se.nr_migrations;
		known = st->seen == enabled;
		if (likely(known)) {
			base = st->total;
		} else {
			st->moves = moves;
			if (!next->sched_info.pcount) {
				base = 0; /* new: it has waited since it was made */
				st->moves = 0;
			}
		}
		wait = total - base;
		if (unlikely(clock && (__s64)wait > 0))
			throttled =
			    throttled_part(e, st, known, queue, clock, now, wait);
		if (unlikely(moves != st->moves))
			count_switches(e, SCHED_MIGRATIONS, moves - st->moves);
		st->total = total;
		st->throttled = clock;
		st->queue = queue;
		st->moves = moves;
		st->seen = enabled;
	}
	if (unlikely((__s64)wait < 0)) {
		lose(LOSS_CLOCK_BACKWARDS);
		return;
	}
	record_wait(cpu, e, now, wait, throttled, before);
}

/*
 * voluntary as in /proc/PID/status: kernel/sched/core.c, __schedule(). Whose entry it
 * is, is known since the task came: a task that is moved meanwhile has this last switch
 * counted where it was.
 */
static __always_inline void count_switch(struct cpu_state *cpu,
					 struct task_struct *prev, bool voluntary)
{
	__u32 at = cpu->sched.at;

	if (prev->tgid == tunes.self_tgid)
		return;
	if (unlikely(cpu->sched.task != (__u64)prev ||
		     cpu->sched_slots[at & (SCHED_SLOTS - 1)].gen != tunes.free_gen))
		at = sched_slot_of(cpu, prev);
	count_switches(&cpu->sched_slots[at & (SCHED_SLOTS - 1)],
		       voluntary ? SCHED_VOLUNTARY : SCHED_INVOLUNTARY, 1);
}

static __always_inline int on_switch(struct cpu_state *cpu, struct task_struct *prev,
				     struct task_struct *next, bool voluntary)
{
	struct sched_task *st;
	struct sched_slot *e;
	__u32 before, at;
	__u64 now;

	now = next->se.cfs_rq->rq->clock;
	if (unlikely(now >> GRID_LOG2 != cpu->sched.filled))
		fill_grid(now >> GRID_LOG2);
	before = cpu->sched.running;
	if (prev->pid)
		count_switch(cpu, prev, voluntary);
	if (!next->pid) {
		cpu->sched.task = 0;
		cpu->sched.running = CULPRIT_IDLE;
		return 0;
	}
	st = bpf_task_storage_get(&sched_tasks, next, 0, 0);
	at = sched_slot_kept(cpu, next, st);
	e = &cpu->sched_slots[at & (SCHED_SLOTS - 1)];
	cpu->sched.task = (__u64)next;
	cpu->sched.at = at;
	cpu->sched.running =
	    e->slot; /* we are a culprit like any other, but no victim */
	if (likely(next->tgid != tunes.self_tgid))
		count_wait(cpu, e, next, st, now, before);
	return 0;
}

/* Counted and timed like all programs (RUN), but the CPU's state is looked up once. */
static __always_inline int run_switch(struct task_struct *prev,
				      struct task_struct *next, bool voluntary)
{
	struct cpu_state *cpu = cpu_get();
	__u64 began;

	if (!cpu)
		return 0;
	began = run_begin(cpu, PROGRAM_sched_switch);
	if (likely(enabled_now()))
		on_switch(cpu, prev, next, voluntary);
	if (unlikely(began))
		run_timed(PROGRAM_sched_switch, began);
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
	return run_switch((void *)ctx[1], (void *)ctx[2], !ctx[0] && (__u32)ctx[3]);
}

SEC("?tp_btf/sched_switch")
int sched_switch_second(unsigned long long *ctx)
{
	return run_switch((void *)ctx[2], (void *)ctx[3], !ctx[0] && (__u32)ctx[1]);
}

SEC("?tp_btf/sched_switch")
int sched_switch_bare(unsigned long long *ctx)
{
	struct task_struct *prev = (void *)ctx[1];

	return run_switch(prev, (void *)ctx[2], !ctx[0] && prev->__state);
}

/*
 * Who waits for a CPU now: last_queued is set. The clock is that of the task's queue,
 * a timer tick old at most while somebody waits there.
 */
SEC("iter/task")
int sched_inflight_walk(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct cpu_state *cpu = cpu_get();
	struct sched_task *st;
	__u64 queued, age;

	if (!task || !cpu || walk_is_over(ctx->meta->seq_num))
		return 0;
	queued = task->sched_info.last_queued;
	if (!queued || task->tgid == tunes.self_tgid)
		return 0;
	age = task->se.cfs_rq->rq->clock - queued;
	st = bpf_task_storage_get(&sched_tasks, task, 0, 0);
	if (st && st->seen == enabled_now())
		age += task->sched_info.run_delay - st->total; /* moved meanwhile */
	inflight_note(slot_of_task(cpu, task), INFLIGHT_WAIT, age);
	return 0;
}
