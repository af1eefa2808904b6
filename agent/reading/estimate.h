/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is counted in windows stands for all that happened: by what it is multiplied,
 * and how far off the result may be.
 *
 * A window stands for the time from the end of the window before to its own end. So an
 * event of no duration counts for stands / open of its kind. One of the duration d is
 * seen only if it begins in the first open - d of a window: it counts for stands /
 * (open - d). What lasts half a window or longer is left out: so few of it are seen
 * that nothing is to be said of it.
 */
#ifndef ESTIMATE_H
#define ESTIMATE_H

#include <stdbool.h>
#include <stdint.h>
#include "bpf/buckets.h"

/* A window that is over; ns. open_ns is not 0. */
struct window_span {
	uint64_t stands_ns, open_ns;
};

/*
 * How good an estimate is. Of the two variances the larger one counts: what there is at
 * least, when events come independently of each other; and by how much neighbouring
 * windows differ. Both only grow.
 */
struct estimate {
	double noise, change;
	float rate;	    /* of the latest window: events seen, per ns */
	float outstanding;  /* events since then, likely: they are in no number yet */
	uint32_t seen : 31; /* in the window at hand */
	uint32_t has_rate : 1;
};

/*
 * A window that was ended before its time: it stands for no more than the longest gap
 * lets a whole one stand for (twice the mean), so that a glimpse of some ms does not
 * decide what a gap of many seconds held. The rest of that gap is in no number.
 */
void estimate_cut(struct window_span *w, uint32_t one_in);
/* What an event of this duration counts for; 0: it is left out. */
double estimate_weight(const struct window_span *w, double duration_ns);
/* One of the two integers beside x, so that the mean of many is x. */
uint64_t estimate_round(double x, uint64_t *random);
/*
 * Makes of n events that were seen what they stand for, in whole numbers, and notes
 * that.
 */
uint64_t estimate_count(uint64_t n, const struct window_span *w, struct estimate *e,
			uint64_t *random);
/*
 * The same of a histogram, in place. by_duration: by the durations in it; else it is of
 * something that is seen at once, however long it was. Its sum is what its buckets
 * have, scaled as what was seen had it.
 */
void estimate_hist(uint64_t buckets[BUCKET_COUNT], uint64_t *sum_ns, bool by_duration,
		   const struct window_span *w, struct estimate *e, uint64_t *random);
/* Notes for how long no window has ended, ns; 0: all is counted now. */
void estimate_age(struct estimate *e, uint64_t since_ns);
/* The window is over, and all that was seen in it is noted. */
void estimate_end(struct estimate *e, const struct window_span *w);
/* Adds one estimate to another, of other events. */
void estimate_add(struct estimate *into, const struct estimate *e);
/* The standard error of a number of which these are the variances. */
double estimate_error(double noise, double change, double outstanding);

#endif
