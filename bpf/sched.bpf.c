// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long tasks wait for a CPU, and how often they are switched out.
 *
 * Hook: sched_switch (as hot as it gets: 50 to 60 ns net); task_newtask and one walk
 * over the tasks make the storage, so that nothing allocates under the scheduler's
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
	__u64 total; /* ns waited up to the latest switch-in */
	__u64 seen;
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct sched_task);
} sched_tasks SEC(".maps");

/*
 * The slots of the latest cgroups on this CPU, with this CPU's cells in them: one place
 * instead of three. Only used in sched_switch, which nothing interrupts. As in
 * slot_of(), the owner word proves an entry.
 */
struct sched_slot {
	__u64 id;
	__u32 slot;
	__u32 waits;	/* cell, 0: not looked up */
	__u32 switches; /* cell */
	__u32 gen;	/* control.free_gen: no slot changed hands since */
};

struct sched_cache {
	struct sched_slot entry[CACHE_SIZE];
};

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sched_cache);
} sched_caches SEC(".maps");

static __always_inline struct sched_slot *sched_slot_of(struct sched_cache *cache,
							struct task_struct *task)
{
	__u64 id = OWNER_RESERVED; /* kernel threads */
	struct sched_slot *e;
	struct cpu_state *cpu;

	if (!(task->flags & PF_KTHREAD)) {
		id = task_cgroup_id(task);
		if (id == 1)
			id = OWNER_ROOT;
	}
	e = &cache->entry[id & (CACHE_SIZE - 1)];
	if (e->id == id && e->gen == control.free_gen)
		return e;
	cpu = cpu_get();
	e->gen = control.free_gen;
	e->waits = 0;
	e->switches = 0;
	e->id = id;
	e->slot = id == OWNER_RESERVED || !cpu ? SLOT_KERNEL : slot_of(cpu, id);
	return e;
}

/* The cell of a hot series, also when it is the overflow's: then it is not kept. */
static __always_inline __u32 sched_cell(__u32 slot, __u32 series, __u32 pool,
					__u32 *kept)
{
	struct cpu_state *cpu = cpu_get();
	__u32 n;

	if (!cpu)
		return 0;
	series += cpu->shard & (SHARDS_MAX - 1);
	n = cell_of(slot, series, pool);
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

static __always_inline void count_wait(struct sched_cache *cache,
				       struct task_struct *next)
{
	__u64 queued = next->sched_info.last_queued, total, wait, base;
	struct sched_task *st;
	struct sched_slot *e;
	__u32 n;

	base = next->sched_info.run_delay;
	total = base;
	if (queued) /* 0 happens: no pending part, not a time stamp */
		total += next->se.cfs_rq->rq->clock - queued;
	st = bpf_task_storage_get(&sched_tasks, next, 0, 0);
	if (!st) {
		lose(LOSS_NO_STORAGE); /* the wait before a migration is missing */
	} else {
		if (st->seen)
			base = st->total;
		else if (!next->sched_info.pcount)
			base = 0; /* a new task has waited only since it was made */
		st->seen = 1;
		st->total = total;
	}
	wait = total - base;
	if (next->tgid == params.self_tgid)
		return;
	if ((__s64)wait < 0) {
		lose(LOSS_CLOCK_BACKWARDS);
		return;
	}
	e = sched_slot_of(cache, next);
	n = e->waits;
	if (!n)
		n = sched_cell(e->slot,
			       SERIES_SCHED_WAIT + WAIT_CONTENTION * SHARDS_MAX,
			       POOL_HIST, &e->waits);
	hist_put(n, wait, params.own_shards);
}

/* voluntary as in /proc/PID/status: kernel/sched/core.c, __schedule() */
static __always_inline void count_switch(struct sched_cache *cache,
					 struct task_struct *prev, bool voluntary)
{
	struct sched_slot *e;
	__u32 n;

	if (prev->tgid == params.self_tgid)
		return;
	e = sched_slot_of(cache, prev);
	n = e->switches;
	if (!n)
		n = sched_cell(e->slot, SERIES_SCHED_COUNT, POOL_COUNT, &e->switches);
	count_put(n, voluntary ? SCHED_VOLUNTARY : SCHED_INVOLUNTARY, 1,
		  params.own_shards);
}

static __always_inline int on_switch(unsigned long long *ctx)
{
	struct task_struct *prev, *next;
	struct sched_cache *cache;
	bool preempt = ctx[0];
	__u32 zero = 0;
	__u32 state;

	if (params.switch_form == SWITCH_STATE_SECOND) {
		state = ctx[1];
		prev = (void *)ctx[2];
		next = (void *)ctx[3];
	} else {
		prev = (void *)ctx[1];
		next = (void *)ctx[2];
		/* the argument, where there is one: the field may change meanwhile */
		state =
		    params.switch_form == SWITCH_STATE_LAST ? ctx[3] : prev->__state;
	}
	cache = bpf_map_lookup_elem(&sched_caches, &zero);
	if (!cache)
		return 0;
	if (prev->pid)
		count_switch(cache, prev, !preempt && state);
	if (next->pid)
		count_wait(cache, next);
	return 0;
}

SEC("tp_btf/sched_switch")
int sched_switch(unsigned long long *ctx)
{
	return RUN(sched_switch, on_switch(ctx));
}
