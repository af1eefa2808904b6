/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kernel takes to call our programs, beside what they time themselves. For the
 * hooks of system calls it is measured here, by the wall time of calls of our own, as
 * it differs much between machines; for others it is a stated default.
 *
 * A run's own time is between two readings of the clock; what it takes to get there and
 * back, and to count the run, is in the hook's cost, too.
 */
#ifndef HOOK_COST_H
#define HOOK_COST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "bpf/cell.h"

#define HOOK_CALLS  2000 /* of a burst, the cheapest that there are */
#define HOOK_BURSTS 10	 /* of each sort: 40,000 calls, some 10 ms */

struct hook_cost {
	/* ns of a call: with our links and without them, one for each burst */
	double bursts[2][HOOK_BURSTS];
	unsigned int count[2];
	double own_ns;	/* of our programs in a call of ours, as they time themselves */
	double pair_ns; /* what the hooks of a call cost, both together; 0: not known */
};

/*
 * Makes a burst of calls, in the state that there is: attached or not. Half a
 * millisecond; where there are enough of this sort, nothing.
 */
void hook_cost_burst(struct hook_cost *h, bool attached);
/*
 * Works it out when there are enough of both sorts: the lower quartiles, net of what
 * the programs timed in these calls (own_ns), never below 0. True: pair_ns is new, and
 * the next round may begin.
 */
bool hook_cost_settle(struct hook_cost *h);
/* ns a run of a program. */
double hook_cost_of(const struct hook_cost *h, enum program program);

#endif
