/* SPDX-License-Identifier: Apache-2.0 */
/* The workloads that a report has, in the order in which it has them. */
#ifndef REPORT_ROWS_H
#define REPORT_ROWS_H

#include "view/columns.h"
#include "view/report.h"

struct report_row {
	struct block block;
	struct cell key; /* of the column that they are sorted by */
};

struct report_rows {
	struct report_row *list;
	size_t count;
	size_t others; /* that do not pass the filters */
};

/* Ends with report_rows_fini(), also when it fails. -ENOMEM. */
int report_rows_get(const struct report *r, struct report_rows *out);
void report_rows_fini(struct report_rows *rows);

/* How many of them a table shows: --limit, or as many as its screen has lines for. */
size_t report_shown(const struct report *r, const struct report_rows *rows);
/* The first screen: a line for each workload, and what its signs mean. */
void report_screen(const struct report *r, const struct report_rows *rows, FILE *f);

#endif
