/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * A user to whom a cgroup was delegated can make as many below it as he likes. All
 * those together get at most a share of the slots, SHARE_PART of them, and of the cells
 * of each pool; the rest is counted in the overflow. What root makes in root's cgroups
 * has no such bound.
 *
 * Which share a cgroup belongs to is noted when it is made (and for those that were
 * there before the agent, at its start), in a table by its id: a claim knows no more
 * than that. A table of bytes, so that it cannot be filled up: who collides with
 * another counts in the other's share, and the latest to be made is right.
 */
#ifndef DELEGATES_H
#define DELEGATES_H

#include <linux/types.h>

#define DELEGATES_LOG2 17
#define SHARES	       256
#define SHARE_PART     4 /* one of so many slots */

struct delegates {
	__u8 share[1 << DELEGATES_LOG2]; /* by delegate_index(); 0: root's own */
	__u32 used[SHARES];		 /* slots that each share has now */
	__u32 cells[2][SHARES];		 /* cells of both pools */
};

static inline __attribute__((always_inline)) __u32 delegate_index(__u64 id)
{
	return id * 0x9E3779B97F4A7C15ULL >> (64 - DELEGATES_LOG2);
}

/*
 * Notes a cgroup that is new, by its id and owner and its parent's. The topmost one
 * that was delegated gives its share to all that are below it.
 */
static inline __attribute__((always_inline)) void
delegates_note(struct delegates *d, __u64 id, __u32 uid, __u64 parent, __u32 parent_uid)
{
	__u64 top =
	    parent_uid ? parent : id; /* also one that changed its owner since */
	__u8 share = 0;

	if (uid || parent_uid) {
		share = d->share[delegate_index(parent)];
		if (!share)
			share = 1 + delegate_index(top) % (SHARES - 1);
	}
	d->share[delegate_index(id)] = share;
}

#endif
