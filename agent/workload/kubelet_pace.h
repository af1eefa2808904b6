/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When the kubelet is asked: a bucket of tokens, of which each request takes one, and
 * that is filled by one in 10 s; a pause between two requests; a longer one after each
 * failure. Who can wait is asked for so seldom that it hardly costs anything. Pure:
 * times and chance are handed in.
 */
#ifndef KUBELET_PACE_H
#define KUBELET_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct kubelet_pace {
	uint64_t gap_ns;     /* from the end of one to the next, at least */
	uint64_t refill_ns;  /* of the bucket by one: the pace over longer times */
	unsigned int burst;  /* what the bucket holds */
	uint64_t period_ns;  /* when nobody wants anything; 10 % more or less */
	uint64_t backoff_ns; /* after the first failure; doubles; 20 % more or less */
	uint64_t backoff_max_ns;
	/* for who can wait: so many times the CPU time that the latest request took lie
	 * between one and the next, but never more than that */
	unsigned int spare_times;
	uint64_t spare_max_ns;
};

/* 1 s, 10 s, 10, 5 min, 10 s, 5 min, 5000 (0.02 % of a core), 20 s. */
extern const struct kubelet_pace kubelet_pace_default;

/* Of the monotonic clock. All 0: it is asked at once. */
struct kubelet_clock {
	uint64_t wanted_ns;  /* somebody wants an answer from then on */
	uint64_t spare_ns;   /* somebody does who can wait */
	uint64_t regular_ns; /* the next one without */
	uint64_t last_ns;    /* request: its end, or its start while it is under way */
	uint64_t full_ns;    /* when the bucket is full again */
	uint64_t retry_ns;   /* not before, after a failure */
	uint64_t cost_ns;    /* CPU time of the latest one */
	unsigned int failures; /* since the latest answer */
};

/* When the next request is due. */
uint64_t kubelet_clock_next(const struct kubelet_pace *p,
			    const struct kubelet_clock *c);
/* Somebody wants one at that time, or has wanted an earlier one. */
void kubelet_clock_want(struct kubelet_clock *c, uint64_t at_ns, bool can_wait);
/* A request begins: nobody wants another one so far. chance: any 16 bits. */
void kubelet_clock_asked(const struct kubelet_pace *p, struct kubelet_clock *c,
			 uint64_t now_ns, unsigned int chance);
/* It came to its end. cost_ns: CPU time that it took. */
void kubelet_clock_answered(const struct kubelet_pace *p, struct kubelet_clock *c,
			    uint64_t now_ns, uint64_t cost_ns, int failed,
			    unsigned int chance);

#endif
