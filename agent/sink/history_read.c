// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/units.h"
#include "otlp/delta_sum.h"
#include "sink/history_impl.h"
#include "sink/history_read.h"

#define FRAME_MAX (512UL << 20)

/* What is known of a row so far. */
enum row_state {
	ROW_UNREAD,
	ROW_READ,
	ROW_DAMAGED, /* it could not be read, and is left out */
};

struct history_reader {
	sqlite3 *db;
	struct history_row *rows; /* in the order in which they came */
	size_t count;
	size_t *ends; /* of each row: history_minute_ends() */
	bool facts_damaged;
	bool all;		 /* rows has all that there were */
	uint8_t *states;	 /* of each row: enum row_state */
	size_t damaged;		 /* how many of them are damaged */
	size_t unpacked;	 /* history_reader_unpacked() */
	const char *const *only; /* metrics; NULL: all */
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
	if (!rc) /* all as it is now, whatever an agent merges meanwhile */
		rc = history_do(r->db, "BEGIN");
	if (!rc)
		rc = history_rows(r->db, &r->rows, &r->count, &r->all);
	if (!rc)
		rc = history_minute_ends(r->db, r->rows, r->count, &r->ends);
	if (!rc && !(r->states = calloc(r->count + 1, sizeof(*r->states))))
		rc = SQLITE_NOMEM;
	if (!rc) {
		*out = r;
		return 0;
	}
	err = history_errno(rc);
	history_tell_ro(path, r ? r->db : NULL, rc, cause, len);
	history_reader_close(r);
	return err;
}

void history_reader_close(struct history_reader *r)
{
	if (!r)
		return;
	history_end(r->db);
	free(r->rows);
	free(r->ends);
	free(r->states);
	free(r);
}

void history_reader_fact(struct history_reader *r, const char *key, char *out,
			 size_t len)
{
	r->facts_damaged |= history_get_fact(r->db, key, out, len) != SQLITE_OK;
}

void history_reader_only(struct history_reader *r, const char *const *metrics)
{
	r->only = metrics;
}

size_t history_reader_damaged(const struct history_reader *r)
{
	return r->damaged;
}

void history_reader_damage(const struct history_reader *r,
			   const struct history_span *time, struct history_damage *out)
{
	*out = (struct history_damage){ .unknown = !r->all, .facts = r->facts_damaged };
	for (size_t i = 0; i < r->count; i++) {
		uint64_t in = history_overlap(&r->rows[i], time);

		if (r->states[i] != ROW_DAMAGED || !in)
			continue;
		out->readings++;
		out->ns += in;
	}
}

size_t history_reader_unpacked(const struct history_reader *r)
{
	return r->unpacked;
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

static bool is_in(const struct history_row *row, const struct history_span *s)
{
	uint64_t in = history_overlap(row, s);

	return in && in >= row->until_ns - row->since_ns - in;
}

/* What of a reader's rows is wanted; all that are in `span`, or this one. */
struct choice {
	struct history_span span;
	const struct history_row *only, *last; /* last: NULL: only that */
	bool by_middle;			       /* those whose middle lies there */
};

static bool is_chosen(const struct choice *c, const struct history_row *row)
{
	uint64_t middle = row->since_ns + (row->until_ns - row->since_ns) / 2;

	if (c->by_middle)
		return middle >= c->span.since_ns && middle < c->span.until_ns;
	if (c->only && c->last)
		return row >= c->only && row <= c->last;
	return c->only ? row == c->only : is_in(row, &c->span);
}

/* Of a span that lies within one step: that step. */
static void choose(const struct history_reader *r, const struct history_span *asked,
		   struct choice *c)
{
	uint64_t most = 0;

	*c = (struct choice){ .span = *asked };
	for (size_t i = 0; i < r->count; i++) {
		uint64_t in = history_overlap(&r->rows[i], asked);

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

/* A sum, and the rows that were added to it one after the other without any between. */
struct summing {
	struct delta_sum *sum;
	const struct history_row *last; /* NULL: none */
	uint64_t whole; /* the number of the latest whole one of them; 0: none */
};

/* Whether how things stood before a row is in the sum, from an earlier beginning. */
static bool carry(struct summing *s, const struct history_row *first)
{
	if (!s->whole || !s->last || first != s->last + 1)
		return false;
	delta_sum_carry(s->sum, s->whole);
	return true;
}

static void note_added(struct summing *s, const struct history_row *first,
		       const struct history_row *last, struct history_span *got)
{
	if (!s->last || first != s->last + 1)
		s->whole = 0;
	for (const struct history_row *row = first; row <= last; row++) {
		if (row->whole)
			s->whole = delta_sum_number(s->sum);
		if (!got->covered_ns || row->since_ns < got->since_ns)
			got->since_ns = row->since_ns;
		if (row->until_ns > got->until_ns)
			got->until_ns = row->until_ns;
		got->covered_ns += row->until_ns - row->since_ns;
	}
	s->last = last;
}

typedef int (*load_fn)(sqlite3 *db, int64_t id, uint8_t **bytes, size_t *len);
typedef int (*add_fn)(struct delta_sum *s, const uint8_t *bytes, size_t len);

/* 0, -ENOMEM, -EMSGSIZE; else nothing of it was added. */
static int add_one(struct history_reader *r, load_fn load, int64_t id, add_fn add,
		   struct delta_sum *to)
{
	uint8_t *bytes;
	size_t len;
	int err = load(r->db, id, &bytes, &len);

	if (err)
		return err;
	r->unpacked++;
	err = add(to, bytes, len);
	free(bytes);
	return err;
}

static void note_state(struct history_reader *r, const struct history_row *row,
		       enum row_state state)
{
	uint8_t *s = &r->states[row - r->rows];

	r->damaged += state == ROW_DAMAGED && *s != ROW_DAMAGED;
	*s = (uint8_t)state;
}

/*
 * One that cannot be read is damaged: so is one that is not there, as nobody takes one
 * away while we read.
 */
static int add_row(struct history_reader *r, const struct history_row *row,
		   struct summing *s, struct history_span *got)
{
	int err = add_one(r, history_load, row->id, delta_sum_add, s->sum);

	if (err == -ENOMEM || err == -EMSGSIZE)
		return err;
	note_state(r, row, err ? ROW_DAMAGED : ROW_READ);
	if (!err)
		note_added(s, row, row, got);
	return 0;
}

/*
 * Rows from i on that have been added up already, if all of them are wanted; else row i
 * alone. *end: the last one that was added.
 */
static int add_rows(struct history_reader *r, const struct choice *c, size_t i,
		    struct summing *s, struct history_span *got, size_t *end)
{
	size_t last = i;
	int err;

	while (last < r->ends[i] && is_chosen(c, &r->rows[last + 1]))
		last++;
	*end = last;
	if (last > i && last == r->ends[i]) {
		err = add_one(r, history_minute_load, r->rows[last].id, delta_sum_add,
			      s->sum);
		if (!err)
			note_added(s, &r->rows[i], &r->rows[last], got);
		if (!err || err == -ENOMEM || err == -EMSGSIZE)
			return err;
	}
	*end = i;
	return add_row(r, &r->rows[i], s, got);
}

/* Of who has nothing new there: how things stood, which rows before it tell. */
static int add_before(struct history_reader *r, const struct history_row *first,
		      struct delta_sum *sum)
{
	int err = 0;

	while (!first->whole && first > r->rows && !err) {
		first--;
		err = add_one(r, history_load, first->id, delta_sum_add_before, sum);
		if (err != -ENOMEM && err != -EMSGSIZE)
			err = 0; /* damaged */
	}
	return err;
}

static struct delta_sum *new_sum(const struct history_reader *r)
{
	struct delta_sum *s = delta_sum_new(DELTA_FRAME, FRAME_MAX);

	if (s)
		delta_sum_only(s, r->only);
	return s;
}

static int sum_up(struct history_reader *r, const struct choice *c, struct summing *s,
		  struct history_span *got)
{
	const struct history_row *first = NULL;
	bool carried = false;
	int err = 0;

	*got = (struct history_span){ 0 };
	for (size_t i = 0, last; i < r->count && !err; i = last + 1) {
		last = i;
		if (!is_chosen(c, &r->rows[i]))
			continue;
		if (!first) {
			first = &r->rows[i];
			carried = first->whole || carry(s, first);
		}
		err = add_rows(r, c, i, s, got, &last);
	}
	if (!err && !got->covered_ns)
		err = -ENODATA;
	if (!err && !carried)
		err = add_before(r, first, s->sum);
	return err;
}

static void explain(struct history_reader *r, int err, char *cause, size_t len)
{
	char since[32] = "", until[32] = "";
	struct history_span range;
	bool some = !history_reader_range(r, &range);

	if (some) {
		units_time(since, range.since_ns);
		units_time(until, range.until_ns);
	}
	if (err == -EMSGSIZE) {
		snprintf(cause, len,
			 "that is more than fits into memory: ask for less "
			 "time");
	} else if (err != -ENODATA) {
		snprintf(cause, len, "the history cannot be read: %s", strerror(-err));
	} else if (r->damaged) {
		snprintf(cause, len,
			 "all that is kept of that time is damaged (%zu %s): the "
			 "history goes from %s to %s",
			 r->damaged, r->damaged == 1 ? "reading" : "readings", since,
			 until);
	} else if (!some) {
		snprintf(cause, len,
			 r->all ? "the history is empty yet"
				: "the history is damaged, and none of its readings "
				  "can be read");
	} else {
		snprintf(cause, len,
			 "nothing is kept of that time: the history goes from %s to %s",
			 since, until);
	}
}

int history_reader_frame(struct history_reader *r, const struct history_span *asked,
			 struct frame **out, struct history_span *got, char *cause,
			 size_t len)
{
	struct summing s = { .sum = new_sum(r) };
	struct choice c;
	int err = s.sum ? 0 : -ENOMEM;

	choose(r, asked, &c);
	if (!err)
		err = sum_up(r, &c, &s, got);
	if (!err)
		err = delta_sum_end(s.sum, out);
	else
		delta_sum_free(s.sum);
	if (err) {
		explain(r, err, cause, len);
		return err;
	}
	(*out)->time_ns = got->until_ns;
	return 0;
}

/* What lies in one step, each row in exactly one; NULL without an error: nothing. */
static int sum_step(struct history_reader *r, const struct history_span *step,
		    struct summing *s, struct frame **out, struct history_span *got)
{
	struct choice c = { .span = *step, .by_middle = true };
	int err;

	*out = NULL;
	delta_sum_restart(s->sum);
	err = sum_up(r, &c, s, got);
	if (!err)
		err = delta_sum_frame(s->sum, out);
	if (*out)
		(*out)->time_ns = got->until_ns;
	return err == -ENODATA ? 0 : err;
}

int history_reader_each(struct history_reader *r, const struct history_span *asked,
			uint64_t step_ns, history_step_fn fn, void *arg, char *cause,
			size_t len)
{
	struct summing s = { .sum = new_sum(r) };
	struct history_span range, got, step = *asked;
	int err = s.sum ? history_reader_range(r, &range) : -ENOMEM;

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
		err = sum_step(r, &step, &s, &f, &got);
		if (err)
			explain(r, err, cause, len);
		else if (f)
			err = fn(arg, f, &got);
		frame_free(f);
	}
	delta_sum_free(s.sum);
	return err;
}

/*
 * Until which row there is one sum to be read instead of single rows, as one of these
 * is damaged; i: none.
 */
static size_t find_stand_in(struct history_reader *r, const struct choice *c, size_t i)
{
	bool damaged = false;
	uint8_t *bytes;
	size_t len;

	for (size_t k = i; k <= r->ends[i]; k++) {
		if (!is_chosen(c, &r->rows[k]))
			return i;
		damaged |= r->states[k] == ROW_DAMAGED;
	}
	if (!damaged ||
	    history_minute_load(r->db, r->rows[r->ends[i]].id, &bytes, &len))
		return i;
	free(bytes);
	return r->ends[i];
}

/* Some rows, one after the other. */
static int give_rows(struct history_reader *r, size_t first, size_t last,
		     struct summing *s, history_step_fn fn, void *arg)
{
	struct choice c = { .only = &r->rows[first], .last = &r->rows[last] };
	struct history_span got;
	struct frame *f = NULL;
	int err;

	delta_sum_restart(s->sum);
	err = sum_up(r, &c, s, &got);
	if (!err)
		err = delta_sum_frame(s->sum, &f);
	if (err && err != -ENODATA)
		return err;
	if (!f)
		got = (struct history_span){ .since_ns = r->rows[first].since_ns,
					     .until_ns = r->rows[last].until_ns };
	err = fn(arg, f, &got);
	frame_free(f);
	return err;
}

int history_reader_rows(struct history_reader *r, const struct history_span *asked,
			history_step_fn fn, void *arg, char *cause, size_t len)
{
	struct choice c = { .span = *asked, .by_middle = true };
	struct summing s = { .sum = new_sum(r) };
	int err = s.sum ? 0 : -ENOMEM;

	for (size_t i = 0, last; i < r->count && !err; i = last + 1) {
		last = i;
		if (!is_chosen(&c, &r->rows[i]))
			continue;
		last = find_stand_in(r, &c, i);
		err = give_rows(r, i, last, &s, fn, arg);
	}
	if (err)
		explain(r, err, cause, len);
	delta_sum_free(s.sum);
	return err;
}
