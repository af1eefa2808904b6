/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keeps what probes cost below a budget: decides by what was measured which of them run
 * all the time, which in windows and which not at all. It has no clock, measures
 * nothing and switches nothing.
 *
 * Costs are shares of a CPU's busy time; the worst CPU counts. Of each probe it is
 * known what it would cost if it ran all the time, so what a step makes of it is known
 * before.
 */
#ifndef GOVERNOR_H
#define GOVERNOR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/cell.h"
#include "kernel/probe.h"

#define GOVERNOR_STEPS 7 /* 1, 1/2 ... 1/PROBE_ONE_IN_MAX */

/* What may be done with a probe, and the order in which it is. */
enum governor_kind {
	GOVERN_WINDOWS, /* in windows, then off; the dearest one first */
	GOVERN_OFF,	/* off, when none of these is left that costs something */
	GOVERN_LAST,	/* off, then, if it is over the budget by itself */
	GOVERN_NEVER,
};

/* What a probe takes of a CPU's busy time while it is attached. */
struct governor_cost {
	double windowed, fixed; /* what of it runs in windows only, and the rest */
};

/* A CPU that is busy. */
struct governor_cpu {
	uint32_t cpu;
	/* smoothed over a minute, which says whether to do something, and over the
	 * latest seconds, which the step has to be enough for as well */
	struct governor_cost smooth[PROBE_COUNT], latest[PROBE_COUNT];
};

struct governor_load {
	const struct governor_cpu *cpus; /* those that are idle cost nobody anything */
	size_t count;
	/* since it was last told to forget it, a probe was measured: costs are known */
	bool known[PROBE_COUNT];
};

struct governor_probe {
	enum governor_kind kind;
	bool present;	 /* it is loaded, and not switched off by somebody else */
	uint32_t one_in; /* it is on 1/one_in of the time; 0: off */
	uint64_t off_ns; /* since when it is off */
	/* since when the budget would hold if it were on 1/2^n of the time; 0: it would
	 * not */
	uint64_t fits_ns[GOVERNOR_STEPS];
};

struct governor {
	double budget;	   /* a share; 0: there is none */
	uint64_t calm_ns;  /* so long under BACK_BELOW of the budget, then back */
	uint64_t step_ns;  /* between two steps back */
	uint64_t retry_ns; /* who is off is looked at anew after that */
	struct governor_probe probes[PROBE_COUNT];
	uint64_t calm_since_ns; /* 0: it is not calm */
	uint64_t wait_ns; /* calm_ns, or more when the last step back did not hold */
	uint64_t back_ns; /* the last step back; 0: there was none */
};

/* All probes are on, and none is present. */
void governor_init(struct governor *g, double budget);
/* All its times this many times shorter: for tests. */
void governor_hurry(struct governor *g, unsigned int times);
/* Somebody else has switched it on or off: it is on, and nothing is known of it. */
void governor_forget(struct governor *g, size_t probe);
/* What a probe costs on a CPU at its share of the time, smoothed. */
double governor_cost(const struct governor *g, const struct governor_cpu *c,
		     size_t probe);
/* The busy CPU on which all probes together cost most, and what; NULL: there is none.
 */
const struct governor_cpu *governor_worst(const struct governor *g,
					  const struct governor_load *l, double *share);
/*
 * Decides, at a moment of the monotonic clock; to be called about once a second.
 * Changes one_in of probes; bits of `anew`: who was off and is looked at anew, so what
 * was measured of it is out of date.
 */
void governor_decide(struct governor *g, const struct governor_load *l, uint64_t now_ns,
		     unsigned int *anew);

#endif
