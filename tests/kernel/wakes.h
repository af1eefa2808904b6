/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What wakes.bpf.c adds up of a cgroup, by kind of wait. */
#ifndef WAKES_H
#define WAKES_H

#include <linux/types.h>

enum wakes_kind {
	WAKES_CLEAR,
	WAKES_MOVED, /* after a sleep in which it was moved from queue to queue */
	WAKES_HALF,  /* preempted on the way to sleep: the kernel counts no such wait */
	WAKES_KINDS,
};

struct wakes {
	__u64 count[WAKES_KINDS];
	__u64 ns[WAKES_KINDS];
	__u64 longest; /* ns, of the clear ones */
	__u64 moves;   /* so many tasks were moved asleep */
	__u64 unseen;  /* waits whose wake-up, or a move before, we did not see */
};

#endif
