/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef LONGEST_H
#define LONGEST_H

#include <linux/types.h>

#define LONGEST_STEP  16   /* ns */
#define LONGEST_STEPS 8000 /* a per-CPU value has 32 KiB at most */

/* Of one CPU. */
struct longest {
	__u64 began, most;
	__u32 runs[LONGEST_STEPS]; /* the last one: all that took longer */
};

#endif
