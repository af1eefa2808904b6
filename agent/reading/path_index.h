/* SPDX-License-Identifier: Apache-2.0 */
/* Workloads by their paths: a hash table of borrowed pointers. Zeroed is empty. */
#ifndef PATH_INDEX_H
#define PATH_INDEX_H

#include <stddef.h>
#include <stdint.h>

struct workload;

struct path_index {
	struct workload **entries; /* NULL: free */
	size_t count, room;	   /* room: 0 or a power of two */
};

/* The workload of a path, or NULL. */
struct workload *path_index_find(const struct path_index *x, const char *path);
/* Adds a workload whose path is not in it yet. -ENOMEM. */
int path_index_add(struct path_index *x, struct workload *w);
/* Empties it, and keeps its room. */
void path_index_clear(struct path_index *x);
void path_index_fini(struct path_index *x);
/* A hash of a path or another key (FNV-1a). */
uint64_t path_hash(const char *s);

#endif
