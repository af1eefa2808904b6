/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tables by an address in the kernel, first come first served: their entries have one
 * owner each.
 */
#ifndef ENTRY_BPF_H
#define ENTRY_BPF_H

#include "maps.bpf.h"

/* Where something's place is in a table of 2^log2, by its address in the kernel. */
static __always_inline __u32 address_index(const void *address, __u32 log2)
{
	__u32 low;

	/* half a pointer is a number that the verifier lets us calculate with */
	asm("%0 = %1" : "=w"(low) : "w"((__u32)(__u64)address));
	return low * 2654435761U >> (32 - log2);
}

/* A task has its address for life, while its thread id changes at an execve. */
static __always_inline __u32 thread_index(struct task_struct *task)
{
	return address_index(task, THREADS_LOG2);
}

/*
 * Takes a place of such a table: `whose` is its word that says whose it is. False: it
 * is another's.
 */
static __always_inline bool place_take(__u64 *whose, __u64 address)
{
	__u64 taken = __sync_val_compare_and_swap(whose, 0, address);

	return !taken || taken == address;
}

/* Empties a place from behind `whose` on, and gives it back; left: bytes from there. */
static __always_inline void place_give_back(__u64 *whose, const __u32 left)
{
	__builtin_memset(whose + 1, 0, left);
	barrier(); /* first empty, then free */
	*(volatile __u64 *)whose = 0;
}
#define PLACE_GIVE_BACK(place, whose) \
	place_give_back(&(place)->whose, sizeof(*(place)) - offsetofend(place, whose))
#define offsetofend(place, field) \
	(__builtin_offsetof(typeof(*(place)), field) + sizeof((place)->field))

#endif
