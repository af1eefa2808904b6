/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the memory probe shares with the agent. */
#ifndef MEMORY_H
#define MEMORY_H

#include <linux/types.h>

#define RECLAIMS 1024 /* tasks that free memory for themselves at a time */

enum memory_lane { MEMORY_OOM_KILLS };

/*
 * The first argument of mark_victim: struct task_struct *, or int pid (before 6.10).
 * The last is for tests: a task, of which no more than its pid is used.
 */
enum victim_form { VICTIM_TASK, VICTIM_PID, VICTIM_PID_OF_TASK };

#endif
