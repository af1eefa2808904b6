/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The way back to the kernel's rings (bpf/ring.h): what the agent publishes, and what
 * it has replayed before it reads. The only interrupts that assay causes are in
 * rings_drain().
 */
#ifndef RINGS_H
#define RINGS_H

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

/*
 * Has every CPU replay what it only wrote down so far, so that the cells hold all that
 * has happened: one interrupt on each CPU that has some. -errno on failure: the first,
 * and the other CPUs are done all the same.
 */
int rings_drain(const struct cells *c);

void rings_close(struct cells *c);

#endif
