/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the system calls' probe shares with the agent: classes, rings of calls that have
 * ended, what is kept of a thread.
 */
#ifndef SYSCALL_H
#define SYSCALL_H

#include <linux/types.h>
#include "ring.h"

enum call_class {
	CALL_FILE,
	CALL_SOCKET,
	CALL_PIPE,
	CALL_MEMORY,
	CALL_PROCESS,
	CALL_SYNC,
	CALL_WAIT,
	CALL_OTHER,
	CALL_CLASSES,
};

/* What the table (syscall_table.h, made of syscalls.tbl) says of a call by its number.
 */
#define CALLS_MAX	 512
#define CALL_CLASS(info) ((info) & (CALL_CLASSES - 1))
#define CALL_LISTED	 0x0100
#define CALL_BY_FD	 0x0200 /* the class of the descriptor in argument 0 */
#define CALL_NORETURN	 0x0400
#define CALL_CLONE	 0x0800
#define CALL_SIGRETURN	 0x1000
#define CALL_RESTART	 0x2000
#define CALL_EARLIER	 0x4000 /* began before we did: `start` is when it fell asleep */
#define CALL_LOG2(info)	 ((info) >> 16) /* it stands for 2^n calls */
#define CALL_ACCEPT	 0x8000

/* A system call that has ended. */
struct call_record {
	__u64 ns;
	__u32 cell;
	__u32 log2; /* it stands for 2^n calls */
};

/* The latest calls that ended on a CPU. */
struct call_ring {
	struct ring ring;
	__u16 untimed[2]; /* runs before the next one that is timed: enter, exit */
	__u32 sample_log2;
	struct runs runs[2];
	struct call_record records[RING_SIZE];
};
_Static_assert(sizeof(struct call_ring) % 64 == 0, "the same for each CPU");

/* In TABLE_CALLS: of the call that a thread is in; the usual in a line. */
struct call {
	__u64 align;
	__u64 task;  /* whose: its address in the kernel; 0: free */
	__u64 start; /* ns, 0: not in a call */
	__u64 set;   /* its set of cgroups when the cells were looked up */
	__u64 key;   /* struct ring.key then, 0: never */
	__u32 info; /* class in the low bits, flags of the table, how many it stands for
		     */
	__s32 nr;   /* of the latest call */
	__u32 nr_info; /* what the table says of that */
	__u16 cpu;     /* whose cells they are */
	__u8 compat;   /* the latest call is a 32-bit one */
	__u8 skipped;  /* it is left out by sampling */
	__u32 enabled; /* tunes.window when it began */
	__u32 held;    /* a call is held: what there is of it stands below */
	__u32 cells[CALL_CLASSES]; /* 0: not looked up */
	__u32 held_info;
	__s32 held_nr;
	__u64 held_start;
	__u64 held_end;
	__u64 held_sp;
};
_Static_assert(sizeof(struct call) == 128, "two cache lines");

#endif
