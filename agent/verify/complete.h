/* SPDX-License-Identifier: Apache-2.0 */
/* What of the truth is known when all is over: by the kernel's own counters. */
#ifndef COMPLETE_H
#define COMPLETE_H

#include "otlp/frame.h"
#include "verify/actor.h"

/* How long a query has to wait until it is a timeout. */
#define COMPLETE_TIMEOUT_NS 5000000000ULL

/* Requests that a disk has had, before and after each of two readings. */
struct complete_disk {
	uint64_t reads[4];
};

/* Of the disk that block.c works on: the number-th of the four. */
void complete_look(struct complete_disk *d, const struct actors *a, int number);
/*
 * Fills in what actors could not know. frame: the difference of the two readings, of
 * which the last one ended at now_ns (monotonic clock).
 */
void complete(struct actors *a, const struct complete_disk *d,
	      const struct frame *frame, uint64_t now_ns);

#endif
