// SPDX-License-Identifier: Apache-2.0
/* What the node's CPUs did, from the kernel's files. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "reading/node_usage.h"

#define TICK_NS 10000000ULL
#define MEMORY	"MemTotal:        1000 kB\nMemFree: 5 kB\nMemAvailable:    600 kB\n"

static void times_are_since_the_first_reading(void **state)
{
	struct node_usage u = { 0 };

	assert_int_equal(node_usage_parse(&u,
					  "cpu  100 10 50 900 20 3 4 7 0 0\n"
					  "cpu0 60 10 30 400 10 1 2 7 0 0\n"
					  "cpu1 40 0 20 500 10 2 2 0 0 0\nintr 5\n",
					  MEMORY),
			 0);
	assert_int_equal(u.cpus, 2);
	assert_int_equal(u.memory, 1000 * 1024);
	assert_int_equal(u.memory_available, 600 * 1024);
	for (int i = 0; i < CPU_MODES; i++)
		assert_int_equal(u.ns[i], 0);
	assert_int_equal(node_usage_parse(&u,
					  "cpu  110 10 51 880 21 5 7 9 0 0\n"
					  "cpu0 70 10 31 400 11 2 3 9 0 0\n"
					  "cpu1 40 0 20 480 10 3 4 0 0 0\n",
					  MEMORY),
			 0);
	assert_int_equal(u.ns[CPU_USER], 10 * TICK_NS);
	assert_int_equal(u.ns[CPU_NICE], 0);
	assert_int_equal(u.ns[CPU_SYSTEM], 1 * TICK_NS);
	assert_int_equal(u.ns[CPU_IDLE],
			 0); /* it went back: never below what was told */
	assert_int_equal(u.ns[CPU_IOWAIT], 1 * TICK_NS);
	assert_int_equal(u.ns[CPU_INTERRUPT], 5 * TICK_NS);
	assert_int_equal(u.ns[CPU_STEAL], 2 * TICK_NS);
	assert_int_equal(u.stolen_ns[0], 2 * TICK_NS);
	assert_int_equal(u.stolen_ns[1], 0);
	node_usage_fini(&u);
}

static void a_cpu_that_comes_later_begins_at_zero(void **state)
{
	struct node_usage u = { 0 };

	assert_int_equal(
	    node_usage_parse(&u, "cpu  1 0 0 1 0 0 0 0\ncpu0 1 0 0 1 0 0 0 0\n", ""),
	    0);
	assert_int_equal(
	    node_usage_parse(&u,
			     "cpu  1 0 0 1 0 0 0 50\ncpu0 1 0 0 1 0 0 0 0\n"
			     "cpu20 1 0 0 1 0 0 0 50\n",
			     ""),
	    0);
	assert_int_equal(u.stolen_ns[20], 0);
	assert_int_equal(
	    node_usage_parse(&u,
			     "cpu  1 0 0 1 0 0 0 53\ncpu0 1 0 0 1 0 0 0 0\n"
			     "cpu20 1 0 0 1 0 0 0 53\n",
			     ""),
	    0);
	assert_int_equal(u.stolen_ns[20], 3 * TICK_NS);
	assert_int_equal(u.cpus, 2);
	assert_int_equal(u.memory, 0);
	node_usage_fini(&u);
}

static void what_is_no_stat_is_refused(void **state)
{
	struct node_usage u = { 0 };

	assert_int_equal(node_usage_parse(&u, "", ""), -EINVAL);
	assert_int_equal(node_usage_parse(&u, "cpu  1 2\n", ""), -EINVAL);
	assert_int_equal(node_usage_parse(&u, "cpu  1 2 3 4 5 6 7 8\n", ""), -EINVAL);
	assert_int_equal(
	    node_usage_parse(&u, "cpu  1 2 3 4 5 6 7 8\ncpu99999 1 2 3 4 5 6 7 8\n",
			     ""),
	    -EINVAL);
	node_usage_fini(&u);
}

static void this_node_is_read(void **state)
{
	struct node_usage u = { 0 };

	assert_int_equal(node_usage_read(&u), 0);
	assert_int_equal(u.cpus, sysconf(_SC_NPROCESSORS_ONLN));
	assert_true(u.memory > u.memory_available && u.memory_available > 0);
	node_usage_fini(&u);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_since_the_first_reading),
		cmocka_unit_test(a_cpu_that_comes_later_begins_at_zero),
		cmocka_unit_test(what_is_no_stat_is_refused),
		cmocka_unit_test(this_node_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
