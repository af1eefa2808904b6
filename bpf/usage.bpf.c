// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * CPU time, quota, memory and pressure of all cgroups in one pass, from where the files
 * of a cgroup have them: a fiftieth of what opening and reading those files costs.
 * iter/cgroup is there from 6.1 on; without it the agent reads the files.
 *
 * The kernel holds cgroup_mutex meanwhile (some microseconds for each cgroup).
 */
#include "kernel.bpf.h"
#include "usage.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_iter__cgroup {
	struct cgroup *cgroup;
};

struct task_cputime___usage {
	__u64 sum_exec_runtime;
};

struct cgroup_base_stat___usage {
	struct task_cputime___usage cputime;
};

struct psi_group___usage {
	bool enabled;
	__u64 total[12]; /* for averages first, then for triggers */
};

struct cgroup___usage {
	struct cgroup_subsys_state *subsys[12];
	struct cgroup_base_stat___usage bstat;
	struct psi_group___usage *psi;
};

struct cfs_bandwidth___usage {
	int nr_periods, nr_throttled;
	__u64 throttled_time;
};

struct task_group___usage {
	struct cfs_bandwidth___usage cfs_bandwidth;
};

struct atomic_long___usage {
	__s64 counter;
};

struct page_counter___usage {
	struct atomic_long___usage usage;
	unsigned long max;
};

struct mem_cgroup___usage {
	struct page_counter___usage memory;
};

enum cgroup_subsys_id___usage {
	cpu_cgrp_id___usage = 1,
	memory_cgrp_id___usage = 4,
};

#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1); /* as many as the agent has slots */
	__type(key, __u32);
	__type(value, struct usage_row);
} usage_rows SEC(".maps");

__u32 usage_count; /* rows of this pass */

/* A controller's state begins with its css; NULL: it is not on for this cgroup. */
#define CONTROLLER(cgrp, name)                                                   \
	({                                                                       \
		void *state_ = NULL;                                             \
		__u32 at_;                                                       \
                                                                                 \
		if (bpf_core_enum_value_exists(enum cgroup_subsys_id___usage,    \
					       name##___usage)) {                \
			at_ = bpf_core_enum_value(enum cgroup_subsys_id___usage, \
						  name##___usage);               \
			bpf_probe_read_kernel(&state_, sizeof(state_),           \
					      (void *)(cgrp)->subsys + 8 * at_); \
		}                                                                \
		state_;                                                          \
	})

static __always_inline void read_quota(struct usage_row *row, struct cgroup___usage *c)
{
	struct task_group___usage *group = CONTROLLER(c, cpu_cgrp_id);

	if (!group || !bpf_core_field_exists(group->cfs_bandwidth.nr_periods))
		return;
	row->periods = BPF_CORE_READ(group, cfs_bandwidth.nr_periods);
	row->periods_throttled = BPF_CORE_READ(group, cfs_bandwidth.nr_throttled);
	row->throttled_ns = BPF_CORE_READ(group, cfs_bandwidth.throttled_time);
	row->has |= USAGE_ROW_QUOTA;
}

static __always_inline void read_memory(struct usage_row *row, struct cgroup___usage *c)
{
	struct mem_cgroup___usage *memory = CONTROLLER(c, memory_cgrp_id);

	if (!memory)
		return;
	row->memory = BPF_CORE_READ(memory, memory.usage.counter);
	row->memory_max = BPF_CORE_READ(memory, memory.max);
	row->has |= USAGE_ROW_MEMORY;
}

static __always_inline void read_pressure(struct usage_row *row,
					  struct cgroup___usage *c)
{
	struct psi_group___usage *group;

	if (!bpf_core_field_exists(c->psi))
		return;
	group = c->psi;
	if (!group || (bpf_core_field_exists(group->enabled) && !group->enabled))
		return;
	for (int i = 0; i < USAGE_PRESSURES; i++)
		row->pressure_ns[i] = group->total[i];
	row->has |= USAGE_ROW_PRESSURE;
}

SEC("iter/cgroup")
int usage_pass(struct bpf_iter__cgroup *ctx)
{
	struct cgroup *cgrp = ctx->cgroup;
	struct cgroup___usage *c = (void *)cgrp;
	__u32 at = usage_count;
	struct usage_row *row;

	if (!cgrp)
		return 0;
	row = bpf_map_lookup_elem(&usage_rows, &at);
	if (!row)
		return 1; /* the agent reads the files of the rest */
	usage_count++;
	row->id = cgrp->kn->id;
	row->cpu_ns = c->bstat.cputime.sum_exec_runtime;
	row->has = USAGE_ROW_CPU;
	read_quota(row, c);
	read_memory(row, c);
	read_pressure(row, c);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
