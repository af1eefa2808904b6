/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where kernel and agent meet: slots, series, cells, losses, parameters.
 *
 * A slot is a small number for a cgroup. A series is an entry of a slot's row: it
 * holds the number of a cell, 0 = none yet. A cell is a histogram or a block of
 * counters in one of two pools. Everything here lives in memory-mapped arrays that
 * the agent creates once and gives to every probe; all of it only grows. What is a
 * probe's own is in NAME.h.
 */
#ifndef CELL_H
#define CELL_H

#include <linux/types.h>
#include "block.h"
#include "buckets.h"
#include "cgroup.h"
#include "delegates.h"
#include "dns.h"
#include "free_list.h"
#include "memory.h"
#include "peer.h"
#include "ring.h"
#include "sched.h"
#include "syscall.h"
#include "tcp.h"

/* Slots with a fixed meaning; their owner words are SLOT_RESERVED. */
#define SLOT_OVERFLOW 0 /* what found no slot of its own */
#define SLOT_KERNEL   1 /* kernel threads, and the network stack on its own behalf */
#define SLOT_UNKNOWN  2 /* events whose cgroup is not known */
#define SLOT_FIRST    3

/* Owner words that are no cgroup id. A word never goes back to 0: probing stops there.
 */
#define OWNER_NEVER    0ULL    /* never used */
#define OWNER_RESERVED 1ULL    /* reserved, or in quarantine */
#define OWNER_FREE     2ULL    /* used before, free again */
#define OWNER_FIRST_ID 3ULL    /* ids below: the root of a hierarchy is 1 */
#define OWNER_ROOT     3ULL    /* stands for the root cgroup, whose id is 1 */
#define OWNER_KERNEL   (~0ULL) /* in place of a cgroup id: of SLOT_KERNEL */

#define SLOT_PROBES 64 /* entries looked at before a cgroup goes to overflow */

#define SHARDS_MAX 8 /* cells of one hot series, chosen by CPU */
/* Sleeps have fewer: nine classes in eight shards were more than all else together. */
#define BLOCKED_SHARDS 2
#define LANES	       8	   /* counters in a counter cell: one cache line */
#define OPEN_MAX       16	   /* values of an open attribute per slot and signal */
#define OPEN_OTHER     0xffffffffU /* the attribute of all further ones */

/*
 * Signals with a fixed set of attribute values: NAME, pool, values, shards. The
 * kernel's row of a slot has one word for each value and shard.
 */
#define SIGNALS(X)                                                             \
	X(SCHED_WAIT, HIST, 1, SHARDS_MAX) /* WAIT_CONTENTION, */              \
	X(SCHED_THROTTLED, HIST, 1, 1)	   /* and WAIT_THROTTLED: rare */      \
	X(BLOCKED, HIST, BLOCKED_CLASSES, BLOCKED_SHARDS)                      \
	X(SCHED_COUNT, COUNT, 1, 0)	     /* enum sched_lane */             \
	X(SYSCALL, HIST, 8, SHARDS_MAX)	     /* enum call_class */             \
	X(TCP_RESPONSE, HIST, 2, SHARDS_MAX) /* enum tcp_role */               \
	X(TCP_CONNECT, HIST, 1, 1)                                             \
	X(TCP_RTT, HIST, 1, 1)                                                 \
	X(TCP_COUNT, COUNT, 1, SHARDS_MAX) /* enum tcp_lane */                 \
	X(TCP_CONN, COUNT, 2, 1)	   /* enum tcp_role; enum conn_lane */ \
	X(TCP_ACCEPT, HIST, 1, 1)                                              \
	X(DNS_LOOKUP, HIST, 7, 1) /* enum dns_result */                        \
	X(DNS_COUNT, COUNT, 1, 1) /* enum dns_lane */                          \
	X(RECLAIM, HIST, 1, 1)                                                 \
	X(MEMORY_COUNT, COUNT, 1, 1) /* enum memory_lane */

#define SIGNAL_SERIES(name, pool, values, shards) \
	SERIES_##name, SERIES_##name##_LAST = SERIES_##name + (values) * (shards)-1,
enum series { SIGNALS(SIGNAL_SERIES) SERIES_COUNT };
#undef SIGNAL_SERIES

#define SIGNAL_ENUM(name, pool, values, shards) SIGNAL_##name,
enum signal { SIGNALS(SIGNAL_ENUM) SIGNAL_COUNT };
#undef SIGNAL_ENUM

/* Signals whose attribute is an open set (errno, device): a hash leads to the cell. */
enum open_signal {
	OPEN_SYSCALL_ERROR, /* + enum call_class */
	OPEN_CONNECT_ERROR = OPEN_SYSCALL_ERROR + 8,
	OPEN_BLOCK_ERROR,
	OPEN_HIST,			  /* from here on the cells are histograms */
	OPEN_BLOCK_OPERATION = OPEN_HIST, /* + enum block_direction; device number */
	OPEN_BLOCK_DEVICE = OPEN_BLOCK_OPERATION + 5, /* the same */
	OPEN_COUNT = OPEN_BLOCK_DEVICE + 5,
};

/* What can be under way: the age of the oldest is in every export. */
enum inflight {
	INFLIGHT_SYSCALL,				 /* + enum call_class */
	INFLIGHT_WAIT = INFLIGHT_SYSCALL + CALL_CLASSES, /* for a CPU */
	INFLIGHT_CONNECT,
	INFLIGHT_TCP, /* + enum tcp_role: a request without an answer yet */
	INFLIGHT_BLOCK = INFLIGHT_TCP + 2,
	INFLIGHT_DNS,
	INFLIGHT_RECLAIM,
	INFLIGHT_COUNT,
};

/* Those that a pass over descriptors finds; the others are found without one. */
#define INFLIGHT_OF_FILES (1U << INFLIGHT_CONNECT | 3U << INFLIGHT_TCP)

/*
 * When a slot's oldest operations began, ns of the monotonic clock, 0: none is under
 * way. Written by the agent's passes, after it has zeroed what they find.
 */
struct inflight_row {
	__u64 began[INFLIGHT_COUNT];
};

/*
 * One row of the series array: a slot's cell numbers. The step of an array map is its
 * value rounded up to 8 bytes: what is mapped has to be a multiple of that.
 */
struct series_row {
	__u32 cell[SERIES_COUNT];
	__u32 open_used[OPEN_COUNT]; /* values taken, see OPEN_MAX */
	__u32 share;	/* that the slot is of, see delegates.h; 0: of none */
	__u32 own[2];	/* cells of each pool that it has of its share */
	__u32 peers;	/* events that were counted for peers: grows, see peer.h */
	__u32 peer_row; /* the number of its row there, and 1; 0: it has none */
} __attribute__((aligned(8)));

struct hist_cell {
	__u64 sum_ns;
	__u32 buckets[BUCKET_COUNT]; /* wrap; the reader adds up differences */
	__u32 pad[5];
};
_Static_assert(sizeof(struct hist_cell) == 896, "cache lines: sum, short times");

struct count_cell {
	__u64 lane[LANES];
};

enum pool { POOL_HIST, POOL_COUNT, POOLS };

struct open_key {
	__u32 slot;
	__u32 signal; /* enum open_signal */
	__u32 attr;   /* errno */
};

/* What can go wrong in the kernel; each is counted per probe. Names: self.c. */
enum loss {
	LOSS_SLOTS_FULL, /* new cgroups counted in overflow: no slot, no share */
	LOSS_CELLS_FULL, /* series counted in overflow for a while: no cell, no share */
	/* open values counted as overflow's _OTHER: no entry; peers not counted: no row
	 */
	LOSS_OPEN_FULL,
	LOSS_ABOVE_RANGE,     /* durations over 128 s, counted in the last bucket */
	LOSS_NO_STORAGE,      /* waits of a thread that was not met before */
	LOSS_DELAYED_DEQUEUE, /* waits not counted: the kernel took sleep for them */
	LOSS_CLOCK_BACKWARDS, /* events not counted: the difference was negative */
	LOSS_UNPAIRED,	      /* exits without an enter that was to be seen */
	LOSS_UNREADABLE,      /* events not counted: a kernel read failed */
	LOSS_NO_STAMP,	      /* the kernel did not stamp its beginning: no duration */
	LOSS_STATE_FULL,      /* events not counted: no entry for their beginning */
	LOSS_SHARE_FULL, /* the same: their workload has its share of the entries */
	LOSS_WALK_LIMIT, /* queues of disks that a pass left out */
	LOSS_UNNAMED,	 /* the agent's: cgroups without a name, in `unknown` */
	LOSS_WALK_INTERRUPTED, /* passes that did not end in time */
	LOSS_TABLE_FULL, /* of a thread or connection that no table has room for */
	LOSS_COUNT,
};

enum probe_id {
	PROBE_SCHED,
	PROBE_SYSCALL,
	PROBE_TCP,
	PROBE_DNS,
	PROBE_BLOCK,
	PROBE_MEMORY,
	PROBE_CGROUP,
	PROBE_COUNT,
};

/*
 * Parameters of a probe that change while it runs; the agent writes them. Sampling
 * skips durations, and each that is taken counts for all of its 2^sample_log2: sums and
 * counts stay right on average, state that must be followed always is.
 */
struct tune {
	/*
	 * 0: its programs return at once. Else a number that is another each time it
	 * is switched on: what was noted under an earlier one is out of date.
	 */
	__u32 enabled;
	__u32 sample_log2; /* one of 2^n durations is taken */
	__u64 inflight_ns; /* operations younger than this do not count as in flight */
	__u64 timeout_ns;  /* after this nothing is waited for any more (dns) */
};

/* Since when a probe is switched on. What began before that is no sample. */
struct switched_on {
	__u64 since; /* ns of the monotonic clock */
	/* 1: all of its programs are attached, and what was there before is known: what
	 * is met for the first time from now on was missed */
	__u32 whole;
	__u32 pad;
};

/*
 * What every event reads, and only the agent writes: it hands over all of it at once,
 * see rings_publish().
 */
struct tunes {
	__u64 align; /* as in struct cpu_state: what the hottest need is one line */
	/* grows when slots leave their owners, and when they are free */
	__u32 free_gen;
	__u32 self_tgid;   /* in the initial pid namespace: never measured */
	__u32 own_shards;  /* each CPU has a shard of its own */
	__u32 own_blocked; /* the same of BLOCKED_SHARDS */
	/*
	 * As tune.enabled, for what runs in windows (agent/cmd/measure_windows.c): 0
	 * between two of them, and another number in each. Of a probe that does not run
	 * in windows the same as tune.enabled.
	 */
	__u32 window[PROBE_COUNT];
	struct tune tune[PROBE_COUNT];
	struct switched_on on[PROBE_COUNT];
};

/*
 * What the hottest hooks keep of a thread or a connection is in a table, an array whose
 * size the plan says, by its address in the kernel: first come, first served. Who finds
 * its entry taken has one in the hash beside it, the spill, which is as large as
 * planned and made beforehand: no hook allocates. Who finds that full, too, has none
 * (LOSS_TABLE_FULL).
 */
enum table { TABLE_THREADS, TABLE_CALLS, TABLE_CONNS, TABLES };

/* Small tables of fixed sizes, whose entries in use are counted. */
enum small_table {
	SMALL_LISTENERS,
	SMALL_REFUSED,
	SMALL_ASLEEP,
	SMALL_RECLAIMS,
	SMALL_TABLES
};

/* The one small struct that both sides write. */
struct control {
	struct free_list free_lists[POOLS];
	__u32 open_gen; /* the kernel's: grows with every new open value */
	__u32 claims;	/* the kernel's: slots claimed so far */
	__u32 disks;	/* the kernel's: names in disk_names so far */
	__u64 lost[PROBE_COUNT][LOSS_COUNT];
	__s32 spilled[TABLES];	   /* the kernel's: entries taken of each spill */
	__s32 small[SMALL_TABLES]; /* the same of each small table */
};

/*
 * Programs: NAME, probe. Each counts its runs, and times one of RUN_SAMPLE of them.
 * Since 6.1 the kernel never enters a program that runs on the same CPU already, so the
 * numbers of a CPU have one writer; before, they are added to by atomic operations.
 */
#define PROGRAMS(X)                   \
	X(sched_switch, SCHED)        \
	X(sched_newtask, SCHED)       \
	X(sched_migrate, SCHED)       \
	X(syscall_enter, SYSCALL)     \
	X(syscall_exit, SYSCALL)      \
	X(syscall_leave, SYSCALL)     \
	X(tcp_state, TCP)             \
	X(tcp_gone, TCP)              \
	X(tcp_reset_sent, TCP)        \
	X(tcp_reset_received, TCP)    \
	X(tcp_segment_in, TCP)        \
	X(tcp_packet_out, TCP)        \
	X(dns_packet_in, DNS)         \
	X(dns_packet_out, DNS)        \
	X(block_issue, BLOCK)         \
	X(block_complete, BLOCK)      \
	X(memory_begin, MEMORY)       \
	X(memory_end, MEMORY)         \
	X(memory_memcg_begin, MEMORY) \
	X(memory_memcg_end, MEMORY)   \
	X(memory_victim, MEMORY)      \
	X(cgroup_mkdir, CGROUP)       \
	X(cgroup_rmdir, CGROUP)

#define PROGRAM_ENUM(name, probe) PROGRAM_##name,
enum program { PROGRAMS(PROGRAM_ENUM) PROGRAM_COUNT };
#undef PROGRAM_ENUM
#define RUN_SAMPLE_LOG2 10

/* What self.bpf.c finds out. */
struct self_found {
	__u32 tgid;	      /* the agent's, in the initial pid namespace */
	__u32 delays_dequeue; /* a task may sleep on its queue: see thread_asleep() */
};

/* Set before load, constant for the verifier. */
struct params {
	__u32 slots;	      /* power of two */
	__u32 cells[POOLS];   /* size of each pool and of its free list */
	__u32 switch_form;    /* enum switch_form; only the agent looks at it */
	__u32 sched_shards;   /* blocks of a slot: one for each shard */
	__u32 delays_dequeue; /* struct self_found; only the agent looks at it */
	__u32 victim_form;    /* enum victim_form */
	__u32 rqf[RQF_COUNT]; /* masks of struct request.rq_flags */
	__u32 dns;	      /* the dns probe was asked for */
	__u32 parts;	      /* 1 << enum probe_id: who is loaded, for tasks.bpf.c */
	__u32 queries;	      /* entries for DNS queries that wait */
	__u32 peer_rows;      /* power of two, as a quarter of it is */
	__u32 shift[TABLES];  /* 32 - log2 of the entries of each table */
	__u32 spill[TABLES];  /* entries of each spill */
};

#define CACHE_SIZE	 64	      /* power of two */
#define CACHE_OVERFLOWED (1ULL << 63) /* with an id in the cache: it found no slot */

/* Caches of a CPU that are one program's each; tcp's first, as in struct tcp_slot. */
enum cpu_cache { CACHE_TCP_STATE, CACHE_TCP_GONE, CACHE_BLOCK, CPU_CACHES = 4 };
#define LOOP_MAX 4096 /* rounds of a loop, see loop.bpf.h */

/*
 * One per CPU: shard number, spare cells, the slots of the latest cgroups. In a plain
 * array by CPU number, so that what a program needs of it is in few lines and pages.
 */
#define SPARES	      4 /* a task and three interrupts can hold one each */
#define CPU_STATE_PAD (64 - (PROGRAM_COUNT * sizeof(struct runs) + 8) % 64)
struct cpu_state {
	__u64 align; /* behind it begins a cache line on 6.x: struct bpf_array */
	struct runs runs[PROGRAM_COUNT];
	__u32 shard;
	__u32 pad;
	__u8 to_line[CPU_STATE_PAD];
	__u32 spare[POOLS][SPARES]; /* cells taken and not needed; 0: none */
	__s32 taken[TABLES]; /* entries of tables: taken less given back, on this CPU */
	__u32 pad2[8 - TABLES];
	struct sched_slot sched_slots[1 << SCHED_CACHE_LOG2];
	struct blocked_cell blocked[1 << BLOCKED_CACHE_LOG2];
	__u16 grid[GRID_SIZE]; /* the slot that ran at each multiple of 2^20 ns */
	struct {
		__u64 id;
		__u32 slot;
		__u32 gen; /* tunes.free_gen when slot is the overflow slot */
	} cache[CACHE_SIZE];
	struct block_slot block[1 << BLOCK_CACHE_LOG2];
	struct tcp_slot tcp[TCP_CACHES][1 << TCP_CACHE_LOG2];
	__u8 cache_users[CPU_CACHES]; /* runs in each: see cache_enter() */
} __attribute__((aligned(8)));

#endif
