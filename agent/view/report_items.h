/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the table of `assay report` shows of a workload, sorted into golden signals; and
 * how far up the workload belongs. What a new metric shows as follows from its name and
 * kind, so that it needs a row in report_items.c only to get a better label or place.
 */
#ifndef REPORT_ITEMS_H
#define REPORT_ITEMS_H

#include <stdbool.h>
#include <stdio.h>
#include "otlp/frame.h"

/* In the order in which they are shown. */
enum report_signal {
	SHOW_INFLIGHT,
	SHOW_INFLIGHT_WAITS,
	SHOW_LATENCY,
	SHOW_WAITS,
	SHOW_TRAFFIC,
	SHOW_ERRORS,
	SHOW_SATURATION,
	SHOW_SIGNALS,
};

/* A line or an item of one workload. */
struct item {
	const struct frame_series *s;
	enum report_signal signal;
	bool composed; /* several make a line: report_lines.c */
	size_t order;
	double counted; /* the share of the time in which its probe counted */
	char label[64];
};

struct counted_shares;

struct block {
	const struct frame *frame;
	const struct frame_attrs *resource;
	size_t first, end;  /* its series */
	struct item *items; /* to be freed */
	size_t count;
	double score; /* what hurts most has the highest */
};

const char *report_signal_name(enum report_signal signal);
/* How often it happened: of a histogram its count. */
uint64_t report_item_count(const struct item *item);
/*
 * Sorts the series of one workload into a block. No item: nothing happened there.
 * counted: for how much of the time probes counted; NULL: all of it.
 */
int report_block(struct block *b, const struct frame *f, size_t first, size_t end,
		 const struct counted_shares *counted);
/* What an item's rates are of: the part of duration_s in which its probe counted. */
double report_item_time(const struct item *item, double duration_s);

/* Begins a line: with the signal's name the first time, indented from then on. */
void report_line(FILE *f, const char **head);
/* Prints text behind sep, in the next line when it does not fit into this one. */
void report_put(FILE *f, size_t *column, const char *sep, const char *text);
/*
 * The lines that put several metrics of a workload's saturation together: behind whom
 * it waited, CPU quota, memory, pressure. head: see report_line.
 */
void report_lines(FILE *f, const struct block *b, double duration_s, const char **head);

#define REPORT_WIDTH  96 /* fits a terminal of 100 columns */
#define REPORT_INDENT 13

#endif
