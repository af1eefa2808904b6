/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The columns of `assay report`: what can be said of a workload in one number or word.
 * One table (columns.c) is what the table, CSV, JSON, --sort and --filter go by.
 */
#ifndef COLUMNS_H
#define COLUMNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include "base/units.h"
#include "view/report_items.h"

enum column_unit {
	COLUMN_TEXT,
	COLUMN_SECONDS,
	COLUMN_AGE,	/* seconds, of what goes on */
	COLUMN_RATE,	/* events per second */
	COLUMN_THREADS, /* threads, or CPUs, on average */
	COLUMN_SHARE,	/* 1 is all */
	COLUMN_BYTES,
	COLUMN_BYTES_RATE,
};

enum column_place {
	COLUMN_FIRST,	 /* on the first screen */
	COLUMN_IF_THERE, /* there, too, when a workload has it */
	COLUMN_WIDE,	 /* with --wide */
};

/* The value of one column of one workload. */
struct cell {
	bool there, estimated;
	double number;	  /* in s, per s, bytes, a share, threads */
	const char *text; /* borrowed from the frame, or static; "": none */
};

struct column {
	const char *key;     /* in --sort, --filter, CSV and JSON */
	const char *heading; /* in the table */
	const char *over; /* a heading above it and its neighbours that have it, too */
	const char *help;
	enum column_unit unit;
	enum column_place place;
	bool spare;    /* left out where names have no room else */
	bool alarm;    /* red on a terminal when it is above 0 */
	size_t narrow; /* most of a text's columns without --wide; 0: what is left */
	void (*get)(const struct column *c, const struct block *b, double duration_s,
		    struct cell *out);
	/* what get looks at: a metric, one attribute's value, a percentile */
	const char *metric, *attr, *value;
	unsigned int percent;
};

extern const struct column columns[];
extern const size_t column_count;

/* The column with this key or heading, of either case (len characters), or NULL. */
const struct column *column_find(const char *text, size_t len);
/* All keys with commas between, as many as fit. */
void column_list(char *text, size_t len);
void column_get(const struct column *c, const struct block *b, double duration_s,
		struct cell *out);
/* As people read it, with its unit; "-": there is nothing. A text is the cell's own. */
const char *column_text(const struct column *c, const struct cell *cell,
			char out[UNITS_LEN]);
/*
 * Which of two comes first when sorted by this column, as qsort(3) wants it: large
 * numbers, texts by the alphabet; what is not there comes last.
 */
int column_compare(const struct column *c, const struct cell *a, const struct cell *b);

/* The getters, in columns_get.c. */
typedef void column_get_fn(const struct column *c, const struct block *b,
			   double duration_s, struct cell *out);
column_get_fn column_get_name, column_get_kind, column_get_attr, column_get_owner,
    column_get_latency, column_get_served, column_get_served_by, column_get_errors,
    column_get_worst, column_get_others, column_get_itself, column_get_wait,
    column_get_blocked, column_get_full, column_get_full_of, column_get_stuck,
    column_get_stuck_on, column_get_quantile, column_get_events, column_get_rate,
    column_get_level;

#endif
