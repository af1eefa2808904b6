/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of texts, as a table, CSV or JSON: what `assay list` prints. */
#ifndef LISTING_H
#define LISTING_H

#include <jansson.h>
#include <stddef.h>
#include <stdio.h>

/* Zeroed but for the keys it is an empty list. */
struct listing {
	const char *const
	    *keys; /* of the columns: headings, CSV's first line, members */
	size_t columns;
	unsigned int numbers; /* a bit for each column whose texts are numbers */
	const char **cells;   /* one row after the other; the texts are borrowed */
	size_t rows, room;
};

/* Adds a row of l->columns texts, NULL being none. -ENOMEM. */
int listing_add(struct listing *l, const char *const *cells);
/* Prints it in a format of enum report_format. 0 or -errno (-ENOMEM, -ENOSPC, ...). */
int listing_print(const struct listing *l, int format, FILE *f);
void listing_fini(struct listing *l);

/*
 * Prints a field of CSV, quoted where it has to be (RFC 4180), without what ends it.
 * Control characters are written out, so a field is of one line.
 */
void csv_field(FILE *f, const char *text);
/*
 * Prints JSON as all commands do: indented, and in ASCII, so that no name tells a
 * terminal what to do. digits: of a number that is no integer; 0: all. Not 0: it
 * failed.
 */
int json_put(const json_t *json, int digits, FILE *f);

#endif
