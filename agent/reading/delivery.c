// SPDX-License-Identifier: Apache-2.0
/*
 * What has arrived, and what may be forgotten. Nothing that was read is freed before an
 * export that holds it was accepted; then exports report that its series are over
 * until that is accepted too. An outage of the receiver costs no count, and a bounded
 * number of workloads: beyond it they are added to the overflow.
 */
#include "base/util.h"
#include "reading/kept.h"
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

/* Is it in exports by itself? */
static bool is_exported(const struct workload *w)
{
	return !w->held && !w->group;
}

uint64_t snapshot_export(struct snapshot *s)
{
	s->exports++;
	culprits_retire(s);
	groups_tell(s, true);
	s->culprit_series = 0;
	for (size_t i = 0; i < exported_count(s); i++) {
		struct workload *w = exported_at(s, i);

		s->culprit_series += culprits_named(w);
		if (!is_exported(w))
			continue;
		ending_note(&w->ending, w->gone, s->exports);
		note_usage(w, s->exports);
	}
	for (size_t i = 0; i < exported_count(s); i++)
		if (!exported_at(s, i)->group)
			culprits_tell(s, exported_at(s, i));
	s->export_ns = s->time_ns;
	return s->exports;
}

void snapshot_accepted(struct snapshot *s, uint64_t number, uint64_t from, uint64_t to)
{
	for (size_t i = 0; i < exported_count(s); i++) {
		struct workload *w = exported_at(s, i);

		if (w->serial < from || w->serial > to || !is_exported(w))
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
	for (size_t i = 0; i < exported_count(s); i++) {
		struct workload *w = exported_at(s, i);

		if (w->into || w->group)
			continue;
		ending_unheard(&w->ending, s->exports);
		culprits_unheard(w, s->exports);
	}
}

/* What becomes of a workload that is gone. */
enum fate { STAYS, FREED, FOLDED };

typedef enum fate fate_of(const struct snapshot *s, const struct workload *w);

/*
 * Adds it to the overflow; one without a name to what exports call `unknown`. Returns
 * where its late events go.
 */
static struct workload *fold(struct snapshot *s, struct workload *w)
{
	if (hold_needs_name(w)) {
		hold_retire(s, w, false);
		kept_move_owed(s->workloads[SLOT_UNKNOWN], w);
		return s->workloads[SLOT_UNKNOWN];
	}
	if (w->sum) {
		snapshot_sum_group(s, w);
		if (s->keeps_until_ns) /* by its members */
			kept_skip(w);
	}
	totals_fold(s->workloads[SLOT_OVERFLOW], w, !w->sum);
	totals_fold_usage(&s->workloads[SLOT_OVERFLOW]->usage, &w->usage);
	kept_fold_usage(s->workloads[SLOT_OVERFLOW], w);
	kept_move_owed(s->workloads[SLOT_OVERFLOW], w);
	s->folded++;
	return s->workloads[SLOT_OVERFLOW];
}

/* The history is so far behind that it has not all of one that has to go. */
static void owe_rest(struct snapshot *s, struct workload *w)
{
	if (!s->keeps_until_ns || w->sum || w->into || kept_is_whole(w))
		return;
	kept_owe(w);
	kept_move_owed(s->workloads[SLOT_OVERFLOW], w);
}

/* Frees one that is gone. */
static void forget(struct snapshot *s, struct workload *w, enum fate fate)
{
	struct workload *into = s->workloads[SLOT_UNKNOWN];

	if (fate == FREED)
		owe_rest(s, w);
	if (fate == FOLDED)
		into = fold(s, w);
	else if (w->group)
		into = groups_keep(w);
	past_forget(s, w->sum ? &w->sum->ended : w, into, fate == FOLDED || w->group);
	if (w->sum)
		groups_note_end(s, w);
	named_forget(s, w);
	totals_free(w);
}

/* The oldest first, until no more than `most` are left. Returns how many are. */
static size_t sort_list(struct snapshot *s, struct workload **list, size_t kept,
			size_t count, fate_of *fate, size_t most)
{
	for (size_t i = kept; i < count; i++) {
		struct workload *w = list[i];
		bool enough = kept + count - i <= most;
		enum fate f = w->gone && !enough ? fate(s, w) : STAYS;

		if (f == STAYS) {
			list[kept++] = w;
			continue;
		}
		list[i] = NULL;
		forget(s, w, f);
	}
	return kept;
}

/* Until no more than `most` workloads and groups are left, if there may be so few. */
static void sort_out(struct snapshot *s, fate_of *fate, size_t most)
{
	size_t groups = s->group_count;

	groups_tell(s, false); /* the last of what members have */
	s->count = sort_list(s, s->workloads, SLOT_FIRST, s->count, fate,
			     most > groups ? most - groups : 0);
	owners_index_paths(s);
	groups_note_gone(s);
	s->group_count = sort_list(s, s->groups, 0, groups, fate,
				   most > s->count ? most - s->count : 0);
}

/* One whose values have arrived may go; one that no export held can be added. */
static enum fate unless_sent(const struct snapshot *s, const struct workload *w)
{
	if (w->sum && w->sum->members)
		return STAYS;
	if (w->ending.last || w->into || w->group)
		return FREED;
	return w->ending.first ? STAYS : FOLDED;
}

/*
 * One that has arrived once must not be added again. Of those there are no more than
 * lived when an export was accepted last.
 */
static enum fate unless_arrived(const struct snapshot *s, const struct workload *w)
{
	if (w->sum && w->sum->members)
		return STAYS;
	if (w->into || w->group)
		return FREED;
	return w->ending.arrived ? STAYS : FOLDED;
}

/* More than twice the slots are too many; then room for some is made at once. */
static void make_room(struct snapshot *s, fate_of *fate)
{
	size_t most = 2 * (size_t)s->cells->plan.slots;

	if (exported_count(s) > most)
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

/* Is its last yet to come into the history, which takes it soon? */
static bool kept_awaits(const struct snapshot *s, const struct workload *w)
{
	return s->keeps_until_ns > now_boot_ns() && !w->sum && !w->into &&
	       kept_has_any(w) && !kept_is_whole(w);
}

static enum fate unless_over(const struct snapshot *s, const struct workload *w)
{
	if (w->sum && (w->sum->members || groups_are_awaited(s, w)))
		return STAYS;
	if (w->ending.over && kept_awaits(s, w))
		return STAYS;
	return w->ending.over ? FREED : STAYS;
}

void snapshot_keep(struct snapshot *s, uint64_t until_ns)
{
	s->keeps_until_ns = until_ns;
}

void snapshot_drop(struct snapshot *s)
{
	sort_out(s, unless_over, 0);
	for (size_t i = 0; i < exported_count(s); i++)
		culprits_drop(exported_at(s, i));
	s->entries_freed |= culprits_make_room(s);
}
