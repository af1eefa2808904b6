// SPDX-License-Identifier: Apache-2.0
/*
 * Minutes that are added up as soon as they are over, and stand beside their readings
 * as long as these are there: who looks at an hour reads one row of each instead of
 * six, and an hour later it takes the place of its readings. Nothing is in here alone:
 * without it, or when it does not fit its readings, these are what is read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sink/history_impl.h"

/* A file of before has none yet. */
int history_minutes_make(sqlite3 *db)
{
	int rc = history_run(db, HISTORY_MINUTES);

	return rc ? rc : history_minutes_fit(db);
}

int history_minutes_fit(sqlite3 *db)
{
	return history_run(db, "DELETE FROM minute WHERE count != "
			       "(SELECT count(*) FROM reading WHERE NOT merged AND "
			       "id BETWEEN minute.first AND minute.id)");
}

bool history_minute_is_ours(const struct history_minute *m)
{
	return m->count <= HISTORY_READINGS &&
	       (uint64_t)m->id - (uint64_t)m->first < HISTORY_READINGS;
}

static int by_id(const void *key, const void *row)
{
	int64_t a = *(const int64_t *)key, b = ((const struct history_row *)row)->id;

	return (a > b) - (a < b);
}

/* Only if just these readings are there: an agent of before may have merged some. */
static void note_end(const struct history_row *rows, size_t count,
		     const struct history_minute *m, size_t *ends)
{
	const struct history_row *first =
	    count ? bsearch(&m->first, rows, count, sizeof(*rows), by_id) : NULL;
	size_t at = first ? (size_t)(first - rows) : 0;

	if (!first || !m->count || !history_minute_is_ours(m) ||
	    m->count > count - at || rows[at + m->count - 1].id != m->id)
		return;
	for (size_t i = at; i < at + m->count; i++)
		if (rows[i].merged)
			return;
	ends[at] = at + m->count - 1;
}

int history_minute_ends(sqlite3 *db, const struct history_row *rows, size_t count,
			size_t **out)
{
	size_t *ends = malloc((count + 1) * sizeof(*ends));
	sqlite3_stmt *st;
	int rc;

	if (!ends)
		return SQLITE_NOMEM;
	for (size_t i = 0; i < count; i++)
		ends[i] = i;
	*out = ends;
	/* a file of before has no such table */
	if (history_prepare(db, "SELECT id, first, count FROM minute WHERE size > 0",
			    &st))
		return SQLITE_OK;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		struct history_minute m = {
			.id = sqlite3_column_int64(st, 0),
			.first = sqlite3_column_int64(st, 1),
			.count = (size_t)sqlite3_column_int64(st, 2),
		};

		note_end(rows, count, &m, ends);
	}
	history_done(st);
	return rc == SQLITE_NOMEM ? rc : SQLITE_OK;
}

int history_minute_load(sqlite3 *db, int64_t id, uint8_t **bytes, size_t *len)
{
	return history_load_by(db, "SELECT size, data FROM minute WHERE id = ?", id,
			       bytes, len);
}

int history_minute_insert(sqlite3 *db, const struct history_minute *m,
			  const uint8_t *packed, size_t packed_len, size_t size)
{
	static const uint8_t nothing[1];
	sqlite3_stmt *st;
	int rc =
	    history_prepare(db, "INSERT OR REPLACE INTO minute VALUES(?,?,?,?,?)", &st);

	if (rc)
		return rc;
	sqlite3_bind_int64(st, 1, m->id);
	sqlite3_bind_int64(st, 2, m->first);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)m->count);
	sqlite3_bind_int64(st, 4, (sqlite3_int64)size);
	sqlite3_bind_blob64(st, 5, packed ? packed : nothing, packed_len,
			    SQLITE_STATIC);
	rc = sqlite3_step(st);
	history_done(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Copies a blob out of a statement. */
static int take(sqlite3_stmt *st, struct history_reading *out)
{
	const void *packed = sqlite3_column_blob(st, 4);
	int64_t size = sqlite3_column_int64(st, 3);

	if (!packed || size <= 0)
		return SQLITE_OK;
	out->len = (size_t)sqlite3_column_bytes(st, 4);
	out->size = (size_t)size;
	out->bytes = malloc(out->len);
	if (!out->bytes)
		return SQLITE_NOMEM;
	memcpy(out->bytes, packed, out->len);
	return SQLITE_OK;
}

int history_minute_of(sqlite3 *db, const struct history_row *rows, size_t n,
		      struct history_reading *out, size_t *taken)
{
	sqlite3_stmt *st;
	int rc = history_prepare(db,
				 "SELECT id, first, count, size, data FROM minute "
				 "WHERE id BETWEEN ? AND ? ORDER BY id LIMIT 1",
				 &st);

	*out = (struct history_reading){ 0 };
	if (rc)
		return rc;
	sqlite3_bind_int64(st, 1, rows[0].id);
	sqlite3_bind_int64(st, 2, rows[n - 1].id);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		size_t count = (size_t)sqlite3_column_int64(st, 2);

		rc = SQLITE_OK;
		*taken = count;
		if (count && count <= n && rows[0].id == sqlite3_column_int64(st, 1) &&
		    rows[count - 1].id == sqlite3_column_int64(st, 0))
			rc = take(st, out);
	}
	history_done(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int history_minutes_forget(sqlite3 *db, int64_t id)
{
	int64_t first;
	int rc;

	for (;;) { /* they are in the order of their readings */
		rc = history_number(db, "SELECT first FROM minute ORDER BY id LIMIT 1",
				    &first);
		if (rc || !first || first > id)
			return rc;
		rc = history_do(
		    db, "DELETE FROM minute WHERE id = (SELECT min(id) FROM minute)");
		if (rc)
			return rc;
	}
}
