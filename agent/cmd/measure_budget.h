/* SPDX-License-Identifier: Apache-2.0 */
/* What the files measure_budget*.c have in common. */
#ifndef MEASURE_BUDGET_H
#define MEASURE_BUDGET_H

#include "kernel/hook_cost.h"
#include "metric/self_budget.h"
#include "reading/busy.h"
#include "reading/expense.h"
#include "reading/governor.h"

struct status;

/* Of a program, over all CPUs: how long its own part of a run takes. */
struct run_average {
	double count, ns;
};

/* What a probe takes of all CPUs together, older ones counting less. */
struct probe_average {
	double runs, cost_ns, cpu_ns;
	double hook_ns; /* of cost_ns, the way there and back */
};

/* Times are of the monotonic clock. */
struct budget {
	unsigned int hurry; /* its times are so many times shorter: tests */
	bool failed;	    /* nothing can be read: said once */
	uint64_t turn_ns, tick_ns, calibrate_ns;
	uint32_t cpus;
	struct governor governor;
	struct governor_load load;
	struct expense expense;
	struct busy busy;
	uint64_t *busy_ns, *was_busy_ns;	  /* of each CPU since the boot */
	struct cells_runs (*runs)[PROGRAM_COUNT]; /* of each CPU, as last read */
	struct cpu_state *room;
	struct hook_cost hooks;
	struct run_average own;	     /* in the calibration's calls: both programs' */
	double open_ns[PROBE_COUNT]; /* in this tick, how long its hooks were there */
	struct run_average programs[PROGRAM_COUNT];
	struct probe_average probes[PROBE_COUNT];
	double first_pair_ns;	  /* what the hooks of a call cost at the start */
	double took[PROBE_COUNT]; /* budget_full_cost() when it was switched off */
	uint64_t said_ns;
	unsigned int said, unsaid; /* lines in this minute; changes without one */
};

/* What a probe would take of the busy CPU where it takes most, if it were always on. */
double budget_full_cost(const struct budget *b, size_t probe, uint32_t *cpu);

#endif
