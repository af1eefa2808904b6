// SPDX-License-Identifier: Apache-2.0
/* A batch of a sum: what says of whom a number is goes out as it came. */
#include "otlp/delta_sum_impl.h"
#include "otlp/otlp.h"
#include "otlp/otlp_impl.h"

static void put_raw(struct wire *w, struct scan raw)
{
	wire_append(w, raw.at, scan_length(raw));
}

/* A point never starts when it ends, as otlp.c has it. */
static uint64_t start_of(const struct sum_resource *r, const struct sum_series *t)
{
	return t->start_ns < r->time_ns ? t->start_ns : r->time_ns - 1;
}

static void put_hist(struct wire *w, const struct sum_resource *r,
		     const struct sum_series *t)
{
	const uint64_t *buckets = t->hist->buckets;
	size_t begin = wire_begin(w, 1), first = t->first, end = t->end;
	struct otlp_hist h = { .zero = buckets[0],
			       .sum_ns = t->hist->sum_ns,
			       .count = buckets[0] };

	while (first < end && !buckets[first])
		first++;
	while (first < end && !buckets[end - 1])
		end--;
	for (size_t i = first; i < end; i++)
		h.count += buckets[i];
	h.first = first;
	h.len = end - first;
	h.run = buckets + first;
	put_raw(w, t->raw);
	otlp_put_error(w, 1, &t->error);
	wire_fixed(w, 2, start_of(r, t));
	wire_fixed(w, 3, r->time_ns);
	otlp_put_hist(w, &h);
	wire_end(w, begin);
}

static void put_number(struct wire *w, const struct sum_resource *r,
		       const struct sum_series *t)
{
	size_t begin = wire_begin(w, 1);

	if (t->metric->kind != METRIC_GAUGE)
		wire_fixed(w, 2, start_of(r, t));
	wire_fixed(w, 3, r->time_ns);
	if (t->real)
		wire_double(w, 4, t->d);
	else
		wire_sfixed(w, 6, (int64_t)t->i);
	put_raw(w, t->raw);
	otlp_put_error(w, 7, &t->error);
	wire_end(w, begin);
}

static void put_metric(const struct delta_sum *s, struct wire *w,
		       const struct sum_resource *r, const struct sum_metric *m)
{
	size_t before = w->len, begin = wire_begin(w, 2), data;
	bool any = false;

	wire_text(w, 1, (const char *)m->name.at);
	wire_text(w, 3, (const char *)m->unit.at);
	data = wire_begin(w, otlp_field[m->kind]);
	for (const struct sum_series *t = m->first; t; t = t->next) {
		if (!delta_is_told(s, r, t))
			continue;
		any = true;
		(m->kind == METRIC_HISTOGRAM ? put_hist : put_number)(w, r, t);
	}
	otlp_put_kind(w, m->kind, true);
	wire_end(w, data);
	wire_end(w, begin);
	if (!any)
		w->len = before;
}

void delta_sum_encode(const struct delta_sum *s, struct wire *w)
{
	for (const struct sum_resource *r = s->first; r; r = r->next) {
		size_t begin, resource;

		if (r->seen <= s->since)
			continue;
		begin = wire_begin(w, 1);
		resource = wire_begin(w, 1);
		put_raw(w, r->raw);
		wire_end(w, resource);
		resource = otlp_begin_scope(w);
		for (const struct sum_metric *m = r->first; m; m = m->next)
			put_metric(s, w, r, m);
		otlp_end_scope(w, resource);
		wire_text(w, 3, OTLP_SCHEMA_URL);
		wire_end(w, begin);
	}
}
