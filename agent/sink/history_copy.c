// SPDX-License-Identifier: Apache-2.0
/*
 * One history into another, row by row: what is damaged stays behind, and nothing else.
 */
#include <errno.h>
#include <stdlib.h>
#include "sink/history_impl.h"

/* As it is, compressed. */
static int copy_row(sqlite3 *from, sqlite3 *to, const struct history_row *row)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(from, "SELECT size, data FROM reading WHERE id = ?",
				    -1, &st, NULL);

	if (rc)
		return rc;
	sqlite3_bind_int64(st, 1, row->id);
	rc = sqlite3_step(st);
	if (rc == SQLITE_ROW)
		rc = history_insert(to, row, sqlite3_column_blob(st, 1),
				    (size_t)sqlite3_column_bytes(st, 1),
				    (size_t)sqlite3_column_int64(st, 0));
	else if (rc == SQLITE_DONE)
		rc = SQLITE_OK; /* it was merged, or dropped, meanwhile */
	sqlite3_finalize(st);
	return rc;
}

static int copy_facts(sqlite3 *from, sqlite3 *to)
{
	sqlite3_stmt *st;
	int rc = sqlite3_prepare_v2(from, "SELECT key, value FROM fact", -1, &st, NULL);

	if (rc)
		return rc;
	while ((rc = sqlite3_step(st)) == SQLITE_ROW) {
		rc = history_set_fact(to, (const char *)sqlite3_column_text(st, 0),
				      (const char *)sqlite3_column_text(st, 1));
		if (rc)
			break;
	}
	sqlite3_finalize(st);
	return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Is it the file that is written which does not take it? */
static bool is_fatal(int rc)
{
	int err = history_errno(rc);

	return err && err != -EINVAL && err != -EIO;
}

long history_copy(sqlite3 *from, sqlite3 *to)
{
	struct history_row *rows = NULL;
	size_t count = 0;
	long lost = 0;
	int rc = history_run(to, "BEGIN");

	if (rc)
		return history_errno(rc);
	if (history_rows(from, &rows, &count))
		lost = 1;
	for (size_t i = 0; i < count && !is_fatal(rc); i++) {
		rc = copy_row(from, to, &rows[i]);
		lost += rc != SQLITE_OK;
	}
	free(rows);
	if (!is_fatal(rc))
		rc = copy_facts(from, to);
	if (!is_fatal(rc))
		rc = history_run(to, "COMMIT");
	if (is_fatal(rc))
		history_run(to, "ROLLBACK");
	return is_fatal(rc) ? history_errno(rc) : lost;
}
