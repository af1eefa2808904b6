// SPDX-License-Identifier: Apache-2.0
/*
 * Readings of a minute become one. A node has hundreds of workloads, and the agent
 * little memory: so they are merged one workload at a time, which in a batch is a piece
 * of its own (a field resource_metrics), and its resource the first field of that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "otlp/frame.h"
#include "sink/history_impl.h"

#define GAP_NS	  1000000000ULL /* less is none */
#define READINGS  64		/* of one minute; more stay for the next time */
#define LEVEL	  4		/* zstd's */
#define RAW_MOST  (3UL << 20)	/* bytes of readings: when there are so many, no more */
#define FRAME_MAX (64UL << 20)

static int compare_resources(const struct history_piece *a,
			     const struct history_piece *b)
{
	if (a->resource_len != b->resource_len)
		return a->resource_len < b->resource_len ? -1 : 1;
	return memcmp(a->resource, b->resource, a->resource_len);
}

static int compare_pieces(const void *a, const void *b)
{
	const struct history_piece *x = a, *y = b;
	int c = compare_resources(x, y);

	return c ? c : (x->number > y->number) - (x->number < y->number);
}

/* What all pieces of one workload come to, as bytes. */
static int merge_workload(const struct history_piece *list, size_t count,
			  uint8_t **bytes, size_t *len)
{
	struct frame *sum = frame_new(FRAME_MAX), *f;
	int err = sum ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && !err; i++) {
		err = frame_decode_delta(list[i].bytes, list[i].len, &f);
		if (err)
			break;
		err = frame_add(sum, f);
		frame_free(f);
	}
	if (!err)
		err = frame_encode(sum, bytes, len);
	frame_free(sum);
	return err;
}

static int append(uint8_t **out, size_t *out_len, size_t *room, const uint8_t *bytes,
		  size_t len)
{
	if (*room - *out_len < len) {
		size_t n = 2 * *room + len;
		uint8_t *p = realloc(*out, n);

		if (!p)
			return -ENOMEM;
		*out = p;
		*room = n;
	}
	if (len)
		memcpy(*out + *out_len, bytes, len);
	*out_len += len;
	return 0;
}

int history_merge_bytes(uint8_t *const *bytes, const size_t *len, size_t count,
			uint8_t **out, size_t *out_len)
{
	struct history_pieces p = { 0 };
	size_t room = 0, same;
	int err = 0;

	*out = NULL;
	*out_len = 0;
	for (size_t i = 0; i < count && !err; i++)
		err = history_pieces_add(&p, bytes[i], len[i]);
	if (!err && p.count)
		qsort(p.list, p.count, sizeof(*p.list), compare_pieces);
	for (size_t i = 0; i < p.count && !err; i += same) {
		uint8_t *one = NULL;
		size_t one_len = 0;

		for (same = 1; i + same < p.count &&
			       !compare_resources(&p.list[i], &p.list[i + same]);
		     same++)
			;
		err = merge_workload(&p.list[i], same, &one, &one_len);
		if (!err)
			err = append(out, out_len, &room, one, one_len);
		free(one);
	}
	history_pieces_fini(&p);
	if (err) {
		free(*out);
		*out = NULL;
	}
	return err;
}

/* Does it begin where the other one ends? Nobody measured in a gap between two. */
static bool follows(const struct history_row *row, const struct history_row *before)
{
	return row->since_ns < before->until_ns + GAP_NS &&
	       before->until_ns < row->since_ns + GAP_NS;
}

/*
 * The readings of the oldest minute that is to be merged, as far as there is no gap
 * between them: a row is of all the time from its beginning to its end. Returns how
 * many.
 */
static size_t find_minute(const struct history_row *rows, size_t count, size_t *first)
{
	uint64_t newest = count ? rows[count - 1].until_ns : 0, minute;
	size_t i = 0, n = 0;

	while (i < count && rows[i].merged)
		i++;
	*first = i;
	if (i == count)
		return 0;
	minute = (rows[i].until_ns - 1) / HISTORY_STEP_NS;
	if ((minute + 1) * HISTORY_STEP_NS + HISTORY_AGE_NS > newest)
		return 0; /* all of it has to be old enough */
	while (i + n < count && n < READINGS && !rows[i + n].merged &&
	       (rows[i + n].until_ns - 1) / HISTORY_STEP_NS == minute &&
	       (!n || follows(&rows[i + n], &rows[i + n - 1])))
		n++;
	return n;
}

/* Puts one row in the place of several. */
static int replace(sqlite3 *db, const struct history_row *rows, size_t n,
		   const uint8_t *bytes, size_t len)
{
	struct history_row row = rows[n - 1];
	uint8_t *packed;
	size_t packed_len;
	int rc = SQLITE_OK;

	row.merged = true;
	row.since_ns = rows[0].since_ns;
	for (size_t i = 0; i < n; i++)
		row.whole |= rows[i].whole;
	if (history_pack(bytes, len, LEVEL, &packed, &packed_len))
		return SQLITE_NOMEM;
	for (size_t i = 0; i < n && !rc; i++)
		rc = history_delete(db, rows[i].id);
	if (!rc)
		rc = history_insert(db, &row, packed, packed_len, len);
	free(packed);
	return rc;
}

/* Leaves out which of these cannot be merged even by itself; returns how many stay. */
static size_t leave_out(uint8_t **bytes, size_t *len, size_t count)
{
	size_t kept = 0;

	for (size_t i = 0; i < count; i++) {
		uint8_t *out;
		size_t out_len;

		if (history_merge_bytes(&bytes[i], &len[i], 1, &out, &out_len)) {
			free(bytes[i]);
			continue;
		}
		free(out);
		bytes[kept] = bytes[i];
		len[kept++] = len[i];
	}
	return kept;
}

/*
 * What cannot be read is left out of the minute, and counted: it could not be read
 * later, either.
 */
static int merge_rows(sqlite3 *db, const struct history_row *rows, size_t n,
		      size_t *lost)
{
	uint8_t *bytes[READINGS] = { 0 }, *out;
	size_t len[READINGS] = { 0 }, kept = 0, out_len, total = 0, taken;
	int err = 0, rc;

	for (taken = 0; taken < n && total < RAW_MOST && err != -ENOMEM; taken++) {
		err = history_load(db, rows[taken].id, &bytes[kept], &len[kept]);
		total += err ? 0 : len[kept];
		kept += !err;
	}
	n = taken; /* what is left is merged by itself: large minutes are two or three
		    * rows
		    */
	if (err != -ENOMEM)
		err = history_merge_bytes(bytes, len, kept, &out, &out_len);
	if (err && err != -ENOMEM) {
		kept = leave_out(bytes, len, kept);
		err = history_merge_bytes(bytes, len, kept, &out, &out_len);
	}
	*lost = n - kept;
	for (size_t i = 0; i < kept; i++)
		free(bytes[i]);
	if (err)
		return err == -ENOMEM ? SQLITE_NOMEM : SQLITE_CORRUPT;
	rc = replace(db, rows, n, out, out_len);
	free(out);
	return rc;
}

int history_merge(sqlite3 *db, size_t *lost)
{
	struct history_row *rows;
	size_t count, first, n;
	int rc = history_rows(db, &rows, &count);

	*lost = 0;
	if (rc)
		return rc;
	n = find_minute(rows, count, &first);
	if (n)
		rc = merge_rows(db, rows + first, n, lost);
	free(rows);
	return rc;
}
