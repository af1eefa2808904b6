// SPDX-License-Identifier: Apache-2.0
/* Opening a history for reading: beside who writes it, or where nobody may write. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/text.h"
#include "sink/history_impl.h"

#define BUSY_MS 2000

/* As SQLite wants a path in a URI: NULL: no memory. */
static char *uri_of(const char *path, const char *how)
{
	size_t size = strlen(path) * 3 + 64, at = 0;
	char *uri = malloc(size);

	if (!uri)
		return NULL;
	at = (size_t)snprintf(uri, size, "file:");
	for (const char *c = path; *c; c++)
		if (strchr("?#%", *c))
			at += (size_t)snprintf(uri + at, size - at, "%%%02x", *c);
		else
			uri[at++] = *c;
	snprintf(uri + at, size - at, "?%s", how);
	return uri;
}

static bool is_there(const char *path, const char *suffix)
{
	char *name;
	bool there;

	if (asprintf(&name, "%s%s", path, suffix) < 0)
		return true;
	there = !access(name, F_OK);
	free(name);
	return there;
}

/*
 * How a history is opened: the ways that there are, one after the other. anyhow: though
 * its end is missing, or what is said there of its tables cannot be read in part.
 */
static int open_once(sqlite3 **db, const char *uri, int flags, bool anyhow)
{
	int64_t tables;
	int rc;

	history_end(*db);
	*db = NULL;
	rc = sqlite3_open_v2(uri, db, flags | SQLITE_OPEN_URI, NULL);
	if (rc)
		return rc;
	sqlite3_busy_timeout(*db, BUSY_MS);
	if (anyhow)
		rc = history_read_anyhow(*db);
	return rc ? rc
		  : history_number(*db, "SELECT count(*) FROM sqlite_master", &tables);
}

static int open_as(sqlite3 **db, const char *path, int flags, const char *how)
{
	char *uri = uri_of(path, how);
	int rc;

	if (!uri)
		return SQLITE_NOMEM;
	rc = open_once(db, uri, flags, false);
	if ((rc & 0xff) == SQLITE_CORRUPT)
		rc = open_once(db, uri, flags, true);
	free(uri);
	return rc;
}

int history_read_anyhow(sqlite3 *db)
{
	return history_run(db, "PRAGMA writable_schema=ON");
}

/*
 * Of an agent that was killed what it wrote last is beside the file, and SQLite puts it
 * where it belongs if it may. Where it may not, and where files that writers have
 * beside it may not be made: what is in the file itself.
 */
int history_open_ro(const char *path, sqlite3 **db)
{
	int rc = open_as(db, path, SQLITE_OPEN_READONLY, "mode=ro");

	if ((rc & 0xff) == SQLITE_READONLY)
		rc = open_as(db, path, SQLITE_OPEN_READWRITE, "mode=rw");
	if ((rc & 0xff) == SQLITE_READONLY ||
	    ((rc & 0xff) == SQLITE_CANTOPEN && !is_there(path, "-wal")))
		rc = open_as(db, path, SQLITE_OPEN_READONLY, "mode=ro&immutable=1");
	return rc;
}

void history_tell_ro(const char *path, sqlite3 *db, int rc, char *cause, size_t len)
{
	if ((rc & 0xff) == SQLITE_CANTOPEN && is_there(path, "-wal"))
		snprintf(cause, len,
			 "%.150s: its -wal is read only where you may make files: copy "
			 "both there, or use `assay snapshot`",
			 path);
	else if (history_errno(rc) == -EINVAL)
		snprintf(cause, len,
			 "%.200s: it is damaged where it says what it has: nothing of "
			 "it can be read; copy it again if it is a copy",
			 path);
	else
		snprintf(cause, len, "%.200s: it cannot be read: %s", path,
			 db ? sqlite3_errmsg(db) : strerror(-history_errno(rc)));
}

int history_get_fact(sqlite3 *db, const char *key, char *out, size_t len)
{
	sqlite3_stmt *st;
	int rc = history_prepare(db, "SELECT value FROM fact WHERE key = ?", &st);

	out[0] = '\0';
	if (rc)
		return rc;
	sqlite3_bind_text(st, 1, key, -1, SQLITE_STATIC);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW && sqlite3_column_text(st, 0))
		text_copy(out, len, (const char *)sqlite3_column_text(st, 0), SIZE_MAX);
	history_done(st);
	return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}
