/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What really happened, as who made it counted and timed it: by its own clocks, and the
 * kernel's own counters. No number of ours is in it. It is in memory that the processes
 * share, each part with one writer.
 */
#ifndef TRUTH_H
#define TRUTH_H

#include <stdbool.h>
#include <stdint.h>

#define TRUTH_SAMPLES 64
#define TRUTH_WHY     128

/* One for each number that is looked at. */
enum truth_id {
	TRUTH_CALLS_FILE,
	TRUTH_CALLS_SOCKET,
	TRUTH_CALLS_PIPE,
	TRUTH_CALLS_MEMORY,
	TRUTH_CALLS_PROCESS,
	TRUTH_CALLS_SYNC,
	TRUTH_CALLS_WAIT,
	TRUTH_CALLS_ENOENT,
	TRUTH_CALLS_EISDIR,
	TRUTH_CALLS_ERRORS,
	TRUTH_SLEEPS_FILE,
	TRUTH_SLEEPS_SOCKET,
	TRUTH_SLEEPS_PIPE,
	TRUTH_SLEEPS_MEMORY,
	TRUTH_SLEEPS_PROCESS,
	TRUTH_SLEEPS_SYNC,
	TRUTH_SLEEPS_WAIT,
	TRUTH_SLEEPS_OTHER,
	TRUTH_SLEEPS_FAULT,
	TRUTH_WAITS,
	TRUTH_WAITS_ASLEEP,
	TRUTH_WAITS_ALL,
	TRUTH_WAITS_CULPRITS,
	TRUTH_TCP_CONNECTS,
	TRUTH_TCP_ACCEPTS,
	TRUTH_TCP_REFUSED,
	TRUTH_TCP_RESPONSES,
	TRUTH_TCP_NONE,
	TRUTH_TCP_CLIENT_BYTES,
	TRUTH_TCP_SERVER_BYTES,
	TRUTH_DNS_OK,
	TRUTH_DNS_NXDOMAIN,
	TRUTH_DNS_SERVFAIL,
	TRUTH_DNS_TIMEOUT,
	TRUTH_BLOCK_READS,
	TRUTH_BLOCK_WRITES,
	TRUTH_BLOCK_DISK_READS,
	TRUTH_COUNT,
};

struct truth {
	char why[TRUTH_WHY];  /* not empty: it could not be made, and why */
	uint64_t least, most; /* how often it happened: mostly the same */
	/* How long all of that took together; most 0: it is not looked at. */
	uint64_t least_ns, most_ns;
	/* Of each one, if the count is not above what fits: for the median. */
	uint32_t samples;
	uint64_t low_ns[TRUTH_SAMPLES], high_ns[TRUTH_SAMPLES];
	/* Others may do the same in between, or keep it from happening. */
	uint32_t more, fewer;
};

struct truths {
	struct truth of[TRUTH_COUNT];
	/* What a look at the clocks may take here: samples are right but for that. */
	uint64_t grain_ns;
	bool emulated; /* a CPU whose clocks agree to some per cent only */
	volatile uint32_t waits_done; /* by waits.c: the hog may stop */
	uint32_t waker;		      /* a futex: what sleeps.c asks its waker for */
	uint32_t waker_us;	      /* after so long */
	uint32_t waker_held;	      /* it has the lock */
	uint64_t waker_page;	      /* the page to fill */
	uint64_t asked_ns;	      /* when the query was sent that nobody answers */
	uint64_t wanted_ns;	      /* by waits.c: how long its run took, */
	uint64_t ran_ns;	      /* how long it had a CPU in it, */
	uint64_t delayed_ns;	      /* and, as the kernel says, waited for one */
	uint64_t served_ns[TRUTH_SAMPLES]; /* what the server of tcp.c waited */
	uint16_t port;			   /* where the server of tcp.c listens */
	char disk[32];			   /* of block.c; "" : none */
};

/* It happened once more and took between low and high. */
void truth_add(struct truth *t, uint64_t low_ns, uint64_t high_ns);
/* It happened n times, which took no longer than that; 0: nobody looks. */
void truth_count(struct truth *t, uint64_t n, uint64_t most_ns);
/* It cannot be made: what failed, and -errno or 0. */
void truth_skip(struct truth *t, const char *what, int err);

/* Nanoseconds that this thread has had a CPU. */
uint64_t truth_cpu_ns(void);
void truth_nap(uint64_t ns);
/* Keeps the CPU busy until it has had it for so long. */
void truth_spin(uint64_t cpu_ns);
/* Is it a CPU that QEMU emulates, without the help of hardware? */
bool truth_is_emulated(void);
/* Measures grain_ns. */
uint64_t truth_grain(void);
/* Of a thread: ns on a CPU, ns waited for one, how often it was given one. */
struct truth_sched {
	uint64_t ran_ns, delayed_ns, runs;
};
/* fd: of its schedstat file. False: it cannot be read. */
bool truth_sched_read(int fd, struct truth_sched *out);

/*
 * A look at all clocks of this thread: the wall's is looked at on both sides of the
 * others, as the thread may lose its CPU, or a virtual CPU stand still, in between.
 */
struct truth_look {
	uint64_t outer_ns, inner_ns, cpu_ns, delayed_ns;
	long preempted, slept; /* how often it was, and gave up the CPU by itself */
};
/* Before and after what is measured; fd: of schedstat, or -1: without it. */
void truth_look_before(struct truth_look *l, int fd);
void truth_look_after(struct truth_look *l, int fd);
/*
 * How long it neither ran nor waited for a CPU between two looks: at least, at most.
 * Who is preempted on the way to sleep waits without a time stamp of the kernel's: then
 * it may have been anything down to 0. The clock of CPU time runs ahead of the wall's
 * where CPUs are emulated: if it says that much ran, that may have been sleep.
 */
void truth_asleep(const struct truth_look *before, const struct truth_look *after,
		  uint64_t *low_ns, uint64_t *high_ns);
/*
 * The same as one of the times of a truth; nothing, if the kernel says that it did not
 * sleep, as what it wanted was there before it could.
 */
void truth_add_sleep(struct truth *t, const struct truth_look *before,
		     const struct truth_look *after);

#endif
