/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The wall clock. What is measured keeps its times by CLOCK_BOOTTIME, which nobody can
 * set; the difference to the wall clock is added when they are reported. So a clock
 * that is set moves all times alike, starts too, and a point never ends before it
 * starts.
 */
#ifndef WALL_H
#define WALL_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The clocks are slewed together, so the difference changes only when the wall clock is
 * set. A step below this is not followed: times of points may be off by that, but
 * starts do not move, which would be a reset of all series.
 */
#define WALL_STEP_NS 100000000

struct wall {
	uint64_t (*boot_ns)(void), (*wall_ns)(void); /* NULL: the system's clocks */
	bool known;
	int64_t offset_ns; /* what to add to a boot time */
};

/* Measures the offset. Returns by how many ns the wall clock was set since the last
 * time; 0: it was not, or that is not sure by now, and the next time tells. */
int64_t wall_measure(struct wall *w);
/* A boot time by an offset; at least 1, as 0 means unknown. */
uint64_t wall_time(int64_t offset_ns, uint64_t boot_ns);

#endif
