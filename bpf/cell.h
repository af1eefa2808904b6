/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where kernel and agent meet: slots, series, cells, losses, parameters.
 *
 * A slot is a small number for a cgroup. A series is a place in a slot's row: it
 * holds the number of a cell, 0 = none yet. A cell is a histogram or a block of
 * counters in one of two pools. Everything here lives in memory-mapped arrays that
 * the agent creates once and gives to every probe; all of it only grows.
 */
#ifndef CELL_H
#define CELL_H

#include <linux/types.h>
#include "buckets.h"
#include "delegates.h"
#include "free_list.h"

/* Slots with a fixed meaning; their owner words are SLOT_RESERVED. */
#define SLOT_OVERFLOW 0 /* what found no slot of its own */
#define SLOT_KERNEL   1 /* kernel threads, and the network stack on its own behalf */
#define SLOT_UNKNOWN  2 /* events whose cgroup cannot be told */
#define SLOT_FIRST    3

/* Owner words that are no cgroup id. A word never goes back to 0: probing stops there.
 */
#define OWNER_NEVER    0ULL /* never used */
#define OWNER_RESERVED 1ULL /* reserved, or in quarantine */
#define OWNER_FREE     2ULL /* used before, free again */
#define OWNER_FIRST_ID 3ULL /* ids below: the root of a hierarchy is 1 */
#define OWNER_ROOT     3ULL /* stands for the root cgroup, whose id is 1 */

#define SLOT_PROBES 64 /* places looked at before a cgroup goes to overflow */

#define SHARDS_MAX 8	       /* cells of one hot series, chosen by CPU */
#define LANES	   8	       /* counters in a counter cell: one cache line */
#define OPEN_MAX   16	       /* values of an open attribute per slot and signal */
#define OPEN_OTHER 0xffffffffU /* the attribute of all further ones */

/*
 * Signals with a fixed set of attribute values: NAME, pool, values, shards. The
 * kernel's row of a slot has one word for each value and shard.
 */
#define SIGNALS(X)                                                             \
	X(SCHED_WAIT, HIST, 2, SHARDS_MAX)   /* enum wait_cause */             \
	X(SCHED_COUNT, COUNT, 1, 0)	     /* enum sched_lane */             \
	X(SYSCALL, HIST, 8, SHARDS_MAX)	     /* enum call_class */             \
	X(TCP_RESPONSE, HIST, 2, SHARDS_MAX) /* enum tcp_role */               \
	X(TCP_CONNECT, HIST, 1, 1)                                             \
	X(TCP_RTT, HIST, 1, 1)                                                 \
	X(TCP_COUNT, COUNT, 1, SHARDS_MAX) /* enum tcp_lane */                 \
	X(TCP_CONN, COUNT, 2, 1)	   /* enum tcp_role; enum conn_lane */ \
	X(TCP_ACCEPT, HIST, 1, 1)                                              \
	X(DNS_LOOKUP, HIST, 6, 1) /* enum dns_result */                        \
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

enum wait_cause { WAIT_CONTENTION, WAIT_THROTTLED };
enum sched_lane { SCHED_VOLUNTARY, SCHED_INVOLUNTARY, SCHED_MIGRATIONS, SCHED_LANES };

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

enum tcp_role { TCP_SERVER, TCP_CLIENT };
enum tcp_lane {
	TCP_RX_BYTES,
	TCP_TX_BYTES,
	TCP_RETRANSMITS,
	TCP_RESETS_RX,
	TCP_RESETS_TX,
	TCP_SYN_RETRANSMITS,  /* of connects; they are in TCP_RETRANSMITS too */
	TCP_ACCEPTED,	      /* accept calls that returned a connection */
	TCP_ACCEPT_OVERFLOWS, /* connections that found an accept queue full */
};
enum conn_lane {
	CONN_OPENED,	       /* became established while we watched */
	CONN_EXISTING,	       /* were there before */
	CONN_CLOSED,	       /* of both */
	CONN_UNANSWERED_RESET, /* a request was open when the connection was reset */
	CONN_UNANSWERED_CLOSE, /* ... when it was closed */
};

enum dns_result {
	DNS_OK,
	DNS_NXDOMAIN,
	DNS_SERVFAIL,
	DNS_REFUSED,
	DNS_TIMEOUT, /* no answer in tune.timeout_ns */
	DNS_OTHER,   /* all further response codes */
	DNS_RESULTS,
};
_Static_assert(DNS_RESULTS == 6, "SIGNALS has room for them");
enum dns_lane { DNS_RESENT };

enum block_direction {
	BLOCK_READ,
	BLOCK_WRITE,
	BLOCK_FLUSH,
	BLOCK_DISCARD,
	BLOCK_OTHER,
	BLOCK_DIRECTIONS,
};
_Static_assert(BLOCK_DIRECTIONS == 5, "enum open_signal has room for them");

enum memory_lane { MEMORY_OOM_KILLS };

/* What can be under way: the oldest of each is told at every export. */
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

/*
 * Ages in ns of a slot's oldest operations, 0: none. Written by the walks that the
 * agent runs, one at a time, after it has zeroed them.
 */
struct inflight_row {
	__u64 age[INFLIGHT_COUNT];
};

/*
 * What the scheduler's hook counts for a slot and shard, in one place: the lanes, and
 * who ran on the CPU while the slot's tasks waited. A key is a culprit's slot + 1, 0 a
 * free place; a culprit that finds no place counts in the last one, which has no key.
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

#define CONNECT_ABORTED 0 /* "errno" of a connect that the application gave up */

/*
 * One row of the series array: a slot's cell numbers. The step of an array map is its
 * value rounded up to 8 bytes: what is mapped has to be a multiple of that.
 */
struct series_row {
	__u32 cell[SERIES_COUNT];
	__u32 open_used[OPEN_COUNT]; /* values taken, see OPEN_MAX */
	__u32 share; /* that the slot is of, see delegates.h; 0: of none */
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

/* Who accepted a connection: from the syscall probe to the tcp probe. */
struct accepted {
	__u64 owner; /* cgroup id */
	__u64 time;  /* ns */
};

/* What can go wrong in the kernel; each is counted per probe. Names: self.c. */
enum loss {
	LOSS_SLOTS_FULL,      /* new cgroups counted in overflow: no slot, no share */
	LOSS_CELLS_FULL,      /* series counted in overflow for a while: no cell */
	LOSS_OPEN_FULL,	      /* open values counted as overflow's _OTHER: no place */
	LOSS_ABOVE_RANGE,     /* durations over 128 s, counted in the last bucket */
	LOSS_NO_STORAGE,      /* the task or socket has no storage: see each probe */
	LOSS_DELAYED_DEQUEUE, /* waits not counted: the kernel took sleep for them */
	LOSS_CLOCK_BACKWARDS, /* events not counted: the difference was negative */
	LOSS_UNPAIRED,	      /* exits without an enter that was to be seen */
	LOSS_UNREADABLE,      /* events not counted: a kernel read failed */
	LOSS_NO_STAMP,	      /* the kernel did not stamp its beginning: no duration */
	LOSS_STATE_FULL,      /* events not counted: no place for their beginning */
	LOSS_SHARE_FULL,      /* the same: their workload has its share of the places */
	LOSS_WALK_LIMIT,      /* tasks or descriptors that a walk left out */
	LOSS_UNNAMED,	      /* the agent's: cgroups without a name, in `unknown` */
	LOSS_WALK_INTERRUPTED, /* walks that did not end in time: ages are left out */
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
	__u64 inflight_ns; /* operations younger than this are not told as in flight */
	__u64 timeout_ns;  /* after this nothing is waited for any more (dns) */
};

/*
 * What every event reads, and only the agent writes: it hands over all of it at once,
 * see cells_tell().
 */
struct tunes {
	__u64 align; /* as in struct cpu_state: what the hottest need is one line */
	/* grows when slots leave their owners, and when they are free */
	__u32 free_gen;
	__u32 self_tgid;  /* in the initial pid namespace: never measured */
	__u32 own_shards; /* each CPU has a shard of its own */
	__u32 pad;
	struct tune tune[PROBE_COUNT];
};

/* The one small struct that both sides write. */
struct control {
	struct free_list free_lists[POOLS];
	__u32 open_gen; /* the kernel's: grows with every new open value */
	__u32 claims;	/* the kernel's: slots claimed so far */
	__u32 disks;	/* the kernel's: names in disk_names so far */
	__u64 lost[PROBE_COUNT][LOSS_COUNT];
};

/*
 * Programs: NAME, probe. Each counts its runs, and times one of RUN_SAMPLE of them; the
 * kernel never enters a program that runs on the same CPU already, so the numbers of a
 * CPU have one writer.
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
	X(cgroup_mkdir, CGROUP)

#define PROGRAM_ENUM(name, probe) PROGRAM_##name,
enum program { PROGRAMS(PROGRAM_ENUM) PROGRAM_COUNT };
#undef PROGRAM_ENUM
#define RUN_SAMPLE_LOG2 10

/* Which form the arguments of sched_switch have: see sched.bpf.c. */
enum switch_form { SWITCH_NO_STATE, SWITCH_STATE_LAST, SWITCH_STATE_SECOND };

/* The first argument of mark_victim: struct task_struct *, or int pid (before 6.10). */
enum victim_form { VICTIM_TASK, VICTIM_PID };

/* Flags of a block request that we read: NAME, its mask before 6.11, 0: there was none.
 * Since then they are enumerators, some kernels' without a type's name. */
#define REQUEST_FLAGS(X)     \
	X(FLUSH_SEQ, 1 << 4) \
	X(IO_STAT, 1 << 13)  \
	X(STATS, 1 << 17)    \
	X(ZONE_WRITE_PLUGGING, 0)

#define REQUEST_FLAG_ENUM(name, old) RQF_##name,
enum request_flag { REQUEST_FLAGS(REQUEST_FLAG_ENUM) RQF_COUNT };
#undef REQUEST_FLAG_ENUM

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
	__u32 queries;	      /* places for DNS queries that wait */
};

#define CACHE_SIZE 64 /* power of two */

/*
 * The names of disks, by numbers that stand for them in the keys of cells: kept, as a
 * disk may be gone when its cells are read, and its device number another one's.
 */
#define DISKS	      512 /* further ones are OPEN_OTHER */
#define DISK_NAME_LEN 32  /* include/linux/blkdev.h */
struct disk_name {
	char text[DISK_NAME_LEN];
};

/*
 * A slot of the scheduler's, as a CPU last used it: its cells, one place instead of
 * four, a cache line.
 */
struct sched_slot {
	__u64 owner; /* owner word */
	__u16 slot;
	__u8 place[2];	  /* where those below are in the block */
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

#define SCHED_CACHE_LOG2 9
#define GRID_LOG2	 20 /* ns */
#define GRID_SIZE	 256

/*
 * A switch, as the hook writes it down: when (ns, of the run queue's clock) and
 * SWITCH_WAIT_BITS of what the new task waited, its slot, SWITCH_* above them.
 */
struct sched_record {
	__u64 now;
	__u64 word;
};
#define SWITCH_SLOT_SHIFT 32
#define SWITCH_SLOT_MASK  0xffff
#define SWITCH_VOLUNTARY  (1ULL << 48) /* the old task left of its own accord */
#define SWITCH_WAITED	  (1ULL << 49) /* the new one is a victim */
#define SWITCH_OURS	  (1ULL << 50) /* the new one is the agent: not counted */
#define SWITCH_LONG	  (1ULL << 51) /* no switch: `now` is to be added to a wait */
#define SWITCH_MOVES	  56	       /* and up: migrations since its last switch-in */
#define SWITCH_MOVES_MAX  255

/*
 * The hottest programs only write down what happened, on each CPU into a ring. What it
 * means is worked out later, for many records at once: when the ring is full, and when
 * the agent asks for it before it reads (cells_drain). So a program touches its ring,
 * the task's own place and no other memory of ours: what costs most there is what is
 * not in a cache and not in the TLB.
 */
#define RING_SIZE 32
struct ring {
	__u64 align; /* as in struct cpu_state */
	/* tune.enabled above tunes.free_gen, as of the latest replay: what was noted of
	 * a task under another one is out of date */
	__u64 key;
	__u32 head; /* records so far */
	__u32 done; /* of them replayed */
};

/* The latest switches of a CPU. */
struct sched_ring {
	struct ring ring;
	__u64 task;    /* who runs, as far as we know; 0: look */
	__u32 untimed; /* runs before the next one that is timed */
	__u16 running; /* replay: the slot that runs, or CULPRIT_IDLE */
	__u16 ours;    /* it is the agent */
	__u64 filled;  /* replay: the grid holds all points up to this one */
	__u64 more;    /* replay: ns, see SWITCH_LONG */
	__u64 pad;
	struct sched_record records[RING_SIZE];
};
_Static_assert(sizeof(struct sched_ring) % 64 == 0, "the same for each CPU");

/* How often a program ran, and how long by the runs that were timed. */
struct runs {
	__u64 count;
	__s64 ns; /* for all runs, by those that were timed; net of the clock */
};

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

/*
 * What the hottest hooks keep of a thread is in a table by the task's address, first
 * come first served; in the task's storage for who finds its place taken.
 */
#define THREADS_LOG2 13
#define THREADS	     (1 << THREADS_LOG2)

/* Of the scheduler's hook. */
struct thread {
	__u64 align;
	__u64 task;	 /* whose: its address in the kernel; 0: free */
	__u64 total;	 /* ns waited up to the latest switch-in */
	__u64 set;	 /* its set of cgroups then, or THREAD_ASLEEP */
	__u64 key;	 /* struct sched_ring.key then, 0: never */
	__u64 queue;	 /* its run queue then */
	__u64 throttled; /* throttled_ns() of that */
	__u32 moves;	 /* migrations up to then */
	__u32 word;	 /* what goes into a record's word, from the slot on */
};
_Static_assert(sizeof(struct thread) == 64, "a cache line");

/*
 * In struct thread.set: the task's last_queued is no beginning of a wait until it has
 * run again, see thread_asleep(). `total` is how often it had run then.
 */
#define THREAD_ASLEEP 1ULL

/* Of the hooks of system calls: of the call that a thread is in; the usual in a line.
 */
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
	__u32 enabled; /* tune.enabled when it began */
	__u32 held;    /* a call is held: what there is of it stands below */
	__u32 cells[CALL_CLASSES]; /* 0: not looked up */
	__u32 held_info;
	__s32 held_nr;
	__u64 held_start;
	__u64 held_end;
	__u64 held_sp;
};
_Static_assert(sizeof(struct call) == 128, "two cache lines");

/*
 * What is kept of a TCP connection, or of a listener: in a table by the socket's
 * address, first come first served; in the socket's storage for who finds its place
 * taken. What every packet needs is one cache line.
 */
#define CONNS_LOG2 13
#define CONNS	   (1 << CONNS_LOG2)
struct tcp_conn {
	__u64 align;
	__u64 sk;   /* whose: its address in the kernel; 0: free */
	__u64 turn; /* ns: the open turn began; 0 = none */
	/* tcp_mstamp at which the counters are due; a listener's: its latest walk */
	__u64 next_us;
	__u64 owner;	  /* cgroup id or OWNER_KTHREAD */
	__u64 cell_owner; /* of cell; a socket may get another owner */
	__u32 cell;	  /* of its turns; 0 = not looked up yet */
	__u32 cell_gen;	  /* tunes.free_gen: no slot changed hands since */
	__u32 gen;	  /* tune.enabled when since and turn were noted */
	__u32 sent;	  /* bytes_out() so far */
	__u32 flags;	  /* enum conn_flag */
	__u16 role;	  /* enum tcp_role */
	__u16 accept; /* not 0: who accepts it is not known yet, see conn_settle() */
	/* ns: the connect began, later: established; 0 = unknown. A listener's: when
	 * its youngest holder was started */
	__u64 since;
	__u64 rx, tx;	/* bytes counted so far */
	__u64 heard;	/* ns: when the asker sent more in the open turn, if it did */
	__u32 retrans;	/* segments counted so far */
	__u32 segs_out; /* when the connect began */
	__u32 fin_rx;	/* bytes_received when we closed our side first */
	/* a listener's: counted so far; else the latest walk that saw its owner hold it
	 */
	union {
		__u32 drops;
		__u32 held_walk;
	};
	__u32 port; /* a listener's: at CLOSE the socket may have lost it */
	__u32 rest; /* bytes of the open turn, when it IS_DOUBTFUL */
};
_Static_assert(sizeof(struct tcp_conn) == 128, "two cache lines");

/* Cells that a change of a connection's state adds to. */
enum tcp_cell {
	CELL_CONN,				 /* + enum tcp_role */
	CELL_COUNT = CELL_CONN + TCP_CLIENT + 1, /* enum tcp_lane */
	CELL_CONNECT,
	CELL_RTT,
	TCP_CELLS,
};

/*
 * An owner of connections, as a program last used it on a CPU: its slot and cells, one
 * place instead of four. Each program has its own, as one may interrupt another.
 */
#define TCP_CACHE_LOG2 4
#define TCP_CACHES     2 /* of tcp_state, of tcp_gone */
struct tcp_slot {
	__u64 owner; /* as struct tcp_conn.owner */
	__u32 gen;   /* tunes.free_gen + 1: no slot changed hands since */
	__u32 slot;
	__u32 cells[8]; /* enum tcp_cell; 0: not looked up */
};
_Static_assert(TCP_CELLS <= 8, "struct tcp_slot has room for them");

/*
 * The latest cgroups and devices of block requests, with their cells: one place instead
 * of three hash look-ups.
 */
#define BLOCK_CACHE_LOG2 6
struct block_slot {
	__u64 id;
	__u64 disk; /* its sequence number: what comes after it is another one */
	__u32 name; /* its number in disk_names */
	__u32 direction;
	__u32 gen; /* tunes.free_gen: no slot changed hands since */
	__u32 slot;
	__u32 operation; /* cell, 0: not looked up */
	__u32 device;	 /* cell */
};

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
	__u32 pad2[8];
	struct sched_slot sched_slots[1 << SCHED_CACHE_LOG2];
	__u16 grid[GRID_SIZE]; /* the slot that ran at each multiple of 2^20 ns */
	struct {
		__u64 id;
		__u32 slot;
		__u32 gen; /* tunes.free_gen when slot is the overflow slot */
	} cache[CACHE_SIZE];
	struct block_slot block[1 << BLOCK_CACHE_LOG2];
	struct tcp_slot tcp[TCP_CACHES][1 << TCP_CACHE_LOG2];
} __attribute__((aligned(8)));

/*
 * A DNS query that waits for its answer. Its key is what both of them have in every
 * network: not the server, as one socket may ask several at once and takes the first
 * answer; not the addresses, which NAT changes; and the namespace only where two of
 * them have the rest in common, as an answer may be seen in another one than its query
 * (macvlan, ipvlan, a VLAN in a container).
 */
struct dns_key {
	__u64 question; /* the first bytes of the name, in small letters */
	__u32 netns;	/* 0, or whose: when the key with 0 is another namespace's */
	__u16 port;	/* the client's */
	__u16 id;	/* the query's */
};
struct dns_query {
	__u64 since;	 /* ns; 0: over, about to be removed */
	__u64 owner;	 /* cgroup id, or DNS_KERNEL */
	__u32 gen;	 /* tune.enabled when it was noted */
	__u32 ifindex;	 /* the device that it was seen on first */
	__u32 netns;	 /* the socket's */
	__u32 server;	 /* asked first: the last four bytes of its address */
	__u32 slot;	 /* whose share of the table it is in */
	__u32 elsewhere; /* 1: its answer comes from another port than 53 */
};
#define DNS_KERNEL (~0ULL)

/*
 * Lookups that were answered lately, each at its hash: a socket that asks several
 * servers may have the first one's answer before it has asked the others.
 */
#define DNS_ANSWERED_LOG2 10
struct dns_answered {
	__u64 word; /* of the hash 32 bits, and dns_query.server */
	__u64 at;   /* ns */
};

/*
 * What a received packet is let pass by, close together: nearly no packet has to do
 * with DNS. The first element counts the waiting queries, element CPU + 1 the runs on a
 * CPU.
 */
struct dns_gate {
	__u64 align;	  /* as in struct cpu_state */
	__u32 waiting;	  /* entries of dns_queries; 0: no packet is looked at */
	__u32 elsewhere;  /* of them: their answers come from other ports than 53 */
	struct runs runs; /* of dns_packet_in */
	__u64 to_line[4];
};
_Static_assert(sizeof(struct dns_gate) == 64, "a cache line each");

/* The latest cgroups made: a ring that names what is gone before the agent looks. */
#define NAME_RING    512
#define NAME_MAX_LEN 256 /* NAME_MAX of the kernel, and the 0 behind it */
struct cgroup_name {
	__u64 id;
	__u64 seq;    /* odd while it is being written */
	__u64 parent; /* its id */
	/* from the root on, if it begins with a slash; else below the parent, and
	 * empty: it could not be read */
	char path[NAME_MAX_LEN];
};
struct cgroup_names {
	__u64 head;
	struct cgroup_name ring[NAME_RING];
};

#endif
