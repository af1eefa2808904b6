// SPDX-License-Identifier: Apache-2.0
/* Points in memory: growing arrays, nothing more. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "metric/metric.h"
#include "reading/sparse.h"

const char metric_left_out[] = "";

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

static void add_attr(struct point_group *g, struct attr attr)
{
	if (grow((void **)&g->attrs, g->attr_count, &g->attr_room, sizeof(*g->attrs)))
		g->attrs[g->attr_count++] = attr;
	else
		g->incomplete = true;
}

static struct point *add_one(struct point_group *g, const struct metric *m,
			     const char *value, uint64_t start_ns)
{
	struct point *p = points_add(g, m);

	if (p) {
		p->start_ns = start_ns;
		p->values[0] = value;
	}
	return p;
}

int points_add_u(struct point_group *g, const struct metric *m, const char *value,
		 uint64_t start_ns, uint64_t n)
{
	struct point *p = add_one(g, m, value, start_ns);

	if (!p)
		return -ENOMEM;
	p->u = n;
	return 0;
}

int points_add_d(struct point_group *g, const struct metric *m, const char *value,
		 uint64_t start_ns, double d)
{
	struct point *p = add_one(g, m, value, start_ns);

	if (!p)
		return -ENOMEM;
	p->d = d;
	return 0;
}

void points_attr(struct point_group *g, const char *key, const char *value)
{
	if (value && *value)
		add_attr(g, (struct attr){ key, value });
}

void points_attr_number(struct point_group *g, const char *key, int64_t number)
{
	add_attr(g, (struct attr){ key, .kind = ATTR_NUMBER, .number = number });
}

void points_attr_list(struct point_group *g, const char *key, const char *value)
{
	if (value && *value)
		add_attr(g, (struct attr){ key, value, ATTR_LIST });
}

static bool has_key(const struct attr *attrs, size_t count, const char *key)
{
	for (size_t i = 0; i < count; i++)
		if (!strcmp(attrs[i].key, key))
			return true;
	return false;
}

bool points_has_attr(const struct point_group *g, const char *key)
{
	return has_key(g->attrs, g->attr_count, key) ||
	       has_key(g->extra, g->extra_count, key);
}

const char *points_text(struct point_group *g, const char *format, ...)
{
	char *text = NULL;
	va_list ap;
	int len = -1;

	va_start(ap, format);
	if (grow((void **)&g->texts, g->text_count, &g->text_room, sizeof(*g->texts)))
		len = vasprintf(&text, format, ap);
	va_end(ap);
	if (len < 0) {
		g->incomplete = true;
		return NULL;
	}
	g->texts[g->text_count++] = text;
	return text;
}

static bool same_value(const char *a, const char *b)
{
	return a == b || (a && b && *a == *b && strcmp(a, b) == 0);
}

/* Would a backend take both for the same series? */
static bool is_same(const struct point *a, const struct point *b)
{
	if (a->metric != b->metric || a->overflow != b->overflow)
		return false;
	for (size_t i = 0; i < METRIC_ATTRS; i++)
		if (!same_value(a->values[i], b->values[i]))
			return false;
	return true;
}

/* Adds a histogram to a point's, which is a copy of the group's own from then on. */
static int add_hist(struct point_group *g, struct point *into, const struct sparse *h)
{
	struct sparse *sum = NULL;
	int err;

	if (!grow((void **)&g->merged, g->merged_count, &g->merged_room,
		  sizeof(*g->merged)))
		return -ENOMEM;
	err = sparse_add(&sum, into->hist) ?: sparse_add(&sum, h);
	if (err) {
		free(sum);
		return err;
	}
	g->merged[g->merged_count++] = sum;
	into->hist = sum;
	return 0;
}

static int merge(struct point_group *g, struct point *into, const struct point *p)
{
	bool gauge = p->metric->kind == METRIC_GAUGE;

	/* what was decided of one part holds for the series */
	if (into->set && !*into->set)
		into->set = p->set;
	if (p->ended)
		return 0; /* the other part of the series goes on, or has ended, too */
	if (into->ended) {
		*into = *p;
		return 0;
	}
	if (p->start_ns < into->start_ns)
		into->start_ns = p->start_ns;
	metric_error_add(&into->error, &p->error);
	if (p->metric->kind == METRIC_HISTOGRAM)
		return add_hist(g, into, p->hist);
	if (p->metric->real && gauge)
		into->d = p->d > into->d ? p->d : into->d;
	else if (p->metric->real)
		into->d += p->d;
	else if (gauge)
		into->u = p->u > into->u ? p->u : into->u;
	else
		into->u += p->u;
	return 0;
}

/*
 * Points of one metric mostly follow one another: where none of it came before those,
 * it is compared with them only.
 */
int points_merge(struct point_group *g)
{
	size_t kept = 0, k, run = 0;
	struct metric_set before = { 0 }; /* the metrics before point `run` */
	int err = 0;

	for (size_t i = 0; i < g->count && !err; i++) {
		const struct metric *m = g->points[i].metric;

		if (kept && g->points[kept - 1].metric != m) {
			metric_set_add(&before, g->points[kept - 1].metric);
			run = kept;
		}
		k = metric_set_may_have(&before, m) ? 0 : run;
		for (; k < kept && !is_same(&g->points[k], &g->points[i]); k++)
			;
		if (k < kept)
			err = merge(g, &g->points[k], &g->points[i]);
		else if (kept++ != i)
			g->points[kept - 1] = g->points[i];
	}
	g->count = kept;
	return err;
}

static void group_fini(struct point_group *g)
{
	for (size_t i = 0; i < g->merged_count; i++)
		free(g->merged[i]);
	for (size_t i = 0; i < g->text_count; i++)
		free(g->texts[i]);
	free(g->texts);
	free(g->attrs);
	free(g->merged);
	free(g->points);
}

void points_clear(struct points *p)
{
	for (size_t i = 0; i < p->count; i++)
		group_fini(&p->groups[i]);
	p->count = 0;
}

void points_fini(struct points *p)
{
	points_clear(p);
	free(p->groups);
	memset(p, 0, sizeof(*p));
}
