/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which path a cgroup id has: from one walk of the tree, and then from the rings in
 * which the kernel side reports what was made and removed. identity.h says who that is.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "kernel/cells.h"
#include "workload/identity.h"

/* Paths by cgroup id. */
struct cgroups;

/*
 * root: where the v2 tree is mounted, see cgroup_root.h. The cells are borrowed.
 * -ENOMEM, or -errno when the tree cannot be opened.
 */
int cgroups_open(const char *root, const struct cells *c, struct cgroups **out);
/*
 * The programs that report new and removed cgroups are attached now, or not; or some
 * of their runs were missed. The tree is walked at the next cgroups_refresh(), and then
 * again only every 10 minutes, or a second after events were lost (a ring was overrun).
 */
void cgroups_events(struct cgroups *g, bool attached);
/* Calls fn for each cgroup that an event tells of, when that is read; it may not call
 * any of these. The path lives as long as the call. */
void cgroups_on_new(struct cgroups *g, void (*fn)(void *arg, const char *path),
		    void *arg);
/*
 * The path of a cgroup id, or NULL when it is not known (yet). An id that is not
 * known is searched for by one walk of the tree: once in ten seconds, since events
 * report all but what they lost; without them once between two calls of
 * cgroups_refresh. What that does not find is not searched for again. The string lives
 * until the next call of any of these. It is whole, or there is none: paths up to 4095
 * bytes. One that is gone keeps its path for this and the next reading.
 */
const char *cgroups_path(struct cgroups *g, uint64_t id);
/* A reading begins: reads events, and walks the tree if that is due. */
void cgroups_refresh(struct cgroups *g);
/* Reads events only. Call it ten times a second: a ring has 512 names. */
void cgroups_listen(struct cgroups *g);
/* How often the tree was walked, and of how many cgroups something is known. */
uint64_t cgroups_walks(const struct cgroups *g);
size_t cgroups_known(const struct cgroups *g);
/*
 * Was there a cgroup of this id when cgroups_open() was called? It is the id that
 * counts, not the path and not when we first see it: a path may be made anew, and a
 * quiet cgroup shows itself late. The kernel gives no id twice.
 */
bool cgroups_was_there(const struct cgroups *g, uint64_t id);
/* How many there were, and one of them, in the order of their ids. */
size_t cgroups_first_count(const struct cgroups *g);
uint64_t cgroups_first(const struct cgroups *g, size_t i);
/* Where the tree is mounted. */
const char *cgroups_root(const struct cgroups *g);
/*
 * Is the cgroup still there, under this path? By the events that were read; while some
 * may have been lost, by its directory. One without a path (NULL) is there unless an
 * event said that it went, or a walk of the host's tree did not find it.
 */
bool cgroups_exists(const struct cgroups *g, const char *path, uint64_t id);
void cgroups_close(struct cgroups *g);

#endif
