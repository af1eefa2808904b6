// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "sink/history_impl.h"
#include "sink/history_read.h"

#define FRAME_MAX (512UL << 20)
#define BUSY_MS	  2000

struct history_reader {
	sqlite3 *db;
	struct history_row *rows; /* in the order in which they came */
	size_t count;
	size_t damaged; /* rows that could not be read so far */
};

/* As SQLite wants a path in a URI: NULL: no memory. */
static char *uri_of(const char *path, bool immutable)
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
	snprintf(uri + at, size - at, "?mode=ro%s", immutable ? "&immutable=1" : "");
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

static int open_as(struct history_reader *r, const char *path, bool immutable)
{
	char *uri = uri_of(path, immutable);
	int rc;

	if (!uri)
		return SQLITE_NOMEM;
	sqlite3_close(r->db);
	r->db = NULL;
	rc = sqlite3_open_v2(uri, &r->db, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, NULL);
	free(uri);
	if (rc)
		return rc;
	sqlite3_busy_timeout(r->db, BUSY_MS);
	free(r->rows);
	r->rows = NULL;
	return history_rows(r->db, &r->rows, &r->count);
}

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
	rc = r ? open_as(r, path, false) : SQLITE_NOMEM;
	/* nobody writes it, and we may not make the files that writers have beside it
	 */
	if ((rc & 0xff) == SQLITE_CANTOPEN && !is_there(path, "-wal"))
		rc = open_as(r, path, true);
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
	sqlite3_close(r->db);
	free(r->rows);
	free(r);
}

size_t history_reader_damaged(const struct history_reader *r)
{
	return r->damaged;
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

static int load_frame(struct history_reader *r, const struct history_row *row,
		      struct frame **out)
{
	uint8_t *bytes;
	size_t len;
	int err = history_load(r->db, row->id, &bytes, &len);

	if (err)
		return err;
	err = frame_decode_delta(bytes, len, out);
	free(bytes);
	return err;
}

/* One that cannot be read is damaged, or the agent has merged it meanwhile. */
static int add_row(struct history_reader *r, const struct history_row *row,
		   struct frame *sum, struct history_span *got)
{
	struct frame *f;
	int err = load_frame(r, row, &f);

	if (err == -ENOMEM || err == -EMSGSIZE)
		return err;
	if (err) {
		r->damaged += err != -ENOENT;
		return 0;
	}
	err = frame_add(sum, f);
	frame_free(f);
	if (err)
		return err;
	if (!got->covered_ns || row->since_ns < got->since_ns)
		got->since_ns = row->since_ns;
	if (row->until_ns > got->until_ns)
		got->until_ns = row->until_ns;
	got->covered_ns += row->until_ns - row->since_ns;
	return 0;
}

/* Of who has nothing new there: how things stood, which rows before it tell. */
static int add_before(struct history_reader *r, const struct history_row *first,
		      struct frame *sum)
{
	int err = 0;

	while (!first->whole && first > r->rows && !err) {
		struct frame *f;

		first--;
		err = load_frame(r, first, &f);
		if (err) {
			err = err == -ENOMEM ? err : 0;
			continue;
		}
		err = frame_add_before(sum, f);
		frame_free(f);
	}
	return err;
}

static int sum_up(struct history_reader *r, const struct choice *c, struct frame *sum,
		  struct history_span *got)
{
	const struct history_row *first = NULL;
	int err = 0;

	*got = (struct history_span){ 0 };
	for (size_t i = 0; i < r->count && !err; i++) {
		if (!is_chosen(c, &r->rows[i]))
			continue;
		if (!first)
			first = &r->rows[i];
		err = add_row(r, &r->rows[i], sum, got);
	}
	if (!err && !got->covered_ns)
		err = -ENODATA;
	if (!err)
		err = add_before(r, first, sum);
	sum->time_ns = got->until_ns;
	return err;
}

static void say_time(uint64_t ns, char *text, size_t len)
{
	time_t s = (time_t)(ns / 1000000000);
	struct tm tm;

	gmtime_r(&s, &tm);
	strftime(text, len, "%Y-%m-%dT%H:%M:%SZ", &tm);
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
	} else if (history_reader_range(r, &range)) {
		snprintf(cause, len, "the history is empty yet");
	} else {
		say_time(range.since_ns, since, sizeof(since));
		say_time(range.until_ns, until, sizeof(until));
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
		err = sum_step(r, &step, &f, &got);
		if (err)
			explain(r, err, cause, len);
		else if (f)
			err = fn(arg, f, &got);
		frame_free(f);
	}
	return err;
}
