/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The free list of a pool of cells: a ring with room for every cell, which the agent
 * fills and the kernel's programs empty, on many CPUs at once. No entry is given to
 * two, and none is passed over: who takes is promised an entry first, and only then
 * moves the end of the ring. (Moved first, it went past what the agent added at that
 * moment.) Entries are numbered in 64 bits: so a ring may have any size, as the number
 * never wraps.
 */
#ifndef FREE_LIST_H
#define FREE_LIST_H

#include <linux/types.h>

struct free_list {
	__s32 left; /* entries promised to nobody; below 0 while some ask in vain */
	__u32 pad;
	__u64 next; /* entries taken so far: the next one's number */
};

/* Takes the number of an entry, to be folded to the ring's size. 0: none is left. */
static inline __attribute__((always_inline)) int free_list_take(struct free_list *l,
								__u64 *at)
{
	if (*(volatile __s32 *)&l->left <= 0)
		return 0;
	if (__sync_fetch_and_add(&l->left, -1) <= 0) {
		__sync_fetch_and_add(&l->left, 1);
		return 0;
	}
	*at = __sync_fetch_and_add(&l->next, 1);
	return 1;
}

/* Publishes that the agent, which alone adds, has written one more entry. */
static inline __attribute__((always_inline)) void free_list_give(struct free_list *l)
{
	__sync_fetch_and_add(&l->left, 1);
}

#endif
