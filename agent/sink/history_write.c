// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "sink/history_impl.h"
#include "sink/history_write.h"

#define WAL_MAX	  (2ULL << 20) /* of the size, for what is not in the file yet */
#define DROP_MOST 64	       /* rows for one that comes */
#define BUSY_MS	  1000
#define NEW	  ".new"
#define DAMAGED	  ".damaged"

/* Small: what is written is written once, and hardly ever read. */
static const char settings[] = "PRAGMA journal_mode=WAL;"
			       "PRAGMA synchronous=NORMAL;"
			       "PRAGMA cache_size=-128;"
			       "PRAGMA mmap_size=0;"
			       "PRAGMA secure_delete=0;"
			       "PRAGMA temp_store=MEMORY;"
			       "PRAGMA wal_autocheckpoint=256;"
			       "PRAGMA journal_size_limit=1048576;";

static void beside(char *out, const char *path, const char *suffix)
{
	if (snprintf(out, PATH_MAX, "%s%s", path, suffix) >= PATH_MAX)
		out[0] = '\0'; /* no such file */
}

/* A new one, whole or not at all. */
static int make(const struct history_file *f, char *cause, size_t len)
{
	char name[PATH_MAX], wal[PATH_MAX], shm[PATH_MAX];
	int err;

	beside(name, f->path, NEW);
	if (unlink(name) && errno != ENOENT)
		err = -errno;
	else
		err = history_make(name);
	/* of a file that somebody took away: they would be taken for the new one's */
	beside(wal, f->path, "-wal");
	beside(shm, f->path, "-shm");
	unlink(wal);
	unlink(shm);
	if (!err && rename(name, f->path))
		err = -errno;
	if (err)
		snprintf(cause, len, "%.200s: it cannot be made: %s", f->path,
			 strerror(-err));
	return err;
}

/* Whoever has the lock is the only one who writes. */
static int take_lock(struct history_file *f, char *cause, size_t len)
{
	struct stat now;
	int err = 0;

	f->lock = open(f->path, O_RDWR | O_CLOEXEC);
	if (f->lock < 0 || fstat(f->lock, &f->opened))
		err = -errno;
	else if (flock(f->lock, LOCK_EX | LOCK_NB))
		err = -errno;
	else if (stat(f->path, &now) || now.st_ino != f->opened.st_ino)
		err = -EAGAIN; /* somebody has just put another one there */
	if (err)
		snprintf(cause, len, "%.200s: %s", f->path,
			 err == -EWOULDBLOCK ? "another agent writes it"
					     : strerror(-err));
	return err;
}

static int fail(const struct history_file *f, int rc, char *cause, size_t len)
{
	int err = history_errno(rc);

	snprintf(cause, len, "%.200s: %s", f->path,
		 f->db && err == -EIO ? sqlite3_errmsg(f->db) : strerror(-err));
	return err;
}

/* Of a format that is read, but not written any more. */
static int make_newest(sqlite3 *db)
{
	int64_t version;
	int rc = history_number(db, "PRAGMA user_version", &version);

	if (rc || version == HISTORY_VERSION)
		return rc;
	/* the header has to be in the file itself, for history_look() */
	return history_run(db, "PRAGMA user_version=" HISTORY_TEXT(
				   HISTORY_VERSION) ";PRAGMA wal_checkpoint(TRUNCATE)");
}

static int open_db(struct history_file *f, char *cause, size_t len)
{
	int rc = sqlite3_open_v2(f->path, &f->db, SQLITE_OPEN_READWRITE, NULL);
	int64_t rows;

	if (!rc)
		rc = sqlite3_busy_timeout(f->db, BUSY_MS);
	if (!rc)
		rc = history_run(f->db, settings);
	if (!rc)
		rc = history_number(f->db, "SELECT max(id) FROM reading", &rows);
	if (!rc)
		rc = make_newest(f->db);
	if (!rc)
		rc = history_minutes_make(f->db);
	if (!rc)
		rc = history_do(f->db, "BEGIN");
	for (size_t i = 0; i < f->fact_count && !rc; i++)
		rc = history_set_fact(f->db, f->facts[i].key, f->facts[i].value);
	if (!rc)
		rc = history_do(f->db, "COMMIT");
	return rc ? fail(f, rc, cause, len) : 0;
}

static int open_as_it_is(struct history_file *f, char *cause, size_t len)
{
	int err = history_look(f->path, cause, len);

	if (err == -ENOENT)
		err = make(f, cause, len);
	if (!err)
		err = take_lock(f, cause, len);
	if (!err)
		err = open_db(f, cause, len);
	if (err)
		history_file_close(f);
	return err;
}

static void move(const char *path, const char *to, const char *suffix)
{
	char from[PATH_MAX], name[PATH_MAX];

	beside(from, path, suffix);
	beside(name, to, suffix);
	unlink(name);
	rename(from, name);
}

/* What there was to be read of a damaged file, as one line. */
static void tell_salvaged(struct history_file *f, const char *damaged,
			  const struct history_left *left)
{
	char lost[96];

	if (left->more_lost && !left->kept)
		snprintf(lost, sizeof(lost), "all that was there is lost");
	else if (left->more_lost)
		snprintf(lost, sizeof(lost),
			 "at least %zu lost, how many more is not known", left->lost);
	else
		snprintf(lost, sizeof(lost), left->lost ? "%zu lost" : "none lost",
			 left->lost);
	snprintf(f->note, sizeof(f->note),
		 "%.60s was damaged: it is now %.60s, and the new one has %zu readings "
		 "of it: %s",
		 f->path, damaged, left->kept, lost);
}

/* What can be read of the damaged file, into the new one. */
static void salvage(struct history_file *f, const char *damaged)
{
	struct history_left left;
	sqlite3 *db = NULL;
	int err = -EINVAL;

	if (!sqlite3_open_v2(damaged, &db, SQLITE_OPEN_READWRITE, NULL) &&
	    !history_read_anyhow(db))
		err = history_copy(db, f->db, &left);
	history_end(db);
	if (!err)
		tell_salvaged(f, damaged, &left);
	else
		snprintf(f->note, sizeof(f->note),
			 "%.80s was damaged: it is now %.80s, and a new one begins "
			 "without its readings: %s",
			 f->path, damaged, strerror(-err));
}

/* It is ours, but SQLite cannot go on with it. */
static int set_aside(struct history_file *f, char *cause, size_t len)
{
	char damaged[PATH_MAX];
	int err;

	history_file_close(f);
	beside(damaged, f->path, DAMAGED);
	move(f->path, damaged, "");
	move(f->path, damaged, "-wal");
	move(f->path, damaged, "-shm");
	err = open_as_it_is(f, cause, len);
	if (!err)
		salvage(f, damaged);
	return err;
}

int history_file_open(struct history_file *f, char *cause, size_t len)
{
	bool ours = !history_look(f->path, cause, len);
	int err = open_as_it_is(f, cause, len);

	return ours && err == -EINVAL ? set_aside(f, cause, len) : err;
}

void history_file_close(struct history_file *f)
{
	history_end(f->db);
	f->db = NULL;
	if (f->lock >= 0)
		close(f->lock);
	f->lock = -1;
}

static uint64_t bytes_of(const struct history_file *f, const char *suffix)
{
	char name[PATH_MAX];
	struct stat st;

	beside(name, f->path, suffix);
	return stat(name, &st) ? 0 : (uint64_t)st.st_size;
}

void history_file_measure(struct history_file *f, uint64_t *bytes, uint64_t *oldest_ns)
{
	int64_t oldest = 0;

	*bytes = bytes_of(f, "") + bytes_of(f, "-wal") + bytes_of(f, "-shm");
	if (f->db)
		history_number(f->db, "SELECT since FROM reading ORDER BY id LIMIT 1",
			       &oldest);
	*oldest_ns = (uint64_t)oldest;
}

/* Takes out the oldest rows until so many bytes more have a place. */
static int make_room(struct history_file *f, uint64_t need)
{
	uint64_t most = f->size - WAL_MAX;
	int64_t pages, free_pages, page, oldest = 1;
	int rc = SQLITE_OK;

	for (int i = 0; i < DROP_MOST && oldest && !rc; i++) {
		rc = history_number(f->db, "PRAGMA page_count", &pages);
		if (!rc)
			rc =
			    history_number(f->db, "PRAGMA freelist_count", &free_pages);
		if (!rc)
			rc = history_number(f->db, "PRAGMA page_size", &page);
		if (rc || (uint64_t)((pages - free_pages) * page) + need <= most)
			break;
		rc = history_number(f->db, "SELECT min(id) FROM reading", &oldest);
		if (!rc && oldest)
			rc = history_delete(f->db, oldest);
		if (!rc && oldest)
			rc = history_minutes_forget(f->db, oldest);
	}
	if (!rc && (uint64_t)(pages * page) > most)
		rc = history_run(f->db, "PRAGMA incremental_vacuum");
	return rc;
}

/* Its file may have been taken away, or have another in its place. */
static bool is_there(const struct history_file *f)
{
	struct stat st;

	return !stat(f->path, &st) && st.st_ino == f->opened.st_ino &&
	       st.st_dev == f->opened.st_dev;
}

static int add(struct history_file *f, const struct history_reading *r)
{
	struct history_row row = { .since_ns = r->since_ns,
				   .until_ns = r->until_ns,
				   .whole = r->whole };
	static const uint8_t nothing[1];
	int rc = history_do(f->db, "BEGIN IMMEDIATE");
	size_t lost = 0;

	if (rc)
		return rc;
	rc = history_merge(f->db, row.until_ns, &lost);
	if (!rc) /* for what merging took, too */
		rc = make_room(f, r->len + r->len / 64 + 4096);
	if (!rc)
		rc = history_insert(f->db, &row, r->bytes ? r->bytes : nothing, r->len,
				    r->size);
	if (!rc)
		rc = history_do(f->db, "COMMIT");
	if (rc)
		history_do(f->db, "ROLLBACK");
	else if (lost)
		snprintf(
		    f->note, sizeof(f->note),
		    "%.100s: %zu readings of an hour ago are damaged, and left out "
		    "of their minute",
		    f->path, lost);
	return rc;
}

/* While somebody reads, what was written has to wait beside the file. */
static bool is_too_large(const struct history_file *f)
{
	return bytes_of(f, "-wal") + bytes_of(f, "") > f->size + WAL_MAX;
}

int history_file_add(struct history_file *f, const struct history_reading *r,
		     char *cause, size_t len)
{
	int err = 0, rc;

	f->note[0] = '\0';
	if (f->db && !is_there(f))
		history_file_close(f);
	if (!f->db)
		err = history_file_open(f, cause, len);
	if (err)
		return err;
	if (is_too_large(f)) {
		snprintf(cause, len, "%.200s: somebody reads it for too long", f->path);
		return -EBUSY;
	}
	rc = add(f, r);
	if (history_errno(rc) == -EINVAL) {
		err = set_aside(f, cause, len);
		rc = err ? rc : add(f, r);
	}
	return rc && !err ? fail(f, rc, cause, len) : err;
}
