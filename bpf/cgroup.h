/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the cgroup probe shares with the agent: names of new cgroups. */
#ifndef CGROUP_H
#define CGROUP_H

#include <linux/types.h>

/*
 * The latest cgroups made and removed. Both events come with the kernel's cgroup_mutex
 * held, so there is one writer, and the order is the true one: event n (from 0 on) of
 * the names is complete when seq of its entry is 2 * (n / NAME_RING + 1).
 */
#define NAME_RING    512
#define GONE_RING    4096
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
	__u64 head; /* events so far */
	struct cgroup_name ring[NAME_RING];
	__u64 gone_head;       /* of those that were removed */
	__u64 gone[GONE_RING]; /* their ids */
};

/*
 * Whose name is as long as a container's id may be a container's, whose files may be
 * gone soon: so the agent is woken, once in 20 ms at most.
 */
#define WAKE_NAME    64
#define WAKE_GAP_NS  20000000ULL
#define CGROUP_WAKES "cgroup_wakes" /* a ring buffer that says nothing but that */

#endif
