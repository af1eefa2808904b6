// SPDX-License-Identifier: Apache-2.0
/*
 * Cgroups that are gone while connections of theirs are open (orphans that still close;
 * a process that was moved): who they were, so that the end of a connection counts
 * where its beginning did, even if by then the cgroup's name means another one.
 */
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
}

struct workload *past_of(struct snapshot *s, uint64_t owner)
{
	struct past *p = find(s, owner);

	if (!p)
		return NULL;
	p->workload->gone = false;
	return p->workload;
}
