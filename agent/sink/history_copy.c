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

/* What stands beside readings is left out where it cannot be read: nothing is lost. */
static int copy_minutes(sqlite3 *from, sqlite3 *to)
{
	struct history_minute m;
	sqlite3_stmt *st;
	int rc = history_prepare(from,
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
		if (!history_minute_is_ours(&m) || check_row(st))
			continue;
		rc = history_minute_insert(to, &m, sqlite3_column_blob(st, 1),
					   (size_t)sqlite3_column_bytes(st, 1),
					   (size_t)sqlite3_column_int64(st, 0));
	}
	history_done(st);
	return rc ? rc : history_minutes_fit(to);
}

/* Is it the file that is written which does not take it? */
static bool is_fatal(int rc)
{
	int err = history_errno(rc);

	return err && err != -EINVAL && err != -EIO;
}

/* All rows that can be read. Results of SQLite's: those of what is written. */
static int copy_rows(sqlite3 *from, sqlite3 *to, struct history_left *out)
{
	struct history_row *rows = NULL;
	size_t count = 0;
	bool all = false;
	int rc = history_rows(from, &rows, &count, &all);

	for (size_t i = 0; i < count && !is_fatal(rc); i++) {
		rc = copy_row(from, to, &rows[i]);
		out->kept += rc == SQLITE_OK;
		out->lost += rc != SQLITE_OK;
	}
	out->more_lost = !all;
	free(rows);
	return is_fatal(rc) ? rc : SQLITE_OK;
}

int history_copy(sqlite3 *from, sqlite3 *to, struct history_left *out)
{
	int rc = history_run(to, "BEGIN");

	*out = (struct history_left){ 0 };
	if (rc)
		return history_errno(rc);
	rc = copy_rows(from, to, out);
	if (!rc)
		rc = copy_minutes(from, to);
	if (!is_fatal(rc))
		rc = copy_facts(from, to);
	if (!is_fatal(rc))
		rc = history_run(to, "COMMIT");
	if (is_fatal(rc))
		history_run(to, "ROLLBACK");
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
	out->more_damaged = left.more_lost;
	return describe(to, out, cause, len);
}
