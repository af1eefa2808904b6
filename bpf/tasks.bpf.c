// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * The pass over all tasks, one for all probes: to go from a task to the next one costs
 * more than to look at it. Each probe that looks at tasks has its part in
 * NAME_tasks.bpf.h, which knows that probe's maps and no other's. The agent loads this
 * with the maps of the probes that are loaded (agent/kernel/tasks.c); the parts of the
 * others are not there when the verifier is done.
 */
#include "kernel.bpf.h"

/* Whose part looks at the task now: what it loses is counted for that probe. */
static volatile __u32 looking; /* so that the bound in lose_for() is kept */
#define PROBE_ID looking
/* Of what probes have in these files little is needed here. */
#pragma clang diagnostic ignored "-Wunused-function"
#include "memory_tasks.bpf.h"
#include "sched_tasks.bpf.h"
#include "syscall_tasks.bpf.h"

#define LOOK(probe, part)                                                              \
	do {                                                                           \
		if (params.parts & 1U << PROBE_##probe && enabled_of(PROBE_##probe)) { \
			looking = PROBE_##probe;                                       \
			part(cpu, task);                                               \
		}                                                                      \
	} while (0)

SEC("iter/task")
int tasks_walk(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct cpu_state *cpu = cpu_get();

	if (!task || !cpu)
		return 0;
	if (slice_is_over(ctx->meta))
		return 1;
	LOOK(SCHED, sched_look);
	LOOK(SYSCALL, syscall_look);
	LOOK(MEMORY, memory_look);
	return 0;
}
