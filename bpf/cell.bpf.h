/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Kernel side of cell.h: find the slot of a cgroup, the cell of a series, and add.
 *
 * Usable from every hook, the scheduler's too: arrays and atomic operations only,
 * nothing allocates, nothing takes a lock (open_add is the exception, see there).
 */
#ifndef CELL_BPF_H
#define CELL_BPF_H

#include "kernel.bpf.h"
#include "cell.h"

const volatile struct params params SEC(".rodata.params") = { .slots = 1024 };

/* Which way is the usual one: the other is laid out behind it. */
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define SHARED_ARRAY(name_, type_)                 \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, 1);            \
		__type(key, __u32);                \
		__type(value, type_);              \
	} name_ SEC(".maps")

/* Created by the agent (agent/kernel/cells.c), which also sets their true sizes. */
SHARED_ARRAY(owners, __u64);
SHARED_ARRAY(rows, struct series_row);
SHARED_ARRAY(hists, struct hist_cell);
SHARED_ARRAY(counts, struct count_cell);
SHARED_ARRAY(free_hists, __u64);
SHARED_ARRAY(free_counts, __u64);
SHARED_ARRAY(inflights, struct inflight_row);
SHARED_ARRAY(delegates, struct delegates);

/* A section of its own is a map of its own, and needs no look-up: see cells_reuse(). */
struct control control SEC(".data.control");
struct tunes tunes SEC(".data.tunes");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_state);
} cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct open_key);
	__type(value, __u32);
} opens SEC(".maps");

static __always_inline struct cpu_state *cpu_get(void)
{
	__u32 here = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&cpus, &here);
}

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

/* What a ring's key is now. */
static __always_inline __u64 key_now(__u32 enabled)
{
	return (__u64)enabled << 32 | tunes.free_gen;
}

/* Counts a loss of a probe that this program works for too. */
static __always_inline void lose_for(enum probe_id probe, enum loss why)
{
	__sync_fetch_and_add(&control.lost[probe][why], 1);
}

/* Counts a loss of this probe. PROBE_ID is the file's own. */
static __always_inline void lose(enum loss why)
{
	lose_for(PROBE_ID, why);
}

/* Whether a probe is switched on, and since when: see struct tune. */
static __always_inline __u32 enabled_of(enum probe_id probe)
{
	return *(volatile __u32 *)&tunes.tune[probe].enabled;
}

static __always_inline __u32 enabled_now(void)
{
	return enabled_of(PROBE_ID);
}

/* When a run that is timed began: later by what a reading of the clock takes. */
static __always_inline __u64 timed_from(void)
{
	__u64 before = bpf_ktime_get_ns(), now = bpf_ktime_get_ns();

	return now + (now - before);
}

/* Counts a run of a program. Returns 0, or for the one that is timed timed_from(). */
static __always_inline __u64 run_begin(struct runs *runs)
{
	if (likely(++runs->count & ((1 << RUN_SAMPLE_LOG2) - 1)))
		return 0;
	return timed_from();
}

static __noinline int run_end(struct runs *runs, __u64 began)
{
	if (runs)
		runs->ns += (bpf_ktime_get_ns() - began) << RUN_SAMPLE_LOG2;
	return 0;
}

__noinline int run_timed(__u32 prog, __u64 began)
{
	struct cpu_state *cpu = cpu_get();

	if (cpu && prog < PROGRAM_COUNT)
		run_end(&cpu->runs[prog], began);
	return 0;
}

/* The body of a program: counted, timed, and left out when the probe is off. */
#define RUN(prog, call) RUN_IF(enabled_now(), prog, call)

/* The same for a program of several probes: left out when none is on. */
#define RUN_IF(on, prog, call)                                                    \
	({                                                                        \
		struct cpu_state *cpu_ = cpu_get();                               \
		__u64 began_ = cpu_ ? run_begin(&cpu_->runs[PROGRAM_##prog]) : 0; \
		int ret_ = (on) ? (call) : 0;                                     \
		if (unlikely(began_))                                             \
			run_timed(PROGRAM_##prog, began_);                        \
		ret_;                                                             \
	})

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

#define PLACE_NEVER (1U << 30) /* the place is nobody's, and never was anybody's */
#define PLACE_FREE  (1U << 31) /* nobody's any more */
#define PLACES	    (PLACE_NEVER - 1)

/*
 * Where a cgroup's slot is, by open addressing; or the place where it is to be, with
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
			return freed ? freed | PLACE_FREE : at | PLACE_NEVER;
	}
	return freed ? freed | PLACE_FREE : 0;
}

#define CLAIM_TRIES 4 /* each that is lost was won by another CPU */

/*
 * The slot of a cgroup id, claimed by compare-and-swap when it is new. Both results of
 * a lost race are fine: the word is ours, or another place is looked for.
 */
__noinline __u32 slot_claim(__u64 id)
{
	__u64 was, seen, *owner;
	__u32 share, at, i;

	for (i = 0; i < CLAIM_TRIES; i++) {
		at = slot_find(id);
		if (at && at <= PLACES)
			return at;
		share = share_of(id);
		if (!at || share == SHARES)
			break;
		was = at & PLACE_FREE ? OWNER_FREE : OWNER_NEVER;
		at &= PLACES;
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
 * another cgroup cannot match. Overflowed ids are retried when a slot becomes free.
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
		if (slot == SLOT_OVERFLOW && tunes.free_gen == cpu->cache[at].gen)
			return slot;
		owner = bpf_map_lookup_elem(&owners, &slot);
		if (owner && *owner == id)
			return slot;
	}
	cpu->cache[at].gen = tunes.free_gen;
	slot = slot_claim(id);
	cpu->cache[at].slot = slot;
	cpu->cache[at].id = id;
	return slot;
}

/* The slot of a task: its cgroup's, or the kernel's for kernel threads. */
static __always_inline __u32 slot_of_task(struct cpu_state *cpu, struct task_struct *t)
{
	if (t->flags & PF_KTHREAD)
		return SLOT_KERNEL;
	return slot_of(cpu, task_cgroup_id(t));
}

/* Takes a cell number from this CPU's spares or the pool's free list; 0: none left. */
static __always_inline __u32 cell_take(struct cpu_state *cpu, __u32 pool)
{
	__u64 *free_cell;
	__u32 n;

	for (__u32 i = 0; i < SPARES; i++) {
		n = __sync_lock_test_and_set(&cpu->spare[pool & 1][i], 0);
		if (n)
			return n;
	}
	if (!free_list_take(&control.free_lists[pool & 1], &n))
		return 0;
	n &= params.cells[pool & 1] - 1;
	free_cell = pool == POOL_HIST ? bpf_map_lookup_elem(&free_hists, &n)
				      : bpf_map_lookup_elem(&free_counts, &n);
	return free_cell ? *free_cell : 0;
}

/*
 * Keeps a cell that the loser of a race does not need, for the next one who does. A
 * free place is found: a cell is only taken from the list when there are no spares, and
 * no more programs hold one at a time than there are places.
 */
static __always_inline void cell_spare(struct cpu_state *cpu, __u32 pool, __u32 n)
{
	for (__u32 i = 0; i < SPARES; i++)
		if (!__sync_val_compare_and_swap(&cpu->spare[pool & 1][i], 0, n))
			return;
}

/*
 * Gives a series its cell on first use. With an empty pool it is the overflow slot's,
 * which the agent made beforehand: whoever keeps that looks again when slots have
 * become free (tunes.free_gen), and with them cells.
 */
__noinline __u32 cell_claim(__u32 slot, __u32 series, __u32 pool)
{
	struct cpu_state *cpu = cpu_get();
	struct series_row *row = bpf_map_lookup_elem(&rows, &slot);
	__u32 overflow = SLOT_OVERFLOW, n, seen;

	if (!cpu || !row || series >= SERIES_COUNT)
		return 0;
	n = cell_take(cpu, pool & 1);
	barrier_var(series); /* spilled by now: the verifier forgot its bound */
	if (series >= SERIES_COUNT)
		return 0;
	if (!n) {
		lose(LOSS_CELLS_FULL);
		row = bpf_map_lookup_elem(&rows, &overflow);
		return row ? row->cell[series] : 0;
	}
	seen = __sync_val_compare_and_swap(&row->cell[series], 0, n);
	if (!seen)
		return n;
	cell_spare(cpu, pool, n);
	return seen;
}

/* The cell of a series, or 0 while it has none of its own. */
static __always_inline __u32 cell_peek(__u32 slot, __u32 series)
{
	struct series_row *row = bpf_map_lookup_elem(&rows, &slot);

	/* or the check is dropped: 6.1 needs it to know the bound */
	barrier_var(series);
	return row && series < SERIES_COUNT ? row->cell[series] : 0;
}

/* The cell of a series, made on first use; 0 is no cell. */
static __always_inline __u32 cell_of(__u32 slot, __u32 series, __u32 pool)
{
	__u32 n = cell_peek(slot, series);

	return n ? n : cell_claim(slot, series, pool);
}

/* alone: nobody else can add to this word now, so it need not be atomic. */
#define ADD(word, by, alone)                               \
	do {                                               \
		if (likely(alone))                         \
			(word) += (by);                    \
		else                                       \
			__sync_fetch_and_add(&(word), by); \
	} while (0)

/*
 * Adds a duration to histogram cell n, 2^log2 times. alone: see ADD; only the
 * scheduler's hooks can say so.
 */
static __always_inline void hist_put_many(__u32 n, __u64 ns, __u32 log2, bool alone)
{
	struct hist_cell *h = bpf_map_lookup_elem(&hists, &n);
	__u32 bucket = bucket_of(ns), by = 1 << log2;

	if (!h || !n)
		return;
	ADD(h->sum_ns, ns << log2, alone);
	barrier_var(by);
	barrier_var(bucket); /* the bound has to be seen right before its use */
	if (bucket < BUCKET_COUNT)
		ADD(h->buckets[bucket], by, alone);
	if (ns > BUCKET_MAX_NS)
		lose(LOSS_ABOVE_RANGE);
}

static __always_inline void hist_put(__u32 n, __u64 ns, bool alone)
{
	hist_put_many(n, ns, 0, alone);
}

/* Adds to one counter of counter cell n. lane is below LANES. */
static __always_inline void count_put(__u32 n, __u32 lane, __u64 by, bool alone)
{
	struct count_cell *c = bpf_map_lookup_elem(&counts, &n);

	barrier_var(lane); /* the bound has to be seen right before its use */
	if (c && n)
		ADD(c->lane[lane & (LANES - 1)], by, alone);
}

/*
 * Adds a duration to a histogram series: SERIES_x + value * shards (+ shard of the
 * CPU, see SERIES_HOT).
 */
static __always_inline void hist_add(__u32 slot, __u32 series, __u64 ns)
{
	hist_put(cell_of(slot, series, POOL_HIST), ns, false);
}

/* Adds to one counter of a counter series. */
static __always_inline void count_add(__u32 slot, __u32 series, __u32 lane, __u64 by)
{
	count_put(cell_of(slot, series, POOL_COUNT), lane, by, false);
}

/* A hot signal's series: one per value and shard. */
#define SERIES_HOT(cpu, name, value) \
	(SERIES_##name + (value)*SHARDS_MAX + ((cpu)->shard & (SHARDS_MAX - 1)))

/* The pool of an open signal's cells. */
static __always_inline __u32 open_pool(__u32 signal)
{
	return signal >= OPEN_HIST ? POOL_HIST : POOL_COUNT;
}

/* Takes one of a slot's OPEN_MAX places for a signal's open values. */
static __always_inline bool open_place(__u32 *used)
{
	if (*(volatile __u32 *)used >= OPEN_MAX)
		return false;
	if (__sync_fetch_and_add(used, 1) < OPEN_MAX)
		return true;
	__sync_fetch_and_add(used, -1);
	return false;
}

/* Makes the cell of an open value: at most OPEN_MAX of them, then OPEN_OTHER. */
__noinline __u32 open_claim(__u32 slot, __u32 signal, __u32 attr)
{
	struct open_key key = { .slot = slot, .signal = signal, .attr = attr };
	struct series_row *row = bpf_map_lookup_elem(&rows, &slot);
	struct cpu_state *cpu = cpu_get();
	__u32 n, *cell, pool = open_pool(signal);

	if (!row || !cpu || signal >= OPEN_COUNT)
		return 0;
	if (attr != OPEN_OTHER && !open_place(&row->open_used[signal])) {
		key.attr = attr = OPEN_OTHER;
		cell = bpf_map_lookup_elem(&opens, &key);
		if (cell)
			return *cell;
	}
	n = cell_take(cpu, pool);
	if (!n || bpf_map_update_elem(&opens, &key, &n, BPF_NOEXIST)) {
		if (n)
			cell_spare(cpu, pool, n);
		if (attr != OPEN_OTHER) /* the place is not needed */
			__sync_fetch_and_add(&row->open_used[signal], -1);
		cell = bpf_map_lookup_elem(&opens, &key); /* lost a race, or full */
		return cell ? *cell : 0;
	}
	__sync_fetch_and_add(&control.open_gen, 1);
	return n;
}

/* The slot's own cell of an open value, made on first use; 0: there is no place. */
static __always_inline __u32 open_own(__u32 slot, __u32 signal, __u32 attr)
{
	struct open_key key = { .slot = slot, .signal = signal, .attr = attr };
	__u32 *cell = bpf_map_lookup_elem(&opens, &key);

	return cell ? *cell : open_claim(slot, signal, attr);
}

/* For an event that has no place of its own: the overflow slot's _OTHER. */
static __always_inline __u32 open_overflow(__u32 signal)
{
	struct open_key key = { .slot = SLOT_OVERFLOW,
				.signal = signal,
				.attr = OPEN_OTHER };
	__u32 *cell = bpf_map_lookup_elem(&opens, &key);

	lose(LOSS_OPEN_FULL);
	return cell ? *cell : 0;
}

/*
 * The cell of an open value; when there is no place for it, the overflow slot's
 * _OTHER, which always exists. Uses a preallocated hash map: not for hooks that run
 * under the scheduler's lock.
 */
static __always_inline __u32 open_cell(__u32 slot, __u32 signal, __u32 attr)
{
	__u32 n = open_own(slot, signal, attr);

	return n ? n : open_overflow(signal);
}

/* Counts events with an open attribute (an errno). */
static __always_inline void open_add(__u32 slot, __u32 signal, __u32 attr, __u64 by)
{
	count_put(open_cell(slot, signal, attr), 0, by, false);
}

#define WALK_MAX (1 << 18) /* of descriptors: about 30 ms */

/* A walk is bounded: what comes after that many is left out, and counted. */
static __always_inline bool walk_is_over(__u64 seq_num)
{
	if (seq_num < WALK_MAX)
		return false;
	lose(LOSS_WALK_LIMIT);
	return true;
}

/* Notes the age of something that is under way; only for walks. */
static __always_inline void inflight_note(__u32 slot, __u32 what, __u64 age)
{
	struct inflight_row *row = bpf_map_lookup_elem(&inflights, &slot);

	if ((__s64)age <= 0 || age < tunes.tune[PROBE_ID].inflight_ns)
		return;
	if (row && what < INFLIGHT_COUNT && age > row->age[what])
		row->age[what] = age;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif
