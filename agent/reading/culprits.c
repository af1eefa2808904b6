// SPDX-License-Identifier: Apache-2.0
/*
 * Who had the CPU while a workload's tasks waited for it: entries of the kernel's
 * blocks, names in the totals. Both are few, and go to whoever matters now.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "reading/snapshot_impl.h"

static const char *name_of(struct snapshot *s, uint32_t key)
{
	struct workload *w;

	if (!key)
		return CULPRIT_OTHER;
	if (key == CULPRIT_IDLE + 1)
		return "idle";
	w = key <= s->cells->plan.slots ? counts_of(owners_find(s, key - 1)) : NULL;
	if (!w)
		w = s->workloads[SLOT_UNKNOWN];
	return w->path ? w->path : w->id.name;
}

/* The total of a culprit. A new one's begins at the reading before this. */
static struct culprit_total *total_of(struct snapshot *s, struct workload *w,
				      uint32_t key)
{
	struct culprit_total *c = totals_culprit(w, name_of(s, key));

	if (c && !c->start_ns)
		c->start_ns = s->last_ns > w->start_ns ? s->last_ns : w->start_ns;
	return c;
}

int culprits_read(struct snapshot *s, uint32_t n, struct workload *w)
{
	const volatile struct sched_block *now = &s->cells->sched_blocks[n];
	struct block_seen *seen = s->seen_blocks[n];

	for (int i = 0; i <= CULPRITS; i++) {
		uint32_t key = i < CULPRITS ? now->key[i] : 0;
		uint64_t ns = now->ns[i], more = ns - seen->ns[i];
		struct culprit_total *c;

		if (!more)
			continue;
		c = total_of(s, w, key);
		if (!c)
			return -ENOMEM;
		c->ns += more;
		seen->ns[i] = ns;
		seen->grown[i] += more;
	}
	return 0;
}

void culprits_free(struct snapshot *s)
{
	uint32_t shards = s->cells->plan.sched_shards, slots = s->cells->plan.slots;

	for (uint32_t i = 0; i < slots * shards; i++) {
		uint32_t *key = s->cells->sched_blocks[i].key;

		for (int k = 0; k < CULPRITS; k++) {
			uint32_t slot = key[k] - 1;

			if (key[k] && (s->slots[i / shards].freed ||
				       (slot < slots && s->slots[slot].freed)))
				key[k] = 0;
		}
	}
}

/* In one block: whose share is below what each entry would have of the rest's time. */
static bool make_room_in(struct sched_block *block, struct block_seen *seen)
{
	uint64_t least = seen->grown[CULPRITS] / (CULPRITS + 1);
	bool some = false;

	for (int k = 0; k < CULPRITS; k++) {
		if (!block->key[k] || seen->grown[k] >= least)
			continue;
		block->key[k] = 0;
		seen->grown[k] = 0;
		some = true;
	}
	for (int k = 0; k <= CULPRITS; k++)
		seen->grown[k] /= 2;
	return some;
}

bool culprits_make_room(struct snapshot *s)
{
	uint32_t blocks = s->cells->plan.slots * s->cells->plan.sched_shards;
	bool some = false;

	for (uint32_t i = 0; i < blocks; i++)
		if (s->seen_blocks[i])
			some |=
			    make_room_in(&s->cells->sched_blocks[i], s->seen_blocks[i]);
	return some;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names of who lives: paths of workloads, and names of groups. */
struct living {
	char **names[2]; /* [1]: groups */
	size_t count[2];
};

static bool lives(const struct living *l, const struct culprit_total *c)
{
	return bsearch(&c->name, l->names[c->of_group], l->count[c->of_group],
		       sizeof(char *), by_name) != NULL;
}

/* A culprit with a path is gone when none of the workloads that live has it. */
static void retire_of(struct workload *w, const struct living *l)
{
	for (size_t i = 0; i < w->culprit_count; i++) {
		struct culprit_total *c = &w->culprits[i];

		c->gone = (c->name[0] == '/' || c->of_group) && !lives(l, c);
	}
}

void culprits_retire(struct snapshot *s)
{
	struct living l = { { calloc(s->count + 1, sizeof(char *)),
			      calloc(s->group_count + 1, sizeof(char *)) } };

	/* without memory they stay until the next time */
	if (l.names[0] && l.names[1]) {
		for (size_t i = SLOT_FIRST; i < s->count; i++)
			if (!s->workloads[i]->gone)
				l.names[0][l.count[0]++] = s->workloads[i]->path;
		for (size_t i = 0; i < s->group_count; i++)
			if (!s->groups[i]->gone)
				l.names[1][l.count[1]++] = s->groups[i]->id.name;
		for (int i = 0; i < 2; i++)
			qsort(l.names[i], l.count[i], sizeof(char *), by_name);
		for (size_t i = 0; i < exported_count(s); i++)
			retire_of(exported_at(s, i), &l);
	}
	free(l.names[0]);
	free(l.names[1]);
}
