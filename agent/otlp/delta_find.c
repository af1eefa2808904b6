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

#define TABLE_MIN 512
#define FNV_START 14695981039346656037ULL
#define FNV_PRIME 1099511628211ULL

static bool is_same(struct scan a, struct scan b)
{
	return scan_length(a) == scan_length(b) &&
	       (!scan_length(a) || !memcmp(a.at, b.at, scan_length(a)));
}

struct scan delta_copy(struct delta_sum *s, struct scan from)
{
	uint8_t *p = arena_get(&s->arena, scan_length(from) + 1);

	if (p && scan_length(from))
		memcpy(p, from.at, scan_length(from));
	return (struct scan){ p, p ? p + scan_length(from) : NULL };
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
		list[n] = pb_key_value_unpack(&memory, scan_length(f.in), f.in.at);
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
	return strlen((const char *)s.at) == scan_length(s) &&
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
