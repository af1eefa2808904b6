// SPDX-License-Identifier: Apache-2.0
/* The memory plan: it fits, serves busy workloads, or is refused with what would do. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/options.h"
#include "base/util.h"
#include "cmd/option_rows.h"
#include "kernel/plan.h"
#include "reading/kept.h"
#include "reading/snapshot_impl.h"
#include "reading/sparse.h"
#include "workload/pods.h"
#include "workload/usage_kept.h"

#define MIB (1ULL << 20)

static const uint32_t cpus[] = { 1, 2, 3, 4, 8, 16, 48, 64, 96, 128, 512 };
static const uint64_t slots[] = { 64, 256, 1024, 4096, 8192, 16384 };
static const uint64_t memory[] = { 4, 8, 16, 32, 64, 128, 256, 1024, 8192, 65536 };

/* Cells that n workloads take which have every value of every signal in every shard. */
static uint64_t cells_of(uint32_t n, enum pool pool, uint32_t shards)
{
	uint64_t one = 0;

	for (int i = 0; i < SIGNAL_COUNT; i++)
		if (signal_descs[i].pool == pool)
			one += signal_descs[i].values * (signal_descs[i].shards > shards
							     ? shards
							     : signal_descs[i].shards);
	/* asleep in four of the classes of calls; six of the results of lookups */
	if (pool == POOL_HIST)
		one -= (BLOCKED_CLASSES - 4) *
			   (shards < BLOCKED_SHARDS ? shards : BLOCKED_SHARDS) +
		       1;
	/* a disk is read, written and flushed; two errnos of each class of calls */
	one += pool == POOL_HIST ? 2 * 3 : 2 * OPEN_HIST;
	return n * one;
}

/* The overflow has a cell for each word of a row, and each open signal's _OTHER. */
static uint64_t overflow_of(enum pool pool)
{
	uint64_t n = 0;

	for (int i = 0; i < SIGNAL_COUNT; i++)
		if (signal_descs[i].pool == pool)
			n += signal_descs[i].values * signal_descs[i].shards;
	return n + (pool == POOL_HIST ? OPEN_COUNT - OPEN_HIST : OPEN_HIST);
}

/* All that can be elsewhere: number 0, the spares of all CPUs, overflow. */
static uint64_t elsewhere(const struct cells_plan *p, enum pool pool)
{
	return 1 + p->cpus * SPARES + overflow_of(pool);
}

static void serves(const struct cells_plan *p, uint32_t busy)
{
	uint32_t shards = p->cpus < SHARDS_MAX ? p->cpus : SHARDS_MAX;

	busy += 2; /* the kernel, and what is unknown */
	assert_true(p->hists >=
		    elsewhere(p, POOL_HIST) + cells_of(busy, POOL_HIST, shards));
	assert_true(p->counts >=
		    elsewhere(p, POOL_COUNT) + cells_of(busy, POOL_COUNT, shards));
	/* what an errno or a disk takes in the hash */
	assert_true(p->opens >= OPEN_COUNT + busy * (2 * OPEN_HIST + 2 * 3));
}

/*
 * 16 threads and connections of each busy workload, or 64 a CPU where that is less; and
 * the kernel's own threads, 8 a CPU, which have waits, but neither calls nor
 * connections.
 */
static void serves_all(const struct cells_plan *p)
{
	uint64_t busy = 16 * p->busy, cpu = 64 * p->cpus;
	uint64_t wanted = busy < cpu ? busy : cpu;
	uint64_t threads = p->tables[TABLE_THREADS] + p->spills[TABLE_THREADS];
	uint64_t conns = p->tables[TABLE_CONNS] + p->spills[TABLE_CONNS];

	assert_true(threads >= wanted + 8 * p->cpus);
	assert_true(conns >= wanted);
	/* as small a plan as there may be on a small node */
	assert_true(threads >= 3072 && conns >= 3072);
}

static void is_sound(const struct cells_plan *p, uint64_t limit)
{
	size_t sum = 0;

	assert_true(p->total <= limit);
	for (int i = 0; i < PLAN_PARTS; i++)
		sum += p->bytes[i];
	assert_int_equal(sum, p->total); /* the parts are all of it */
	assert_true(p->busy >= p->slots / 4);
	serves(p, p->busy);
	for (int t = 0; t < TABLES; t++) {
		assert_int_equal(p->tables[t] & (p->tables[t] - 1), 0);
		assert_int_equal(1ULL << (32 - plan_shift(p, t)), p->tables[t]);
		assert_in_range(p->tables[t], 2048, 1 << 20);
		/* as many threads as the table has entries leave e^-1 without one */
		assert_true(p->spills[t] >= p->tables[t] * 3 / 8);
	}
	assert_int_equal(p->spills[TABLE_THREADS], p->spills[TABLE_CALLS]);
	serves_all(p);
}

static void
a_plan_fits_and_serves_a_quarter_of_its_slots_or_says_what_does(void **state)
{
	unsigned int planned = 0, refused = 0;
	struct cells_plan p, again;

	for (size_t c = 0; c < COUNT(cpus); c++)
		for (size_t s = 0; s < COUNT(slots); s++)
			for (size_t m = 0; m < COUNT(memory); m++) {
				uint64_t limit = memory[m] * MIB;

				if (!cells_plan_for(slots[s], limit, cpus[c], &p)) {
					assert_int_equal(p.slots, slots[s]);
					is_sound(&p, limit);
					planned++;
					continue;
				}
				refused++;
				assert_true(p.total > limit);
				/* the numbers that it says, given back */
				assert_true(p.least > limit);
				assert_int_equal(
				    cells_plan_for(slots[s], p.least, cpus[c], &again),
				    0);
				is_sound(&again, p.least);
				/* and a MiB less does not do */
				assert_int_equal(cells_plan_for(slots[s], p.least - MIB,
								cpus[c], &again),
						 -ENOSPC);
				assert_int_equal(cells_plan_for(SLOTS_MIN,
								p.least_of_all, cpus[c],
								&again),
						 0);
				if (!p.most_slots)
					continue;
				assert_int_equal(cells_plan_for(p.most_slots, limit,
								cpus[c], &again),
						 0);
				is_sound(&again, limit);
				if (2 * p.most_slots < slots[s])
					assert_int_equal(
					    cells_plan_for(2 * p.most_slots, limit,
							   cpus[c], &again),
					    -ENOSPC);
			}
	assert_in_range(planned, 100, 600);
	assert_in_range(refused, 50, 500);
}

static void sixty_four_mib_serve_250_busy_workloads_on_64_cpus(void **state)
{
	struct cells_plan p;

	assert_int_equal(cells_plan_for(1024, 64 * MIB, 64, &p), 0);
	serves(&p, 250);
	/* each has all its series: 72 waits and calls, 16 turns, ... in eight shards,
	 * four classes of sleeps in two */
	assert_int_equal(cells_of(1, POOL_HIST, 8), 99 + 8 + 6);
	assert_int_equal(plan_busy_cells(POOL_HIST, 8), 99 + 8 + 6);
	is_sound(&p, 64 * MIB);
	/* a signal more takes some of what is left for them */
	for (int t = 0; t < TABLES; t++)
		assert_true(p.tables[t] + p.spills[t] >= 250 * 24);
	assert_int_equal(cells_plan_for(1024, 65 * MIB, 128, &p), 0);
	serves(&p, 250);
	is_sound(&p, 65 * MIB);
}

/* What the default was: 2 histograms a slot on 128 CPUs, 256 in all on 512. */
static void many_slots_on_many_cpus_are_refused(void **state)
{
	struct cells_plan p;

	assert_int_equal(cells_plan_for(8192, 64 * MIB, 128, &p), -ENOSPC);
	assert_int_equal(p.most_slots, 512);
	/* 250 busy ones would have 12 threads each, and as many connections */
	assert_int_equal(cells_plan_for(1024, 64 * MIB, 128, &p), -ENOSPC);
	assert_int_equal(p.most_slots, 512);
	assert_int_equal(p.least, 65 * MIB);
	assert_int_equal(cells_plan_for(1024, 64 * MIB, 512, &p), -ENOSPC);
	assert_true(p.most_slots >= 256);
}

static void the_tables_grow_with_the_memory(void **state)
{
	struct cells_plan p, more;

	assert_int_equal(cells_plan_for(1024, 64 * MIB, 2, &p), 0);
	assert_int_equal(cells_plan_for(1024, 256 * MIB, 2, &more), 0);
	for (int t = 0; t < TABLES; t++)
		assert_int_equal(more.tables[t], 4 * p.tables[t]);
	assert_int_equal(more.hists, p.hists);
	/* 11 and 9 of 256 parts of it: larger parts on more CPUs */
	assert_in_range(p.bytes[PART_THREADS], 10 * MIB / 4, 11 * MIB / 4);
	assert_in_range(p.bytes[PART_CONNS], 8 * MIB / 4, 9 * MIB / 4);
	assert_int_equal(cells_plan_for(1024, 256 * MIB, 64, &more), 0);
	assert_in_range(more.bytes[PART_THREADS], 26 * MIB, 27 * MIB);
	assert_in_range(more.bytes[PART_CONNS], 24 * MIB, 25 * MIB);
	assert_int_equal(cells_plan_for(1024, 256 * MIB, 128, &more), 0);
	assert_in_range(more.bytes[PART_CONNS], 31 * MIB, 32 * MIB);
}

static void what_user_space_keeps_is_no_more_than_planned(void **state)
{
	/* malloc adds 16 bytes at most to what is asked for */
	assert_true(sizeof(struct sparse) + 16 <= PLAN_SEEN_HIST);
	assert_true(sizeof(struct count_cell) + 16 <= PLAN_SEEN_COUNT);
	assert_true(sizeof(struct block_seen) + 16 <= PLAN_BLOCK);
	assert_true(sizeof(struct open_cell) <= PLAN_OPEN);
	assert_true(sizeof(struct kept) + 16 <= PLAN_KEPT);
	assert_true(sizeof(struct workload) + sizeof(struct slot) +
			(CULPRIT_NAMES + 1) * sizeof(struct culprit_total) +
			CULPRITS_SENT * (sizeof(struct culprit_series) + 16) + 16 +
			600 <=
		    PLAN_WORKLOAD);
	assert_true(SNAPSHOT_ESTIMATES * sizeof(struct estimate) + 16 <=
		    PLAN_ESTIMATES);
	assert_int_equal(SPARSE_GROUP, 8); /* PLAN_OCTAVES are groups of eight */
}

static void a_refusal_is_one_line_with_the_numbers(void **state)
{
	struct cells_plan p;
	char text[300];

	assert_int_equal(cells_plan_for(8192, 64 * MIB, 128, &p), -ENOSPC);
	plan_refusal(&p, text, sizeof(text));
	assert_non_null(strstr(text, "--memory 65536KiB is too little for --slots 8192 "
				     "on 128 CPUs: --memory "));
	assert_non_null(strstr(text, "MiB would do, or --slots 512"));
	assert_null(strchr(text, '\n'));
	assert_int_equal(cells_plan_for(1024, 4 * MIB, 2, &p), -ENOSPC);
	plan_refusal(&p, text, sizeof(text));
	assert_non_null(strstr(text, " would do, or --memory "));
	assert_non_null(strstr(text, "MiB --slots 64"));
	assert_int_equal(cells_plan_for(64, 4 * MIB, 2, &p), -ENOSPC);
	plan_refusal(&p, text, sizeof(text));
	assert_non_null(strstr(text, "fewer slots there cannot be"));
}

/* As the agent asks for a plan: by the options that a user gave. */
static int plan_by(char *memory_arg, char *slots_arg, struct cells_plan *p)
{
	char *argv[] = { "--memory", memory_arg, "--slots", slots_arg };
	char cause[200];
	struct options o;

	options_init(&o, &option_table);
	assert_int_equal(
	    options_args(&o, CMD_ALL, slots_arg ? 4 : 2, argv, cause, sizeof(cause)),
	    0);
	return cells_plan(&o, p);
}

static void slots_that_nobody_asked_for_become_fewer(void **state)
{
	struct cells_plan p;
	struct options o;
	char text[300], cause[200];

	assert_int_equal(plan_by("24MiB", "1024", &p), -ENOSPC);
	assert_int_equal(plan_by("24MiB", NULL, &p), 0);
	assert_int_equal(p.asked, 1024);
	assert_in_range(p.slots, 64, 512);
	is_sound(&p, 24 * MIB);
	plan_lowered(&p, text, sizeof(text));
	assert_non_null(strstr(text, " slots instead of 1024: "));
	assert_int_equal(plan_by("1024MiB", NULL, &p), 0);
	assert_int_equal(p.asked, 0);
	assert_int_equal(p.slots, 1024);
	/* the same number, asked for */
	setenv("ASSAY_SLOTS", "1024", 1);
	options_init(&o, &option_table);
	assert_int_equal(options_env(&o, CMD_AGENT, cause, sizeof(cause)), 0);
	unsetenv("ASSAY_SLOTS");
	assert_true(options_is_given(&o, "slots"));
	assert_false(options_is_given(&o, "memory"));
}

static void what_is_beside_the_plan_is_by_the_options(void **state)
{
	char *argv[] = { "--history", "none" }, cause[200];
	char *kubelet[] = { "--kubelet", "https://127.0.0.1:10250" };
	size_t always = PLAN_ANSWERS + PLAN_FILES;
	struct options o;

	options_init(&o, &option_table);
	assert_int_equal(options_args(&o, CMD_AGENT, 0, argv, cause, sizeof(cause)), 0);
	assert_int_equal(plan_beside(&o), always + PLAN_MINUTE);
	assert_int_equal(options_args(&o, CMD_AGENT, 2, kubelet, cause, sizeof(cause)),
			 0);
	assert_int_equal(plan_beside(&o), always + PLAN_MINUTE + PLAN_PODS);
	options_init(&o, &option_table);
	assert_int_equal(options_args(&o, CMD_AGENT, 2, argv, cause, sizeof(cause)), 0);
	assert_int_equal(plan_beside(&o), always);
	/* what those who take it keep to; a layer above the plan's */
	assert_int_equal(PLAN_FILES, (size_t)USAGE_KEPT_MAX * USAGE_KEPT_SIZE);
	assert_int_equal(PLAN_PODS,
			 2 * (size_t)PODS_TABLE_MAX + PODS_POD_MAX + PODS_JSON_MAX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    a_plan_fits_and_serves_a_quarter_of_its_slots_or_says_what_does),
		cmocka_unit_test(sixty_four_mib_serve_250_busy_workloads_on_64_cpus),
		cmocka_unit_test(many_slots_on_many_cpus_are_refused),
		cmocka_unit_test(the_tables_grow_with_the_memory),
		cmocka_unit_test(what_user_space_keeps_is_no_more_than_planned),
		cmocka_unit_test(a_refusal_is_one_line_with_the_numbers),
		cmocka_unit_test(slots_that_nobody_asked_for_become_fewer),
		cmocka_unit_test(what_is_beside_the_plan_is_by_the_options),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
