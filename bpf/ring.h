/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What probes whose programs only write down what happened have in common: rings of
 * records, runs that are counted.
 */
#ifndef RING_H
#define RING_H

#include <linux/types.h>

/*
 * The hottest programs only write down what happened, on each CPU into a ring. What it
 * means is worked out later, for many records at once: when the ring is full, and when
 * the agent asks for it before it reads (rings_drain). So a program touches its ring,
 * the task's own entry and no other memory of ours: what costs most there is what is
 * not in a cache and not in the TLB.
 */
#define RING_SIZE 32
struct ring {
	__u64 align; /* as in struct cpu_state */
	/* tunes.window above tunes.free_gen, as the agent has published them
	 * (rings_publish): what was noted of a task under another one is out of date */
	__u64 key;
	__u32 head; /* records so far */
	__u32 done; /* of them replayed */
};

/* In what rings_next returns: that CPU is idle, as far as its switches tell. */
#define RINGS_IDLE (1U << 31)

/* One run in so many is timed: a prime, so that replays have their share. */
#define RUNS_TIMED 1021

/* How often a program ran, and how long by the runs that were timed. */
struct runs {
	__u64 count;
	__s64 ns; /* for all runs, by those that were timed; net of the clock */
};

#endif
