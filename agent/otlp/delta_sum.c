// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "otlp/delta_sum_impl.h"

#define STEPS_MIN      (1UL << 20) /* of looking for series, whatever the length */
#define STEPS_PER_BYTE 16	   /* of a batch that somebody made to take long */

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
	if (m->error)
		metric_error_add(&t->error, m->error);
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
	err = delta_parse(s, scan_of(bytes, len));
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
