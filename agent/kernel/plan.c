// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <bpf/libbpf.h>
#include "base/options.h"
#include "base/util.h"
#include "bpf/dns.h"
#include "kernel/plan.h"

#define MIB (1ULL << 20)

/* One of so many slots may be a busy workload's: it has all its series in all shards.
 */
#define BUSY_SHARE 4
/* Values of each set of errnos that such a one has, in the mean; and of a disk: reads,
 * writes and flushes, each as an operation and as what the device needs. */
#define BUSY_ERRNOS 2
#define BUSY_BLOCK  6
/* Classes of calls that such a one sleeps in, in the mean. */
#define BUSY_BLOCKED 4
/* Results that its lookups have, at most: whose server is not there hears nothing else.
 */
#define BUSY_LOOKUPS (DNS_RESULTS - 1)
/* Error counters of one that is not busy. */
#define QUIET_ERRNOS 4
#define SLOT_QUERIES 8
/* One of so many slots has trouble with peers; where memory is scarce fewer. */
#define PEER_SHARE     8
#define PEER_SHARE_MAX 32

#define TABLE_MIN 2048	     /* entries; at least: half of that in the spill */
#define TABLE_MAX (1U << 20) /* at most; four times that in the spill */
/*
 * A busy workload has so many threads and connections, as long as there are CPUs for
 * them; and so many threads of the kernel each CPU has: their waits are those of
 * SLOT_KERNEL.
 */
#define BUSY_ENTRIES   16
#define CPU_ENTRIES    64 /* at most, of all workloads */
#define KERNEL_THREADS 8

/*
 * Of the memory threads have so many 256ths, and connections: on few CPUs there are few
 * of both. (Of the default of 64 MiB it is 5 MiB for both on 2 CPUs, 16 MiB from 92
 * on.)
 */
#define THREADS_PART 11 /* and one more for each four CPUs */
#define CONNS_PART   9
#define PART_MOST    32

/* Values of the histograms of a busy workload: what the agent adds its shards up to. */
static uint32_t busy_values(void)
{
#define VALUES(name, pool, values, shards) +(POOL_##pool == POOL_HIST ? (values) : 0)
	return SIGNALS(VALUES) - (BLOCKED_CLASSES - BUSY_BLOCKED) -
	       (DNS_RESULTS - BUSY_LOOKUPS) + BUSY_BLOCK;
#undef VALUES
}

static size_t agent_bytes(const struct cells_plan *p)
{
	size_t seen = PLAN_SEEN_HIST + PLAN_OCTAVES * 8 * sizeof(uint32_t);
	size_t total = PLAN_SEEN_HIST + PLAN_OCTAVES * 8 * sizeof(uint64_t);
	/* the history has each total once more, packed */
	size_t kept = PLAN_KEPT_HIST + PLAN_OCTAVES * 8 * sizeof(uint16_t);

	return p->hists * (sizeof(void *) + seen) +
	       p->counts * (sizeof(void *) + PLAN_SEEN_COUNT) + p->opens * PLAN_OPEN +
	       (size_t)p->slots * p->sched_shards * (sizeof(void *) + PLAN_BLOCK) +
	       2 * (size_t)p->slots * PLAN_WORKLOAD + /* those that have ended, too */
	       p->busy * PLAN_ESTIMATES + p->peer_rows * PLAN_PEERS +
	       p->busy * (busy_values() * (total + kept) + p->batch) +
	       (size_t)p->slots * PLAN_KEPT + PLAN_HISTORY;
}

static void sum_up(struct cells_plan *p)
{
	p->total = 0;
	for (int i = 0; i < PLAN_PARTS; i++)
		p->bytes[i] = 0;
	for (int m = 0; m < MAPS_ALL; m++)
		p->bytes[map_descs[m].part] += plan_map_bytes(p, m);
	p->bytes[PART_AGENT] = agent_bytes(p);
	for (int i = 0; i < PLAN_PARTS; i++)
		p->total += p->bytes[i];
}

size_t plan_beside(const struct options *o)
{
	return PLAN_ANSWERS + PLAN_FILES +
	       (strcmp(o->history, "none") ? PLAN_MINUTE : 0) +
	       (strcmp(o->kubelet, "none") ? PLAN_PODS : 0);
}

size_t plan_kernel_bytes(const struct cells_plan *plan)
{
	return plan->total - plan->bytes[PART_AGENT];
}

/* Cells of all fixed series of a workload. */
static uint32_t fixed_cells(enum pool pool, uint32_t shards)
{
#define CELLS(name, pool_, values, shards_)                                           \
	+(POOL_##pool_ == pool ? (values) * ((shards_) < shards ? (shards_) : shards) \
			       : 0)
	return SIGNALS(CELLS);
#undef CELLS
}

uint32_t plan_busy_cells(enum pool pool, uint32_t shards)
{
	uint32_t asleep = shards < BLOCKED_SHARDS ? shards : BLOCKED_SHARDS;

	if (pool == POOL_COUNT)
		return fixed_cells(pool, shards) + OPEN_HIST * BUSY_ERRNOS;
	return fixed_cells(pool, shards) - (BLOCKED_CLASSES - BUSY_BLOCKED) * asleep -
	       (DNS_RESULTS - BUSY_LOOKUPS) + BUSY_BLOCK;
}

/* The overflow's cells, one for each word of a row and each open signal's rest: made
 * beforehand. */
static uint32_t overflow_cells(enum pool pool)
{
	return fixed_cells(pool, SHARDS_MAX) +
	       (pool == POOL_HIST ? OPEN_COUNT - OPEN_HIST : OPEN_HIST);
}

/*
 * Cells: number 0 is none; CPUs may keep some that they do not need; the kernel and
 * what is unknown are as busy as any.
 */
static uint32_t cells(const struct cells_plan *p, enum pool pool)
{
	return 1 + p->cpus * SPARES + overflow_cells(pool) +
	       (p->busy + SLOT_FIRST - 1) * plan_busy_cells(pool, p->sched_shards);
}

/* The entries that a table and its spill must have. */
static uint32_t least_entries(const struct cells_plan *p, enum table t)
{
	uint32_t busy = p->busy * BUSY_ENTRIES, most = p->cpus * CPU_ENTRIES;

	return (busy < most ? busy : most) +
	       (t == TABLE_CONNS ? 0 : p->cpus * KERNEL_THREADS);
}

/* Whether a table and what it leaves to its spill, 3 for 8, have so many. */
static bool table_holds(uint32_t entries, uint32_t wanted)
{
	return entries + entries / 8 * 3 >= wanted;
}

/* The smallest table that has them, and its spill. */
static void least_table(struct cells_plan *p, enum table t)
{
	uint32_t wanted = least_entries(p, t);

	p->tables[t] = TABLE_MIN;
	p->spills[t] = TABLE_MIN / 2;
	if (p->tables[t] + p->spills[t] >= wanted)
		return;
	while (!table_holds(p->tables[t], wanted))
		p->tables[t] *= 2;
	p->spills[t] = p->tables[t] / 8 * 3;
}

/* The least of all that there may be for so many slots. */
static void plan_least(uint64_t slots, uint32_t cpus, size_t batch,
		       struct cells_plan *p)
{
	uint32_t shards = cpus < SHARDS_MAX ? cpus : SHARDS_MAX, quiet;

	*p =
	    (struct cells_plan){ .cpus = cpus, .sched_shards = shards, .batch = batch };
	p->slots = slots;
	p->busy = slots / BUSY_SHARE;
	quiet = (p->slots - p->busy) * QUIET_ERRNOS;
	p->hists = cells(p, POOL_HIST);
	p->counts = cells(p, POOL_COUNT) + quiet;
	p->opens = OPEN_COUNT + quiet +
		   (p->busy + SLOT_FIRST - 1) * (OPEN_HIST * BUSY_ERRNOS + BUSY_BLOCK);
	p->queries = slots * SLOT_QUERIES;
	p->peer_rows = slots / PEER_SHARE;
	for (int t = 0; t < TABLES; t++)
		least_table(p, t);
	sum_up(p);
}

/* Gives tables [first, end), which are all of a part, the spill that there is room for,
 * and no less than the least. */
static void fit_spills(struct cells_plan *p, enum plan_part part, int first, int end,
		       uint32_t least, size_t most)
{
	uint32_t spill = 8 * p->tables[first];

	do {
		spill -= spill / 64;
		if (spill < least)
			spill = least;
		for (int t = first; t < end; t++)
			p->spills[t] = spill;
		sum_up(p);
	} while (p->bytes[part] > most && spill > least);
}

/*
 * Makes them as large as the part may be. As many owners as a table has entries leave
 * 1/e of themselves without one: so much its spill has to have.
 */
static void grow(struct cells_plan *p, enum plan_part part, int first, int end,
		 size_t most)
{
	uint32_t least = p->tables[first], spill = p->spills[first];
	uint32_t entries = 2 * TABLE_MAX;

	do {
		entries /= 2;
		for (int t = first; t < end; t++)
			p->tables[t] = entries;
		fit_spills(p, part, first, end, spill, most);
	} while (entries > least &&
		 (p->bytes[part] > most || 8 * p->spills[first] < 3 * entries));
}

/* The most that threads may take of the memory, or connections. */
static size_t table_part(const struct cells_plan *p, size_t part)
{
	part += p->cpus / 4;

	return p->limit / 256 * (part < PART_MOST ? part : PART_MOST);
}

static size_t least_of(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* What is left goes to the tables: a part of the memory for each, if it is there. */
static void grow_tables(struct cells_plan *p)
{
	size_t *threads = &p->bytes[PART_THREADS], *conns = &p->bytes[PART_CONNS];
	size_t left = p->limit - p->total + *threads + *conns;
	size_t most = least_of(left / 2, table_part(p, THREADS_PART));

	if (most > *threads)
		grow(p, PART_THREADS, TABLE_THREADS, TABLE_CONNS, most);
	left = p->limit - p->total + *conns;
	most = least_of(left, table_part(p, CONNS_PART));
	if (most > *conns)
		grow(p, PART_CONNS, TABLE_CONNS, TABLES, most);
}

/* Fewer rows of peers, if only that fits. */
static void fit_rows(struct cells_plan *p, size_t most)
{
	while (p->total > most && p->peer_rows > p->slots / PEER_SHARE_MAX &&
	       p->peer_rows > SHARE_PART) {
		p->peer_rows /= 2;
		sum_up(p);
	}
}

static size_t whole_mib(size_t bytes)
{
	return (bytes + MIB - 1) / MIB * MIB;
}

static int plan_for(uint64_t slots, uint64_t memory, uint32_t cpus, size_t batch,
		    struct cells_plan *plan)
{
	struct cells_plan fewer;

	plan_least(slots, cpus, batch, plan);
	plan->limit = memory;
	fit_rows(plan, memory);
	if (plan->total <= memory) {
		grow_tables(plan);
		return 0;
	}
	plan->least = whole_mib(plan->total);
	for (uint64_t n = slots / 2; n >= SLOTS_MIN && !plan->most_slots; n /= 2) {
		plan_least(n, cpus, batch, &fewer);
		fit_rows(&fewer, memory);
		if (fewer.total <= memory)
			plan->most_slots = n;
	}
	plan_least(SLOTS_MIN, cpus, batch, &fewer);
	fit_rows(&fewer, memory);
	plan->least_of_all = whole_mib(fewer.total);
	return -ENOSPC;
}

int cells_plan_for(uint64_t slots, uint64_t memory, uint32_t cpus,
		   struct cells_plan *plan)
{
	return plan_for(slots, memory, cpus, PLAN_BATCH, plan);
}

/* What goes into a file, or nowhere, does not wait. */
static size_t batch_bytes(const struct options *o)
{
	bool all = o->series == SERIES_ALL;

	if (strncmp(o->export, "http", 4))
		return PLAN_BATCH;
	if (o->export_compression == COMPRESSION_NONE)
		return all ? PLAN_BATCH_ALL_RAW : PLAN_BATCH_RAW;
	return all ? PLAN_BATCH_ALL : PLAN_BATCH;
}

int cells_plan(const struct options *o, struct cells_plan *plan)
{
	int cpus = libbpf_num_possible_cpus(), err;
	size_t batch = batch_bytes(o);
	uint32_t asked;

	if (cpus < 0)
		return cpus;
	err = plan_for(o->slots, o->memory, cpus, batch, plan);
	if (err != -ENOSPC || options_is_given(o, "slots") || !plan->most_slots)
		return err;
	asked = plan->slots;
	err = plan_for(plan->most_slots, o->memory, cpus, batch, plan);
	plan->asked = asked;
	return err;
}

void plan_refusal(const struct cells_plan *p, char *text, size_t len)
{
	char instead[100];

	if (p->most_slots)
		snprintf(instead, sizeof(instead), ", or --slots %u", p->most_slots);
	else if (p->slots == SLOTS_MIN)
		snprintf(instead, sizeof(instead), "; fewer slots there cannot be");
	else
		snprintf(instead, sizeof(instead), ", or --memory %lluMiB --slots %d",
			 p->least_of_all / MIB, SLOTS_MIN);
	snprintf(text, len,
		 "--memory %zuKiB is too little for --slots %u on %u CPUs: "
		 "--memory %lluMiB would do%s",
		 p->limit / 1024, p->slots, p->cpus, p->least / MIB, instead);
}

void plan_lowered(const struct cells_plan *p, char *text, size_t len)
{
	struct cells_plan all;

	plan_for(p->asked, p->limit, p->cpus, p->batch, &all);
	snprintf(text, len,
		 "%u slots instead of %u: with %u CPUs --memory %zuKiB has no room for "
		 "more (%lluMiB would do)",
		 p->slots, p->asked, p->cpus, p->limit / 1024, all.least / MIB);
}
