/* SPDX-License-Identifier: Apache-2.0 */
/* What the files history*.c have in common, and nobody else knows. */
#ifndef HISTORY_IMPL_H
#define HISTORY_IMPL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sink/history.h"

#define HISTORY_APPLICATION 0x61737361 /* "assa" */
#define HISTORY_VERSION	    2	       /* from 2 on what is kept may be zstd's */
#define HISTORY_FIRST \
	1 /* that can be read, and is made the newest when it is written */
#define HISTORY_TEXT_OF(x) #x
#define HISTORY_TEXT(x)	   HISTORY_TEXT_OF(x)
#define HISTORY_AGE_NS	   3600000000000ULL /* after that readings are merged */
#define HISTORY_STEP_NS	   60000000000ULL
#define HISTORY_RAW_MAX	   (64U << 20) /* bytes of a reading */

/* A row of the table `reading`. */
struct history_row {
	int64_t id; /* the order in which they came, whatever the clock said */
	uint64_t since_ns, until_ns;
	bool whole, merged;
};

/* 0 or -errno of a result of SQLite's. */
int history_errno(int rc);
/* Runs statements. 0 or a result of SQLite's. */
int history_run(sqlite3 *db, const char *sql);
/*
 * One statement, made ready at most once for each data base: what is written every 10 s
 * is parsed once. Its strings are the statement's until history_done(). Results of
 * SQLite's.
 */
int history_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out);
void history_done(sqlite3_stmt *st);
/* Runs one that says nothing. */
int history_do(sqlite3 *db, const char *sql);
/* Closes it, with the statements; NULL is fine. */
int history_end(sqlite3 *db);
/* The first number that a statement says; 0 when it says none. */
int history_number(sqlite3 *db, const char *sql, int64_t *out);

/*
 * What is at path: 0: a history; -ENOENT: nothing, or an empty file; -EINVAL: something
 * else, or of another version; cause says so in one line.
 */
int history_look(const char *path, char *cause, size_t len);
/* Makes a new file with the tables in it; path must not be there. */
int history_make(const char *path);

/* What a packer made, unpacked, to be freed: `size` bytes. -EINVAL: it is damaged. */
int history_unpack(const uint8_t *bytes, size_t len, size_t size, uint8_t **out);

/* All rows, by their order; to be freed. 0 or a result of SQLite's. */
int history_rows(sqlite3 *db, struct history_row **out, size_t *count);
/* The same of those up to a time that are not merged. */
int history_unmerged(sqlite3 *db, uint64_t until_ns, struct history_row **out,
		     size_t *count);
/* The bytes of a row, uncompressed, to be freed. -EINVAL: it is damaged. */
int history_load(sqlite3 *db, int64_t id, uint8_t **bytes, size_t *len);
/* Adds a row; id 0: at the end. Results of SQLite's. */
int history_insert(sqlite3 *db, const struct history_row *row, const uint8_t *packed,
		   size_t packed_len, size_t size);
int history_delete(sqlite3 *db, int64_t id);
/* Sets a fact. */
int history_set_fact(sqlite3 *db, const char *key, const char *value);

/*
 * Merges the oldest minute of readings that are older than HISTORY_AGE_NS when the
 * newest is of newest_ns, if there is one: what of it has no gap. lost: readings that
 * are damaged, and in it no more. Results of SQLite's.
 */
int history_merge(sqlite3 *db, uint64_t newest_ns, size_t *lost);
/*
 * Packs one batch of differences of several, in the order of time; to: NULL: they are
 * only looked at. -EINVAL, -EMSGSIZE: one of them is none; -ENOMEM.
 */
int history_merge_bytes(uint8_t *const *bytes, const size_t *len, size_t count,
			struct history_packer *to);

/* What a batch says of one workload; borrowed from its bytes. */
struct history_piece {
	const uint8_t *bytes; /* a batch of its own */
	size_t len;
	const uint8_t *resource;
	size_t resource_len;
	size_t number; /* in the order in which they were added */
};

struct history_pieces {
	struct history_piece *list;
	size_t count, room;
};

/* Adds the pieces of a batch. -EINVAL: it is none; -ENOMEM. */
int history_pieces_add(struct history_pieces *p, const uint8_t *bytes, size_t len);
void history_pieces_fini(struct history_pieces *p);

/* What a fact says; "": nothing. */
void history_get_fact(sqlite3 *db, const char *key, char *out, size_t len);
/* Opens it for reading, as history_reader_open(). Results of SQLite's. */
int history_open_ro(const char *path, sqlite3 **out);
/* Why that failed with rc, and what to do, as one line; db: NULL, or what it left. */
void history_tell_ro(const char *path, sqlite3 *db, int rc, char *cause, size_t len);
/* Copies all that can be read, and facts. Returns how many rows could not, or -errno.
 */
long history_copy(sqlite3 *from, sqlite3 *to);

#endif
