/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the cgroup probe shares with the agent: names of new cgroups. */
#ifndef CGROUP_H
#define CGROUP_H

#include <linux/types.h>

/* The latest cgroups made: a ring that names what is gone before the agent looks. */
#define NAME_RING    512
#define NAME_MAX_LEN 256 /* NAME_MAX of the kernel, and the 0 behind it */
struct cgroup_name {
	__u64 id;
	__u64 seq;    /* odd while it is being written */
	__u64 parent; /* its id */
	/* from the root on, if it begins with a slash; else below the parent, and
	 * empty: it could not be read */
	char path[NAME_MAX_LEN];
};
struct cgroup_names {
	__u64 head;
	struct cgroup_name ring[NAME_RING];
};

#endif
