/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The part of a wait for a CPU that is for lack of quota. */
#ifndef SCHED_THROTTLED_BPF_H
#define SCHED_THROTTLED_BPF_H

#include "sched_replay.bpf.h"

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
 * an entry that is new (another cgroup had its entry) has only the task to go by.
 * same: it was last switched to on this queue, and it is known when.
 */
static __always_inline __u64 throttled_part(struct sched_slot *e,
					    const struct thread *t, bool same,
					    __u64 queue, __u64 clock, __u64 now,
					    __u64 wait)
{
	__u64 part, most, began = now - wait;

	if (e->queue != queue) {
		e->queue = queue;
		e->clock = same ? t->throttled : clock;
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
	part = same ? clock - t->throttled : e->lasted;
	if ((__s64)part < 0)
		return 0;
	return part < most ? part : most;
}

/* The part of a wait that is for lack of quota; CPU `at` waits for its replay. */
__noinline int record_throttled(__u32 at, __u32 slot, __u64 ns)
{
	struct cpu_state *cpu = bpf_map_lookup_elem(&cpus, &at);
	struct sched_slot *e;
	__u32 n;

	if (!cpu)
		return 0;
	e = sched_slot_get(cpu, slot);
	n = e->throttled;
	if (!n)
		n = sched_cell(slot, SERIES_SCHED_THROTTLED, &e->throttled);
	hist_put_for(PROBE_SCHED, n, ns, sample_log2(), false);
	return 0;
}

#endif
