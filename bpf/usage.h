/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the iterator over cgroups (usage.bpf.c) hands to the agent. */
#ifndef ASSAY_USAGE_H
#define ASSAY_USAGE_H

#include <linux/types.h>

enum usage_row_has {
	USAGE_ROW_CPU = 1,
	USAGE_ROW_QUOTA = 2,
	USAGE_ROW_MEMORY = 4,
	USAGE_ROW_PRESSURE = 8,
};

#define USAGE_PRESSURES 6 /* io, memory, cpu: of each some and full */

struct usage_row {
	__u64 id;	    /* of the cgroup */
	__u64 cpu_ns;	    /* as of the latest flush of the kernel's statistics */
	__u64 throttled_ns; /* the quota */
	__u64 pressure_ns[USAGE_PRESSURES]; /* 2 s old at most */
	__u64 memory, memory_max;	    /* pages */
	__u32 periods, periods_throttled;
	__u32 has; /* enum usage_row_has */
	__u32 pad;
};

#endif
