// SPDX-License-Identifier: Apache-2.0
/*
 * What passes have noted as under way: readings take it when a pass is whole. An age is
 * that of the moment when the pass came to its end: whether it is still under way after
 * that nobody knows, and what has ended is not told of as one that hangs.
 */
#include "base/util.h"
#include "reading/snapshot_impl.h"

static void clear_row(struct inflight_row *row, uint32_t kinds)
{
	for (int i = 0; i < INFLIGHT_COUNT; i++)
		if (kinds & 1U << i)
			row->began[i] = 0;
}

void snapshot_clear_inflight(struct snapshot *s, uint32_t kinds)
{
	for (uint32_t i = 0; i < s->cells->plan.slots; i++) {
		uint64_t owner = s->cells->owners[i];

		if (owner != OWNER_NEVER && owner != OWNER_FREE) /* theirs are clear */
			clear_row(&s->cells->inflights[i], kinds);
	}
	for (int i = 0; i < INFLIGHT_COUNT; i++)
		if (kinds & 1U << i)
			s->inflight_end_ns[i] = 0;
}

void snapshot_know_inflight(struct snapshot *s, uint32_t kinds)
{
	uint64_t now = now_mono_ns();

	for (int i = 0; i < INFLIGHT_COUNT; i++)
		if (kinds & 1U << i)
			s->inflight_end_ns[i] = now;
}

void snapshot_forget_inflight(struct snapshot *s, uint32_t kinds)
{
	snapshot_clear_inflight(s, kinds);
	for (int i = 0; i < INFLIGHT_COUNT; i++)
		if (kinds & 1U << i)
			s->inflight_seen_ns[i] = 0;
}

void inflight_read(struct snapshot *s, uint32_t slot, struct workload *w)
{
	const volatile struct inflight_row *row = &s->cells->inflights[slot];

	for (int i = 0; i < INFLIGHT_COUNT; i++) {
		uint64_t began = row->began[i], *seen = &w->inflight_began[i];

		if (!began || !s->inflight_end_ns[i])
			continue;
		if (!*seen || began < *seen)
			*seen = began;
		w->inflight_seen |= 1U << i;
	}
}

void inflight_forget(struct snapshot *s, struct workload *w)
{
	for (int i = 0; i < INFLIGHT_COUNT; i++)
		if (s->inflight_end_ns[i])
			w->inflight_began[i] = 0;
}

void inflight_took(struct snapshot *s, uint64_t now)
{
	s->inflight_known = 0;
	for (int i = 0; i < INFLIGHT_COUNT; i++) {
		uint64_t *seen = &s->inflight_seen_ns[i];

		if (s->inflight_end_ns[i])
			*seen = s->inflight_end_ns[i];
		s->inflight_end_ns[i] = 0;
		if (*seen && now - *seen <= INFLIGHT_KEPT_NS)
			s->inflight_known |= 1U << i;
	}
}

uint32_t snapshot_known_inflight(const struct snapshot *s)
{
	return s->inflight_known;
}

void inflight_age(const struct snapshot *s, struct workload *w)
{
	for (int i = 0; i < INFLIGHT_COUNT; i++) {
		uint64_t seen = s->inflight_seen_ns[i], began = w->inflight_began[i];

		if (!(s->inflight_known & 1U << i))
			w->inflight_ns[i] = INFLIGHT_UNKNOWN;
		else
			w->inflight_ns[i] = began && seen > began ? seen - began : 0;
	}
}
