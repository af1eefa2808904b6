/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back to the kernel's rings (bpf/ring.h): what the agent publishes, and what
 * it has replayed before it reads. The only interrupts that assay causes are in
 * rings_drain().
 */
#ifndef RINGS_H
#define RINGS_H

#include "base/cpu_list.h"
#include "kernel/cells.h"

struct rings;

/*
 * Loads the programs of rings.bpf.c into c->rings, and gets the rings ready: before any
 * probe that has some. -errno on failure; c->rings_error has it too.
 */
int rings_open(struct cells *c, const struct params *params);

/*
 * Has the kernel side know what is in c->tunes. Interrupts nobody: programs that run
 * meanwhile may still go by what was there before, up to a rings_wait(). -errno on
 * failure.
 */
int rings_publish(struct cells *c);

/* Waits until no program runs any more that has begun before. */
void rings_wait(const struct cells *c);

/* CPUs that rings_drain() leaves alone while anything runs on them; copied. */
void rings_keep_quiet(struct cells *c, const struct cpu_list *quiet);

/*
 * Has every CPU replay what it only wrote down so far, so that the cells hold all that
 * has happened: one interrupt on each CPU that has some. all: also on those that are to
 * be quiet; else what those have written down is left if they are not idle, up to
 * RING_SIZE - 1 switches and as many calls of each. Returns 0; 1: some was left; or
 * -errno: the first failure, and the other CPUs are done all the same.
 */
int rings_drain(const struct cells *c, bool all);

void rings_close(struct cells *c);

#endif
