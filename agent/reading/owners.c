// SPDX-License-Identifier: Apache-2.0
/* Which workload a slot counts for: by its owner's path, or by who that was. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "reading/snapshot_impl.h"

/* Takes over the id, also when it fails. */
static struct workload *add_workload(struct snapshot *s, struct workload_id *id,
				     const char *path)
{
	struct workload *w = calloc(1, sizeof(*w));

	if (!w) {
		workload_id_fini(id);
		return NULL;
	}
	w->id = *id;
	w->serial = ++s->serial;
	w->start_ns = w->seen_ns = s->time_ns;
	w->path = path ? strdup(path) : NULL;
	if (s->count == s->room) {
		size_t room = s->room ? s->room * 2 : 64;
		struct workload **p = reallocarray(s->workloads, room, sizeof(*p));

		if (!p)
			goto fail;
		s->workloads = p;
		s->room = room;
	}
	if (path && (!w->path || path_index_add(&s->paths, w)))
		goto fail;
	s->workloads[s->count++] = w;
	return w;
fail:
	totals_free(w);
	return NULL;
}

void owners_index_paths(struct snapshot *s)
{
	path_index_clear(&s->paths);
	for (size_t i = SLOT_FIRST; i < s->count; i++)
		path_index_add(&s->paths, s->workloads[i]); /* there was room before */
}

struct workload *owners_workload(struct snapshot *s, const char *path,
				 uint64_t start_ns)
{
	struct workload *w = path_index_find(&s->paths, path);
	struct workload_id id;

	if (w) {
		w->gone = false;
		if (w->into)
			w->into->gone = false;
		return w;
	}
	if (workload_identify(path, &id))
		return NULL;
	w = add_workload(s, &id, path);
	if (w)
		w->start_ns = start_ns;
	return w;
}

/*
 * The workload of a path: two slots (or cgroup ids) of one path are one workload. All
 * that a new one has happened since the reading before this; but of a cgroup that was
 * there when we began, the usage since then counts.
 */
static struct workload *find_workload(struct snapshot *s, const char *path,
				      struct slot *slot)
{
	struct workload *w = path_index_find(&s->paths, path);

	if (w && w->gone && !cgroups_exists(s->cgroups, path, slot->owner)) {
		slot->late = true;
		return past_late(s, w);
	}
	return owners_workload(s, path,
			       cgroups_was_there(s->cgroups, slot->owner) ? s->open_ns
									  : s->last_ns);
}

/* Who the slot's owner is, or was; NULL: not known. */
static struct workload *identify(struct snapshot *s, struct slot *slot)
{
	struct workload *w = past_of(s, slot->owner);
	const char *path;

	slot->late = w != NULL;
	if (w)
		return past_late(s, w);
	path = cgroups_path(s->cgroups, slot->owner);
	return path ? find_workload(s, path, slot) : NULL;
}

int owners_open(struct snapshot *s)
{
	static const enum workload_kind kinds[] = {
		[SLOT_OVERFLOW] = WORKLOAD_OVERFLOW,
		[SLOT_KERNEL] = WORKLOAD_KERNEL,
		[SLOT_UNKNOWN] = WORKLOAD_UNKNOWN,
	};

	for (size_t i = 0; i < COUNT(kinds); i++) {
		struct workload_id id = { .kind = kinds[i] };
		struct workload *w;

		id.name = strdup(workload_kind_name(kinds[i]));
		w = id.name ? add_workload(s, &id, NULL) : NULL;
		if (!w)
			return -ENOMEM;
		s->slots[i] = (struct slot){ .owner = OWNER_RESERVED,
					     .state = SLOT_LIVE,
					     .workload = w };
	}
	return 0;
}

struct workload *owners_find(struct snapshot *s, uint32_t i)
{
	struct slot *slot = &s->slots[i];
	uint64_t owner;

	if (slot->late && slot->workload) /* and there may be more of them */
		slot->workload = past_late(s, slot->workload);
	if (i < SLOT_FIRST || slot->state == SLOT_QUARANTINE)
		return slot->workload;
	owner = __atomic_load_n(&s->cells->owners[i], __ATOMIC_ACQUIRE);
	if (owner < OWNER_FIRST_ID)
		return NULL;
	if (slot->state == SLOT_LIVE && slot->owner == owner && slot->workload)
		return slot->workload;
	slot->owner = owner;
	slot->state = SLOT_LIVE;
	slot->workload = identify(s, slot);
	s->late += slot->late;
	return slot->workload ? slot->workload : s->workloads[SLOT_UNKNOWN];
}
