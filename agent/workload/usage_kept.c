// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include <unistd.h>
#include "base/util.h"
#include "workload/usage_kept.h"

#define LOOK_ROUNDS 8 /* what was not read in so many is closed */

struct usage_kept {
	size_t most, count; /* descriptors */
	size_t taken;	    /* entries that may be somebody's: the first ones */
	size_t free_count;
	uint32_t *free; /* entries among those that are nobody's */
	unsigned int rounds;
	struct kept_files entries[];
};

struct usage_kept *usage_kept_new(size_t most)
{
	struct usage_kept *k = calloc(1, sizeof(*k) + most * sizeof(k->entries[0]));

	if (!k)
		return NULL;
	k->most = most;
	k->free = calloc(most + 1, sizeof(*k->free));
	if (k->free)
		return k;
	free(k);
	return NULL;
}

static void close_files(struct usage_kept *k, struct kept_files *f, uint32_t files)
{
	for (int i = 0; i < USAGE_FILES; i++) {
		if (!(f->open & files & 1U << i))
			continue;
		close(f->fd[i]);
		f->open &= ~(1U << i);
		k->count--;
	}
}

void usage_kept_drop(struct usage_kept *k, struct kept_files *f)
{
	close_files(k, f, USAGE_ALL);
	f->id = 0;
	k->free[k->free_count++] = f - k->entries;
}

void usage_kept_round(struct usage_kept *k)
{
	if (++k->rounds % LOOK_ROUNDS)
		return;
	for (size_t i = 0; i < k->taken; i++) {
		struct kept_files *f = &k->entries[i];

		if (!f->id)
			continue;
		close_files(k, f, ~f->used);
		f->used = 0;
		if (!f->open)
			usage_kept_drop(k, f);
	}
}

struct kept_files *usage_kept_find(struct usage_kept *k, uint32_t hint, uint64_t id)
{
	struct kept_files *f = hint < k->taken ? &k->entries[hint] : NULL;

	return f && id && f->id == id ? f : NULL;
}

struct kept_files *usage_kept_add(struct usage_kept *k, uint32_t *hint, uint64_t id)
{
	if (k->count == k->most)
		return NULL;
	if (k->free_count)
		*hint = k->free[--k->free_count];
	else if (k->taken < k->most)
		*hint = k->taken++;
	else
		return NULL;
	k->entries[*hint] = (struct kept_files){ .id = id };
	return &k->entries[*hint];
}

bool usage_kept_take(struct usage_kept *k, struct kept_files *f, enum usage_file file,
		     int fd)
{
	if (k->count == k->most)
		return false;
	f->fd[file] = fd;
	f->open |= 1U << file;
	k->count++;
	return true;
}

void usage_kept_free(struct usage_kept *k)
{
	if (!k)
		return;
	for (size_t i = 0; i < k->taken; i++)
		close_files(k, &k->entries[i], USAGE_ALL);
	free(k->free);
	free(k);
}
