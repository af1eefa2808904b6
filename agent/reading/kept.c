// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "reading/kept.h"
#include "reading/kept_packed.h"
#include "reading/peers.h"

/* Adds to what is kept, of width 4, a histogram of width 8 (or what is kept, of 4). */
static int keep_hist(struct sparse **kept, const struct sparse *more)
{
	if (!more)
		return 0;
	if (!*kept)
		*kept = sparse_new(sizeof(uint32_t));
	if (!*kept)
		return -ENOMEM;
	return sparse_add(kept, more);
}

static void keep_estimate(struct estimate *kept, const struct estimate *more)
{
	kept->noise += more->noise;
	kept->change += more->change;
	kept->outstanding += more->outstanding;
}

/* Has what is now changed? */
static bool is_other_now(const struct workload *made, const struct kept *k)
{
	uint32_t now = ~((1U << USAGE_COUNTERS) - 1);

	if (!k || (made->usage.has & now) != (k->usage_has & now))
		return true;
	for (int v = USAGE_COUNTERS; v < USAGE_COUNT; v++)
		if (made->usage.has & 1U << v && made->usage.value[v] != k->usage[v])
			return true;
	return memcmp(made->inflight_ns, k->inflight_ns, sizeof(k->inflight_ns)) != 0;
}

bool kept_is_new(const struct workload *made)
{
	if (made->culprit_count || is_other_now(made, made->of->kept))
		return true;
	for (size_t i = 0; i < SNAPSHOT_HISTS; i++)
		if (made->hists[i])
			return true;
	for (size_t i = 0; i < SNAPSHOT_COUNTS; i++)
		for (size_t lane = 0; lane < LANES; lane++)
			if (made->counts[i][lane])
				return true;
	for (size_t i = 0; i < made->open_count; i++)
		if (made->opens[i].value || made->opens[i].hist)
			return true;
	for (int v = 0; v < USAGE_COUNTERS; v++)
		if (made->usage.value[v])
			return true;
	return false;
}

bool kept_has_any(const struct workload *w)
{
	if (w->owed || w->open_count || w->culprit_count || w->inflight_seen)
		return true;
	for (size_t i = 0; i < SNAPSHOT_HISTS; i++)
		if (w->hists[i])
			return true;
	for (size_t i = 0; i < SNAPSHOT_COUNTS; i++)
		for (size_t lane = 0; lane < LANES; lane++)
			if (w->counts[i][lane])
				return true;
	return false;
}

/*
 * The error of a number is kept with the number: of what has no more events it waits,
 * as no point tells of it.
 */
static int note_estimates(struct kept *kept, const struct workload *made)
{
	if (made->estimates && !kept->estimates)
		kept->estimates = calloc(SNAPSHOT_ESTIMATES, sizeof(*kept->estimates));
	if (made->estimates && !kept->estimates)
		return -ENOMEM;
	for (unsigned int sig = 0; made->estimates && sig < SIGNAL_COUNT; sig++) {
		const struct window_rule *r = windows_rule(sig);

		for (unsigned int v = 0; r && v < snapshot_values(sig); v++) {
			size_t at = snapshot_index(sig, v);
			bool told = false;

			if (!r->lanes && signal_descs[sig].pool == POOL_HIST)
				told = made->hists[at] != NULL;
			for (unsigned int k = 0; r->lanes && k < LANES; k++)
				told |= r->lanes & 1U << k && made->counts[at][k];
			if (told)
				keep_estimate(&kept->estimates[r->at + v],
					      &made->estimates[r->at + v]);
		}
	}
	return 0;
}

static int note_open(struct open_total *t, const struct open_total *made)
{
	t->kept += made->value;
	if (!made->value && !made->hist)
		return 0;
	if (made->estimate && !t->kept_estimate)
		t->kept_estimate = calloc(1, sizeof(*t->kept_estimate));
	if (made->estimate && !t->kept_estimate)
		return -ENOMEM;
	if (made->estimate)
		keep_estimate(t->kept_estimate, made->estimate);
	return keep_hist(&t->kept_hist, made->hist);
}

static int note_culprits(struct kept *k, const struct workload *w)
{
	struct kept_culprit *list = NULL;

	if (w->culprit_count) {
		list = reallocarray(k->culprits, w->culprit_count, sizeof(*list));
		if (!list)
			return -ENOMEM;
		k->culprits = list;
	}
	k->culprit_count = 0;
	for (size_t i = 0; i < w->culprit_count; i++)
		if (!w->culprits[i].export_only)
			list[k->culprit_count++] =
			    (struct kept_culprit){ path_hash(w->culprits[i].name),
						   w->culprits[i].ns };
	return 0;
}

static struct kept *kept_of(struct workload *w)
{
	if (!w->kept)
		w->kept = calloc(1, sizeof(*w->kept));
	return w->kept;
}

int kept_note(struct workload *w, const struct workload *made)
{
	struct kept *k = kept_of(w);
	int err;

	if (!k)
		return -ENOMEM;
	err = kept_pack(w->hists, w->counts, &k->packed);
	err |= note_estimates(k, made);
	for (size_t i = 0; i < made->open_count; i++)
		err |= note_open(&w->opens[i], &made->opens[i]);
	err |= note_culprits(k, w);
	memcpy(k->usage, w->usage.value, sizeof(k->usage));
	k->usage_has = w->usage.has;
	memcpy(k->inflight_ns, w->inflight_ns, sizeof(k->inflight_ns));
	w->kept_whole = w->gone && !err;
	return err;
}

int kept_skip(struct workload *w)
{
	struct workload made;
	int err = kept_make(w, 0, &made);

	if (!err)
		err = kept_note(w, &made);
	kept_free(&made);
	return err;
}

static int fold_estimates(struct kept *k, const struct estimate *more)
{
	if (!k->estimates)
		k->estimates = calloc(SNAPSHOT_ESTIMATES, sizeof(*k->estimates));
	for (size_t i = 0; k->estimates && i < SNAPSHOT_ESTIMATES; i++)
		keep_estimate(&k->estimates[i], &more[i]);
	return k->estimates ? 0 : -ENOMEM;
}

static struct open_total *find_open(struct workload *w, const struct open_total *like)
{
	for (size_t i = 0; i < w->open_count; i++)
		if (w->opens[i].signal == like->signal &&
		    w->opens[i].attr == peers_fold_attr(like))
			return &w->opens[i];
	return NULL;
}

/* What has its count has its entry, unless there was no memory. */
static int fold_open(struct workload *into, const struct open_total *from)
{
	struct open_total *t = find_open(into, from);

	if (!t)
		return -ENOMEM;
	t->kept += from->kept;
	if (from->kept_estimate && !t->kept_estimate)
		t->kept_estimate = calloc(1, sizeof(*t->kept_estimate));
	if (from->kept_estimate && !t->kept_estimate)
		return -ENOMEM;
	if (from->kept_estimate)
		keep_estimate(t->kept_estimate, from->kept_estimate);
	return keep_hist(&t->kept_hist, from->kept_hist);
}

static int add_culprit(struct kept *k, uint64_t name, uint64_t ns)
{
	struct kept_culprit *c = kept_culprit_of(k, name);

	if (!ns)
		return 0;
	if (!c) {
		c = reallocarray(k->culprits, k->culprit_count + 1, sizeof(*c));
		if (!c)
			return -ENOMEM;
		k->culprits = c;
		c += k->culprit_count++;
		*c = (struct kept_culprit){ .name = name };
	}
	c->ns += ns;
	return 0;
}

/* As totals_fold() has them there: what is forgotten was in readings by its name. */
static int fold_culprits(struct kept *k, const struct workload *w, bool name_them)
{
	uint64_t other = path_hash(CULPRIT_OTHER);
	int err = add_culprit(k, other, w->forgotten_ns);

	for (size_t i = 0; i < w->kept->culprit_count; i++) {
		const struct kept_culprit *c = &w->kept->culprits[i];

		err |= add_culprit(k, name_them ? c->name : other, c->ns);
	}
	return err;
}

static int fold_packed(struct kept *k, const struct kept *more)
{
	struct kept_reader a = { k->packed }, b = { more->packed };
	struct sparse *hists[SNAPSHOT_HISTS] = { 0 };
	uint64_t counts[SNAPSHOT_COUNTS][LANES];
	union kept_hist hist;
	int err = 0;

	for (size_t i = 0; i < SNAPSHOT_HISTS; i++) {
		err |= sparse_add(&hists[i], kept_next_hist(&a, &hist));
		err |= sparse_add(&hists[i], kept_next_hist(&b, &hist));
	}
	for (size_t i = 0; i < SNAPSHOT_COUNTS; i++)
		for (size_t lane = 0; lane < LANES; lane++)
			counts[i][lane] = kept_next_count(&a) + kept_next_count(&b);
	err |= kept_pack(hists, counts, &k->packed);
	for (size_t i = 0; i < SNAPSHOT_HISTS; i++)
		free(hists[i]);
	return err;
}

int kept_fold(struct workload *into, const struct workload *w, bool name_culprits)
{
	struct kept *k;
	int err = 0;

	if (!w->kept)
		return 0;
	k = kept_of(into);
	if (!k)
		return -ENOMEM;
	err = fold_packed(k, w->kept);
	if (w->kept->estimates)
		err |= fold_estimates(k, w->kept->estimates);
	for (size_t i = 0; i < w->open_count; i++)
		err |= fold_open(into, &w->opens[i]);
	return err | fold_culprits(k, w, name_culprits);
}

void kept_fold_usage(struct workload *into, const struct workload *w)
{
	struct kept *k = w->kept ? kept_of(into) : NULL;

	for (int v = 0; k && v < USAGE_COUNTERS; v++)
		k->usage[v] += w->kept->usage[v];
}

void kept_move_usage(struct workload *into, const struct workload *w)
{
	struct kept *k = into->kept || w->kept ? kept_of(into) : NULL;

	if (!k)
		return;
	memset(k->usage, 0, sizeof(k->usage));
	if (w->kept)
		memcpy(k->usage, w->kept->usage, sizeof(k->usage));
}

void kept_clear(struct workload *w)
{
	if (w->kept) {
		free(w->kept->packed);
		free(w->kept->culprits);
		free(w->kept->estimates);
	}
	free(w->kept);
	w->kept = NULL;
}

bool kept_is_whole(const struct workload *w)
{
	return w->kept_whole && !w->owed;
}
