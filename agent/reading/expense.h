/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What probes take of each CPU's busy time: counts of runs become shares, as if each
 * probe were attached all the time. Arithmetic only.
 */
#ifndef EXPENSE_H
#define EXPENSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/cell.h"
#include "kernel/cells.h"
#include "reading/governor.h"

/* Costs of one kind and the busy time that they were in, older ones counting less. */
struct expense_sum {
	double cost_ns, busy_ns;
	double share; /* what they come to; kept while nothing is measured */
};

enum expense_span { EXPENSE_SMOOTH, EXPENSE_LATEST, EXPENSE_SPANS };

/* A CPU. Windowed: what is attached in windows only; fixed: with the probe. */
struct expense_cpu {
	struct expense_sum windowed[EXPENSE_SPANS][PROBE_COUNT];
	struct expense_sum fixed[EXPENSE_SPANS][PROBE_COUNT];
	double busy; /* share of the latest seconds */
};

/* All CPUs in some time. */
struct expense_tick {
	double ns;
	/* how much of it the hooks of a probe that has windows were attached, and
	 * whether the probe was on */
	double attached[PROBE_COUNT];
	bool on[PROBE_COUNT];
	/* of each program: what a run costs, its own time and the hook's; ns */
	double run_ns[PROGRAM_COUNT];
	bool windowed[PROGRAM_COUNT];
};

struct expense {
	uint32_t cpus;
	double
	    span_ns[EXPENSE_SPANS]; /* what is older than that counts by 1/e at most */
	struct expense_cpu *by_cpu;
	double known_ns[PROBE_COUNT]; /* attached since it was last forgotten */
	struct governor_cpu *busy;    /* what expense_load() tells */
};

/* 0 or -ENOMEM; expense_close() in any case. */
int expense_open(struct expense *e, uint32_t cpus);
/* All its times this many times shorter: for tests. */
void expense_hurry(struct expense *e, unsigned int times);
/* Something passed on all CPUs; then expense_add() for each of them. */
void expense_tick(struct expense *e, const struct expense_tick *t);
/*
 * On a CPU: how long it was busy, NULL or how often each program ran (counts only).
 */
void expense_add(struct expense *e, uint32_t cpu, const struct expense_tick *t,
		 double busy_ns, const uint64_t runs[PROGRAM_COUNT]);
/* What was measured of a probe does not count any more. */
void expense_forget(struct expense *e, size_t probe);
/* Of the CPUs that are busy: borrowed until the next call. */
void expense_load(struct expense *e, struct governor_load *l);
void expense_close(struct expense *e);

#endif
