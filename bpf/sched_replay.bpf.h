/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the switches that the scheduler's hook wrote down mean: waits into histograms,
 * whom they were for, context switches, migrations.
 *
 * A CPU's records are replayed by that CPU when the ring is full, and when the agent
 * asks it to before it reads. Nobody else writes there then: interrupts are off, as in
 * the hook. On a machine with no more CPUs than shards nobody else adds to this CPU's
 * cells either, and adds need not be atomic.
 */
#ifndef SCHED_REPLAY_BPF_H
#define SCHED_REPLAY_BPF_H

#include "cell.bpf.h"
#include "loop.bpf.h"
#include "ring.bpf.h"

SHARED_ARRAY(sched_blocks, struct sched_block);

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct sched_ring);
} sched_rings SEC(".maps");

#define SCHED_SLOTS (1 << SCHED_CACHE_LOG2)

/* Fills an entry for a slot: a CPU's cache is too small for all of them. */
static __noinline int sched_slot_fill(struct cpu_state *cpu, struct sched_slot *e,
				      __u32 slot)
{
	__u64 *owner = bpf_map_lookup_elem(&owners, &slot);

	if (!cpu || !e || !owner)
		return 0;
	if (e->slot != slot || e->owner != *owner)
		e->queue = 0;
	e->owner = *owner;
	e->slot = slot;
	e->gen = tunes.free_gen + 1;
	e->waits = 0;
	e->throttled = 0;
	e->culprit[0] = e->culprit[1] = 0;
	e->block = slot * params.sched_shards + cpu->shard;
	return 0;
}

static __always_inline struct sched_slot *sched_slot_get(struct cpu_state *cpu,
							 __u32 slot)
{
	struct sched_slot *e = &cpu->sched_slots[slot & (SCHED_SLOTS - 1)];

	if (unlikely(e->slot != slot || e->gen != tunes.free_gen + 1))
		sched_slot_fill(cpu, e, slot);
	return e;
}

/* The cell of a series of waits, which may be the overflow's. */
static __noinline __u32 sched_cell(__u32 slot, __u32 series, __u32 *kept)
{
	if (!kept)
		return 0;
	*kept = cell_of(slot, series, POOL_HIST);
	return *kept;
}

/* Notes who ran on a CPU at each point of the grid since the switch before. */
__noinline int fill_grid(__u32 at, __u64 point)
{
	struct cpu_state *cpu = bpf_map_lookup_elem(&cpus, &at);
	struct sched_ring *ring = bpf_map_lookup_elem(&sched_rings, &at);
	__u64 from, i;

	if (!cpu || !ring)
		return 0;
	from = ring->filled;
	if (point - from > GRID_SIZE)
		from = point - GRID_SIZE;
	for (i = 1; i <= GRID_SIZE && from + i <= point; i++)
		cpu->grid[(from + i) & (GRID_SIZE - 1)] = ring->running;
	ring->filled = point;
	return 0;
}

/*
 * Who had the CPU during a wait: one point of the grid, chosen evenly, so that on
 * average each gets its share. A wait with no point in it was for who ran until now.
 */
static __always_inline __u32 pick_culprit(struct cpu_state *cpu, __u64 now, __u64 wait,
					  __u32 before)
{
	__u64 last = now >> GRID_LOG2, points = last - ((now - wait) >> GRID_LOG2);
	__u32 random = (__u32)now * 2654435761U;

	if (!points)
		return before;
	if (points > GRID_SIZE)
		points = GRID_SIZE;
	return cpu->grid[(last - (random * points >> 32)) & (GRID_SIZE - 1)];
}

/* The entry of a culprit in a block, claimed if it is new; CULPRITS: none is free. */
__noinline __u32 culprit_entry(__u32 n, __u32 key)
{
	struct sched_block *block = bpf_map_lookup_elem(&sched_blocks, &n);
	__u32 i, free = CULPRITS, seen;

	if (!block)
		return CULPRITS;
	for (i = 0; i < CULPRITS; i++) {
		if (block->key[i] == key)
			return i;
		if (!block->key[i] && free == CULPRITS)
			free = i;
	}
	if (free >= CULPRITS)
		return CULPRITS;
	seen = __sync_val_compare_and_swap(&block->key[free], 0, key);
	return !seen || seen == key ? free : CULPRITS;
}

/* The entry of one that is not among the latest: it is now. */
static __noinline __u32 culprit_anew(struct sched_slot *e, __u32 key)
{
	if (!e)
		return CULPRITS;
	e->culprit[1] = e->culprit[0];
	e->entry[1] = e->entry[0];
	e->culprit[0] = key;
	e->entry[0] = culprit_entry(e->block, key);
	return e->entry[0];
}

static __always_inline void blame(struct sched_slot *e, __u32 culprit, __u64 ns)
{
	struct sched_block *block = bpf_map_lookup_elem(&sched_blocks, &e->block);
	__u32 at, key = culprit + 1;

	if (!block)
		return;
	if (e->culprit[0] == key) /* entries are freed with a new free_gen only */
		at = e->entry[0];
	else if (e->culprit[1] == key)
		at = e->entry[1];
	else
		at = culprit_anew(e, key);
	barrier_var(at); /* the bound has to be seen right before its use */
	if (at > CULPRITS)
		return;
	ADD(block->ns[at], ns, tunes.own_shards);
}

/* One of 2^sample_log2 waits is taken, by chance, and counts for all of them. */
static __always_inline bool is_sampled(__u64 now, __u32 log2)
{
	return !log2 ||
	       !((__u32)(now * 0x9E3779B97F4A7C15ULL >> 32) >> (32 - (log2 & 31)));
}

static __always_inline __u32 sample_log2(void)
{
	return tunes.tune[PROBE_SCHED].sample_log2 & 15;
}

static __always_inline void record_wait(struct cpu_state *cpu, struct sched_slot *e,
					__u64 now, __u64 wait, __u32 before)
{
	__u32 n = e->waits, log2 = sample_log2();

	if (unlikely(!is_sampled(now, log2)))
		return;
	if (unlikely(!n))
		n = sched_cell(e->slot,
			       SERIES_SCHED_WAIT + (cpu->shard & (SHARDS_MAX - 1)),
			       &e->waits);
	hist_put_for(PROBE_SCHED, n, wait, log2, tunes.own_shards);
	if (wait)
		blame(e, pick_culprit(cpu, now, wait, before), wait << log2);
}

/* The cell of a slot's sleeps in a class, looked up anew. */
static __noinline __u32 blocked_cell_fill(struct cpu_state *cpu, struct blocked_cell *e,
					  __u32 what)
{
	__u32 series = SERIES_BLOCKED + (what & SLEEP_CLASS_MASK) * BLOCKED_SHARDS;

	if (!cpu || !e)
		return 0;
	e->gen = tunes.free_gen + 1;
	e->what = what;
	e->cell = cell_of(what >> SLEEP_NS_SHIFT,
			  series + (cpu->shard & (BLOCKED_SHARDS - 1)), POOL_HIST);
	return e->cell;
}

/* A sleep that is over: struct sched_record.slept. */
static __always_inline void record_sleep(struct cpu_state *cpu, __u32 slot, __u64 now,
					 __u64 slept)
{
	__u32 log2 = sample_log2(), n;
	__u32 what = slot << SLEEP_NS_SHIFT | ((slept & SLEEP_CLASS_MASK) - 1);
	struct blocked_cell *e =
	    &cpu->blocked[(slot + 41 * what) & ((1 << BLOCKED_CACHE_LOG2) - 1)];

	if (unlikely((__s64)slept < 0)) {
		lose_for(PROBE_SCHED, LOSS_CLOCK_BACKWARDS);
		return;
	}
	if (unlikely(!is_sampled(now, log2)))
		return;
	n = e->cell;
	if (unlikely(e->what != what || e->gen != tunes.free_gen + 1))
		n = blocked_cell_fill(cpu, e, what);
	hist_put_for(PROBE_SCHED, n, slept >> SLEEP_NS_SHIFT, log2, tunes.own_blocked);
}

static __always_inline void count_switches(struct sched_slot *e, __u32 lane, __u64 by)
{
	struct sched_block *block = bpf_map_lookup_elem(&sched_blocks, &e->block);

	if (block && lane < SCHED_LANES)
		ADD(block->lane[lane], by, tunes.own_shards);
}

/* The switches that are being replayed. */
struct switches {
	struct cpu_state *cpu;
	struct sched_ring *ring;
	__u32 at; /* the CPU's number */
	__u32 from;
};

/* One record: who left, and who came. */
static __always_inline long replay_switch(__u32 i, void *ctx)
{
	struct switches *r = ctx;
	struct cpu_state *cpu = r->cpu;
	struct sched_ring *ring = r->ring;
	struct sched_record *rec = &ring->records[(r->from + i) & (RING_SIZE - 1)];
	__u64 now = rec->now, word = rec->word;
	__u32 before = ring->running, moves = word >> SWITCH_MOVES;
	struct sched_slot *e;

	if (unlikely(word & SWITCH_LONG)) {
		ring->more = now;
		cpu->runs[PROGRAM_sched_switch].count--; /* it was no run */
		return 0;
	}
	if (unlikely(now >> GRID_LOG2 != ring->filled))
		fill_grid(r->at, now >> GRID_LOG2);
	if (before != CULPRIT_IDLE && !ring->ours)
		count_switches(
		    sched_slot_get(cpu, before),
		    word & SWITCH_VOLUNTARY ? SCHED_VOLUNTARY : SCHED_INVOLUNTARY, 1);
	ring->running = word >> SWITCH_SLOT_SHIFT;
	ring->ours = !!(word & SWITCH_OURS); /* a culprit like any other, no victim */
	if (ring->running == CULPRIT_IDLE || ring->ours)
		return 0;
	e = sched_slot_get(cpu, ring->running);
	if (unlikely(moves))
		count_switches(e, SCHED_MIGRATIONS, moves);
	if (rec->slept)
		record_sleep(cpu, ring->running, now, rec->slept);
	if (word & SWITCH_WAITED)
		record_wait(cpu, e, now, (__u32)word + ring->more, before);
	ring->more = 0;
	return 0;
}

LOOP_BODY(replay_switch)

/* Replays what a CPU's ring holds. */
__noinline int sched_replay(__u32 at)
{
	struct switches r = {
		.at = at,
		.cpu = bpf_map_lookup_elem(&cpus, &at),
		.ring = bpf_map_lookup_elem(&sched_rings, &at),
	};
	__u32 count;

	if (!r.cpu || !r.ring)
		return 0;
	r.from = r.ring->ring.done;
	count = r.ring->ring.head - r.from;
	r.ring->ring.done = r.ring->ring.head;
	LOOP(count < RING_SIZE ? count : RING_SIZE, replay_switch, &r);
	r.cpu->runs[PROGRAM_sched_switch].count += count;
	return 0;
}

#endif
