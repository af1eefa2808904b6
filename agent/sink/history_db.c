// SPDX-License-Identifier: Apache-2.0
/* The file of a history: what it is, and its rows one by one. */
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "sink/history_impl.h"

#define MAGIC	       "SQLite format 3"
#define VERSION_AT     60 /* https://sqlite.org/fileformat2.html */
#define APPLICATION_AT 68
#define HEADER	       100

int history_errno(int rc)
{
	switch (rc & 0xff) {
	case SQLITE_OK:
	case SQLITE_DONE:
	case SQLITE_ROW:
		return 0;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		return -EINVAL;
	default:
		return -EIO;
	}
}

int history_run(sqlite3 *db, const char *sql)
{
	return sqlite3_exec(db, sql, NULL, NULL, NULL);
}

int history_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **out)
{
	sqlite3_stmt *st = sqlite3_next_stmt(db, NULL);

	/* that of an open blob has no text */
	while (st && (sqlite3_stmt_busy(st) || !sqlite3_sql(st) ||
		      strcmp(sqlite3_sql(st), sql) != 0))
		st = sqlite3_next_stmt(db, st);
	*out = st;
	if (st)
		return SQLITE_OK;
	return sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, out, NULL);
}

void history_done(sqlite3_stmt *st)
{
	sqlite3_reset(st);
	sqlite3_clear_bindings(st);
}

int history_end(sqlite3 *db)
{
	sqlite3_stmt *st;

	while (db && (st = sqlite3_next_stmt(db, NULL)))
		sqlite3_finalize(st);
	return sqlite3_close(db);
}

int history_do(sqlite3 *db, const char *sql)
{
	int64_t none;

	return history_number(db, sql, &none);
}

int history_number(sqlite3 *db, const char *sql, int64_t *out)
{
	sqlite3_stmt *st;
	int rc = history_prepare(db, sql, &st);

	*out = 0;
	if (rc)
		return rc;
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(st, 0);
	history_done(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static uint32_t number_at(const unsigned char *header, size_t at)
{
	uint32_t n;

	memcpy(&n, header + at, sizeof(n));
	return be32toh(n);
}

/* Only before SQLite has it open: closing a file gives up all its locks. */
int history_look(const char *path, char *cause, size_t len)
{
	unsigned char header[HEADER];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	uint32_t version;
	struct stat st;
	ssize_t n = 0;

	if (fd < 0 || fstat(fd, &st)) {
		int err = -errno;

		snprintf(cause, len, "%.200s: %s", path, strerror(-err));
		if (fd >= 0)
			close(fd);
		return err;
	}
	if (S_ISREG(st.st_mode))
		n = pread(fd, header, sizeof(header), 0);
	close(fd);
	if (S_ISREG(st.st_mode) && !st.st_size) {
		snprintf(cause, len, "%.200s: it is empty", path);
		return -ENOENT;
	}
	if (n != HEADER || memcmp(header, MAGIC, sizeof(MAGIC)) ||
	    number_at(header, APPLICATION_AT) != HISTORY_APPLICATION) {
		snprintf(cause, len, "%.200s: it is no history of assay's", path);
		return -EINVAL;
	}
	version = number_at(header, VERSION_AT);
	if (version >= HISTORY_FIRST && version <= HISTORY_VERSION)
		return 0;
	snprintf(cause, len,
		 "%.200s: it is of another version of assay (its format is %u, this "
		 "program's is %d)",
		 path, version, HISTORY_VERSION);
	return -EINVAL;
}

/* WAL comes last: until then the header is in the file itself, for history_look(). */
static const char schema[] =
    "PRAGMA auto_vacuum=INCREMENTAL;"
    "BEGIN;"
    "PRAGMA application_id=" HISTORY_TEXT(
	HISTORY_APPLICATION) ";"
			     "PRAGMA user_version=" HISTORY_TEXT(
				 HISTORY_VERSION) ";"
						  "CREATE TABLE reading(id INTEGER PRIMARY KEY, since INTEGER NOT NULL,"
						  " until INTEGER NOT NULL, merged INTEGER NOT NULL, whole INTEGER NOT NULL,"
						  " size INTEGER NOT NULL, data BLOB NOT NULL);"
						  "CREATE INDEX reading_times ON reading(until, since, merged, whole);" HISTORY_MINUTES
						  "CREATE TABLE fact(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
						  "COMMIT;";

int history_make(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0640), rc;
	sqlite3 *db = NULL;

	if (fd < 0)
		return -errno;
	close(fd);
	rc = sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL);
	if (!rc)
		rc = history_run(db, schema);
	history_end(db);
	return history_errno(rc);
}

int history_load_by(sqlite3 *db, const char *sql, int64_t id, uint8_t **bytes,
		    size_t *len)
{
	sqlite3_stmt *st;
	int err = -EINVAL, rc;

	rc = history_prepare(db, sql, &st);
	if (rc)
		return history_errno(rc);
	sqlite3_bind_int64(st, 1, id);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW) {
		const void *packed = sqlite3_column_blob(st, 1);
		int64_t size = sqlite3_column_int64(st, 0);

		*len = size < 0 ? SIZE_MAX : (size_t)size;
		if (packed)
			err = history_unpack(
			    packed, (size_t)sqlite3_column_bytes(st, 1), *len, bytes);
	} else {
		err = rc == SQLITE_DONE ? -ENOENT : history_errno(rc);
	}
	history_done(st);
	return err;
}

int history_load(sqlite3 *db, int64_t id, uint8_t **bytes, size_t *len)
{
	return history_load_by(db, "SELECT size, data FROM reading WHERE id = ?", id,
			       bytes, len);
}

int history_insert(sqlite3 *db, const struct history_row *row, const uint8_t *packed,
		   size_t packed_len, size_t size)
{
	sqlite3_stmt *st;
	int rc = history_prepare(db, "INSERT INTO reading VALUES(?,?,?,?,?,?,?)", &st);

	if (rc)
		return rc;
	if (row->id)
		sqlite3_bind_int64(st, 1, row->id);
	sqlite3_bind_int64(st, 2, (sqlite3_int64)row->since_ns);
	sqlite3_bind_int64(st, 3, (sqlite3_int64)row->until_ns);
	sqlite3_bind_int(st, 4, row->merged);
	sqlite3_bind_int(st, 5, row->whole);
	sqlite3_bind_int64(st, 6, (sqlite3_int64)size);
	sqlite3_bind_blob64(st, 7, packed, packed_len, SQLITE_STATIC);
	rc = sqlite3_step(st);
	history_done(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int history_delete(sqlite3 *db, int64_t id)
{
	sqlite3_stmt *st;
	int rc = history_prepare(db, "DELETE FROM reading WHERE id = ?", &st);

	if (rc)
		return rc;
	sqlite3_bind_int64(st, 1, id);
	rc = sqlite3_step(st);
	history_done(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int history_set_fact(sqlite3 *db, const char *key, const char *value)
{
	sqlite3_stmt *st;
	int rc = history_prepare(db, "INSERT OR REPLACE INTO fact VALUES(?,?)", &st);

	if (rc)
		return rc;
	sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	sqlite3_bind_text(st, 2, value, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	history_done(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
