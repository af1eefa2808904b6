/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For how long the numbers of a frame of the history stand. A probe may be off for a
 * while (--budget, assay tune), or run in windows of which none ends in a reading: then
 * nothing of it was counted there, which is not the same as that nothing happened.
 */
#ifndef COUNTED_H
#define COUNTED_H

#include <stdbool.h>
#include <stddef.h>
#include "bpf/cell.h"
#include "otlp/frame.h"

/* For each probe one for what it counts always, and one for what in windows; then one
 * for what no probe counts. */
#define COUNTED_METERS (2 * PROBE_COUNT + 1)
/* Of a time: what is more is all of it. */
#define COUNTED_ALL 0.98
/* What is less than that is no time to say anything of. */
#define COUNTED_LEAST_S 0.02

/* Which of them goes for a metric. */
size_t counted_meter(const char *metric);
/* Whether a frame says so at all: histories of older versions do not. */
bool counted_is_told(const struct frame *f);
/* The seconds of each meter, of a frame of covered_s; told: counted_is_told(), of it or
 * of one with more. */
void counted_read(const struct frame *f, bool told, double covered_s,
		  double seconds[COUNTED_METERS]);
/* The same as shares of the time; all of it where nobody says. */
struct counted_shares {
	double of[COUNTED_METERS];
};
void counted_shares_read(const struct frame *f, double covered_s,
			 struct counted_shares *out);
/* For which share a probe was on; 1 for a name that is none. */
double counted_share(const struct counted_shares *c, const char *probe);
/*
 * Which probes were not on all the time of a frame, as "sched 65 of 148 s, ...". False:
 * all were, or nobody says.
 */
bool counted_text(const struct frame *f, double covered_s, char *text, size_t len);

#endif
