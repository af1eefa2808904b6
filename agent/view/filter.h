/* SPDX-License-Identifier: Apache-2.0 */
/* --filter: which workloads a report has, as "p99>10ms" or "name=shop/?eb". */
#ifndef FILTER_H
#define FILTER_H

#include "view/columns.h"

#define FILTER_CAUSE 768 /* room for all that may be said of a bad one */

enum filter_op {
	FILTER_IS,
	FILTER_IS_NOT,
	FILTER_BELOW,
	FILTER_UP_TO,
	FILTER_ABOVE,
	FILTER_FROM,
};

struct filter {
	const struct column *column;
	enum filter_op op;
	double number;	  /* in the column's unit, see struct cell */
	const char *glob; /* of a text; borrowed */
};

/*
 * Reads COLUMN=VALUE, with any of = != < <= > >= between; a number needs its unit where
 * there are several (10ms, 90%, 4MiB), a text is a pattern as of file names. The filter
 * borrows text. -EINVAL with one line in cause.
 */
int filter_parse(const char *text, struct filter *out, char *cause, size_t len);
/* Does a value pass? What is not there passes only != and a pattern for "". */
bool filter_passes(const struct filter *f, const struct cell *cell);

#endif
