/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The slot of a cgroup: found, or claimed at its first event. */
#ifndef SLOT_BPF_H
#define SLOT_BPF_H

#include "maps.bpf.h"

/* Notes that a slot has been claimed, for a share unless that is 0. */
static __always_inline void slot_claimed(__u32 slot, __u32 share)
{
	struct series_row *row = bpf_map_lookup_elem(&rows, &slot);
	__u32 zero = 0;
	struct delegates *d = bpf_map_lookup_elem(&delegates, &zero);

	__sync_fetch_and_add(&control.claims, 1);
	share &= SHARES - 1;
	if (!row || !d || !share)
		return;
	row->share = share;
	__sync_fetch_and_add(&d->used[share], 1);
}

/* The share that a cgroup's slot is to come out of, 0: of none. SHARES: it is used up.
 */
static __always_inline __u32 share_of(__u64 id)
{
	__u32 zero = 0, share;
	struct delegates *d = bpf_map_lookup_elem(&delegates, &zero);

	share = d ? d->share[delegate_index(id)] : 0;
	if (!share || d->used[share & (SHARES - 1)] < params.slots / SHARE_PART)
		return share;
	return SHARES;
}

#define ENTRY_NEVER (1U << 30) /* the entry is nobody's, and never was anybody's */
#define ENTRY_FREE  (1U << 31) /* nobody's any more */
#define ENTRIES	    (ENTRY_NEVER - 1)

/*
 * Where a cgroup's slot is, by open addressing; or the entry that it is to get, with
 * one of the flags above; 0: there is none.
 *
 * Not static, like the other slow paths here: so the verifier looks at it once, not at
 * each call, which takes it many times less.
 */
__noinline __u32 slot_find(__u64 id)
{
	__u32 first = (id * 0x9E3779B97F4A7C15ULL) >> 32;
	__u32 freed = 0, at, i;
	__u64 *owner, seen;

	for (i = 0; i < SLOT_PROBES; i++) {
		at = (first + i) & (params.slots - 1);
		owner = bpf_map_lookup_elem(&owners, &at);
		if (!owner)
			break;
		seen = *owner;
		if (seen == id)
			return at;
		if (seen == OWNER_FREE && !freed)
			freed = at;
		if (seen == OWNER_NEVER)
			return freed ? freed | ENTRY_FREE : at | ENTRY_NEVER;
	}
	return freed ? freed | ENTRY_FREE : 0;
}

#define CLAIM_TRIES 4 /* each that is lost was won by another CPU */

/*
 * The slot of a cgroup id, claimed by compare-and-swap when it is new. Both results of
 * a lost race are fine: the word is ours, or another entry is looked for.
 */
__noinline __u32 slot_claim(__u64 id)
{
	__u64 was, seen, *owner;
	__u32 share, at, i;

	for (i = 0; i < CLAIM_TRIES; i++) {
		at = slot_find(id);
		if (at && at <= ENTRIES)
			return at;
		share = share_of(id);
		if (!at || share == SHARES)
			break;
		was = at & ENTRY_FREE ? OWNER_FREE : OWNER_NEVER;
		at &= ENTRIES;
		owner = bpf_map_lookup_elem(&owners, &at);
		if (!owner)
			break;
		seen = __sync_val_compare_and_swap(owner, was, id);
		if (seen == was)
			slot_claimed(at, share);
		if (seen == was || seen == id)
			return at;
	}
	lose(LOSS_SLOTS_FULL);
	return SLOT_OVERFLOW;
}

/*
 * The slot of a cgroup id, from this CPU's cache when it can be. The owner table is
 * the cache's generation: ids are never reused, so an entry whose slot went to
 * another cgroup cannot match, and neither can one that an interrupt wrote between the
 * stores of who it interrupted. Ids that found no slot are kept as such by a bit of
 * their own, and are retried when a slot becomes free.
 */
static __always_inline __u32 slot_of(struct cpu_state *cpu, __u64 id)
{
	__u32 at = id & (CACHE_SIZE - 1), slot;
	__u64 *owner;

	if (id < OWNER_FIRST_ID)
		id = id == 1 ? OWNER_ROOT : 0;
	if (!id)
		return SLOT_UNKNOWN;
	if (cpu->cache[at].id == id) {
		slot = cpu->cache[at].slot;
		owner = bpf_map_lookup_elem(&owners, &slot);
		if (owner && *owner == id)
			return slot;
	} else if (cpu->cache[at].id == (id | CACHE_OVERFLOWED) &&
		   cpu->cache[at].gen == tunes.free_gen) {
		return SLOT_OVERFLOW;
	}
	cpu->cache[at].gen = tunes.free_gen;
	slot = slot_claim(id);
	cpu->cache[at].slot = slot;
	cpu->cache[at].id = slot == SLOT_OVERFLOW ? id | CACHE_OVERFLOWED : id;
	return slot;
}

/*
 * A task's cgroup id, or OWNER_KERNEL. Each load of a pointer from a task has the
 * verifier look through all names of the kernel's BTF (type_is_rcu() in
 * kernel/bpf/verifier.c, 0.4 ms), on each way that leads there: so it is best done
 * where few ways do.
 */
static __always_inline __u64 task_owner(struct task_struct *task)
{
	return task->flags & PF_KTHREAD ? OWNER_KERNEL : task_cgroup_id(task);
}

/* The same, read right here, not where it is used. */
static __always_inline __u64 task_owner_here(struct task_struct *task)
{
	__u64 owner = task_owner(task);

	barrier_var(owner);
	return owner;
}

static __always_inline __u32 slot_of_owner(struct cpu_state *cpu, __u64 owner)
{
	return owner == OWNER_KERNEL ? SLOT_KERNEL : slot_of(cpu, owner);
}

/* The slot of a task: its cgroup's, or the kernel's for kernel threads. */
static __always_inline __u32 slot_of_task(struct cpu_state *cpu, struct task_struct *t)
{
	return slot_of_owner(cpu, task_owner(t));
}

#endif
