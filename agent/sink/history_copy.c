// SPDX-License-Identifier: Apache-2.0
/*
 * One history into another, row by row: what is damaged stays behind, and nothing else.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "base/units.h"
#include "sink/history_impl.h"
#include "sink/history_read.h"

/* Can it be read? Its checksum tells. */
static int check_row(sqlite3_stmt *st)
{
	int64_t size = sqlite3_column_int64(st, 0);
	const void *packed = sqlite3_column_blob(st, 1);
	uint8_t *bytes;
	int err;

	if (!packed)
		return SQLITE_CORRUPT;
	err = history_unpack(packed, (size_t)sqlite3_column_bytes(st, 1),
			     size < 0 ? SIZE_MAX : (size_t)size, &bytes);
	if (!err)
		free(bytes);
	return !err ? SQLITE_OK : err == -ENOMEM ? SQLITE_NOMEM : SQLITE_CORRUPT;
}

/* As it is, compressed, if it can be read. */
static int copy_row(sqlite3 *from, sqlite3 *to, const struct history_row *row)
{
	sqlite3_stmt *st;
	int rc =
	    history_prepare(from, "SELECT size, data FROM reading WHERE id = ?", &st);

	if (rc)
		return rc;
	sqlite3_bind_int64(st, 1, row->id);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		rc = check_row(st);
		if (!rc)
			rc = history_insert(to, row, sqlite3_column_blob(st, 1),
					    (size_t)sqlite3_column_bytes(st, 1),
					    (size_t)sqlite3_column_int64(st, 0));
	} else if (rc == SQLITE_DONE) {
		rc = SQLITE_CORRUPT; /* its index says that it was there */
	}
	history_done(st);
	return rc;
}

static int copy_facts(sqlite3 *from, sqlite3 *to)
{
	sqlite3_stmt *st;
	int rc = history_prepare(from, "SELECT key, value FROM fact", &st);

	if (rc)
		return rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		rc = history_set_fact(to, (const char *)sqlite3_column_text(st, 0),
				      (const char *)sqlite3_column_text(st, 1));
		if (rc)
			break;
	}
	history_done(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Is it the file that is written which does not take it? */
static bool is_fatal(int rc)
{
	int err = history_errno(rc);

	return err && err != -EINVAL && err != -EIO;
}

struct copying {
	sqlite3 *from, *to;
	struct history_row *rows;
	size_t count;
	bool *lost; /* of each row */
	struct history_left *left;
};

/* All rows that can be read. Results of SQLite's: those of what is written. */
static int copy_rows(struct copying *c)
{
	bool all = false;
	int rc = history_rows(c->from, &c->rows, &c->count, &all);

	c->left->more_lost = !all;
	c->lost = calloc(c->count + 1, sizeof(*c->lost));
	if (!c->lost)
		return SQLITE_NOMEM;
	for (size_t i = 0; i < c->count && !is_fatal(rc); i++) {
		rc = copy_row(c->from, c->to, &c->rows[i]);
		c->lost[i] = rc != SQLITE_OK;
		c->left->kept += !c->lost[i];
		c->left->lost += c->lost[i];
	}
	return is_fatal(rc) ? rc : SQLITE_OK;
}

/* The rows of a minute, if it is known of each when it was; else 0. */
static size_t find_rows(const struct copying *c, const struct history_minute *m,
			size_t *first)
{
	size_t at = 0;

	while (at < c->count && c->rows[at].id < m->first)
		at++;
	*first = at;
	if (!m->count || m->count > c->count - at || c->rows[at].id != m->first ||
	    c->rows[at + m->count - 1].id != m->id)
		return 0;
	for (size_t i = at; i < at + m->count; i++)
		if (c->rows[i].merged)
			return 0;
	return m->count;
}

/*
 * What was added up of readings that are damaged has all of them: it takes their place,
 * as it would have an hour later.
 */
static int put_in_place(struct copying *c, size_t first, size_t n, sqlite3_stmt *st)
{
	struct history_row row = c->rows[first + n - 1];
	size_t lost = 0;
	int rc = SQLITE_OK;

	row.merged = true;
	row.since_ns = c->rows[first].since_ns;
	for (size_t i = first; i < first + n && !rc; i++) {
		row.whole |= c->rows[i].whole;
		lost += c->lost[i];
		rc = history_delete(c->to, c->rows[i].id);
	}
	if (!rc)
		rc = history_insert(c->to, &row, sqlite3_column_blob(st, 1),
				    (size_t)sqlite3_column_bytes(st, 1),
				    (size_t)sqlite3_column_int64(st, 0));
	c->left->kept += lost;
	c->left->lost -= lost;
	c->left->in_minutes += lost;
	return rc;
}

static int copy_minute(struct copying *c, const struct history_minute *m,
		       sqlite3_stmt *st)
{
	size_t first, n = find_rows(c, m, &first);

	for (size_t i = first; i < first + n; i++)
		if (c->lost[i])
			return put_in_place(c, first, n, st);
	return history_minute_insert(c->to, m, sqlite3_column_blob(st, 1),
				     (size_t)sqlite3_column_bytes(st, 1),
				     (size_t)sqlite3_column_int64(st, 0));
}

/* What stands beside readings is left out where it cannot be read: nothing is lost. */
static int copy_minutes(struct copying *c)
{
	struct history_minute m;
	sqlite3_stmt *st;
	int rc = history_prepare(c->from,
				 "SELECT size, data, id, first, count FROM minute "
				 "WHERE size > 0 ORDER BY id",
				 &st);

	if (rc)
		return SQLITE_OK; /* a file of before */
	rc = SQLITE_OK;
	while (!rc && sqlite3_step(st) == SQLITE_ROW) {
		m = (struct history_minute){
			.id = sqlite3_column_int64(st, 2),
			.first = sqlite3_column_int64(st, 3),
			.count = (size_t)sqlite3_column_int64(st, 4),
		};
		if (history_minute_is_ours(&m) && !check_row(st))
			rc = copy_minute(c, &m, st);
	}
	history_done(st);
	return rc ? rc : history_minutes_fit(c->to);
}

int history_copy(sqlite3 *from, sqlite3 *to, struct history_left *out)
{
	struct copying c = { .from = from, .to = to, .left = out };
	int rc = history_run(to, "BEGIN");

	*out = (struct history_left){ 0 };
	if (rc)
		return history_errno(rc);
	rc = copy_rows(&c);
	if (!rc)
		rc = copy_minutes(&c);
	if (!is_fatal(rc))
		rc = copy_facts(from, to);
	out->facts_lost = rc != SQLITE_OK;
	if (!is_fatal(rc))
		rc = history_run(to, "COMMIT");
	if (is_fatal(rc))
		history_run(to, "ROLLBACK");
	free(c.rows);
	free(c.lost);
	return is_fatal(rc) ? history_errno(rc) : 0;
}

static int set_time(sqlite3 *db, uint64_t now_ns)
{
	char text[UNITS_TIME_LEN];

	return history_set_fact(db, "snapshot.time", units_time(text, now_ns));
}

/* Into a new file under another name, which is whole when it gets its own. */
static int copy_into(sqlite3 *from, const char *name, uint64_t now_ns,
		     struct history_left *left)
{
	sqlite3 *to = NULL;
	int err = history_make(name);

	if (err)
		return err;
	if (sqlite3_open_v2(name, &to, SQLITE_OPEN_READWRITE, NULL))
		err = -EIO;
	if (!err)
		err = history_copy(from, to, left);
	if (!err)
		err = history_errno(set_time(to, now_ns));
	if (history_end(to) && !err)
		err = -EIO;
	return err;
}

static int describe(const char *path, struct history_copied *out, char *cause,
		    size_t len)
{
	struct history_reader *r;
	sqlite3 *db = NULL;
	int err = history_reader_open(path, &r, cause, len);

	if (err)
		return err;
	history_reader_range(r, &out->range);
	out->readings = history_reader_count(r);
	history_reader_close(r);
	if (!history_open_ro(path, &db))
		history_get_fact(db, "host.name", out->host, sizeof(out->host));
	history_end(db);
	return 0;
}

int history_save(const char *path, const char *to, uint64_t now_ns,
		 struct history_copied *out, char *cause, size_t len)
{
	char name[PATH_MAX];
	struct history_left left = { 0 };
	sqlite3 *from = NULL;
	int err = history_look(path, cause, len), rc;

	*out = (struct history_copied){ 0 };
	if (err == -ENOENT)
		snprintf(cause, len, "%.200s: no agent has kept anything there", path);
	if (err)
		return err;
	if (!access(to, F_OK)) {
		snprintf(cause, len, "%.200s: it is there already", to);
		return -EEXIST;
	}
	rc = history_open_ro(path, &from);
	if (!rc) /* all as it is now, whatever an agent merges meanwhile */
		rc = history_do(from, "BEGIN");
	if (rc) {
		history_tell_ro(path, from, rc, cause, len);
		history_end(from);
		return history_errno(rc);
	}
	snprintf(name, sizeof(name), "%.4000s.part", to);
	err = copy_into(from, name, now_ns, &left);
	if (!err && rename(name, to))
		err = -errno;
	history_end(from);
	if (err) {
		unlink(name);
		snprintf(cause, len, "%.200s: it cannot be made: %s", to,
			 strerror(-err));
		return err;
	}
	out->damaged = left.lost;
	out->facts_damaged = left.facts_lost;
	out->more_damaged = left.more_lost;
	out->in_minutes = left.in_minutes;
	return describe(to, out, cause, len);
}
