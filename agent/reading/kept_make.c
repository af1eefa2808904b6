// SPDX-License-Identifier: Apache-2.0
/* What came since the latest reading, as a workload of its own. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "reading/kept.h"
#include "reading/kept_packed.h"
#include "reading/snapshot_impl.h"

/* Bytes of a histogram of width 4 with as many groups as another. */
static size_t size_like(const struct sparse *h)
{
	size_t groups = (size_t)__builtin_popcount(h->groups);

	return sizeof(*h) + groups * SPARSE_GROUP * sizeof(uint32_t);
}

/*
 * What a histogram has more than what is kept of it, in room of size_like(now). False:
 * nothing, and the room is as it was, or has anything.
 */
static bool subtract_hist(const struct sparse *now, const struct sparse *kept,
			  struct sparse *room)
{
	static const uint32_t none[SPARSE_GROUP];
	const uint32_t *next = kept ? (const uint32_t *)kept->data : none;
	uint32_t *to = (uint32_t *)room->data;
	uint32_t kept_groups = kept ? kept->groups : 0, any = 0;
	uint64_t buckets[SPARSE_GROUP];
	size_t n = 0;

	for (uint32_t left = now->groups; left; left &= left - 1) {
		bool both = kept_groups & left & -left;
		const uint32_t *before = both ? next : none;

		sparse_group(now, n++, buckets);
		for (int i = 0; i < SPARSE_GROUP; i++) {
			to[i] = (uint32_t)buckets[i] - before[i];
			any |= to[i];
		}
		to += SPARSE_GROUP;
		next += both ? SPARSE_GROUP : 0;
	}
	room->groups = now->groups;
	room->width = sizeof(*to);
	room->sum_ns = now->sum_ns - (kept ? kept->sum_ns : 0);
	return any;
}

/* Of variances, which only grow, and of what is outstanding. */
static void subtract_estimate(struct estimate *now, const struct estimate *kept)
{
	now->noise -= kept->noise;
	now->change -= kept->change;
	now->outstanding -= kept->outstanding;
}

struct kept_culprit *kept_culprit_of(const struct kept *k, uint64_t name)
{
	for (size_t i = 0; k && i < k->culprit_count; i++)
		if (k->culprits[i].name == name)
			return &k->culprits[i];
	return NULL;
}

static int make_estimates(const struct workload *w, struct workload *out)
{
	out->estimates = NULL;
	if (!w->estimates)
		return 0;
	out->estimates = malloc(SNAPSHOT_ESTIMATES * sizeof(*out->estimates));
	if (!out->estimates)
		return -ENOMEM;
	memcpy(out->estimates, w->estimates,
	       SNAPSHOT_ESTIMATES * sizeof(*out->estimates));
	for (size_t i = 0; w->kept && w->kept->estimates && i < SNAPSHOT_ESTIMATES; i++)
		subtract_estimate(&out->estimates[i], &w->kept->estimates[i]);
	return 0;
}

static int make_open(const struct open_total *t, struct open_total *out)
{
	*out = *t;
	out->value = t->value - t->kept;
	out->hist = NULL;
	out->estimate = NULL;
	if (t->hist) {
		out->hist = malloc(size_like(t->hist));
		if (!out->hist)
			return -ENOMEM;
		if (!subtract_hist(t->hist, t->kept_hist, out->hist)) {
			free(out->hist);
			out->hist = NULL;
		}
	}
	if (t->estimate) {
		out->estimate = malloc(sizeof(*out->estimate));
		if (!out->estimate)
			return -ENOMEM;
		*out->estimate = *t->estimate;
		if (t->kept_estimate)
			subtract_estimate(out->estimate, t->kept_estimate);
	}
	return 0;
}

static int make_opens(const struct workload *w, struct workload *out)
{
	out->opens = NULL;
	out->open_count = 0;
	if (!w->open_count)
		return 0;
	out->opens = malloc(w->open_count * sizeof(*out->opens));
	if (!out->opens)
		return -ENOMEM;
	for (size_t i = 0; i < w->open_count; i++) {
		out->open_count++;
		if (make_open(&w->opens[i], &out->opens[i]))
			return -ENOMEM;
	}
	return 0;
}

/* One that was forgotten since then, and came again, counts from 0. */
static uint64_t kept_of_culprit(const struct kept *k, const struct culprit_total *c)
{
	const struct kept_culprit *found = kept_culprit_of(k, path_hash(c->name));

	return found && found->ns <= c->ns ? found->ns : 0;
}

static int make_culprits(const struct workload *w, uint64_t since_ns,
			 struct workload *out)
{
	out->culprits = NULL;
	out->culprit_count = 0;
	if (!w->culprit_count)
		return 0;
	out->culprits = malloc(w->culprit_count * sizeof(*out->culprits));
	if (!out->culprits)
		return -ENOMEM;
	for (size_t i = 0; i < w->culprit_count; i++) {
		struct culprit_total *to = &out->culprits[out->culprit_count];

		if (w->culprits[i].export_only)
			continue;
		*to = w->culprits[i];
		to->ns -= kept_of_culprit(w->kept, to);
		if (!to->ns)
			continue;
		to->start_ns = since_ns;
		out->culprit_count++;
	}
	return 0;
}

static void make_usage(const struct workload *w, struct workload *out)
{
	for (int v = 0; w->kept && v < USAGE_COUNTERS; v++) {
		uint64_t before = w->kept->usage[v];

		if (before <= w->usage.value[v])
			out->usage.value[v] -= before;
	}
}

/*
 * All histograms are in one piece of memory, which is the first one's: so kept_free()
 * finds it. `before` is read on in any case.
 */
static int make_hists(const struct workload *w, struct kept_reader *before,
		      struct workload *out)
{
	union kept_hist hist;
	size_t size = 0;
	char *room, *at;

	memset(out->hists, 0, sizeof(out->hists));
	for (size_t i = 0; i < SNAPSHOT_HISTS; i++)
		size += w->hists[i] ? size_like(w->hists[i]) : 0;
	room = at = malloc(size + 1);
	if (!room)
		return -ENOMEM;
	for (size_t i = 0; i < SNAPSHOT_HISTS; i++) {
		const struct sparse *kept = kept_next_hist(before, &hist);
		struct sparse *made = (struct sparse *)at;

		if (!w->hists[i] || !subtract_hist(w->hists[i], kept, made))
			continue;
		out->hists[i] = made;
		at += size_like(made);
	}
	if (at == room)
		free(room);
	return 0;
}

int kept_make(const struct workload *w, uint64_t since_ns, struct workload *out)
{
	const struct kept *k = w->kept;
	struct kept_reader before = { k ? k->packed : NULL };
	int err;

	*out = *w;
	out->of = w;
	out->is_since = true;
	out->start_ns = since_ns > w->start_ns ? since_ns : w->start_ns;
	err = make_hists(w, &before, out);
	for (size_t i = 0; i < SNAPSHOT_COUNTS; i++)
		for (size_t lane = 0; lane < LANES; lane++)
			out->counts[i][lane] -= kept_next_count(&before);
	make_usage(w, out);
	err |= make_estimates(w, out);
	err |= make_opens(w, out);
	return err | make_culprits(w, out->start_ns, out);
}

void kept_free(struct workload *made)
{
	size_t first = 0;

	while (first < SNAPSHOT_HISTS && !made->hists[first])
		first++;
	if (first < SNAPSHOT_HISTS)
		free(made->hists[first]); /* and all others */
	for (size_t i = 0; i < made->open_count; i++) {
		free(made->opens[i].hist);
		free(made->opens[i].estimate);
	}
	free(made->estimates);
	free(made->opens);
	free(made->culprits);
}
