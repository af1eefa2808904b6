/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Descriptors of cgroups' files that are read at each export. To read by one takes a
 * fifth of the time that opening, reading and closing takes; each holds some 5 KiB of
 * the kernel's memory (a page of fs/seq_file.c's), so there is an end to how many are
 * kept.
 */
#ifndef USAGE_KEPT_H
#define USAGE_KEPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "workload/usage.h"

/* So many at most: all files of 256 cgroups that do something. */
#define USAGE_KEPT_MAX	1280
#define USAGE_KEPT_SIZE 5120 /* of the kernel's memory, each */

/* Those of one cgroup. */
struct kept_files {
	uint64_t id; /* the cgroup; 0: nobody's */
	int fd[USAGE_FILES];
	uint32_t open; /* a bit for each descriptor */
	uint32_t used; /* those that were read since the latest look */
};

struct usage_kept;

/* For so many descriptors; NULL: no memory. The caller ends it with usage_kept_free().
 */
struct usage_kept *usage_kept_new(size_t most);
/* Begins a round: closes, in some of them, what was not read for a while. */
void usage_kept_round(struct usage_kept *k);
/*
 * The entry of a cgroup; NULL: it has none. hint: the caller's memory of where it was,
 * first 0. It lives until the next round, or until it is dropped.
 */
struct kept_files *usage_kept_find(struct usage_kept *k, uint32_t hint, uint64_t id);
/* A new one, and where it is; NULL: there is no room. */
struct kept_files *usage_kept_add(struct usage_kept *k, uint32_t *hint, uint64_t id);
/* Keeps a descriptor from now on; false: there is no room, it is still the caller's. */
bool usage_kept_take(struct usage_kept *k, struct kept_files *f, enum usage_file file,
		     int fd);
/* Closes those of one cgroup. */
void usage_kept_drop(struct usage_kept *k, struct kept_files *f);
void usage_kept_free(struct usage_kept *k);

#endif
