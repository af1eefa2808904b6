/* SPDX-License-Identifier: Apache-2.0 */
/* The file of a history, for the one who writes it: history.c's thread. */
#ifndef HISTORY_WRITE_H
#define HISTORY_WRITE_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include "sink/history.h"

struct history_file {
	const char *path; /* borrowed */
	uint64_t size;
	const struct history_fact *facts; /* borrowed */
	size_t fact_count;
	sqlite3 *db; /* NULL: it is not open */
	int lock;    /* whoever has it writes; closed after db, see history_look() */
	struct stat opened;
	char note[320]; /* what was done about a damaged file; "": nothing */
};

/*
 * Opens it, or makes it; a damaged one of ours is set aside, with what can be read of
 * it in a new one. 0 or -errno with one line in cause.
 */
int history_file_open(struct history_file *f, char *cause, size_t len);
/* Adds a reading and makes room for it. As history_file_open(). */
int history_file_add(struct history_file *f, const struct history_reading *r,
		     char *cause, size_t len);
/* Bytes that it takes, and from when on something is kept. */
void history_file_measure(struct history_file *f, uint64_t *bytes, uint64_t *oldest_ns);
void history_file_close(struct history_file *f);

#endif
