/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef HELD_H
#define HELD_H

#include <linux/types.h>

#define HELD_READS 65536

/* One call of read(2) by a thread of the agent. */
struct held_read {
	__u64 began_ns;
	__u32 cpu_us, wall_us; /* on a CPU; from its begin to its end */
	__u32 main;	       /* by the first thread */
	__s32 result;
};

#endif
