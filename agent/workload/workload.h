/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which path a cgroup id has: from the ring of names that the kernel side keeps, or
 * from walking the tree. identity.h says who that is.
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
 * The path of a cgroup id, or NULL when it cannot be told (yet). A miss walks the tree,
 * at most once between two calls of cgroups_refresh. The string lives until the next
 * call of either. It is whole, or there is none: paths up to 4095 bytes.
 */
const char *cgroups_path(struct cgroups *g, uint64_t id);
/* Allows the next walk. */
void cgroups_refresh(struct cgroups *g);
/*
 * Was there a cgroup of this id when cgroups_open() was called? It is the id that
 * tells, not the path and not when we first see it: a path may be made anew, and a
 * quiet cgroup shows itself late. The kernel gives no id twice.
 */
bool cgroups_was_there(const struct cgroups *g, uint64_t id);
/* How many there were, and one of them, in the order of their ids. */
size_t cgroups_first_count(const struct cgroups *g);
uint64_t cgroups_first(const struct cgroups *g, size_t i);
/* Where the tree is mounted. */
const char *cgroups_root(const struct cgroups *g);
/*
 * Is the cgroup still there, under this path? One without a path (NULL) is there unless
 * the latest walk of the host's tree did not find it; in a cgroup namespace's tree, in
 * which it may never be found, it counts as there.
 */
bool cgroups_exists(const struct cgroups *g, const char *path, uint64_t id);
void cgroups_close(struct cgroups *g);

#endif
