// SPDX-License-Identifier: Apache-2.0
/*
 * Readings of a minute become one: beside them, as soon as it is over, and in their
 * place an hour later. A node has hundreds of workloads, and the agent little memory:
 * so what is large is merged as it is unpacked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "sink/history_impl.h"

#define GAP_NS 1000000000ULL /* less is none */
/* Bytes of readings that are unpacked at once; of more, they are side by side. */
#define RAW_FEW (1UL << 20)
/* Where they cannot be: when there are so many, no more. */
#define RAW_MOST (3UL << 20)

/* Does it begin where the other one ends? Nobody measured in a gap between two. */
static bool follows(const struct history_row *row, const struct history_row *before)
{
	return row->since_ns < before->until_ns + GAP_NS &&
	       before->until_ns < row->since_ns + GAP_NS;
}

static uint64_t minute_of(const struct history_row *row)
{
	return (row->until_ns - 1) / HISTORY_STEP_NS;
}

/*
 * The readings of the oldest minute, as far as there is no gap between them: a row is
 * of all the time from its beginning to its end. Returns how many from the first row
 * on.
 */
static size_t find_minute(const struct history_row *rows, size_t count)
{
	size_t n = 0;

	while (n < count && n < HISTORY_READINGS &&
	       minute_of(&rows[n]) == minute_of(&rows[0]) &&
	       (!n || follows(&rows[n], &rows[n - 1])))
		n++;
	return n;
}

/* Puts one row in the place of several. */
static int replace(sqlite3 *db, const struct history_row *rows, size_t n,
		   const struct history_reading *packed)
{
	struct history_row row = rows[n - 1];
	int rc = SQLITE_OK;

	row.merged = true;
	row.since_ns = rows[0].since_ns;
	for (size_t i = 0; i < n; i++)
		row.whole |= rows[i].whole;
	for (size_t i = 0; i < n && !rc; i++)
		rc = history_delete(db, rows[i].id);
	if (!rc)
		rc = history_minutes_forget(db, rows[n - 1].id);
	if (!rc)
		rc = history_insert(db, &row, packed->bytes, packed->len, packed->size);
	return rc;
}

/* Leaves out which of these cannot be merged even by itself; returns how many stay. */
static size_t leave_out(uint8_t **bytes, size_t *len, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		if (history_merge_bytes(&bytes[i], &len[i], 1, NULL)) {
			free(bytes[i]);
			continue;
		}
		bytes[kept] = bytes[i];
		len[kept++] = len[i];
	}
	return kept;
}

/* Ends the packer, whatever comes of it. */
static int end_packer(struct history_packer *p, int err, struct history_reading *out)
{
	if (!err)
		return history_packer_end(p, &out->bytes, &out->len, &out->size);
	history_packer_free(p);
	return err;
}

/* Merges and packs them. */
static int pack_all(uint8_t *const *bytes, const size_t *len, size_t count,
		    struct history_reading *out)
{
	struct history_packer *p = history_packer_new();
	int err = p ? history_merge_bytes(bytes, len, count, p) : -ENOMEM;

	return end_packer(p, err, out);
}

/* What is to be merged. */
struct minute {
	struct history_source list[HISTORY_READINGS];
	size_t count, size; /* size: unpacked */
	size_t leader;	    /* one that is whole, if any is */
};

/* How large a reading is when it is unpacked; 0: nobody knows. */
static size_t size_of(sqlite3 *db, int64_t id)
{
	sqlite3_stmt *st;
	int64_t size = 0;

	if (history_prepare(db, "SELECT size FROM reading WHERE id = ?", &st))
		return 0;
	sqlite3_bind_int64(st, 1, id);
	if (sqlite3_step(st) == SQLITE_ROW)
		size = sqlite3_column_int64(st, 0);
	history_done(st);
	return size > 0 ? (size_t)size : 0;
}

/* As many of these as can be unpacked at once, or side by side. */
static void choose(sqlite3 *db, const struct history_row *rows, size_t n,
		   struct minute *m)
{
	*m = (struct minute){ 0 };
	for (size_t i = 0; i < n; i++) {
		size_t size = size_of(db, rows[i].id);

		if (i >= HISTORY_LANES && m->size + size > RAW_FEW)
			break;
		m->list[m->count++] =
		    (struct history_source){ .db = db, .id = rows[i].id, .size = size };
		m->size += size;
		if (rows[i].whole)
			m->leader = i;
	}
}

/* Unpacks and merges them, RAW_MOST and the one that reaches it. */
static int merge_unpacked(const struct minute *m, struct history_reading *out,
			  size_t *taken, size_t *lost)
{
	uint8_t *bytes[HISTORY_READINGS] = { 0 };
	size_t len[HISTORY_READINGS] = { 0 }, kept = 0, total = 0;
	int err = 0;

	for (*taken = 0; *taken < m->count && total < RAW_MOST && err != -ENOMEM;
	     ++*taken) {
		err = history_load(m->list[*taken].db, m->list[*taken].id, &bytes[kept],
				   &len[kept]);
		total += err ? 0 : len[kept];
		kept += !err;
	}
	if (err != -ENOMEM)
		err = pack_all(bytes, len, kept, out);
	if (err && err != -ENOMEM) {
		kept = leave_out(bytes, len, kept);
		err = pack_all(bytes, len, kept, out);
	}
	*lost = *taken - kept;
	for (size_t i = 0; i < kept; i++)
		free(bytes[i]);
	return err;
}

/* Side by side, as they are unpacked. */
static int merge_packed(const struct minute *m, struct history_reading *out)
{
	struct history_packer *p = history_packer_new();
	int err = p ? history_merge_lanes(m->list, m->count, m->leader, p) : -ENOMEM;

	return end_packer(p, err, out);
}

/*
 * Adds up as many of these as memory allows. What cannot be read is left out of the
 * minute, and counted: it could not be read later, either.
 */
static int add_up(sqlite3 *db, const struct history_row *rows, size_t n,
		  struct history_reading *out, size_t *taken, size_t *lost)
{
	struct minute m;
	int err = -EAGAIN;

	choose(db, rows, n, &m);
	*out = (struct history_reading){ 0 };
	*taken = m.count;
	*lost = 0;
	if (m.size > RAW_FEW && m.count <= HISTORY_LANES)
		err = merge_packed(&m, out);
	if (err && err != -ENOMEM)
		err = merge_unpacked(&m, out, taken, lost);
	return !err ? SQLITE_OK : err == -ENOMEM ? SQLITE_NOMEM : SQLITE_CORRUPT;
}

/* Can it be unpacked yet? An hour is long for a disk: SQLite does not see all damage.
 */
static int check_packed(const struct history_reading *r)
{
	struct history_source from = { .bytes = r->bytes,
				       .len = r->len,
				       .size = r->size };
	struct history_stream s;
	struct history_piece piece;
	int err = history_stream_open(&s, &from);

	while (!err && (err = history_stream_next(&s, &piece)) > 0)
		err = 0;
	history_stream_close(&s);
	return err;
}

/* What was added up beside them, if there is that, and it is whole: else no bytes. */
static int take_minute(sqlite3 *db, const struct history_row *rows, size_t n,
		       struct history_reading *out, size_t *taken)
{
	int rc = history_minute_of(db, rows, n, out, taken), err;

	if (rc || !out->bytes)
		return rc;
	err = check_packed(out);
	if (err) {
		free(out->bytes);
		out->bytes = NULL;
	}
	return err == -ENOMEM ? SQLITE_NOMEM : SQLITE_OK;
}

/* What is left of them comes the next time. */
static int merge_rows(sqlite3 *db, const struct history_row *rows, size_t n,
		      size_t *lost)
{
	struct history_reading packed;
	size_t taken = 0;
	int rc = take_minute(db, rows, n, &packed, &taken);

	if (!rc && !packed.bytes)
		rc = add_up(db, rows, n, &packed, &taken, lost);
	if (!rc)
		rc = replace(db, rows, taken, &packed);
	free(packed.bytes);
	return rc;
}

/* The oldest minute, if all of it is old enough. */
static int merge_oldest(sqlite3 *db, uint64_t newest_ns, size_t *lost)
{
	struct history_row *rows;
	size_t count, n;
	int rc;

	if (newest_ns < HISTORY_AGE_NS)
		return SQLITE_OK;
	rc = history_unmerged(db, newest_ns - HISTORY_AGE_NS, &rows, &count);
	if (rc)
		return rc;
	n = find_minute(rows, count);
	if (n &&
	    (minute_of(&rows[0]) + 1) * HISTORY_STEP_NS + HISTORY_AGE_NS <= newest_ns)
		rc = merge_rows(db, rows, n, lost);
	free(rows);
	return rc;
}

/* One by itself, or with another that is damaged, is read as it is. */
static int add_up_beside(sqlite3 *db, const struct history_row *rows, size_t n)
{
	struct history_reading packed = { 0 };
	size_t taken = n, lost = 0;
	int rc = n > 1 ? add_up(db, rows, n, &packed, &taken, &lost) : SQLITE_OK;
	struct history_minute m = { .first = rows[0].id, .count = taken };

	if (rc == SQLITE_NOMEM)
		return SQLITE_OK; /* they are there: tried again with the next one */
	if (rc || lost || taken < 2) {
		free(packed.bytes);
		packed = (struct history_reading){ 0 };
	}
	m.id = rows[taken - 1].id;
	rc = history_minute_insert(db, &m, packed.bytes, packed.len, packed.size);
	free(packed.bytes);
	return rc;
}

/* The oldest minute that is over, and was not yet. */
static int sum_next(sqlite3 *db, uint64_t newest_ns)
{
	struct history_row *rows;
	int64_t last;
	size_t count, n;
	int rc = history_number(db, "SELECT max(id) FROM minute", &last);

	if (!rc)
		rc = history_unmerged_after(db, last, &rows, &count);
	if (rc)
		return rc;
	n = find_minute(rows, count);
	/* the newest reading is not among the rows yet */
	if (n && (n < count || (newest_ns - 1) / HISTORY_STEP_NS > minute_of(&rows[0])))
		rc = add_up_beside(db, rows, n);
	free(rows);
	return rc;
}

int history_merge(sqlite3 *db, uint64_t newest_ns, size_t *lost)
{
	int rc;

	*lost = 0;
	rc = merge_oldest(db, newest_ns, lost);
	return rc ? rc : sum_next(db, newest_ns);
}
