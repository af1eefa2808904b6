/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Tables by an address in the kernel, first come first served: their entries have one
 * owner each.
 */
#ifndef ENTRY_BPF_H
#define ENTRY_BPF_H

#include "maps.bpf.h"

/* The lower half of an address in the kernel, which something has for life (a thread's
 * id changes at an execve). */
static __always_inline __u32 address_low(const void *address)
{
	__u32 low;

	/* half a pointer is a number that the verifier lets us calculate with */
	asm("%0 = %1" : "=w"(low) : "w"((__u32)(__u64)address));
	return low;
}

/*
 * Where the entry of that is in a table of 2^(32 - shift). Which of these steps there
 * are, the verifier knows, when shift is of params, and it leaves the others out. (The
 * processor begins to fetch the entry while it waits for what came before; were the
 * shift a number of a register, that had to be in memory first: 40 ns a switch.)
 */
#define SHIFT_STEP(n, shift, by)                      \
	do {                                          \
		if ((shift) & (by))                   \
			asm("%0 >>= " #by : "+w"(n)); \
	} while (0)
static __always_inline __u32 index_of(__u32 low, __u32 shift)
{
	__u32 n = low * 2654435761U;

	SHIFT_STEP(n, shift, 16);
	SHIFT_STEP(n, shift, 8);
	SHIFT_STEP(n, shift, 4);
	SHIFT_STEP(n, shift, 2);
	SHIFT_STEP(n, shift, 1);
	return n;
}

static __always_inline __u32 address_index(const void *address, __u32 shift)
{
	return index_of(address_low(address), shift);
}

/* Counts what this CPU takes of a table and gives back. */
static __always_inline void table_count(enum table table, __s32 by)
{
	struct cpu_state *cpu = cpu_get();

	if (cpu)
		__sync_fetch_and_add(&cpu->taken[table], by);
}

/*
 * Takes an entry of a table: `whose` is its word that says whose it is. False: it is
 * another's.
 */
static __always_inline bool entry_take(enum table table, __u64 *whose, __u64 address)
{
	__u64 taken = __sync_val_compare_and_swap(whose, 0, address);

	if (!taken)
		table_count(table, 1);
	return !taken || taken == address;
}

/* Empties an entry from behind `whose` on, and gives it back; left: bytes from there.
 */
static __always_inline void entry_give_back(enum table table, __u64 *whose,
					    const __u32 left)
{
	__builtin_memset(whose + 1, 0, left);
	barrier(); /* first empty, then free */
	*(volatile __u64 *)whose = 0;
	table_count(table, -1);
}
#define ENTRY_GIVE_BACK(table, entry, whose)    \
	entry_give_back(table, &(entry)->whose, \
			sizeof(*(entry)) - offsetofend(entry, whose))
#define offsetofend(entry, field) \
	(__builtin_offsetof(typeof(*(entry)), field) + sizeof((entry)->field))

/* An entry of a table's spill; NULL: there is none. */
static __always_inline void *spill_find(void *spill, enum table table, __u64 address)
{
	if (likely(!control.spilled[table]))
		return 0;
	return bpf_map_lookup_elem(spill, &address);
}

static __always_inline bool spill_is_full(enum table table)
{
	return control.spilled[table] >= (__s32)params.spill[table];
}

/* The same, made from `empty` when there is none; NULL: it is full. */
static __always_inline void *spill_make(void *spill, enum table table, __u64 address,
					const void *empty)
{
	void *entry = spill_find(spill, table, address);

	if (entry || spill_is_full(table))
		return entry;
	if (!bpf_map_update_elem(spill, &address, empty, BPF_NOEXIST))
		__sync_fetch_and_add(&control.spilled[table], 1);
	return bpf_map_lookup_elem(spill, &address);
}

static __always_inline void spill_drop(void *spill, enum table table, __u64 address)
{
	if (control.spilled[table] && !bpf_map_delete_elem(spill, &address))
		__sync_fetch_and_add(&control.spilled[table], -1);
}

/* Counts what is taken of a small table and given back: rarely, so by one word. */
static __always_inline void small_count(enum small_table table, __s32 by)
{
	__sync_fetch_and_add(&control.small[table], by);
}

/* A new entry of a small hash. False: it is there, or there is no room. */
static __always_inline bool small_add(void *hash, enum small_table table,
				      const void *key, const void *value)
{
	if (bpf_map_update_elem(hash, key, value, BPF_NOEXIST))
		return false;
	small_count(table, 1);
	return true;
}

static __always_inline void small_drop(void *hash, enum small_table table,
				       const void *key)
{
	if (!bpf_map_delete_elem(hash, key))
		small_count(table, -1);
}

/*
 * What forgets all entries of a table and of its spill, as callbacks: only while no
 * other program that knows them is attached.
 */
#define TABLE_FORGET(table, type, whose, spill)                                   \
	static long type##_forget(void *map, const __u32 *at, struct type *entry, \
				  void *ctx)                                      \
	{                                                                         \
		if (entry->whose)                                                 \
			ENTRY_GIVE_BACK(table, entry, whose);                     \
		return 0;                                                         \
	}                                                                         \
	static long type##_forget_spilled(void *map, __u64 *address, void *value, \
					  void *ctx)                              \
	{                                                                         \
		spill_drop(&spill, table, *address);                              \
		return 0;                                                         \
	}

#endif
