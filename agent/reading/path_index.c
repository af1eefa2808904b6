// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "reading/path_index.h"
#include "reading/snapshot.h"

uint64_t path_hash(const char *s)
{
	uint64_t h = 0xcbf29ce484222325ULL;

	for (; *s; s++)
		h = (h ^ (unsigned char)*s) * 0x100000001b3ULL;
	return h;
}

/* Where the path is, or the free entry where it would be. */
static size_t find_entry(const struct path_index *x, const char *path)
{
	size_t at = path_hash(path) & (x->room - 1);

	while (x->entries[at] && strcmp(x->entries[at]->path, path))
		at = (at + 1) & (x->room - 1);
	return at;
}

struct workload *path_index_find(const struct path_index *x, const char *path)
{
	return x->room ? x->entries[find_entry(x, path)] : NULL;
}

static int grow(struct path_index *x)
{
	struct path_index more = { .room = x->room ? 2 * x->room : 128,
				   .count = x->count };

	more.entries = calloc(more.room, sizeof(*more.entries));
	if (!more.entries)
		return -ENOMEM;
	for (size_t i = 0; i < x->room; i++)
		if (x->entries[i])
			more.entries[find_entry(&more, x->entries[i]->path)] =
			    x->entries[i];
	free(x->entries);
	*x = more;
	return 0;
}

int path_index_add(struct path_index *x, struct workload *w)
{
	if (2 * (x->count + 1) > x->room && grow(x))
		return -ENOMEM;
	x->entries[find_entry(x, w->path)] = w;
	x->count++;
	return 0;
}

void path_index_clear(struct path_index *x)
{
	if (x->room)
		memset(x->entries, 0, x->room * sizeof(*x->entries));
	x->count = 0;
}

void path_index_fini(struct path_index *x)
{
	free(x->entries);
	*x = (struct path_index){ NULL };
}
