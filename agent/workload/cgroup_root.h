/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which cgroup v2 tree names the workloads. The kernel counts all of the host by cgroup
 * id: only the host's whole tree has a path for each.
 */
#ifndef CGROUP_ROOT_H
#define CGROUP_ROOT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>

struct cgroup_root {
	char path[PATH_MAX]; /* canonical */
	/* The host's root, whose inode is 1. Else it is the root of a cgroup namespace:
	 * what is not below it has no path here. */
	bool whole;
	bool pure; /* v2 is the only hierarchy with controllers */
};

/*
 * Checks the tree that the user names, or looks into /proc/self/mounts for one when
 * wanted is NULL: the host's if it is mounted anywhere, else another one (not whole).
 * -ENOENT: none is mounted. -EINVAL or another: the user's is none, or a part of one.
 * cause says it in one line.
 */
int cgroup_root_find(const char *wanted, struct cgroup_root *root, char *cause,
		     size_t len);

#endif
