// SPDX-License-Identifier: Apache-2.0
/* Slots of cgroups that are gone: taken, read once more, and given back. */
#include <errno.h>
#include <string.h>
#include <bpf/bpf.h>
#include "base/util.h"
#include "kernel/rings.h"
#include "reading/peers.h"

/* So many cgroups, with their names, may come between two readings. */
#define NAMES_MAX 8192
#define FULL_NS	  1000000000ULL /* a node that is full is looked through that often */

/* What a slot had of its share is free. */
static void give_share_back(struct delegates *d, struct series_row *row)
{
	if (!row->share)
		return;
	__atomic_fetch_sub(&d->used[row->share], 1, __ATOMIC_RELAXED);
	for (int pool = 0; pool < POOLS; pool++) {
		__atomic_fetch_sub(&d->cells[pool][row->share], row->own[pool],
				   __ATOMIC_RELAXED);
		row->own[pool] = 0;
	}
	row->share = 0;
}

/* Gives a slot's cells back. The caller has read them for the last time. */
static void free_slot(struct snapshot *s, uint32_t i)
{
	struct series_row *row = &s->cells->rows[i];

	for (size_t sig = 0; sig < SIGNAL_COUNT; sig++)
		for (uint32_t k = 0;
		     k < signal_descs[sig].values * signal_descs[sig].shards; k++) {
			uint32_t *cell = &row->cell[signal_descs[sig].first + k];

			if (*cell)
				cells_free(s->cells, signal_descs[sig].pool, *cell);
			*cell = 0;
		}
	for (size_t k = 0; k < s->open_count; k++) {
		struct open_cell *o = &s->opens[k];

		if (o->key.slot != i)
			continue;
		if (bpf_map_delete_elem(s->cells->fds[MAP_OPENS], &o->key) == 0)
			cells_free(s->cells, cells_open_pool(o->key.signal), o->cell);
		s->open_gen = 0; /* list them anew */
	}
	memset(row->open_used, 0, sizeof(row->open_used));
	/* a pass may be under way: what it noted is not the next owner's */
	memset(&s->cells->inflights[i], 0, sizeof(s->cells->inflights[i]));
	give_share_back(s->cells->delegates, row);
	peers_free(s, i);
	s->slots[i] = (struct slot){ .freed = true };
}

/* Who has another slot than those that were freed, and that late ones have, is not
 * gone.
 */
static void keep_owners(struct snapshot *s)
{
	for (uint32_t i = 0; i < s->cells->plan.slots; i++)
		if (s->slots[i].workload && !s->slots[i].late) {
			s->slots[i].workload->gone = false;
			counts_of(s->slots[i].workload)->gone = false;
		}
}

/*
 * Takes a slot from its owner. Events that are on their way still land in its cells; so
 * it is read once more before it becomes free. Later ones of the same cgroup find a
 * slot anew.
 */
static void quarantine(struct snapshot *s, uint32_t i)
{
	s->slots[i].state = SLOT_QUARANTINE;
	__atomic_store_n(&s->cells->owners[i], OWNER_RESERVED, __ATOMIC_RELEASE);
}

/*
 * Of a cgroup that never got a name we may not know whether it is there: it has its
 * slot until others may need it.
 */
static bool is_there(const struct snapshot *s, const struct slot *slot)
{
	if (slot->late)
		return false; /* it was gone before */
	if (slot->workload)
		return cgroups_exists(s->cgroups, slot->workload->path, slot->owner);
	return s->reaped.free >= s->cells->plan.slots / 4 &&
	       cgroups_exists(s->cgroups, NULL, slot->owner);
}

/* What no name was found for is counted once: by now it is in `unknown` for good. */
static void lose_name(struct snapshot *s, struct slot *slot)
{
	__atomic_fetch_add(&s->cells->control->lost[PROBE_CGROUP][LOSS_UNNAMED], 1,
			   __ATOMIC_RELAXED);
	slot->workload = s->workloads[SLOT_UNKNOWN];
}

/* Takes the slot from a cgroup that is gone; whether it was. */
static bool leave_slot(struct snapshot *s, uint32_t i)
{
	struct slot *slot = &s->slots[i];
	struct workload *w = slot->workload;

	if (slot->state != SLOT_LIVE || is_there(s, slot))
		return false;
	if (!w)
		lose_name(s, slot);
	quarantine(s, i);
	return true;
}

/* Whether the slot changed hands. */
static bool reap_slot(struct snapshot *s, uint32_t i)
{
	struct workload *w = s->slots[i].workload;
	bool late = s->slots[i].late;

	if (s->slots[i].state != SLOT_QUARANTINE)
		return leave_slot(s, i);
	if (s->behind)
		return false; /* there may be records of it */
	if (w)
		past_add(s, s->slots[i].owner, counts_of(w));
	free_slot(s, i);
	if (w && !late) { /* unless keep_owners() knows better */
		w->gone = counts_of(w)->gone = true;
		w->kept_whole = counts_of(w)->kept_whole = false;
	}
	return true;
}

/*
 * What programs keep of slots is out of date. On return nobody writes a record of a
 * slot that is in quarantine: a program that saw it before is at its end. Only memory
 * is written: no CPU is interrupted.
 */
int reap_publish(struct snapshot *s)
{
	int err;

	s->cells->tunes.free_gen++;
	err = rings_publish(s->cells);
	s->unpublished = err != 0;
	if (!err)
		rings_wait(s->cells);
	return err;
}

void snapshot_quarantine(struct snapshot *s)
{
	bool some = false;

	cgroups_refresh(s->cgroups);
	for (uint32_t i = SLOT_FIRST; i < s->cells->plan.slots; i++)
		some |= leave_slot(s, i);
	if (some)
		reap_publish(s); /* if it fails, the next reading sees to it */
}

/* How often a cgroup found no slot. */
static uint64_t slots_missed(const struct snapshot *s)
{
	uint64_t n = 0;

	for (int i = 0; i < PROBE_COUNT; i++)
		n += __atomic_load_n(&s->cells->control->lost[i][LOSS_SLOTS_FULL],
				     __ATOMIC_RELAXED);
	return n;
}

/* What snapshot_is_pressed() has to know of the slots as they are now. */
static void count_slots(struct snapshot *s)
{
	s->reaped = (struct reaped){
		.claims = s->claims,
		.missed = slots_missed(s),
		.time_ns = now_mono_ns(),
	};
	for (uint32_t i = SLOT_FIRST; i < s->cells->plan.slots; i++) {
		s->reaped.free += s->slots[i].state == SLOT_EMPTY;
		s->reaped.quarantined += s->slots[i].state == SLOT_QUARANTINE;
	}
}

int snapshot_reap(struct snapshot *s)
{
	bool changed = false;
	int err;

	for (uint32_t i = SLOT_FIRST; i < s->cells->plan.slots; i++)
		changed |= reap_slot(s, i);
	keep_owners(s);
	count_slots(s);
	if (!changed && !s->entries_freed)
		return 0;
	s->entries_freed = false;
	/* in this order: a new owner of a slot must not find a culprit's old entry */
	culprits_free(s);
	for (uint32_t i = SLOT_FIRST; i < s->cells->plan.slots; i++) {
		if (s->slots[i].freed)
			__atomic_store_n(&s->cells->owners[i], OWNER_FREE,
					 __ATOMIC_RELEASE);
		s->slots[i].freed = false;
	}
	err = reap_publish(s);
	delivery_fold(s);
	return err;
}

bool snapshot_is_pressed(const struct snapshot *s)
{
	uint32_t claims = __atomic_load_n(&s->cells->control->claims, __ATOMIC_RELAXED);
	uint64_t names = __atomic_load_n(&s->cells->names->head, __ATOMIC_RELAXED);
	uint32_t slots = s->cells->plan.slots, claimed = claims - s->reaped.claims;
	uint32_t left = s->reaped.free > claimed ? s->reaped.free - claimed : 0;

	if (claimed > slots / 8 || names - s->names > NAMES_MAX)
		return true;
	/* only a reap makes slots free: what a reading saw is still in its slots */
	if (left < slots / 8 && (claimed > left || s->reaped.quarantined))
		return true;
	/* full, perhaps of cgroups that are gone by now */
	return slots_missed(s) != s->reaped.missed &&
	       now_mono_ns() - s->reaped.time_ns > FULL_NS;
}
