/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who a cgroup is: from its path alone. And which path a cgroup id has: from the ring
 * of names that the kernel side keeps, or from walking the tree.
 */
#ifndef WORKLOAD_H
#define WORKLOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "cells.h"

enum workload_kind {
	WORKLOAD_CONTAINER,
	WORKLOAD_UNIT,
	WORKLOAD_CGROUP,
	WORKLOAD_KERNEL,
	WORKLOAD_UNKNOWN,
	WORKLOAD_OVERFLOW,
};

const char *workload_kind_name(enum workload_kind kind);

#define CONTAINER_ID_LEN 64

/* What a path says. name points into the caller's path or is constant. */
struct workload_id {
	enum workload_kind kind;
	char name[256];
	char container_id[CONTAINER_ID_LEN + 1]; /* empty: none */
};

/*
 * Reads a cgroup v2 path: a container by the 64 hexadecimal digits of its id in the
 * last component ("cri-containerd-ID.scope", "docker-ID.scope", "ID", but not the
 * monitor "crio-conmon-ID.scope"), a systemd unit by its suffix, else a cgroup.
 */
void workload_identify(const char *path, struct workload_id *id);

/* Paths by cgroup id. */
struct cgroups;

/* root: where the v2 tree is mounted; NULL: look into /proc/self/mountinfo. */
int cgroups_open(const char *root, const struct cells *c, struct cgroups **out);
/*
 * The path of a cgroup id, or NULL when it cannot be told (yet). A miss walks the tree,
 * at most once between two calls of cgroups_refresh. The string lives until then.
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
/* Is the cgroup still there, under this path? */
bool cgroups_exists(const struct cgroups *g, const char *path, uint64_t id);
void cgroups_close(struct cgroups *g);

/*
 * The mount point of the v2 tree; pure: it is the only hierarchy with controllers.
 * -ENOENT: there is none.
 */
int cgroups_find_root(char *path, size_t len, bool *pure);

#endif
