// SPDX-License-Identifier: Apache-2.0
/*
 * Batches have their workloads, metrics and series in nearly the same order each time.
 * So what is met next is looked for behind what was met last, and all around only if it
 * is not there.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "otlp/delta_sum_impl.h"
#include "otlp/frame_impl.h"

#define TABLE_MIN      512
#define STEPS_MIN      (1UL << 20) /* of looking for series, whatever the length */
#define STEPS_PER_BYTE 16	   /* of a batch that somebody made to take long */
#define FNV_START      14695981039346656037ULL
#define FNV_PRIME      1099511628211ULL

struct delta_sum *delta_sum_new(enum delta_use use, size_t limit)
{
	struct delta_sum *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->use = use;
	s->arena.limit = s->scratch.limit = limit;
	return s;
}

void delta_sum_only(struct delta_sum *s, const char *const *metrics)
{
	s->only = metrics;
}

static void forget(struct delta_sum *s)
{
	s->first = s->last = s->at = NULL;
	s->resources = s->series = s->sorted_count = s->sorted_series = 0;
	s->batch = s->since = s->carried = s->states = s->before = s->time_ns = 0;
}

void delta_sum_clear(struct delta_sum *s)
{
	arena_reset(&s->arena);
	if (s->room)
		memset(s->table, 0, s->room * sizeof(*s->table));
	forget(s);
}

void delta_sum_free(struct delta_sum *s)
{
	if (!s)
		return;
	arena_fini(&s->arena);
	arena_fini(&s->scratch);
	free(s->table);
	free(s->met);
	free(s->sorted);
	free(s->order);
	free(s);
}

void delta_sum_restart(struct delta_sum *s)
{
	s->since = s->batch;
	s->states = s->before = s->time_ns = s->carried = 0;
}

uint64_t delta_sum_number(const struct delta_sum *s)
{
	return s->batch;
}

void delta_sum_carry(struct delta_sum *s, uint64_t number)
{
	s->carried = number;
}

static size_t length(struct scan s)
{
	return (size_t)(s.end - s.at);
}

static bool is_same(struct scan a, struct scan b)
{
	return length(a) == length(b) && (!length(a) || !memcmp(a.at, b.at, length(a)));
}

struct scan delta_copy(struct delta_sum *s, struct scan from)
{
	uint8_t *p = arena_get(&s->arena, length(from) + 1);

	if (p && length(from))
		memcpy(p, from.at, length(from));
	return (struct scan){ p, p ? p + length(from) : NULL };
}

static void *message_get(void *arena, size_t size)
{
	return arena_get(arena, size);
}

/* The arena takes everything back at once. */
static void message_put(void *arena, void *p)
{
}

/* Makes attributes of the fields in raw. */
static int read_raw(struct delta_sum *s, struct scan raw, struct frame_attrs *out)
{
	ProtobufCAllocator memory = { message_get, message_put, &s->arena };
	size_t count = 0, n = 0;
	struct pb_key_value **list;
	struct scan_field f = { 0 };

	for (struct scan in = raw; scan_next(&in, &f) > 0;)
		count += (f.tag & 7) == SCAN_BYTES;
	list = arena_get(&s->scratch, (count + 1) * sizeof(struct pb_key_value *));
	if (!list)
		return -ENOMEM;
	while (scan_next(&raw, &f) > 0) {
		if (f.tag != SCAN_TAG(1, SCAN_BYTES) &&
		    f.tag != SCAN_TAG(7, SCAN_BYTES))
			continue;
		list[n] = pb_key_value_unpack(&memory, length(f.in), f.in.at);
		if (!list[n++])
			return s->arena.full ? -EMSGSIZE : -EINVAL;
	}
	return frame_read_attrs(&s->arena, list, n, out);
}

static uint64_t hash_of(struct scan raw)
{
	uint64_t h = FNV_START;

	while (raw.at < raw.end)
		h = (h ^ *raw.at++) * FNV_PRIME;
	return h;
}

/* Its place in the table, or a free one; NULL: it would take too long to find. */
static struct sum_resource **place_of(struct delta_sum *s, uint64_t hash,
				      struct scan raw)
{
	size_t i = hash & (s->room - 1);

	for (; s->table[i] &&
	       (s->table[i]->hash != hash || !is_same(s->table[i]->raw, raw));
	     i = (i + 1) & (s->room - 1))
		if (!s->steps--)
			return NULL;
	return &s->table[i];
}

static int make_table(struct delta_sum *s)
{
	size_t room = s->room ? 2 * s->room : TABLE_MIN;
	struct sum_resource **table;

	if (2 * s->resources < s->room)
		return 0;
	table = calloc(room, sizeof(struct sum_resource *));
	if (!table)
		return -ENOMEM;
	free(s->table);
	s->table = table;
	s->room = room;
	for (struct sum_resource *r = s->first; r; r = r->next) {
		size_t i = r->hash & (room - 1);

		while (table[i])
			i = (i + 1) & (room - 1);
		table[i] = r;
	}
	return 0;
}

static int new_resource(struct delta_sum *s, struct scan raw, uint64_t hash,
			struct sum_resource **out)
{
	struct sum_resource *r = arena_get(&s->arena, sizeof(*r));
	int err;

	if (!r)
		return -ENOMEM;
	r->hash = hash;
	r->raw = delta_copy(s, raw);
	if (!r->raw.at)
		return -ENOMEM;
	err = s->use == DELTA_FRAME ? read_raw(s, r->raw, &r->attrs) : 0;
	if (err)
		return err;
	if (s->last)
		s->last->next = r;
	else
		s->first = r;
	s->last = r;
	s->resources++;
	*out = r;
	return 0;
}

int delta_find_resource(struct delta_sum *s, struct scan raw, struct sum_resource **out)
{
	struct sum_resource *r = s->at ? s->at : s->first, **place;
	uint64_t hash;
	int err = 0;

	if (!r || !is_same(r->raw, raw)) {
		hash = hash_of(raw);
		err = make_table(s);
		place = err ? NULL : place_of(s, hash, raw);
		if (!place)
			return err ?: -EINVAL;
		r = *place;
		if (!r)
			err = new_resource(s, raw, hash, &r);
		if (!err)
			*place = r;
	}
	s->at = err ? NULL : r->next;
	*out = r;
	return err;
}

/* Texts of a sum end with a 0: one with another in it is none. */
static bool is_text(struct scan s)
{
	return strlen((const char *)s.at) == length(s) &&
	       text_is_utf8((const char *)s.at);
}

static int new_metric(struct delta_sum *s, struct sum_resource *r, struct scan name,
		      struct scan unit, struct sum_metric **out)
{
	struct sum_metric *m = arena_get(&s->arena, sizeof(*m));

	if (!m)
		return -ENOMEM;
	m->name = delta_copy(s, name);
	m->unit = delta_copy(s, unit);
	if (!m->name.at || !m->unit.at)
		return -ENOMEM;
	if (!is_text(m->name) || !is_text(m->unit))
		return -EINVAL;
	m->is_state = frame_is_state((const char *)m->name.at);
	if (r->last)
		r->last->next = m;
	else
		r->first = m;
	r->last = m;
	*out = m;
	return 0;
}

int delta_find_metric(struct delta_sum *s, struct sum_resource *r, struct scan name,
		      struct scan unit, enum metric_kind kind, struct sum_metric **out)
{
	struct sum_metric *start = r->at ? r->at : r->first, *m = start;
	int err = 0;

	while (m && (m->kind != kind || !is_same(m->name, name))) {
		m = m->next ? m->next : r->first;
		if (m == start)
			m = NULL;
		if (!s->steps--)
			return -EINVAL;
	}
	if (!m)
		err = new_metric(s, r, name, unit, &m);
	if (err)
		return err;
	m->kind = kind;
	r->at = m->next;
	*out = m;
	return 0;
}

static int new_series(struct delta_sum *s, struct sum_resource *r, struct sum_metric *m,
		      struct scan raw, struct sum_series **out)
{
	struct sum_series *t = arena_get(&s->arena, sizeof(*t));
	int err;

	if (!t)
		return -ENOMEM;
	t->metric = m;
	t->raw = delta_copy(s, raw);
	if (m->kind == METRIC_HISTOGRAM)
		t->hist = arena_get(&s->arena, sizeof(*t->hist));
	if (!t->raw.at || (m->kind == METRIC_HISTOGRAM && !t->hist))
		return -ENOMEM;
	err = s->use == DELTA_FRAME ? read_raw(s, t->raw, &t->attrs) : 0;
	if (err)
		return err;
	if (m->last)
		m->last->next = t;
	else
		m->first = t;
	m->last = t;
	r->series++;
	s->series++;
	*out = t;
	return 0;
}

int delta_find_series(struct delta_sum *s, struct sum_resource *r, struct sum_metric *m,
		      struct scan raw, bool real, struct sum_series **out)
{
	struct sum_series *start = m->at ? m->at : m->first, *t = start;
	int err = 0;

	while (t && (t->real != real || !is_same(t->raw, raw))) {
		t = t->next ? t->next : m->first;
		if (t == start)
			t = NULL;
		if (!s->steps--)
			return -EINVAL;
	}
	if (!t)
		err = new_series(s, r, m, raw, &t);
	if (err)
		return err;
	t->real = real;
	m->at = t->next;
	*out = t;
	return 0;
}

/* What was there of an earlier beginning. */
static void empty(struct sum_series *t)
{
	t->start_ns = UINT64_MAX;
	t->error = (struct metric_error){ 0 };
	if (t->metric->kind != METRIC_HISTOGRAM) {
		t->i = 0; /* or d */
		return;
	}
	t->hist->sum_ns = t->hist->buckets[0] = 0;
	for (size_t i = t->first; i < t->end; i++)
		t->hist->buckets[i] = 0;
	t->first = t->end = 0;
}

static int add_hist(struct sum_series *t, const struct met *m)
{
	uint16_t first, end;
	uint64_t count = 0;

	t->hist->sum_ns += m->i;
	t->hist->buckets[0] += m->zero;
	if (delta_buckets(m->buckets, t->hist->buckets, &count, &first, &end))
		return -EINVAL; /* of DELTA_ENCODE: looked at the first time */
	if (!end)
		return 0;
	if (!t->end || first < t->first)
		t->first = first;
	if (end > t->end)
		t->end = end;
	return 0;
}

static int add(struct delta_sum *s, const struct met *m)
{
	struct sum_series *t = m->series;
	struct sum_resource *r = m->resource;

	if (r->seen <= s->since) {
		r->before = s->before;
		r->time_ns = 0;
	}
	r->seen = s->batch;
	if (!t)
		return 0;
	if (m->time_ns > r->time_ns)
		r->time_ns = m->time_ns;
	if (t->seen <= s->since)
		empty(t);
	t->seen = s->batch;
	if (m->start_ns < t->start_ns)
		t->start_ns = m->start_ns;
	if (m->error) {
		t->error.noise += m->error->noise;
		t->error.change += m->error->change;
		t->error.outstanding += m->error->outstanding;
	}
	if (t->metric->is_state && !s->before)
		s->states = s->batch;
	if (t->metric->kind == METRIC_HISTOGRAM)
		return add_hist(t, m);
	if (t->metric->kind != METRIC_SUM)
		t->i = m->i; /* or d: how it is by then */
	else if (t->real)
		t->d += m->d;
	else
		t->i += m->i;
	return 0;
}

static int add_batch(struct delta_sum *s, const uint8_t *bytes, size_t len)
{
	int err;

	s->steps = STEPS_MIN + STEPS_PER_BYTE * len;
	s->at = s->first;
	err = delta_parse(s, (struct scan){ bytes, bytes + len });
	if (s->arena.full || s->scratch.full)
		return -EMSGSIZE;
	if (err)
		return err;
	s->batch++;
	for (size_t i = 0; i < s->met_count && !err; i++) {
		err = add(s, &s->met[i]);
		if (!s->before && s->met[i].time_ns > s->time_ns)
			s->time_ns = s->met[i].time_ns;
	}
	return err;
}

int delta_sum_add(struct delta_sum *s, const uint8_t *bytes, size_t len)
{
	return add_batch(s, bytes, len);
}

int delta_sum_add_before(struct delta_sum *s, const uint8_t *bytes, size_t len)
{
	s->before++;
	return add_batch(s, bytes, len);
}

uint64_t delta_before(const struct delta_sum *s, const struct sum_resource *r)
{
	if (r->seen > s->since)
		return r->before;
	if (!s->carried || r->seen < s->carried || r->before)
		return UINT64_MAX;
	return s->since + 1 - r->seen;
}

bool delta_is_told(const struct delta_sum *s, const struct sum_resource *r,
		   const struct sum_series *t)
{
	enum metric_kind kind = t->metric->kind;

	if (r->seen <= s->since)
		return delta_before(s, r) != UINT64_MAX && t->seen == r->seen &&
		       (kind == METRIC_GAUGE || kind == METRIC_UPDOWN);
	if (t->seen <= s->since)
		return false;
	return !t->metric->is_state || r->before || t->seen == s->states;
}
