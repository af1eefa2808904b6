// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "metric/points_before.h"

/* One series, and its total. */
struct before {
	const struct metric *metric;
	uint64_t values; /* hash of its attributes' values */
	union {
		uint64_t u;
		double d;
	};
};

#define FNV_START 14695981039346656037ULL
#define FNV_PRIME 1099511628211ULL

static uint64_t hash_values(const struct point *p)
{
	uint64_t h = FNV_START;

	for (size_t i = 0; i < METRIC_ATTRS; i++) {
		for (const char *c = p->values[i]; c && *c; c++)
			h = (h ^ (unsigned char)*c) * FNV_PRIME;
		h = (h ^ 0xff) * FNV_PRIME; /* in no UTF-8 */
	}
	return h;
}

static const struct before *find(const struct points_before *b,
				 const struct before *key)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->list[i].metric == key->metric &&
		    b->list[i].values == key->values)
			return &b->list[i];
	return NULL;
}

/* Whether it has grown. */
static bool subtract(struct point *p, const struct before *old)
{
	if (p->metric->real) {
		p->d -= old ? old->d : 0;
		return p->d > 0;
	}
	p->u -= old ? old->u : 0;
	return p->u > 0;
}

int points_since(struct points_before *b, struct point_group *g, uint64_t since_ns)
{
	struct before *now = malloc((g->count + b->count + 1) * sizeof(*now));
	size_t count = 0, kept = 0, told;

	if (!now)
		return -ENOMEM;
	for (size_t i = 0; i < g->count; i++) {
		struct point *p = &g->points[i];
		struct before key = { .metric = p->metric, .values = hash_values(p) };
		bool stays = true;

		if (p->metric->kind == METRIC_SUM) {
			key.u = p->u; /* or d: they are one */
			now[count++] = key;
			stays = subtract(p, find(b, &key));
			if (since_ns > p->start_ns)
				p->start_ns = since_ns;
		}
		if (stays)
			g->points[kept++] = *p;
	}
	g->count = kept;
	/* one that could not be read this time goes on from where it was */
	told = count;
	for (size_t i = 0; i < b->count; i++)
		if (!find(&(struct points_before){ now, told }, &b->list[i]))
			now[count++] = b->list[i];
	free(b->list);
	b->list = now;
	b->count = count;
	return 0;
}

void points_before_fini(struct points_before *b)
{
	free(b->list);
	*b = (struct points_before){ 0 };
}
