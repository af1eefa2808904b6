// SPDX-License-Identifier: Apache-2.0
/*
 * Readings of a minute become one. A node has hundreds of workloads, and the agent
 * little memory: so they are merged one workload at a time, which in a batch is a piece
 * of its own (a field resource_metrics), and its resource the first field of that.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "otlp/delta_sum.h"
#include "sink/history_impl.h"

#define GAP_NS	 1000000000ULL /* less is none */
#define READINGS 64	       /* of one minute; more stay for the next time */
#define RAW_MOST (3UL << 20)   /* bytes of readings: when there are so many, no more */
#define SUM_MAX	 (64UL << 20)

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

/* What all pieces of one workload come to. */
static int merge_workload(struct delta_sum *sum, const struct history_piece *list,
			  size_t count, struct wire *out)
{
	int err = 0;

	delta_sum_clear(sum);
	for (size_t i = 0; i < count && !err; i++)
		err = delta_sum_add(sum, list[i].bytes, list[i].len);
	if (err)
		return err;
	out->len = 0;
	delta_sum_encode(sum, out);
	return out->full ? -ENOMEM : 0;
}

/* How many from the first one on are of its workload. */
static size_t same_workload(const struct history_pieces *p, size_t first)
{
	size_t n = 1;

	while (first + n < p->count &&
	       !compare_resources(&p->list[first], &p->list[first + n]))
		n++;
	return n;
}

int history_merge_bytes(uint8_t *const *bytes, const size_t *len, size_t count,
			struct history_packer *to)
{
	struct delta_sum *sum = delta_sum_new(DELTA_ENCODE, SUM_MAX);
	struct history_pieces p = { 0 };
	struct wire out = { 0 };
	int err = sum ? 0 : -ENOMEM;
	size_t same;

	for (size_t i = 0; i < count && !err; i++)
		err = history_pieces_add(&p, bytes[i], len[i]);
	if (!err && p.count)
		qsort(p.list, p.count, sizeof(*p.list), compare_pieces);
	for (size_t i = 0; i < p.count && !err; i += same) {
		same = same_workload(&p, i);
		err = merge_workload(sum, &p.list[i], same, &out);
		if (!err && to)
			err = history_packer_add(to, out.bytes, out.len);
	}
	history_pieces_fini(&p);
	delta_sum_free(sum);
	free(out.bytes);
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
 * many from the first row on.
 */
static size_t find_minute(const struct history_row *rows, size_t count,
			  uint64_t newest_ns)
{
	uint64_t minute = count ? (rows[0].until_ns - 1) / HISTORY_STEP_NS : 0;
	size_t n = 0;

	/* all of it has to be old enough */
	if (!count || (minute + 1) * HISTORY_STEP_NS + HISTORY_AGE_NS > newest_ns)
		return 0;
	while (n < count && n < READINGS &&
	       (rows[n].until_ns - 1) / HISTORY_STEP_NS == minute &&
	       (!n || follows(&rows[n], &rows[n - 1])))
		n++;
	return n;
}

/* Puts one row in the place of several. */
static int replace(sqlite3 *db, const struct history_row *rows, size_t n,
		   const uint8_t *packed, size_t packed_len, size_t size)
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
		rc = history_insert(db, &row, packed, packed_len, size);
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

/* Merges and packs them. */
static int pack_all(uint8_t *const *bytes, const size_t *len, size_t count,
		    struct history_reading *out)
{
	struct history_packer *p = history_packer_new();
	int err = p ? history_merge_bytes(bytes, len, count, p) : -ENOMEM;

	if (!err)
		return history_packer_end(p, &out->bytes, &out->len, &out->size);
	history_packer_free(p);
	return err;
}

/*
 * What cannot be read is left out of the minute, and counted: it could not be read
 * later, either. Large minutes are two or three rows: what is left is merged by itself.
 */
static int merge_rows(sqlite3 *db, const struct history_row *rows, size_t n,
		      size_t *lost)
{
	uint8_t *bytes[READINGS] = { 0 };
	size_t len[READINGS] = { 0 }, kept = 0, total = 0, taken;
	struct history_reading out = { 0 };
	int err = 0, rc;

	for (taken = 0; taken < n && total < RAW_MOST && err != -ENOMEM; taken++) {
		err = history_load(db, rows[taken].id, &bytes[kept], &len[kept]);
		total += err ? 0 : len[kept];
		kept += !err;
	}
	if (err != -ENOMEM)
		err = pack_all(bytes, len, kept, &out);
	if (err && err != -ENOMEM) {
		kept = leave_out(bytes, len, kept);
		err = pack_all(bytes, len, kept, &out);
	}
	*lost = taken - kept;
	for (size_t i = 0; i < kept; i++)
		free(bytes[i]);
	if (err)
		return err == -ENOMEM ? SQLITE_NOMEM : SQLITE_CORRUPT;
	rc = replace(db, rows, taken, out.bytes, out.len, out.size);
	free(out.bytes);
	return rc;
}

int history_merge(sqlite3 *db, uint64_t newest_ns, size_t *lost)
{
	struct history_row *rows;
	size_t count, n;
	int rc;

	*lost = 0;
	if (newest_ns < HISTORY_AGE_NS)
		return SQLITE_OK;
	rc = history_unmerged(db, newest_ns - HISTORY_AGE_NS, &rows, &count);
	if (rc)
		return rc;
	n = find_minute(rows, count, newest_ns);
	if (n)
		rc = merge_rows(db, rows, n, lost);
	free(rows);
	return rc;
}
