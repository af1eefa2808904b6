/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The numbers that rules look at: of one workload, and of the node, out of a frame of
 * differences. A table (facts_inputs.c) says which metric each is made of, so that
 * whatever a rule has seen can be told with metric, attributes and unit.
 */
#ifndef FACTS_H
#define FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include "otlp/frame.h"

/* Numbers of a workload. */
enum input {
	IN_CONTENTION, /* waits for a CPU */
	IN_CONTENTION_COUNT,
	IN_CONTENTION_P99,
	IN_THROTTLED,
	IN_THROTTLED_COUNT,
	IN_THROTTLED_P99,
	IN_CPU,
	IN_WITHHELD,
	IN_PERIODS_OUT,
	IN_PERIODS_FREE,
	IN_PSI_CPU,
	IN_PSI_MEMORY,
	IN_PSI_IO,
	IN_SWITCHES,
	IN_BLOCKED_FILE,
	IN_BLOCKED_FILE_COUNT,
	IN_BLOCKED_FILE_P99,
	IN_BLOCKED_FAULT,
	IN_BLOCKED_FAULT_COUNT,
	IN_BLOCKED_FAULT_P99,
	IN_BLOCKED_MEMORY,
	IN_BLOCKED_SYNC,
	IN_BLOCKED_SYNC_RATE,
	IN_BLOCKED_SYNC_P50,
	IN_CALLS,
	IN_CALLS_SOCKET,
	IN_CALLS_SYNC,
	IN_RECLAIM,
	IN_RECLAIM_COUNT,
	IN_OOM_KILLS,
	IN_MAJOR_FAULTS,
	IN_MEMORY,
	IN_MEMORY_LIMIT,
	IN_CPU_LIMIT,
	IN_BLOCK_COUNT,
	IN_BLOCK_P50,
	IN_BLOCK_P99,
	IN_DEVICE_P50,
	IN_DEVICE_P99,
	IN_BLOCK_TIME,
	IN_DEVICE_TIME,
	IN_BLOCK_ERRORS,
	IN_CONNECTS,
	IN_CONNECT_P50,
	IN_CONNECT_P99,
	IN_CONNECT_ERRORS,
	IN_REFUSED,
	IN_CONNECT_TIMEOUTS,
	IN_ABORTED,
	IN_SYN_AGAIN,
	IN_SENT,
	IN_SENT_AGAIN,
	IN_RTT_COUNT,
	IN_RTT_P50,
	IN_RTT_P90,
	IN_RESETS_IN,
	IN_RESETS_OUT,
	IN_ACCEPTS,
	IN_ACCEPT_P50,
	IN_ACCEPT_P90,
	IN_ACCEPT_TIME,
	IN_OVERFLOWS,
	IN_SERVED,
	IN_SERVED_P50,
	IN_SERVED_P90,
	IN_SERVED_TIME,
	IN_ASKED,
	IN_ASKED_P50,
	IN_ASKED_P90,
	IN_ASKED_TIME,
	IN_ASKED_ERRORS,
	IN_SERVED_ERRORS,
	IN_LOOKUPS,
	IN_LOOKUP_P50,
	IN_LOOKUP_P90,
	IN_LOOKUP_SERVFAIL,
	IN_LOOKUP_REFUSED,
	IN_LOOKUP_NXDOMAIN,
	IN_LOOKUP_TIMEOUT,
	IN_LOOKUP_UNREACHABLE,
	IN_LOOKUP_RETRIES,
	IN_AGE_FILE,
	IN_AGE_MEMORY,
	IN_AGE_PROCESS,
	IN_AGE_WAIT_CPU,
	IN_AGE_BLOCK,
	IN_AGE_RECLAIM,
	IN_AGE_CONNECT,
	IN_AGE_CLIENT,
	IN_AGE_SERVER,
	IN_AGE_DNS,
	INPUTS_WORKLOAD,
	/* of the agent itself, so of the node */
	IN_NODE_CPUS = INPUTS_WORKLOAD,
	IN_NODE_USER,
	IN_NODE_NICE,
	IN_NODE_SYSTEM,
	IN_NODE_INTERRUPT,
	IN_NODE_IDLE,
	IN_NODE_IOWAIT,
	IN_NODE_STEAL,
	IN_NODE_STEAL_WORST, /* of the CPU that had most */
	IN_NODE_MEMORY,
	IN_NODE_AVAILABLE,
	IN_NODE_LOST,
	INPUTS,
};

/* What is made of the series of an input. */
enum facts_stat {
	STAT_RATE,  /* sum, per s; of histograms their count, per s */
	STAT_COUNT, /* how many there were */
	STAT_TIME,  /* seconds of a histogram, per s */
	STAT_P50,
	STAT_P90,
	STAT_P99,
	STAT_NOW,   /* of a gauge the largest, of an up-down sum the sum */
	STAT_WORST, /* the largest rate of one series */
};

struct input_desc {
	const char *metric;
	const char *key, *value; /* of series with this attribute only; NULL: all */
	enum facts_stat stat;
	const char *unit, *label;
};

extern const struct input_desc inputs[INPUTS];
const char *stat_name(enum facts_stat stat);

struct counted_shares;

struct facts {
	const struct frame *frame;
	const struct frame_attrs *resource; /* NULL: of the node */
	size_t first, end;		    /* its series */
	double duration_s;
	const struct counted_shares *counted; /* of it, each probe; NULL: all */
	double value[INPUTS];		      /* 0: there is none */
	double error[INPUTS]; /* relative standard error of an estimate; 0: exact */
	double lost_of;	      /* see facts_share() */
	double events;	      /* how much was counted at all */
};

/*
 * Computes those of the workload whose series begin at `first`, or of the node (the
 * agent's own: SIZE_MAX). The frame, whose sums are what happened in duration_s, must
 * live on.
 */
void facts_compute(struct facts *out, const struct frame *f, size_t first,
		   double duration_s, const struct counted_shares *counted);
/* The part of duration_s in which a metric's probe counted: what its rates are of. */
double facts_time(const struct facts *f, const char *metric);
/*
 * For how much of a frame of duration_s the workload of these series has been there:
 * since its first reading. What it did in a second is to be told by that.
 */
double facts_lived(const struct frame *f, size_t first, double duration_s);
/*
 * Where the series of the same workload begin in another frame; SIZE_MAX: nowhere.
 * guess: where a workload's begin, which is looked at first: frames have them in about
 * the same order.
 */
size_t facts_find(const struct frame *f, const struct frame_attrs *resource,
		  size_t guess);
/*
 * Which share a lost time (s per s) is of all in which the workload ran, or would have:
 * on a CPU, waiting for one, and in calls and faults that wait for the node and not for
 * somebody else.
 */
double facts_share(const struct facts *f, double lost);
/* Is that known? Of who has no cgroup, as the kernel's threads, nobody counts CPU time.
 */
bool facts_has_share(const struct facts *f);
/* The value of a series: of sums, of a histogram its count. */
double facts_series(const struct frame_series *s);
/* How many events a series has counted; 0 of what counts none. */
double facts_events(const struct frame_series *s);

#endif
