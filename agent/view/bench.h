/* SPDX-License-Identifier: Apache-2.0 */
/* What `assay bench` shows: what each probe and each of its programs costs on this
 * node. */
#ifndef BENCH_H
#define BENCH_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "bpf/cell.h"
#include "otlp/frame.h"
#include "view/status.h"

#define BENCH_ROWS (PROBE_COUNT + PROGRAM_COUNT)
#define BENCH_NONE (-1.0) /* a number that nobody knows */

struct bench_row {
	const char *probe, *program; /* NULL: all programs of the probe */
	const char *state;	     /* of the probe; borrowed from the frame */
	double rate;		     /* runs a second, now */
	double own_ns;	  /* of a run, by the program itself; BENCH_NONE: too few yet */
	double kernel_ns; /* the same by the kernel's statistics, or BENCH_NONE */
	double hook_ns;	  /* to get there and back, or BENCH_NONE */
	double run_ns;	  /* both together: what the agent reckons with, if own_ns is
			   * not known; or BENCH_NONE */
	double cpu;	  /* what it takes now, in CPUs; BENCH_NONE: not known */
	double duty;	  /* how much of the time it is attached */
};

struct bench {
	struct bench_row rows[BENCH_ROWS];
	size_t count;
	double seconds; /* so long it was measured */
	unsigned int cpus;
	bool from_agent;
	double agent_cpu; /* the agent's own process, in CPUs; or BENCH_NONE */
	double stats_s;	  /* so long the kernel's statistics were on; 0 */
	char why_no_stats[STATUS_TEXT]; /* "": they were, or nobody asked */
};

/* What the kernel's statistics say of a program's runs, or BENCH_NONE. */
typedef double bench_kernel_ns[PROGRAM_COUNT];

/*
 * change: what happened in b->seconds; total: all since the start of the agent, from
 * which a run's own time is. Both live as long as the rows. status: NULL: unknown.
 */
void bench_fill(struct bench *b, const struct frame *change, const struct frame *total,
		const struct status *status, const bench_kernel_ns kernel_ns);
/* 0 or -errno (-ENOMEM, -ENOSPC, ...). */
int bench_table(const struct bench *b, FILE *f);
int bench_csv(const struct bench *b, FILE *f);
int bench_json(const struct bench *b, FILE *f);

#endif
