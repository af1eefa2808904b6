// SPDX-License-Identifier: Apache-2.0
/*
 * What has arrived, and what may be forgotten. Nothing that was read is freed before an
 * export that holds it was accepted; then exports report that its series are over
 * until that is accepted too. An outage of the receiver costs no count, and a bounded
 * number of workloads: beyond it they are added to the overflow.
 */
#include "reading/snapshot_impl.h"

/* What was reported of the cgroup's files and is there no more: a limit that was
 * lifted. */
static void note_usage(struct workload *w, uint64_t number)
{
	uint32_t ended = w->usage_sent & ~w->usage.has;

	if (ended & ~w->usage_ended)
		w->usage_since = number;
	w->usage_ended = ended;
	w->usage_sent |= w->usage.has;
}

uint64_t snapshot_export(struct snapshot *s)
{
	s->exports++;
	for (size_t i = 0; i < s->count; i++) {
		struct workload *w = s->workloads[i];

		if (w->held)
			continue;
		ending_note(&w->ending, w->gone, s->exports);
		note_usage(w, s->exports);
	}
	culprits_retire(s);
	s->culprit_series = 0;
	for (size_t i = 0; i < s->count; i++)
		s->culprit_series += culprits_named(s->workloads[i]);
	for (size_t i = 0; i < s->count; i++)
		culprits_tell(s, s->workloads[i]);
	s->export_ns = s->time_ns;
	return s->exports;
}

void snapshot_accepted(struct snapshot *s, uint64_t number, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < s->count; i++) {
		struct workload *w = s->workloads[i];

		if (w->serial < from || w->serial > to || w->held)
			continue;
		ending_accepted(&w->ending, number, s->exports + 1);
		culprits_accepted(w, number, s->exports + 1);
		if (number >= w->usage_since) {
			w->usage_sent &= ~w->usage_ended;
			w->usage_ended = 0;
		}
	}
}

void snapshot_unheard(struct snapshot *s)
{
	for (size_t i = 0; i < s->count; i++) {
		struct workload *w = s->workloads[i];

		ending_unheard(&w->ending, s->exports);
		culprits_unheard(w, s->exports);
	}
}

/* What becomes of a workload that is gone. */
enum fate { STAYS, FREED, FOLDED };

/*
 * Adds it to the overflow; one without a name to what exports call `unknown`. Returns
 * where its late events go.
 */
static struct workload *fold(struct snapshot *s, struct workload *w)
{
	if (hold_needs_name(w)) {
		hold_retire(s, w, false);
		return s->workloads[SLOT_UNKNOWN];
	}
	totals_fold(s->workloads[SLOT_OVERFLOW], w, true);
	totals_fold_usage(&s->workloads[SLOT_OVERFLOW]->usage, &w->usage);
	s->folded++;
	return s->workloads[SLOT_OVERFLOW];
}

/* The oldest first, until no more than `most` are left. */
static void sort_out(struct snapshot *s, enum fate (*fate)(const struct workload *w),
		     size_t most)
{
	size_t kept = SLOT_FIRST;

	for (size_t i = SLOT_FIRST; i < s->count; i++) {
		struct workload *w = s->workloads[i];
		bool enough = kept + s->count - i <= most;
		enum fate f = w->gone && !enough ? fate(w) : STAYS;
		struct workload *into = s->workloads[SLOT_UNKNOWN];

		if (f == STAYS) {
			s->workloads[kept++] = w;
			continue;
		}
		if (f == FOLDED)
			into = fold(s, w);
		past_forget(s, w, into, f == FOLDED);
		s->workloads[i] = NULL;
		named_forget(s, w);
		totals_free(w);
	}
	s->count = kept;
	owners_index_paths(s);
}

/* One whose values have arrived may go; one that no export held can be added. */
static enum fate unless_sent(const struct workload *w)
{
	if (w->ending.last || w->into)
		return FREED;
	return w->ending.first ? STAYS : FOLDED;
}

/*
 * One that has arrived once must not be added again. Of those there are no more than
 * lived when an export was accepted last.
 */
static enum fate unless_arrived(const struct workload *w)
{
	if (w->into)
		return FREED;
	return w->ending.arrived ? STAYS : FOLDED;
}

/* More than twice the slots are too many; then room for some is made at once. */
static void make_room(struct snapshot *s, enum fate (*fate)(const struct workload *w))
{
	size_t most = 2 * (size_t)s->cells->plan.slots;

	if (s->count > most)
		sort_out(s, fate, most - most / 4);
}

void delivery_fold(struct snapshot *s)
{
	make_room(s, unless_sent);
}

void snapshot_make_room(struct snapshot *s)
{
	make_room(s, unless_arrived);
}

uint64_t snapshot_folded(const struct snapshot *s)
{
	return s->folded;
}

static enum fate unless_over(const struct workload *w)
{
	return w->ending.over ? FREED : STAYS;
}

void snapshot_drop(struct snapshot *s)
{
	sort_out(s, unless_over, 0);
	for (size_t i = 0; i < s->count; i++)
		culprits_drop(s->workloads[i]);
	s->entries_freed |= culprits_make_room(s);
}
