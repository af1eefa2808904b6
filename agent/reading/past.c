// SPDX-License-Identifier: Apache-2.0
/*
 * Cgroups that are gone, and their late events. While connections of theirs are open
 * (orphans that still close; a process that was moved) it is noted who they were, so
 * that the end of a connection counts where its beginning did, even if by then the
 * cgroup's name means another one.
 *
 * Nobody comes alive by late events: who is gone stays gone, its values are told once
 * more, and then its end. But once exports have somebody else under its instance, that
 * is the only one who may write there, so it gets them, with the connections that are
 * open.
 */
#include <string.h>
#include "reading/snapshot_impl.h"

static bool has_open(const struct workload *w)
{
	for (unsigned int role = 0; role <= TCP_CLIENT; role++) {
		const uint64_t *lane = w->counts[snapshot_index(SIGNAL_TCP_CONN, role)];

		if (lane[CONN_OPENED] + lane[CONN_EXISTING] > lane[CONN_CLOSED])
			return true;
	}
	return false;
}

static struct past *find(struct snapshot *s, uint64_t owner)
{
	for (size_t i = 0; i < PAST; i++)
		if (s->past[i].owner == owner)
			return &s->past[i];
	return NULL;
}

void past_add(struct snapshot *s, uint64_t owner, struct workload *w)
{
	if (w->path && has_open(w) && !find(s, owner))
		s->past[s->past_count++ % PAST] =
		    (struct past){ .owner = owner, .workload = w };
}

/* What is open in w is open in `into` from now on. */
static void hand_on_open(struct workload *into, const struct workload *w)
{
	for (unsigned int role = 0; role <= TCP_CLIENT; role++) {
		size_t at = snapshot_index(SIGNAL_TCP_CONN, role);
		const uint64_t *lane = w->counts[at];
		uint64_t all = lane[CONN_OPENED] + lane[CONN_EXISTING];

		if (all > lane[CONN_CLOSED])
			into->counts[at][CONN_EXISTING] += all - lane[CONN_CLOSED];
	}
}

static bool is_heir(const struct workload *v, const struct workload *w)
{
	return v != w && v->settled && !v->gone && !v->into && v->instance &&
	       w->instance && w->names && v->names && !strcmp(v->instance, w->instance);
}

/* Who has the instance now; NULL: nobody but w. */
static struct workload *find_heir(struct snapshot *s, const struct workload *w)
{
	for (size_t i = SLOT_FIRST; i < s->count; i++)
		if (is_heir(s->workloads[i], w))
			return s->workloads[i];
	return NULL;
}

struct workload *past_late(struct snapshot *s, struct workload *w)
{
	struct workload *of = counts_of(w), *heir;

	if (!of->gone)
		return w;
	heir = find_heir(s, of);
	if (heir)
		past_forget(s, of, heir, false);
	else
		ending_again(&of->ending);
	of->kept_whole = false;
	return heir ? heir : w;
}

void past_forget(struct snapshot *s, const struct workload *w, struct workload *into,
		 bool has_counts)
{
	bool found = false;

	for (size_t i = 0; i < PAST; i++)
		if (s->past[i].workload == w) {
			s->past[i].workload = into;
			found = true;
		}
	if (found && !has_counts)
		hand_on_open(into, w);
	for (uint32_t i = SLOT_FIRST; s->late && i < s->cells->plan.slots; i++) {
		struct slot *slot = &s->slots[i];

		if (!slot->late)
			continue;
		if (slot->workload == w && w->into) /* a sandbox: its pod stays */
			slot->workload = w->into;
		else if (counts_of(slot->workload) == w)
			slot->workload = into;
	}
}

struct workload *past_of(struct snapshot *s, uint64_t owner)
{
	struct past *p = find(s, owner);

	return p ? p->workload : NULL;
}
