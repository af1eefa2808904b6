/* SPDX-License-Identifier: Apache-2.0 */
/* Exact numbers for who looks, whatever they cost, for a while: reading/exact.h. */
#ifndef MEASURE_EXACT_H
#define MEASURE_EXACT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct measure;

/*
 * Somebody looks until then (monotonic clock). Returns for how many ms from now all is
 * counted, 0: for none, as the time for that is used up. It is all when
 * measure_is_exact().
 */
uint64_t measure_exact(struct measure *m, uint64_t until_ns);
/* Whether somebody looks, or has just done so: nothing is done to keep a budget. */
bool measure_is_looked_at(const struct measure *m);
/* A user has said how a probe is to run: that stays. */
void measure_forget_resume(struct measure *m, size_t probe);
/* Call it often: when nobody looks any more, probes run as before. */
void measure_end_exact(struct measure *m);

#endif
