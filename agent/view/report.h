/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What `assay report` shows: numbers of a frame, as JSON (report_json.c, whose form is
 * in docs/report.schema.json) and as a table for a person in an incident
 * (report_table.c; its first screen is report_screen.c).
 */
#ifndef REPORT_H
#define REPORT_H

#include <stdbool.h>
#include <stdio.h>
#include "otlp/frame.h"

struct column;
struct filter;

/* What of it is shown, and how. Zeroed: all workloads, what hurts first, 80x24. */
struct report_choice {
	bool wide;	/* all columns, and names as long as they are */
	bool details;	/* below the table, what it says of each of the worst */
	bool color;	/* the terminal takes escape sequences */
	size_t columns; /* of the screen; 0: 80 */
	size_t lines;	/* the same; 0: 24 */
	size_t above;	/* lines that are on it already */
	size_t limit;	/* workloads; 0: of a table as many as fit, else all */
	const struct column *sort; /* NULL: what hurts */
	const struct filter *filters;
	size_t filter_count;
};

/* The machine that the numbers are of. */
struct report_host {
	char name[256];	  /* where exports do not say it */
	char kernel[128]; /* its release; "": not known */
	long cpus;	  /* online; 0: not known */
};

struct counted_shares;

struct report {
	const struct frame *frame; /* sums are what happened in duration_s */
	double duration_s;
	uint64_t since_ns, until_ns; /* looking back: wall clock; 0: it is now */
	uint64_t kept_since_ns, kept_until_ns; /* and how far one can */
	const struct counted_shares *counted;  /* of it, each probe; NULL: all */
	bool from_agent; /* else this command measured by itself */
	struct report_host host;
	struct report_choice choice;
};

/*
 * The percentile in s: the value that so many do not exceed; where exactly so many are
 * below it, the mean of that value and the next (the median of two is between them). A
 * value is the geometric middle of its bucket, 0 in the zero bucket. 0: no value.
 */
double report_quantile(const struct hist *h, unsigned int percent);
/* The same of so many in `of`: 999 of 1000. */
double report_quantile_of(const struct hist *h, unsigned int part, unsigned int of);
/* The upper bound of a bucket, which is the next one's lower bound, in s. */
double report_bound(int bucket);
/* Upper bound of the highest bucket that is not empty, in s. 0: no value. */
double report_max(const struct hist *h);

/* The histogram of a series, if it is of this metric and one at all; else NULL. */
const struct hist *report_hist(const struct frame_series *s, const char *name);
/* The value of a series; of a histogram 0. */
double report_value(const struct frame_series *s);
/* The same as a count, whatever a peer made of it: 0 to INT64_MAX. */
int64_t report_count(const struct frame_series *s);
/* Did anything happen: a count or a sum above 0; what is no difference never did. */
bool report_has_events(const struct frame_series *s);
/*
 * Is a class of system calls one whose calls do work? In others a call mostly waits for
 * somebody: that is no latency of the node.
 */
bool report_is_headline(const char *class);
/*
 * Is it the age of something that should have ended: not of a call that waits for
 * somebody, as an idle server's does?
 */
bool report_is_stuck(const struct frame_series *s);
/*
 * Is it, or a part of it, an estimate? Then its standard error as a share of its count
 * (or value); it may be off by twice that as well.
 */
bool report_is_estimated(const struct frame_series *s);
double report_relative_error(const struct frame_series *s);
/* Is a metric read from the files of a cgroup: CPU time, memory, quota, pressure? */
bool report_is_usage(const char *metric);
/* The index after the last series of the same resource as series `first`. */
size_t report_group_end(const struct frame *f, size_t first);
/* Is the resource a workload, and not the agent itself? */
bool report_is_workload(const struct frame_attrs *resource);
/* Is a number about the measuring itself: neither of a workload nor of the node? */
bool report_is_measuring(const struct frame_series *s);

/* What owns its pod, and the kind in *kind ("deployment"); NULL: nothing, as is known.
 */
const char *report_owner(const struct frame_attrs *resource, const char **kind);
/* The node's name as exports have it, or the other one. */
const char *report_node(const struct frame *f, const char *other);
/* This machine. */
void report_host_here(struct report_host *out);

/* Print the whole report. 0 or -errno (-ENOMEM, -ENOSPC, ...). */
int report_json(const struct report *r, FILE *f);
int report_csv(const struct report *r, FILE *f);
int report_table(const struct report *r, FILE *f);

#endif
