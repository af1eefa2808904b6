// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long tasks wait for a CPU, from the moment that they are woken or preempted: by
 * the clock at sched_wakeup, sched_wakeup_new and sched_switch, nothing of the
 * kernel's own sums. For tests only: two hash look-ups and a clock at each event.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "wakes.h"

#define TASK_DEAD   0x80
#define TASK_WAKING 0x200

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct kernfs_node {
	__u64 id;
};
struct cgroup {
	struct kernfs_node *kn;
};
struct css_set {
	struct cgroup *dfl_cgrp;
};
struct sched_entity {
	__u64 nr_migrations;
};
struct task_struct {
	int pid;
	struct sched_entity se;
	unsigned int __state;
	unsigned int on_rq;
	struct css_set *cgroups;
};
#pragma clang attribute pop

/* A task that is not running, by its address. */
struct away {
	__u64 since; /* ns: it wants a CPU; 0: it sleeps */
	__u32 moved; /* to another queue, while it slept on one */
	__u32 half;  /* preempted on its way to sleep */
	__u32 seen;  /* what we saw last of it: */
#define SEEN_IN	 1   /* to its CPU */
#define SEEN_OUT 2   /* from it */
	__u64 moves; /* of all that the kernel has counted, those up to what we saw */
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 32768);
	__type(key, __u64);
	__type(value, struct away);
} tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64);
	__type(value, struct wakes);
} groups SEC(".maps");

static __always_inline struct away *away_get(struct task_struct *task)
{
	struct away *away, none = {};
	__u64 key = (__u64)task;

	away = bpf_map_lookup_elem(&tasks, &key);
	if (away)
		return away;
	bpf_map_update_elem(&tasks, &key, &none, BPF_NOEXIST);
	return bpf_map_lookup_elem(&tasks, &key);
}

/* NULL: nobody has asked for its cgroup. */
static __always_inline struct wakes *group_get(struct task_struct *task)
{
	__u64 key = task->cgroups->dfl_cgrp->kn->id;

	return bpf_map_lookup_elem(&groups, &key);
}

/* One that runs is woken, too: what is noted then is out of date at its switch. */
static __always_inline int on_wakeup(struct task_struct *task)
{
	struct away *away = away_get(task);

	if (away && !away->since)
		away->since = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sched_wakeup")
int wakes_wakeup(unsigned long long *ctx)
{
	return on_wakeup((void *)ctx[0]);
}

SEC("tp_btf/sched_wakeup_new")
int wakes_new(unsigned long long *ctx)
{
	return on_wakeup((void *)ctx[0]);
}

/* At a wake-up the task is on no queue, and TASK_WAKING. */
SEC("tp_btf/sched_migrate_task")
int wakes_migrate(unsigned long long *ctx)
{
	struct task_struct *task = (void *)ctx[0];
	struct wakes *group;
	struct away *away;

	away = away_get(task);
	if (!away)
		return 0;
	away->moves++;
	if (!task->on_rq || !task->__state || task->__state & TASK_WAKING ||
	    away->since)
		return 0;
	away->moved = 1;
	group = group_get(task);
	if (group)
		__sync_fetch_and_add(&group->moves, 1);
	return 0;
}

static __always_inline void leaves(struct task_struct *prev, bool preempted,
				   __u32 state, __u64 now)
{
	__u64 key = (__u64)prev;
	struct wakes *group;
	struct away *away;

	if (!prev->pid)
		return;
	if (state & TASK_DEAD) {
		bpf_map_delete_elem(&tasks, &key);
		return;
	}
	away = away_get(prev);
	if (!away)
		return;
	if (away->seen == SEEN_OUT) { /* we were not told when it came */
		group = group_get(prev);
		if (group)
			__sync_fetch_and_add(&group->unseen, 1);
	}
	away->seen = SEEN_OUT;
	away->since = preempted || !state ? now : 0;
	away->moved = 0;
	away->half = preempted && state;
	away->moves = prev->se.nr_migrations;
}

static __always_inline void add(struct wakes *group, const struct away *away,
				__u64 waited)
{
	int kind = away->moved ? WAKES_MOVED : away->half ? WAKES_HALF : WAKES_CLEAR;

	__sync_fetch_and_add(&group->count[kind], 1);
	__sync_fetch_and_add(&group->ns[kind], waited);
	if (kind == WAKES_CLEAR && waited > group->longest)
		group->longest = waited;
}

/* prev_state is the last argument: Linux 5.18 and later. */
SEC("tp_btf/sched_switch")
int wakes_switch(unsigned long long *ctx)
{
	struct task_struct *next = (void *)ctx[2];
	__u64 key = (__u64)next, now = bpf_ktime_get_ns();
	struct wakes *group;
	struct away *away;

	leaves((void *)ctx[1], ctx[0], ctx[3], now);
	away = next->pid ? bpf_map_lookup_elem(&tasks, &key) : 0;
	group = away ? group_get(next) : 0;
	if (away)
		away->seen = SEEN_IN;
	if (!group)
		return 0;
	if (away->since && next->se.nr_migrations <= away->moves)
		add(group, away, now - away->since);
	else
		__sync_fetch_and_add(&group->unseen, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
