// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/units.h"
#include "sink/history_impl.h"
#include "sink/history_read.h"

#define FRAME_MAX (512UL << 20)

struct history_reader {
	sqlite3 *db;
	struct history_row *rows; /* in the order in which they came */
	size_t count;
	size_t damaged; /* rows that could not be read so far */
};

int history_reader_open(const char *path, struct history_reader **out, char *cause,
			size_t len)
{
	struct history_reader *r;
	int err = history_look(path, cause, len), rc;

	if (err == -ENOENT)
		snprintf(cause, len, "%.200s: no agent has kept anything there", path);
	if (err)
		return err;
	r = calloc(1, sizeof(*r));
	rc = r ? history_open_ro(path, &r->db) : SQLITE_NOMEM;
	if (!rc)
		rc = history_rows(r->db, &r->rows, &r->count);
	if (!rc) {
		*out = r;
		return 0;
	}
	err = history_errno(rc);
	snprintf(cause, len, "%.200s: it cannot be read: %s", path,
		 r && r->db ? sqlite3_errmsg(r->db) : strerror(-err));
	history_reader_close(r);
	return err;
}

void history_reader_close(struct history_reader *r)
{
	if (!r)
		return;
	history_end(r->db);
	free(r->rows);
	free(r);
}

void history_reader_fact(const struct history_reader *r, const char *key, char *out,
			 size_t len)
{
	history_get_fact(r->db, key, out, len);
}

size_t history_reader_damaged(const struct history_reader *r)
{
	return r->damaged;
}

size_t history_reader_count(const struct history_reader *r)
{
	return r->count;
}

int history_reader_range(struct history_reader *r, struct history_span *out)
{
	*out = (struct history_span){ .since_ns = UINT64_MAX };
	for (size_t i = 0; i < r->count; i++) {
		const struct history_row *row = &r->rows[i];

		if (row->since_ns < out->since_ns)
			out->since_ns = row->since_ns;
		if (row->until_ns > out->until_ns)
			out->until_ns = row->until_ns;
		out->covered_ns += row->until_ns - row->since_ns;
	}
	return r->count ? 0 : -ENODATA;
}

/* How much of a row lies in a span, ns. */
static uint64_t overlap(const struct history_row *row, const struct history_span *s)
{
	uint64_t from = row->since_ns > s->since_ns ? row->since_ns : s->since_ns;
	uint64_t to = row->until_ns < s->until_ns ? row->until_ns : s->until_ns;

	return to > from ? to - from : 0;
}

static bool is_in(const struct history_row *row, const struct history_span *s)
{
	uint64_t in = overlap(row, s);

	return in && in >= row->until_ns - row->since_ns - in;
}

/* What of a reader's rows is wanted; all that are in `span`, or this one. */
struct choice {
	struct history_span span;
	const struct history_row *only;
	bool by_middle; /* those whose middle lies there */
};

static bool is_chosen(const struct choice *c, const struct history_row *row)
{
	uint64_t middle = row->since_ns + (row->until_ns - row->since_ns) / 2;

	if (c->by_middle)
		return middle >= c->span.since_ns && middle < c->span.until_ns;
	return c->only ? row == c->only : is_in(row, &c->span);
}

/* Of a span that lies within one step: that step. */
static void choose(const struct history_reader *r, const struct history_span *asked,
		   struct choice *c)
{
	uint64_t most = 0;

	*c = (struct choice){ .span = *asked };
	for (size_t i = 0; i < r->count; i++) {
		uint64_t in = overlap(&r->rows[i], asked);

		if (is_in(&r->rows[i], asked)) {
			c->only = NULL;
			return;
		}
		if (in > most) {
			most = in;
			c->only = &r->rows[i];
		}
	}
}

/* Workloads that a sum has something of, by the hash of their resource's bytes. */
struct known {
	uint64_t *list;
	size_t count, room;
};

#define FNV_START 14695981039346656037ULL
#define FNV_PRIME 1099511628211ULL

static uint64_t hash_resource(const struct history_piece *p)
{
	uint64_t h = FNV_START;

	for (size_t i = 0; i < p->resource_len; i++)
		h = (h ^ p->resource[i]) * FNV_PRIME;
	return h ? h : 1;
}

/* A place in an open table: that of the hash, or a free one. */
static uint64_t *place_of(const struct known *k, uint64_t hash)
{
	size_t i = hash & (k->room - 1);

	while (k->list[i] && k->list[i] != hash)
		i = (i + 1) & (k->room - 1);
	return &k->list[i];
}

/* Whether it was there; -ENOMEM. */
static int learn(struct known *k, uint64_t hash)
{
	struct known more = { .room = k->room ? 2 * k->room : 512 };
	uint64_t *place;

	if (2 * k->count >= k->room) {
		more.list = calloc(more.room, sizeof(*more.list));
		if (!more.list)
			return -ENOMEM;
		for (size_t i = 0; i < k->room; i++)
			if (k->list[i])
				*place_of(&more, k->list[i]) = k->list[i];
		more.count = k->count;
		free(k->list);
		*k = more;
	}
	place = place_of(k, hash);
	if (*place)
		return 1;
	*place = hash;
	k->count++;
	return 0;
}

static int learn_all(struct known *k, const uint8_t *bytes, size_t len)
{
	struct history_pieces p = { 0 };
	int err = history_pieces_add(&p, bytes, len);

	for (size_t i = 0; i < p.count && err >= 0; i++)
		err = learn(k, hash_resource(&p.list[i]));
	history_pieces_fini(&p);
	return err < 0 ? err : 0;
}

static int add_bytes(struct frame *sum, struct known *known, const uint8_t *bytes,
		     size_t len)
{
	struct frame *f;
	int err = frame_decode_delta(bytes, len, &f);

	if (err)
		return err;
	err = frame_add(sum, f);
	frame_free(f);
	return err ? err : learn_all(known, bytes, len);
}

/* One that cannot be read is damaged, or the agent has merged it meanwhile. */
static int add_row(struct history_reader *r, const struct history_row *row,
		   struct frame *sum, struct known *known, struct history_span *got)
{
	uint8_t *bytes;
	size_t len;
	int err = history_load(r->db, row->id, &bytes, &len);

	if (!err) {
		err = add_bytes(sum, known, bytes, len);
		free(bytes);
	}
	if (err == -ENOMEM || err == -EMSGSIZE)
		return err;
	if (err) {
		r->damaged += err != -ENOENT;
		return 0;
	}
	if (!got->covered_ns || row->since_ns < got->since_ns)
		got->since_ns = row->since_ns;
	if (row->until_ns > got->until_ns)
		got->until_ns = row->until_ns;
	got->covered_ns += row->until_ns - row->since_ns;
	return 0;
}

static int add_pieces_before(struct frame *sum, struct known *known,
			     const uint8_t *bytes, size_t len)
{
	struct history_pieces p = { 0 };
	int err = history_pieces_add(&p, bytes, len);

	for (size_t i = 0; i < p.count && err >= 0; i++) {
		struct frame *f;

		err = learn(known, hash_resource(&p.list[i]));
		if (err)
			continue;
		err = frame_decode_delta(p.list[i].bytes, p.list[i].len, &f);
		if (err)
			break;
		err = frame_add_before(sum, f);
		frame_free(f);
	}
	history_pieces_fini(&p);
	return err < 0 ? err : 0;
}

/* Of who has nothing new there: how things stood, which rows before it tell. */
static int add_before(struct history_reader *r, const struct history_row *first,
		      struct frame *sum, struct known *known)
{
	int err = 0;

	while (!first->whole && first > r->rows && !err) {
		uint8_t *bytes;
		size_t len;

		first--;
		err = history_load(r->db, first->id, &bytes, &len);
		if (!err) {
			err = add_pieces_before(sum, known, bytes, len);
			free(bytes);
		}
		if (err != -ENOMEM && err != -EMSGSIZE)
			err = 0; /* damaged */
	}
	return err;
}

static int sum_up(struct history_reader *r, const struct choice *c, struct frame *sum,
		  struct history_span *got)
{
	const struct history_row *first = NULL;
	struct known known = { 0 };
	int err = 0;

	*got = (struct history_span){ 0 };
	for (size_t i = 0; i < r->count && !err; i++) {
		if (!is_chosen(c, &r->rows[i]))
			continue;
		if (!first)
			first = &r->rows[i];
		err = add_row(r, &r->rows[i], sum, &known, got);
	}
	if (!err && !got->covered_ns)
		err = -ENODATA;
	if (!err)
		err = add_before(r, first, sum, &known);
	sum->time_ns = got->until_ns;
	free(known.list);
	return err;
}

static void explain(struct history_reader *r, int err, char *cause, size_t len)
{
	char since[32], until[32];
	struct history_span range;

	if (err == -EMSGSIZE) {
		snprintf(cause, len,
			 "that is more than fits into memory: ask for less "
			 "time");
	} else if (err != -ENODATA) {
		snprintf(cause, len, "the history cannot be read: %s", strerror(-err));
	} else if (r->damaged) {
		snprintf(cause, len,
			 "all that is kept of that time is damaged: %zu readings",
			 r->damaged);
	} else if (history_reader_range(r, &range)) {
		snprintf(cause, len, "the history is empty yet");
	} else {
		units_time(since, range.since_ns);
		units_time(until, range.until_ns);
		snprintf(cause, len,
			 "nothing is kept of that time: the history goes from %s to %s",
			 since, until);
	}
}

int history_reader_frame(struct history_reader *r, const struct history_span *asked,
			 struct frame **out, struct history_span *got, char *cause,
			 size_t len)
{
	struct frame *sum = frame_new(FRAME_MAX);
	struct choice c;
	int err = sum ? 0 : -ENOMEM;

	choose(r, asked, &c);
	if (!err)
		err = sum_up(r, &c, sum, got);
	if (err) {
		frame_free(sum);
		explain(r, err, cause, len);
		return err;
	}
	*out = sum;
	return 0;
}

/* What lies in one step, each row in exactly one; NULL without an error: nothing. */
static int sum_step(struct history_reader *r, const struct history_span *step,
		    struct frame **out, struct history_span *got)
{
	struct choice c = { .span = *step, .by_middle = true };
	struct frame *f = frame_new(FRAME_MAX);
	int err = f ? sum_up(r, &c, f, got) : -ENOMEM;

	*out = err ? NULL : f;
	if (err)
		frame_free(f);
	return err == -ENODATA ? 0 : err;
}

int history_reader_each(struct history_reader *r, const struct history_span *asked,
			uint64_t step_ns,
			int (*fn)(void *arg, const struct frame *f,
				  const struct history_span *got),
			void *arg, char *cause, size_t len)
{
	struct history_span range, got, step = *asked;
	int err = history_reader_range(r, &range);

	if (err)
		explain(r, err, cause, len);
	if (!err && range.since_ns > step.since_ns)
		step.since_ns += (range.since_ns - step.since_ns) / step_ns * step_ns;
	for (;
	     !err && step.since_ns < asked->until_ns && step.since_ns < range.until_ns;
	     step.since_ns += step_ns) {
		struct frame *f;

		step.until_ns = step.since_ns + step_ns;
		if (step.until_ns > asked->until_ns)
			step.until_ns = asked->until_ns;
		err = sum_step(r, &step, &f, &got);
		if (err)
			explain(r, err, cause, len);
		else if (f)
			err = fn(arg, f, &got);
		frame_free(f);
	}
	return err;
}
