// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long tasks are held up to free memory before they get some, and OOM kills.
 *
 * Hooks: begin and end of a memcg's reclaim, which is what a container at memory.max
 * runs into, and of the global direct one; mark_victim. All are rare beside what they
 * tell of. The kernel keeps no time of the beginning: it is in a hash, by the task's
 * address, until the end.
 *
 * The two kinds do not nest: a task that reclaims may not begin again.
 */
#define PROBE_ID PROBE_MEMORY
#include "cell.bpf.h"
#include "memory_tasks.bpf.h"

static __always_inline int on_begin(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct reclaim *before, r = { .enabled = enabled_now() };
	__u64 key = (__u64)task;

	if (task->tgid == tunes.self_tgid)
		return 0;
	before = bpf_map_lookup_elem(&reclaims, &key);
	if (before && before->enabled == r.enabled)
		lose(LOSS_UNPAIRED); /* its end was missed, or that of a task before */
	r.start = bpf_ktime_get_ns();
	if (before)
		*before = r;
	else if (!small_add(&reclaims, SMALL_RECLAIMS, &key, &r))
		lose(LOSS_STATE_FULL);
	return 0;
}

static __always_inline int on_end(void)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct cpu_state *cpu = cpu_get();
	struct reclaim *r;
	__u64 key = (__u64)task;
	__s64 ns;

	if (task->tgid == tunes.self_tgid || !cpu)
		return 0;
	r = bpf_map_lookup_elem(&reclaims, &key);
	if (!r || r->enabled != enabled_now())
		return 0; /* it began before the probe was on, or was lost then */
	ns = bpf_ktime_get_ns() - r->start;
	small_drop(&reclaims, SMALL_RECLAIMS, &key);
	if (ns < 0) {
		lose(LOSS_CLOCK_BACKWARDS);
		return 0;
	}
	hist_add(slot_of_task(cpu, task), SERIES_RECLAIM, ns);
	return 0;
}

/* Ends are attached before beginnings: so none is noted whose end is not seen. */
SEC("tp_btf/mm_vmscan_direct_reclaim_end")
int memory_end(unsigned long long *ctx)
{
	return RUN(memory_end, on_end());
}

/* Optional: a kernel without memory cgroups has no such tracepoints. */
SEC("?tp_btf/mm_vmscan_memcg_reclaim_end")
int memory_memcg_end(unsigned long long *ctx)
{
	return RUN(memory_memcg_end, on_end());
}

SEC("tp_btf/mm_vmscan_direct_reclaim_begin")
int memory_begin(unsigned long long *ctx)
{
	return RUN(memory_begin, on_begin());
}

SEC("?tp_btf/mm_vmscan_memcg_reclaim_begin")
int memory_memcg_begin(unsigned long long *ctx)
{
	return RUN(memory_memcg_begin, on_begin());
}

/*
 * The victim's slot. Where only its pid is told, its cgroup is known if it is the one
 * that ran out of memory itself.
 */
static __always_inline __u32 victim_slot(struct cpu_state *cpu, unsigned long long *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf(), *victim;
	int pid;

	if (params.victim_form == VICTIM_PID) {
		pid = ctx[0];
	} else {
		victim = (void *)ctx[0];
		if (params.victim_form == VICTIM_TASK)
			return slot_of(cpu, task_cgroup_id(victim));
		pid = victim->pid;
	}
	return task->pid == pid ? slot_of_task(cpu, task) : SLOT_UNKNOWN;
}

static __always_inline int on_victim(unsigned long long *ctx)
{
	struct cpu_state *cpu = cpu_get();

	if (cpu)
		count_add(victim_slot(cpu, ctx), SERIES_MEMORY_COUNT, MEMORY_OOM_KILLS,
			  1);
	return 0;
}

SEC("tp_btf/mark_victim")
int memory_victim(unsigned long long *ctx)
{
	return RUN(memory_victim, on_victim(ctx));
}

static long reclaim_forget(void *map, __u64 *task, struct reclaim *r, void *ctx)
{
	small_drop(&reclaims, SMALL_RECLAIMS, task);
	return 0;
}

/* On no hook: the agent runs it when none of the others is attached any more. */
SEC("syscall")
int memory_forget(void *ctx)
{
	bpf_for_each_map_elem(&reclaims, reclaim_forget, 0, 0);
	return 0;
}
