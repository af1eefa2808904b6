// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <string.h>
#include "reading/snapshot_impl.h"

void totals_free(struct workload *w)
{
	if (!w)
		return;
	for (size_t i = 0; i < SNAPSHOT_HISTS; i++)
		free(w->hists[i]);
	for (size_t i = 0; i < w->open_count; i++)
		free(w->opens[i].hist);
	for (size_t i = 0; i < w->culprit_count; i++) {
		free(w->culprits[i].series);
		free(w->culprits[i].name);
	}
	free(w->culprits);
	workload_id_fini(&w->id);
	free(w->opens);
	free(w->path);
	free(w->instance);
	names_free(w->names);
	free(w);
}

struct open_total *totals_open(struct workload *w, uint32_t signal, uint32_t attr)
{
	struct open_total *t;

	for (size_t i = 0; i < w->open_count; i++)
		if (w->opens[i].signal == signal && w->opens[i].attr == attr)
			return &w->opens[i];
	t = reallocarray(w->opens, w->open_count + 1, sizeof(*t));
	if (!t)
		return NULL;
	w->opens = t;
	t = &w->opens[w->open_count++];
	*t = (struct open_total){ .signal = signal, .attr = attr };
	return t;
}

struct culprit_total *totals_culprit(struct workload *w, const char *name)
{
	struct culprit_total *c;

	for (size_t i = 0; i < w->culprit_count; i++)
		if (!strcmp(w->culprits[i].name, name))
			return &w->culprits[i];
	if (w->culprit_count >= CULPRIT_NAMES && strcmp(name, CULPRIT_OTHER))
		return totals_culprit(w, CULPRIT_OTHER);
	c = reallocarray(w->culprits, w->culprit_count + 1, sizeof(*c));
	if (!c)
		return NULL;
	w->culprits = c;
	c = &w->culprits[w->culprit_count];
	*c = (struct culprit_total){ .name = strdup(name) };
	if (!c->name)
		return NULL;
	w->culprit_count++;
	return c;
}

void totals_fold(struct workload *into, const struct workload *w)
{
	for (int i = 0; i < SNAPSHOT_HISTS; i++)
		sparse_add(&into->hists[i], w->hists[i]);
	for (int i = 0; i < SNAPSHOT_COUNTS; i++)
		for (int k = 0; k < LANES; k++)
			into->counts[i][k] += w->counts[i][k];
	for (size_t i = 0; i < w->open_count; i++) {
		struct open_total *t =
		    totals_open(into, w->opens[i].signal, w->opens[i].attr);

		if (!t)
			continue;
		t->value += w->opens[i].value;
		memcpy(t->name, w->opens[i].name, sizeof(t->name));
		sparse_add(&t->hist, w->opens[i].hist);
	}
	for (size_t i = 0; i < w->culprit_count; i++) {
		struct culprit_total *c = totals_culprit(into, w->culprits[i].name);

		if (c)
			c->ns += w->culprits[i].ns;
	}
}
