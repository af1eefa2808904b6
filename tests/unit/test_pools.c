// SPDX-License-Identifier: Apache-2.0
/* How full the agent's pools and tables are, as it says of itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "fake_maps.h"
#include "metric/self.h"

static const struct cells_plan plan = {
	.hists = 101,
	.counts = 201,
	.opens = 50,
	.queries = 60,
	.slots = 6,
	.peer_rows = 4,
	.tables = { 8192, 8192, 4096 },
	.spills = { 100, 110, 120 },
};

static void pools_say_how_full_they_are(void **state)
{
	static const struct {
		const char *name;
		uint32_t used, limit;
	} expected[POOL_USES] = {
		{ "histograms", 40, 100 }, /* number 0 is none */
		{ "counters", 200, 200 },
		{ "errors_and_disks", 9, 50 },
		{ "dns_queries", 7, 60 },
		{ "peers", 2, 4 },
		{ "threads", 60, 8192 },
		{ "threads_spill", 11, 100 },
		{ "calls", 0, 8192 },
		{ "calls_spill", 0, 110 },
		{ "connections", 10, 4096 },
		{ "connections_spill", 120, 120 },
		{ "ports_listened_on", 3, 4096 },
		{ "connections_refused", 4, 32768 },
		{ "threads_moved_asleep", 0, 1024 },
		{ "reclaims", 6, 1024 },
		{ "disks", 512, 512 },
	};
	/* as a reading sees it while a thread's entry is given back */
	const int32_t taken[TABLES] = { 60, -1, 10 };
	static struct control control = {
		.free_lists = { [POOL_HIST] = { .left = 60 },
				[POOL_COUNT] = { .left = -3 } }, /* asked in vain */
		.spilled = { 11, -1, 120 },
		.small = { 3, 4, -1, 6 },
		.disks = 514, /* two CPUs met the last one's successors */
	};
	struct dns_gate gate = { .waiting = 7 };
	static struct series_row rows[6] = {
		[2] = { .peer_row = 4 }, [5] = { .peer_row = 1 }
	};
	struct cells cells = { .plan = plan, .control = &control, .rows = rows };
	struct pool_use uses[POOL_USES];
	uint32_t zero = 0;

	cells.fds[MAP_DNS_GATES] =
	    fake_map_make(MAP_DNS_GATES, sizeof(uint32_t), sizeof(gate));
	bpf_map_update_elem(cells.fds[MAP_DNS_GATES], &zero, &gate, 0);
	self_pools(&cells, 9, taken, uses);
	for (int i = 0; i < POOL_USES; i++) {
		assert_string_equal(pool_use_name(i), expected[i].name);
		assert_int_equal(uses[i].used, expected[i].used);
		assert_int_equal(uses[i].limit, expected[i].limit);
	}
	fake_map_make(MAP_DNS_GATES, 0, 0);
}

/* A CPU may have given back more than it took: only the sum tells. */
static void tables_are_added_up_over_all_cpus(void **state)
{
	static struct cpu_state cpu;
	static struct call_ring calls;
	struct dns_gate gate = { 0 };
	struct cells cells = { .plan = { .cpus = 2 } };
	struct cells_counted counted;
	static const enum cells_map maps[] = { MAP_CPUS, MAP_CALL_RINGS,
					       MAP_DNS_GATES };
	static const size_t sizes[] = { sizeof(cpu), sizeof(calls), sizeof(gate) };
	void *const values[] = { &cpu, &calls, &gate };

	for (int m = 0; m < 3; m++)
		cells.fds[maps[m]] = fake_map_make(maps[m], sizeof(uint32_t), sizes[m]);
	for (uint32_t i = 0; i < 3; i++) {
		cpu.taken[TABLE_THREADS] = i ? -40 : 100;
		cpu.taken[TABLE_CALLS] = i ? 30 : -29;
		cpu.taken[TABLE_CONNS] = 5;
		for (int m = i < 2 ? 0 : 2; m < 3; m++) /* a gate more than CPUs */
			bpf_map_update_elem(cells.fds[maps[m]], &i, values[m], 0);
	}
	assert_int_equal(cells_count(&cells, &counted), 0);
	assert_int_equal(counted.taken[TABLE_THREADS], 60);
	assert_int_equal(counted.taken[TABLE_CALLS], 1);
	assert_int_equal(counted.taken[TABLE_CONNS], 10);
	for (int m = 0; m < 3; m++)
		fake_map_make(maps[m], 0, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pools_say_how_full_they_are),
		cmocka_unit_test(tables_are_added_up_over_all_cpus),
	};

	return cmocka_run_group_tests_name("pools", tests, NULL, NULL);
}
