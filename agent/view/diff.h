/* SPDX-License-Identifier: Apache-2.0 */
/* What has changed from one time to another, and is no chance: `assay diff`. */
#ifndef DIFF_H
#define DIFF_H

#include <stddef.h>
#include <stdio.h>
#include "otlp/frame.h"
#include "sink/history_read.h"
#include "view/counted.h"

#define DIFF_STEPS 60	/* of each time, at most */
#define DIFF_FALSE 0.01 /* share of what is shown that may be chance */
#define DIFF_LEAST 1.2	/* what differs by less is not shown */

/* One of the two times. */
struct diff_side {
	const struct frame *frame; /* borrowed: differences */
	/* what the numbers stand for, by what they are counted by: counted.h */
	double seconds[COUNTED_METERS][DIFF_STEPS], counted_s[COUNTED_METERS];
	double all_s;
	bool told;
	size_t steps;
};

/* A metric of a workload with its attributes, in both times; NULL: not there. */
struct diff_series {
	const struct frame_series *in[2];
	size_t meter;
	bool measuring;	  /* it is of the agent's own: report_is_measuring() */
	double *count[2]; /* of each step */
	/* of a gauge: the values it had, in count, and how many steps have one */
	size_t values[2];
	/* of a histogram, of each step: longer than the median, and than p99, of before
	 */
	double *above[2][2];
	int beyond[2]; /* the first bucket above the one that these were in before */
};

enum diff_what { DIFF_RATE, DIFF_DURATION, DIFF_LEVEL };

struct diff_change {
	const struct diff_series *s;
	enum diff_what what;
	double p, ratio; /* of rates, levels, or of p99 or p50: what differs more */
};

struct diff {
	struct diff_side side[2];
	struct diff_series *series;
	size_t count;
	struct diff_change *changes; /* the surest first */
	size_t change_count;
	/* those of the measuring itself, told and judged apart: behind the others */
	struct diff_change *own;
	size_t own_count;
	size_t tested;		  /* numbers that were compared, without those */
	size_t limit;		  /* changes to show, 0: all */
	struct history_span kept; /* from when to when anything is */
};

/*
 * Finds the histograms and sums of both frames. diff_take() then has each step of each
 * side, in any order; diff_judge() fills changes. -ENOMEM; diff_fini() in any case.
 */
int diff_open(struct diff *d, const struct frame *before, const struct frame *after);
void diff_take(struct diff *d, int side, size_t step, const struct frame *f,
	       const struct history_span *time);
int diff_judge(struct diff *d);
/* What a gauge was in the mean of a side. */
double diff_level(const struct diff_series *s, int side);
void diff_fini(struct diff *d);
/* Prints it in a format of enum report_format. 0 or -errno (-ENOMEM, -ENOSPC, ...). */
int diff_print(const struct diff *d, int format, FILE *f);

#endif
