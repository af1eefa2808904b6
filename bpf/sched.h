/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the scheduler's probe shares with the agent: blocks of counters and culprits,
 * rings of switches, what is kept of a thread.
 */
#ifndef SCHED_H
#define SCHED_H

#include <linux/types.h>
#include "ring.h"
#include "syscall.h"

enum wait_cause { WAIT_CONTENTION, WAIT_THROTTLED };
/* Calls that tasks sleep in: enum call_class, and what is no call. */
enum blocked_class {
	BLOCKED_FAULT = CALL_CLASSES, /* a page fault, or on the way back from one */
	BLOCKED_CLASSES,
};

enum sched_lane { SCHED_VOLUNTARY, SCHED_INVOLUNTARY, SCHED_MIGRATIONS, SCHED_LANES };

/* Which form the arguments of sched_switch have: see sched.bpf.c. */
enum switch_form { SWITCH_NO_STATE, SWITCH_STATE_LAST, SWITCH_STATE_SECOND };

/*
 * What the scheduler's hook counts for a slot and shard, in one place: the lanes, and
 * who ran on the CPU while the slot's tasks waited. A key is a culprit's slot + 1, 0 a
 * free entry; a culprit that finds no entry counts in the last one, which has no key.
 */
#define CULPRITS     15
#define CULPRIT_IDLE 0xfffe /* nobody: the CPU was idle */
struct sched_block {
	__u32 key[CULPRITS]; /* all in one cache line */
	__u32 pad;
	__u64 lane[SCHED_LANES]; /* enum sched_lane */
	__u64 ns[CULPRITS + 1];	 /* the first ones, the most used, beside the lanes */
	__u64 pad2[5];
};
_Static_assert(sizeof(struct sched_block) == 256, "cache lines, and never two pages");

/*
 * A slot of the scheduler's, as a CPU last used it: its cells, one place instead of
 * four, a cache line.
 */
struct sched_slot {
	__u64 owner; /* owner word */
	__u16 slot;
	__u8 entry[2];	  /* where those below are in the block */
	__u32 gen;	  /* tunes.free_gen + 1: no slot changed hands since */
	__u32 waits;	  /* cell, 0: not looked up */
	__u32 throttled;  /* cell */
	__u32 block;	  /* its number */
	__u16 culprit[2]; /* the latest two: slot + 1, 0: none. Who wakes and is woken
			   * waits behind the one before it and the one after it */
	/* the latest end of a throttling on this CPU, see throttled_part() */
	__u64 queue;  /* whose */
	__u64 clock;  /* throttled_ns() since then */
	__u64 ended;  /* when it was first seen, of the run queue's clock */
	__u64 lasted; /* ns */
};
_Static_assert(sizeof(struct sched_slot) == 64, "a cache line");

/* The cell of sleeps of a slot and class, as a CPU last used it. */
struct blocked_cell {
	__u32 what; /* slot and class */
	__u32 gen;  /* tunes.free_gen + 1, as in struct sched_slot */
	__u32 cell;
};

#define SCHED_CACHE_LOG2   9
#define BLOCKED_CACHE_LOG2 7
#define GRID_LOG2	   20 /* ns */
#define GRID_SIZE	   256

/*
 * A switch, as the hook writes it down: when (ns, of the run queue's clock), the lower
 * half of what the new task waited, its slot, SWITCH_* above them; and what it slept.
 */
struct sched_record {
	__u64 now;
	__u64 word;
	__u64
	    slept; /* SLEEP_*: ns, negative if the clock went backwards; 0: no sample */
};

/* A time in ns, and what the task slept in: enum blocked_class + 1. */
#define SLEEP_NS_SHIFT	  4
#define SLEEP_CLASS_MASK  15
#define SWITCH_SLOT_SHIFT 32
#define SWITCH_SLOT_MASK  0xffff
#define SWITCH_VOLUNTARY  (1ULL << 48) /* the old task left of its own accord */
#define SWITCH_WAITED	  (1ULL << 49) /* the new one is a victim */
#define SWITCH_OURS	  (1ULL << 50) /* the new one is the agent: not counted */
#define SWITCH_LONG	  (1ULL << 51) /* no switch: `now` is to be added to a wait */
#define SWITCH_MOVES	  56	       /* and up: migrations since its last switch-in */
#define SWITCH_MOVES_MAX  255

/* The latest switches of a CPU. */
struct sched_ring {
	struct ring ring;
	__u64 task;    /* who runs, as far as we know; 0: look */
	__u32 untimed; /* runs before the next one that is timed */
	__u16 running; /* replay: the slot that runs, or CULPRIT_IDLE */
	__u16 ours;    /* it is the agent */
	__u64 filled;  /* replay: the grid holds all points up to this one */
	__u64 more;    /* replay: ns, see SWITCH_LONG */
	__u64 since;   /* ns of the run queue's clock: when the probe was switched on */
	struct sched_record records[RING_SIZE];
};
_Static_assert(sizeof(struct sched_ring) % 64 == 0, "the same for each CPU");

#define ASLEEP 1024 /* threads that are moved asleep, of which nothing is kept */

/* What is kept of a thread, in TABLE_THREADS: of the scheduler's hook. */
struct thread {
	__u64 align;
	__u64 task;	 /* whose: its address in the kernel; 0: free */
	__u64 total;	 /* ns waited up to the latest switch-in */
	__u64 set;	 /* its set of cgroups then, or THREAD_ASLEEP */
	__u64 key;	 /* struct sched_ring.key then, 0: never */
	__u64 asleep;	 /* SLEEP_*: since when, 0: not, or not in a call */
	__u64 throttled; /* throttled_ns() of its run queue then */
	__u32 word;	 /* what goes into a record's word, from the slot on */
	__u16 moves;	 /* migrations up to then; wraps */
	__u16 cpu;	 /* where it was switched to */
};
_Static_assert(sizeof(struct thread) == 64, "a cache line");

/*
 * In struct thread.set: the task's last_queued is no beginning of a wait until it has
 * run again, see thread_asleep(). `total` is how often it had run then.
 */
#define THREAD_ASLEEP 1ULL

#endif
