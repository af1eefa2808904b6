// SPDX-License-Identifier: Apache-2.0
/*
 * Attributes of points: a third of what is written, and the same for each workload, so
 * that their bytes are kept from one to the next.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "otlp/otlp_impl.h"

#define ERROR_LEN 80 /* three numbers */
#define PLACES	  256
#define BYTES	  64 /* of most points; what is longer is written anew */

/* Whose attributes they are: what a pointer points to is the same as long as we run. */
struct known_attrs {
	const struct metric *metric;
	const char *values[METRIC_ATTRS];
	size_t len;
	uint8_t bytes[BYTES];
};

struct otlp_known {
	struct known_attrs places[PLACES];
};

struct otlp_known *otlp_known_new(void)
{
	return calloc(1, sizeof(struct otlp_known));
}

void otlp_put_attr(struct wire *w, unsigned int n, const char *key, const char *value)
{
	size_t attr, any;

	if (value) {
		wire_pair(w, n, key, value);
		return;
	}
	attr = wire_begin(w, n);
	wire_text(w, 1, key);
	any = wire_begin(w, 2);
	wire_number(w, 2, true);
	wire_end(w, any);
	wire_end(w, attr);
}

void otlp_put_error(struct wire *w, unsigned int n, const struct metric_error *e)
{
	char text[ERROR_LEN];

	if (!(e->noise > 0))
		return;
	/* of an estimate: how far it may be off */
	snprintf(text, sizeof(text), "%.17g,%.17g,%.9g", e->noise, e->change,
		 e->outstanding);
	otlp_put_attr(w, n, METRIC_ERROR_KEY, text);
}

static void put_values(struct wire *w, unsigned int n, const struct point *p)
{
	for (size_t i = 0; i < METRIC_ATTRS && p->metric->attrs[i]; i++)
		if (p->values[i])
			otlp_put_attr(w, n, p->metric->attrs[i], p->values[i]);
}

/* Where what is known of a point is, or will be. */
static struct known_attrs *place_of(struct otlp_known *known, const struct point *p)
{
	uintptr_t at = (uintptr_t)p->metric;

	for (size_t i = 0; i < METRIC_ATTRS; i++)
		at = at * 31 + (uintptr_t)p->values[i];
	return &known->places[(uint64_t)at * 0x9e3779b97f4a7c15ULL >> 56];
}

static bool is_of(const struct known_attrs *k, const struct point *p)
{
	return k->metric == p->metric &&
	       !memcmp(k->values, p->values, sizeof(k->values));
}

/* Writes what has just been noted, or is noted now. */
static void put_known(struct wire *w, unsigned int n, const struct point *p,
		      struct known_attrs *k)
{
	uint8_t *to = wire_reserve(w, BYTES);
	size_t begin = w->len;

	if (to && is_of(k, p)) {
		memcpy(to, k->bytes, BYTES); /* a copy of a fixed size is a short one */
		w->len += k->len;
		return;
	}
	put_values(w, n, p);
	if (w->full || w->len - begin > BYTES)
		return;
	k->metric = p->metric;
	memcpy(k->values, p->values, sizeof(k->values));
	k->len = w->len - begin;
	memcpy(k->bytes, w->bytes + begin, k->len);
}

void otlp_put_attrs(struct wire *w, unsigned int n, const struct point *p,
		    bool overflow, struct otlp_known *known)
{
	if (known && p->lasting)
		put_known(w, n, p, place_of(known, p));
	else
		put_values(w, n, p);
	if (overflow || p->overflow)
		otlp_put_attr(w, n, "otel.metric.overflow", NULL);
	otlp_put_error(w, n, &p->error);
}
