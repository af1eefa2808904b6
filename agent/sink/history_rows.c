// SPDX-License-Identifier: Apache-2.0
/*
 * Which readings there are. In a file that is damaged that is what the table and its
 * index say from either end, until they cannot be read on, and what is found by its
 * number in between.
 */
#include <stdlib.h>
#include <string.h>
#include "sink/history_impl.h"
#include "sink/history_read.h"

#define COLUMNS	 "SELECT id, since, until, merged, whole FROM reading "
#define LOOK_UPS (1LL << 18) /* no file of ours has so many numbers in it */

struct found {
	struct history_row *list;
	size_t count, room;
};

static int take_row(struct found *f, sqlite3_stmt *st)
{
	size_t room = f->room ? 2 * f->room : 64;
	struct history_row *p;

	if (f->count == f->room) {
		p = reallocarray(f->list, room, sizeof(*p));
		if (!p)
			return SQLITE_NOMEM;
		f->list = p;
		f->room = room;
	}
	f->list[f->count++] = (struct history_row){
		.id = sqlite3_column_int64(st, 0),
		.since_ns = (uint64_t)sqlite3_column_int64(st, 1),
		.until_ns = (uint64_t)sqlite3_column_int64(st, 2),
		.merged = sqlite3_column_int(st, 3),
		.whole = sqlite3_column_int(st, 4),
	};
	return SQLITE_OK;
}

/* As far as it can be read; given: what the statement may ask for. */
static int take_rows(sqlite3 *db, const char *sql, int64_t given, struct found *f)
{
	sqlite3_stmt *st;
	int rc = history_prepare(db, sql, &st);

	if (rc)
		return rc;
	if (sqlite3_bind_parameter_count(st))
		sqlite3_bind_int64(st, 1, given);
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		rc = take_row(f, st);
		if (rc)
			break;
	}
	history_done(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int by_id(const void *a, const void *b)
{
	const struct history_row *x = a, *y = b;

	return (x->id > y->id) - (x->id < y->id);
}

static void sort(struct found *f)
{
	size_t n = 0;

	if (f->count)
		qsort(f->list, f->count, sizeof(*f->list), by_id);
	for (size_t i = 0; i < f->count; i++)
		if (!n || f->list[i].id != f->list[n - 1].id)
			f->list[n++] = f->list[i];
	f->count = n;
}

/* By numbers that no listing has come to: each is a way of its own through the table.
 */
static int look_up(sqlite3 *db, struct found *f)
{
	size_t known = f->count;
	int64_t left = LOOK_UPS;
	int rc = SQLITE_OK;

	for (size_t i = 1; i < known; i++)
		for (int64_t id = f->list[i - 1].id + 1;
		     id < f->list[i].id && left > 0 && rc != SQLITE_NOMEM; id++, left--)
			rc = take_rows(db, COLUMNS "NOT INDEXED WHERE id = ?", id, f);
	return rc == SQLITE_NOMEM ? rc : SQLITE_OK;
}

/* What one of the first two has to its end is all there is: the same is in two places.
 * Else there is what is behind the damage. */
static const char *const ways[] = {
	COLUMNS "INDEXED BY reading_times",
	COLUMNS "NOT INDEXED",
	COLUMNS "INDEXED BY reading_times ORDER BY until DESC",
	COLUMNS "NOT INDEXED ORDER BY id DESC",
};

static int take_what_is_left(sqlite3 *db, struct found *f, bool *all)
{
	int rc = SQLITE_CORRUPT;

	*all = false;
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		rc = take_rows(db, ways[i], 0, f);
		*all = !rc;
		if ((rc & 0xff) != SQLITE_CORRUPT)
			return rc;
	}
	sort(f);
	return look_up(db, f);
}

static int give(struct found *f, int rc, struct history_row **out, size_t *count)
{
	if (rc) {
		free(f->list);
		return rc;
	}
	sort(f);
	*out = f->list;
	*count = f->count;
	return SQLITE_OK;
}

int history_rows(sqlite3 *db, struct history_row **out, size_t *count, bool *all)
{
	struct found f = { 0 };
	int rc = take_what_is_left(db, &f, all);

	return give(&f, rc, out, count);
}

int history_unmerged(sqlite3 *db, uint64_t until_ns, struct history_row **out,
		     size_t *count)
{
	struct found f = { 0 };
	int rc = take_rows(db,
			   COLUMNS "INDEXED BY reading_times WHERE until <= ? AND "
				   "NOT merged",
			   (int64_t)until_ns, &f);

	return give(&f, rc, out, count);
}

int history_unmerged_after(sqlite3 *db, int64_t id, struct history_row **out,
			   size_t *count)
{
	struct found f = { 0 };
	int rc = take_rows(db,
			   COLUMNS "WHERE id > ? AND NOT merged ORDER BY id "
				   "LIMIT " HISTORY_TEXT(HISTORY_READINGS),
			   id, &f);

	return give(&f, rc, out, count);
}

uint64_t history_overlap(const struct history_row *row, const struct history_span *s)
{
	uint64_t from = row->since_ns > s->since_ns ? row->since_ns : s->since_ns;
	uint64_t to = row->until_ns < s->until_ns ? row->until_ns : s->until_ns;

	return to > from ? to - from : 0;
}
