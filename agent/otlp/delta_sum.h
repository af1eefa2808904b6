/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Batches of differences, one after the other in time, added up as they are: of each
 * series there is its sum, and a batch is looked through once. That takes a tenth of
 * what it takes to make a frame of each and to add those (frame_add()), which comes to
 * the same.
 */
#ifndef DELTA_SUM_H
#define DELTA_SUM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "otlp/frame.h"
#include "otlp/wire.h"

struct delta_sum;

/* What becomes of a sum. */
enum delta_use {
	DELTA_FRAME,  /* a frame: texts are looked at, as of a frame that is decoded */
	DELTA_ENCODE, /* a batch: what says of whom a number is stays as bytes */
};

/* An empty one, of at most so many bytes; 0: as many as there are. NULL: no memory. */
struct delta_sum *delta_sum_new(enum delta_use use, size_t limit);
/* NULL is fine. */
void delta_sum_free(struct delta_sum *s);
/*
 * Looks at these metrics only: names, NULL at the end, which are borrowed. NULL: at
 * all. Of who has none of them in a batch there is some other one: so it is seen who is
 * there.
 */
void delta_sum_only(struct delta_sum *s, const char *const *metrics);
/*
 * Adds a batch of a later time: histograms and sums add up, with their errors; of
 * gauges and up-down sums the later value stays. -EINVAL (it is none of ours),
 * -EMSGSIZE (it would take more than it may), -ENOMEM: nothing of it was added; of
 * DELTA_ENCODE there may be a part of it.
 */
int delta_sum_add(struct delta_sum *s, const uint8_t *bytes, size_t len);
/*
 * Takes over what only tells how things were before: gauges and up-down sums of
 * workloads that the sum has nothing of. After all that is added; the latest batch
 * first. As delta_sum_add().
 */
int delta_sum_add_before(struct delta_sum *s, const uint8_t *bytes, size_t len);
/* Begins with nothing once more. What series there are is known already. */
void delta_sum_restart(struct delta_sum *s);
/* The number of the batch that came last; they have numbers from 1 on. */
uint64_t delta_sum_number(const struct delta_sum *s);
/*
 * After delta_sum_restart(), instead of delta_sum_add_before(): how things were by what
 * was added from this number on, which the caller knows to be all of the time before.
 */
void delta_sum_carry(struct delta_sum *s, uint64_t number);
/* Forgets everything. */
void delta_sum_clear(struct delta_sum *s);
/*
 * Of DELTA_FRAME: a frame of it, to be freed, which borrows from the sum: it holds
 * until delta_sum_restart() or _clear(). -ENOMEM.
 */
int delta_sum_frame(struct delta_sum *s, struct frame **out);
/*
 * The same, and the frame has all that is in it: the sum is freed, in any case.
 */
int delta_sum_end(struct delta_sum *s, struct frame **out);
/* Of DELTA_ENCODE: appends a batch of it. w->full: there was no memory. */
void delta_sum_encode(const struct delta_sum *s, struct wire *w);

#endif
