// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "reading/kept.h"
#include "reading/peers.h"

void totals_clear(struct workload *w)
{
	for (size_t i = 0; i < SNAPSHOT_HISTS; i++)
		free(w->hists[i]);
	for (size_t i = 0; i < w->open_count; i++) {
		free(w->opens[i].hist);
		free(w->opens[i].estimate);
		free(w->opens[i].kept_hist);
		free(w->opens[i].kept_estimate);
	}
	for (size_t i = 0; i < w->culprit_count; i++) {
		free(w->culprits[i].series);
		free(w->culprits[i].name);
	}
	free(w->culprits);
	free(w->opens);
	free(w->estimates);
	kept_clear(w);
	w->estimates = NULL;
	memset(w->hists, 0, sizeof(w->hists));
	memset(w->counts, 0, sizeof(w->counts));
	memset(w->sets, 0, sizeof(w->sets));
	w->other_ns = w->forgotten_ns = 0;
	w->culprits = NULL;
	w->opens = NULL;
	w->culprit_count = w->open_count = 0;
}

void totals_drop_owed(struct workload *w)
{
	if (w->owed)
		w->owed->kept = NULL; /* or `of`, which is not its own */
	totals_free(w->owed);
	w->owed = NULL;
}

void totals_free(struct workload *w)
{
	if (!w)
		return;
	totals_clear(w);
	totals_drop_owed(w);
	if (w->sum) {
		totals_clear(&w->sum->ended);
		free(w->sum->key);
		free(w->sum);
	}
	free(w->part);
	workload_id_fini(&w->id);
	free(w->path);
	free(w->instance);
	free(w->description);
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

/* Names that exports alone have are as many again. */
static struct culprit_total *find_culprit(struct workload *w, const char *name,
					  bool export_only)
{
	struct culprit_total *c;
	size_t count = 0;

	for (size_t i = 0; i < w->culprit_count; i++) {
		if (w->culprits[i].export_only != export_only)
			continue;
		if (!strcmp(w->culprits[i].name, name))
			return &w->culprits[i];
		count++;
	}
	if (count >= CULPRIT_NAMES && strcmp(name, CULPRIT_OTHER))
		return find_culprit(w, CULPRIT_OTHER, export_only);
	c = reallocarray(w->culprits, w->culprit_count + 1, sizeof(*c));
	if (!c)
		return NULL;
	w->culprits = c;
	c = &w->culprits[w->culprit_count];
	*c = (struct culprit_total){ .name = strdup(name), .export_only = export_only };
	if (!c->name)
		return NULL;
	w->culprit_count++;
	return c;
}

struct culprit_total *totals_culprit(struct workload *w, const char *name)
{
	return find_culprit(w, name, false);
}

struct culprit_total *totals_export_culprit(struct workload *w, const char *name)
{
	return find_culprit(w, name, true);
}

/* Adds an estimate to one that may not be there yet. */
static int fold_estimate(struct estimate **into, const struct estimate *e)
{
	if (!e)
		return 0;
	if (!*into)
		*into = calloc(1, sizeof(**into));
	if (!*into)
		return -ENOMEM;
	estimate_add(*into, e);
	return 0;
}

static int fold_estimates(struct workload *into, const struct workload *w)
{
	if (!w->estimates)
		return 0;
	if (!into->estimates)
		into->estimates = calloc(SNAPSHOT_ESTIMATES, sizeof(*into->estimates));
	if (!into->estimates)
		return -ENOMEM;
	for (size_t i = 0; i < SNAPSHOT_ESTIMATES; i++)
		estimate_add(&into->estimates[i], &w->estimates[i]);
	return 0;
}

static int fold_opens(struct workload *into, const struct workload *w)
{
	int err = 0;

	for (size_t i = 0; i < w->open_count; i++) {
		struct open_total *t = totals_open(into, w->opens[i].signal,
						   peers_fold_attr(&w->opens[i]));

		if (!t) {
			err = -ENOMEM;
			continue;
		}
		t->value += w->opens[i].value;
		if (!is_peer_total(t))
			memcpy(t->name, w->opens[i].name, sizeof(t->name));
		err |= sparse_sum(&t->hist, w->opens[i].hist);
		err |= fold_estimate(&t->estimate, w->opens[i].estimate);
	}
	return err;
}

static int fold_culprits(struct workload *into, const struct workload *w, bool named)
{
	int err = 0;

	for (size_t i = 0; i < w->culprit_count; i++) {
		struct culprit_total *c;

		/* what others of the list have, unless it is a group's: the only ones
		 */
		if (w->culprits[i].export_only && !w->sum)
			continue;
		c = totals_culprit(into, named ? w->culprits[i].name : CULPRIT_OTHER);
		if (!c) {
			err = -ENOMEM;
			continue;
		}
		c->ns += w->culprits[i].ns;
	}
	if (w->forgotten_ns) {
		struct culprit_total *c = totals_culprit(into, CULPRIT_OTHER);

		if (c)
			c->ns += w->forgotten_ns;
		else
			err = -ENOMEM;
	}
	return err;
}

int totals_add(struct workload *into, const struct workload *w)
{
	int err = 0;

	for (int i = 0; i < SNAPSHOT_HISTS; i++)
		err |= sparse_sum(&into->hists[i], w->hists[i]);
	for (int i = 0; i < SNAPSHOT_COUNTS; i++)
		for (int k = 0; k < LANES; k++)
			into->counts[i][k] += w->counts[i][k];
	err |= fold_estimates(into, w);
	return err | fold_opens(into, w); /* 0 or -ENOMEM, all */
}

int totals_fold(struct workload *into, const struct workload *w, bool name_culprits)
{
	return totals_add(into, w) | fold_culprits(into, w, name_culprits) |
	       kept_fold(into, w, name_culprits);
}

void totals_fold_usage(struct usage *into, const struct usage *from)
{
	for (int v = 0; v < USAGE_COUNTERS; v++)
		into->value[v] += from->value[v];
	into->has |= from->has & ((1U << USAGE_COUNTERS) - 1);
}
