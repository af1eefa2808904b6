// SPDX-License-Identifier: Apache-2.0
/* Points in memory: growing arrays, nothing more. */
#include <stdlib.h>
#include <string.h>
#include "metric.h"

/* Makes room for one more element of size bytes; false when there is no memory. */
static bool grow(void **array, size_t count, size_t *room, size_t size)
{
	size_t n = *room ? *room * 2 : 16;
	void *p;

	if (count < *room)
		return true;
	p = reallocarray(*array, n, size);
	if (!p)
		return false;
	*array = p;
	*room = n;
	return true;
}

uint64_t hist_count(const struct hist *h)
{
	uint64_t n = 0;

	for (size_t i = 0; i < BUCKET_COUNT; i++)
		n += h->buckets[i];
	return n;
}

struct point_group *points_group(struct points *p)
{
	if (!grow((void **)&p->groups, p->count, &p->room, sizeof(*p->groups)))
		return NULL;
	memset(&p->groups[p->count], 0, sizeof(*p->groups));
	return &p->groups[p->count++];
}

struct point *points_add(struct point_group *g, const struct metric *m)
{
	struct point *pt;

	if (!grow((void **)&g->points, g->count, &g->room, sizeof(*g->points)))
		return NULL;
	pt = &g->points[g->count++];
	memset(pt, 0, sizeof(*pt));
	pt->metric = m;
	return pt;
}

void points_attr(struct point_group *g, const char *key, const char *value)
{
	if (!value || !*value || g->attr_count == RESOURCE_ATTRS)
		return;
	g->attrs[g->attr_count++] = (struct attr){ key, value };
}

void points_fini(struct points *p)
{
	for (size_t i = 0; i < p->count; i++)
		free(p->groups[i].points);
	free(p->groups);
	memset(p, 0, sizeof(*p));
}
