/* SPDX-License-Identifier: Apache-2.0 */
/* What the files history*.c have in common, and nobody else knows. */
#ifndef HISTORY_IMPL_H
#define HISTORY_IMPL_H

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "otlp/wire.h"
#include "sink/history.h"

struct delta_sum;
struct history_span;

#define HISTORY_APPLICATION 0x61737361 /* "assa" */
#define HISTORY_VERSION	    2	       /* from 2 on what is kept may be zstd's */
#define HISTORY_FIRST \
	1 /* that can be read, and is made the newest when it is written */
#define HISTORY_TEXT_OF(x) #x
#define HISTORY_TEXT(x)	   HISTORY_TEXT_OF(x)
#define HISTORY_AGE_NS	   3600000000000ULL /* after that readings are merged */
#define HISTORY_STEP_NS	   60000000000ULL
#define HISTORY_RAW_MAX	   (64U << 20) /* bytes of a reading */
#define HISTORY_READINGS   64	       /* of one minute; more stay for the next time */

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

/* Is it of a packer of version 1? */
bool history_is_zlibs(const uint8_t *bytes, size_t len);
/* What a packer made, unpacked, to be freed: `size` bytes. -EINVAL: it is damaged. */
int history_unpack(const uint8_t *bytes, size_t len, size_t size, uint8_t **out);

/*
 * All rows, by their order; to be freed. all: false: the file is so damaged that there
 * may be more. 0 or a result of SQLite's.
 */
int history_rows(sqlite3 *db, struct history_row **out, size_t *count, bool *all);
/* How much of a row lies in a span, ns. */
uint64_t history_overlap(const struct history_row *row, const struct history_span *s);
/* As history_rows() of those up to a time that are not merged. */
int history_unmerged(sqlite3 *db, uint64_t until_ns, struct history_row **out,
		     size_t *count);
/* The same of those that are not merged and behind id, HISTORY_READINGS of them at
 * most. */
int history_unmerged_after(sqlite3 *db, int64_t id, struct history_row **out,
			   size_t *count);
/*
 * The bytes that a statement of size and data of an id gives, uncompressed, to be
 * freed. -EINVAL: they are damaged; -ENOENT.
 */
int history_load_by(sqlite3 *db, const char *sql, int64_t id, uint8_t **bytes,
		    size_t *len);
/* Those of a row. */
int history_load(sqlite3 *db, int64_t id, uint8_t **bytes, size_t *len);
/* Adds a row; id 0: at the end. Results of SQLite's. */
int history_insert(sqlite3 *db, const struct history_row *row, const uint8_t *packed,
		   size_t packed_len, size_t size);
int history_delete(sqlite3 *db, int64_t id);
/* Sets a fact. */
int history_set_fact(sqlite3 *db, const char *key, const char *value);

/* Readings that are added up beside them: `count` of them, from first to id. */
struct history_minute {
	int64_t id, first;
	size_t count;
};

#define HISTORY_MINUTES                                             \
	"CREATE TABLE IF NOT EXISTS minute(id INTEGER PRIMARY KEY," \
	" first INTEGER NOT NULL, count INTEGER NOT NULL,"          \
	" size INTEGER NOT NULL, data BLOB NOT NULL);"

/*
 * Makes the table of them, if it is not there, and drops what does not fit. Results of
 * SQLite's, as below.
 */
int history_minutes_make(sqlite3 *db);
/*
 * Drops those whose readings are not all there: numbers of readings that are gone may
 * come again, and would be taken for these.
 */
int history_minutes_fit(sqlite3 *db);
/* No agent's has more: so a file that somebody made up does not take for ever. */
bool history_minute_is_ours(const struct history_minute *m);
/*
 * Of each of all rows, by their order, the last one of what is added up from there on;
 * itself, if nothing is. To be freed.
 */
int history_minute_ends(sqlite3 *db, const struct history_row *rows, size_t count,
			size_t **out);
/* As history_load(). */
int history_minute_load(sqlite3 *db, int64_t id, uint8_t **bytes, size_t *len);
/* packed NULL: these are not to be looked at again. */
int history_minute_insert(sqlite3 *db, const struct history_minute *m,
			  const uint8_t *packed, size_t packed_len, size_t size);
/*
 * What stands for the first `taken` of these rows, if anything does; else out->bytes is
 * NULL. To be freed.
 */
int history_minute_of(sqlite3 *db, const struct history_row *rows, size_t n,
		      struct history_reading *out, size_t *taken);
/* Forgets those with readings up to id: these are no more. */
int history_minutes_forget(sqlite3 *db, int64_t id);

/*
 * Before a reading is added that ends at newest_ns: merges the oldest minute of
 * readings that will be older than HISTORY_AGE_NS then, if there is one, and adds up
 * the oldest minute that is over and was not yet; what of them has no gap. lost:
 * readings that are damaged, and in it no more. Results of SQLite's.
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

/* The piece at the beginning of a batch; its number is 0. -EINVAL: there is none. */
int history_piece_read(const uint8_t *bytes, size_t len, struct history_piece *out);
/* Adds one, whose bytes are borrowed. -ENOMEM. */
int history_pieces_put(struct history_pieces *p, const struct history_piece *piece);
/* Adds the pieces of a batch. -EINVAL: it is none; -ENOMEM. */
int history_pieces_add(struct history_pieces *p, const uint8_t *bytes, size_t len);
void history_pieces_fini(struct history_pieces *p);

/* For history_merge_workload(): delta_sum_free(). NULL: no memory. */
struct delta_sum *history_merge_new(void);
/* What all pieces of one workload come to, in the order of time, in out. */
int history_merge_workload(struct delta_sum *sum, const struct history_piece *list,
			   size_t count, struct wire *out);
/* The same of all workloads in p, which sorts it; to: as history_merge_bytes(). */
int history_merge_pieces(struct delta_sum *sum, struct history_pieces *p,
			 struct wire *out, struct history_packer *to);

/* A reading as it is kept: in a row, or as bytes. */
struct history_source {
	sqlite3 *db;
	int64_t id;
	const uint8_t *bytes; /* NULL: those of the row */
	size_t len;	      /* of bytes */
	size_t size;	      /* unpacked */
};

/* One that is unpacked a piece at a time: so there is little of it in memory. */
struct history_stream {
	struct ZSTD_DCtx_s *ctx;
	sqlite3_blob *blob; /* NULL: all is in `in` */
	uint8_t *chunk;	    /* of the blob, */
	size_t read, len;   /* of which so much was read, of so much */
	const uint8_t *in;
	size_t in_at, in_len;
	uint8_t *bytes;	      /* unpacked ones, */
	size_t room, at, end; /* of which these are yet to be looked at */
	size_t left;	      /* of those to be unpacked */
	bool ended;
};

/* -EINVAL: there is none, or an older version made it (history_load()); -ENOMEM. Close
 * it in any case. */
int history_stream_open(struct history_stream *s, const struct history_source *from);
/* 1: a piece, which holds until the next one; 0: the end; -EINVAL: damaged; -ENOMEM. */
int history_stream_next(struct history_stream *s, struct history_piece *out);
void history_stream_close(struct history_stream *s);

#define HISTORY_LANES 6 /* as many as a minute has readings */
/*
 * As history_merge_bytes(), of HISTORY_LANES readings at most, of which little is
 * unpacked at a time. It needs that they have their workloads in one order, as those of
 * one agent have: -EAGAIN, -EINVAL if not; `to` has anything, then.
 */
int history_merge_lanes(const struct history_source *list, size_t count, size_t leader,
			struct history_packer *to);

/* What a fact says; "": nothing. Results of SQLite's. */
int history_get_fact(sqlite3 *db, const char *key, char *out, size_t len);
/* Has SQLite read what there is of a file whose end is missing. */
int history_read_anyhow(sqlite3 *db);
/* Opens it for reading, as history_reader_open(). Results of SQLite's. */
int history_open_ro(const char *path, sqlite3 **out);
/* Why that failed with rc, and what to do, as one line; db: NULL, or what it left. */
void history_tell_ro(const char *path, sqlite3 *db, int rc, char *cause, size_t len);
/* What became of a file's readings. */
struct history_left {
	size_t kept, lost;
	size_t in_minutes; /* of the kept ones: with the others of their minute only */
	bool more_lost;	   /* nobody knows how many */
	bool facts_lost;
};

/* Copies all that can be read, and facts. 0 or -errno. */
int history_copy(sqlite3 *from, sqlite3 *to, struct history_left *out);

#endif
