/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One metric, by itself: what `assay hist` draws and `assay trend` follows. A series is
 * that metric of one workload with one set of attributes.
 */
#ifndef LOOK_H
#define LOOK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>
#include "otlp/frame.h"
#include "sink/history_read.h"

#define LOOK_SERIES 6	/* that a table shows, if nobody says how many */
#define LOOK_STEPS  240 /* at most */

/* What a series came to in a piece of time. */
struct look_step {
	struct history_span time;
	double seconds;	   /* of that, what the numbers stand for: counted.h */
	bool there;	   /* it was counted then, and that is kept */
	uint64_t count;	   /* of a histogram, 0: nothing happened; else: */
	double p50, p99;   /* seconds */
	struct hist *hist; /* itself, if l->heat asks for it */
	double value;	   /* of a sum what it grew by, of a gauge what it was */
};

struct look_series {
	const struct frame_series *s; /* borrowed, of the frame of all of the time */
	struct look_step *steps;
	size_t count; /* of steps; 0: they were not asked for */
};

struct look {
	const char *metric;
	const struct frame *frame; /* borrowed: differences over duration_s */
	double duration_s;
	const struct history_span
	    *kept;		    /* how far back one can look; NULL: it is now */
	uint64_t since_ns, step_ns; /* of the steps; wall clock */
	size_t meter; /* counted.h: what it is counted by; of all of it: */
	bool told;
	double seconds;
	bool heat;    /* the histograms of all steps are drawn, so they are kept */
	bool utf8;    /* of the locale: blocks may be drawn */
	size_t width; /* columns of the screen */
	struct look_series *list;
	size_t count;  /* of series that are shown */
	size_t others; /* that are not, as they have less */
};

/*
 * Chooses the series of a metric that had any event, or tell a value, of one workload
 * (NULL: of all, as pick_workloads() has it), those with most first, `most` of them.
 * l->metric, frame and duration_s are set; fills in what it is counted by. -ENOMEM;
 * -ENOENT: no such workload.
 */
int look_choose(struct look *l, const char *workload, size_t most);
/* Makes room for steps in each series. -ENOMEM. */
int look_make_steps(struct look *l, size_t steps);
/* Takes the next step out of a frame, for each series. -ENOMEM. */
int look_take(struct look *l, size_t step, const struct frame *f,
	      const struct history_span *time);
/*
 * What there is of a step: its own, or what a longer reading beside it says of then, as
 * readings do not begin when steps do. NULL: nothing is kept, or nothing was counted.
 */
const struct look_step *look_step_at(const struct look *l, const struct look_series *s,
				     size_t step);
void look_fini(struct look *l);

/*
 * "WORKLOAD  value, ..." as a terminal may see it; a culprit by its name in the frame.
 */
void look_label(const struct frame *f, const struct frame_series *s, char *out,
		size_t size);
/* A value of the metric's unit, for people; a rate if it is a sum's. */
const char *look_value(const struct frame_series *s, double value, double seconds,
		       char out[16]);

/* "key=value key=value", as a terminal may see it; and as an object, the caller's. */
void look_attributes(const struct frame_series *s, char *out, size_t size);
json_t *look_attributes_json(const struct frame_series *s);
/* Appends what is told of a series to a list, with how far back one can look. */
int look_append(const struct look *l, json_t *list, json_t *series);

/* Print it in a format of enum report_format. 0 or -errno (-ENOMEM, -ENOSPC, ...). */
int look_print_hist(const struct look *l, int format, FILE *f);
int look_print_trend(const struct look *l, int format, FILE *f);

/* One character for each value, the highest for the greatest; below: for zero. */
void look_spark(FILE *f, const double *values, const bool *there, size_t count,
		bool utf8);

#endif
