// SPDX-License-Identifier: Apache-2.0
/* What counts of runs come to: shares of each CPU's busy time, and the hooks' own cost.
 */
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/util.h"
#include "kernel/hook_cost.h"
#include "kernel/probes.h"
#include "reading/busy.h"
#include "reading/expense.h"

#define SECOND 1e9

static struct {
	struct expense e;
	struct expense_tick t;
	uint64_t runs[PROGRAM_COUNT];
	struct governor_load load;
} with;

static int begin(void **state)
{
	memset(&with, 0, sizeof(with));
	assert_int_equal(expense_open(&with.e, 2), 0);
	with.t.ns = SECOND;
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		with.t.on[i] = true;
		with.t.attached[i] = 1;
	}
	for (size_t p = 0; p < PROGRAM_COUNT; p++) {
		with.t.run_ns[p] = 100;
		with.t.windowed[p] = probe_is_windowed(&probe_descs[programs[p].probe],
						       programs[p].name);
	}
	return 0;
}

static int end(void **state)
{
	expense_close(&with.e);
	return 0;
}

/* Some seconds in which CPU 0 is busy for a share of the time; CPU 1 half as much. */
static void pass(unsigned int seconds, double busy)
{
	while (seconds--) {
		expense_tick(&with.e, &with.t);
		expense_add(&with.e, 0, &with.t, busy * SECOND, with.runs);
		expense_add(&with.e, 1, &with.t, busy * SECOND / 2, NULL);
	}
	expense_load(&with.e, &with.load);
}

static const struct governor_cpu *cpu(size_t i)
{
	assert_true(i < with.load.count);
	return &with.load.cpus[i];
}

static void assert_share(double is, double wanted)
{
	if (fabs(is - wanted) > 0.001 * wanted + 1e-9)
		fail_msg("%g, not %g", is, wanted);
}

/* 100,000 calls of 100 ns and 100 ns in half a second of work are 4 %. */
static void runs_become_a_share_of_busy_time(void **state)
{
	with.runs[PROGRAM_syscall_enter] = with.runs[PROGRAM_syscall_exit] = 100000;
	with.runs[PROGRAM_syscall_leave] = 5000;
	pass(10, 0.5);
	assert_int_equal(with.load.count, 2);
	assert_int_equal(cpu(1)->cpu, 1);
	assert_share(cpu(0)->smooth[PROBE_SYSCALL].windowed, 0.04);
	assert_share(cpu(0)->latest[PROBE_SYSCALL].windowed, 0.04);
	assert_share(cpu(0)->smooth[PROBE_SYSCALL].fixed, 0.001);
	assert_share(cpu(0)->smooth[PROBE_SCHED].fixed, 0);
	assert_share(cpu(1)->smooth[PROBE_SYSCALL].windowed, 0);
}

static void what_is_attached_for_a_while_is_taken_for_always(void **state)
{
	with.runs[PROGRAM_syscall_enter] = 10000; /* in a tenth of the time */
	with.runs[PROGRAM_syscall_leave] = 10000; /* in all of it */
	with.t.attached[PROBE_SYSCALL] = 0.1;
	pass(60, 1);
	assert_share(cpu(0)->smooth[PROBE_SYSCALL].windowed, 0.01);
	assert_share(cpu(0)->smooth[PROBE_SYSCALL].fixed, 0.001);
}

/* Windows are half a second in 32: between them what is known stays. */
static void windows_far_apart_give_the_same_share(void **state)
{
	for (int i = 0; i < 20; i++) {
		with.t.attached[PROBE_SYSCALL] = 0.5;
		with.runs[PROGRAM_syscall_enter] = 50000;
		pass(1, 1);
		assert_share(cpu(0)->smooth[PROBE_SYSCALL].windowed, 0.01);
		with.t.attached[PROBE_SYSCALL] = 0;
		with.runs[PROGRAM_syscall_enter] = 0;
		pass(31, 1);
		assert_share(cpu(0)->smooth[PROBE_SYSCALL].windowed, 0.01);
		assert_share(cpu(0)->latest[PROBE_SYSCALL].windowed, 0.01);
	}
}

/* Within a minute nearly all of a change is seen, and little of it in a second. */
static void it_is_smoothed_over_a_minute(void **state)
{
	pass(100, 1);
	with.runs[PROGRAM_syscall_enter] = 1000000;
	pass(1, 1);
	assert_in_range(1e4 * cpu(0)->smooth[PROBE_SYSCALL].windowed, 40, 60);
	assert_in_range(1e4 * cpu(0)->latest[PROBE_SYSCALL].windowed, 200, 250);
	pass(9, 1);
	assert_in_range(1e4 * cpu(0)->latest[PROBE_SYSCALL].windowed, 900, 1000);
	pass(50, 1);
	assert_in_range(1e4 * cpu(0)->smooth[PROBE_SYSCALL].windowed, 940, 960);
}

static void a_cpu_that_is_hardly_busy_is_left_out(void **state)
{
	with.runs[PROGRAM_syscall_enter] = 1000;
	pass(30, 0.08); /* CPU 1: 4 % */
	assert_int_equal(with.load.count, 1);
	pass(30, 1);
	assert_int_equal(with.load.count, 2);
	pass(14, 0);
	assert_int_equal(with.load.count, 0);
}

/* Whoever is there after a pause, in a gap between two windows, is somebody else. */
static void on_an_idle_cpu_what_was_known_fades(void **state)
{
	with.runs[PROGRAM_syscall_enter] = 4000000;
	pass(30, 1);
	assert_share(cpu(0)->smooth[PROBE_SYSCALL].windowed, 0.4);
	with.t.attached[PROBE_SYSCALL] = 0;
	with.runs[PROGRAM_syscall_enter] = 0;
	pass(100, 0);
	pass(1, 1);
	assert_true(cpu(0)->smooth[PROBE_SYSCALL].windowed < 0.01);
	assert_true(cpu(0)->latest[PROBE_SYSCALL].windowed < 0.01);
}

static void while_it_is_off_what_was_known_stays(void **state)
{
	with.runs[PROGRAM_syscall_enter] = 100000;
	with.runs[PROGRAM_syscall_leave] = 10000;
	pass(30, 1);
	with.runs[PROGRAM_syscall_enter] = with.runs[PROGRAM_syscall_leave] = 0;
	with.t.on[PROBE_SYSCALL] = false;
	with.t.attached[PROBE_SYSCALL] = 0;
	pass(600, 1);
	assert_share(cpu(0)->smooth[PROBE_SYSCALL].windowed, 0.01);
	assert_share(cpu(0)->smooth[PROBE_SYSCALL].fixed, 0.001);
	assert_true(with.load.known[PROBE_SYSCALL]);
	expense_forget(&with.e, PROBE_SYSCALL);
	pass(1, 1);
	assert_share(cpu(0)->smooth[PROBE_SYSCALL].windowed, 0);
	assert_false(with.load.known[PROBE_SYSCALL]);
	with.t.on[PROBE_SYSCALL] = true;
	with.t.attached[PROBE_SYSCALL] = 0.5;
	with.runs[PROGRAM_syscall_enter] = 200000;
	pass(1, 1);
	assert_share(cpu(0)->smooth[PROBE_SYSCALL].windowed, 0.04);
	assert_true(with.load.known[PROBE_SYSCALL]);
}

static void busy_is_what_others_could_have_had(void **state)
{
	const char *text = "cpu  9 9 9 9 9 9 9 9 0 0\n"
			   "cpu0 1 2 3 1000 1000 4 5 1000 7 8\n"
			   "cpu3 10 0 0 0 0 0 0 0 0 0\n"
			   "cpu9 1 1 1 1 1 1 1 1 0 0\n"
			   "intr 5 5\ncpu1 7 7 7 7 7 7 7 7 7 7\n";
	uint64_t ns[4] = { 1, 2, 3, 4 };

	assert_int_equal(busy_parse(text, ns, 4), 0);
	assert_true(ns[0] == 15 * 10000000ULL);
	assert_true(ns[1] == 2 && ns[2] == 3); /* they are offline */
	assert_true(ns[3] == 10 * 10000000ULL);
	assert_int_equal(busy_parse("", ns, 4), -EINVAL);
	assert_int_equal(busy_parse("cpu\n", ns, 4), -EINVAL);
	assert_int_equal(busy_parse("cpu0 1 2", ns, 4), -EINVAL); /* cut off */
	assert_int_equal(busy_parse("cpu0 1 x\n", ns, 4), -EINVAL);
}

static void this_machine_was_busy(void **state)
{
	uint64_t ns[1024] = { 0 }, sum = 0;
	struct busy b;

	assert_int_equal(busy_open(&b, 1024), 0);
	assert_int_equal(busy_read(&b, ns, 1024), 0);
	for (size_t i = 0; i < COUNT(ns); i++)
		sum += ns[i];
	assert_true(sum > 10000000ULL);
	busy_close(&b);
}

/* Bursts of a kernel where a call takes so many ns; two in three were interrupted. */
static void bursts(struct hook_cost *h, double with_hooks, double without)
{
	for (int i = 0; i < HOOK_BURSTS; i++) {
		double more = i % 3 ? 5000 : 0;

		h->bursts[1][i] = with_hooks + more;
		h->bursts[0][i] = without + more / 2;
	}
	h->count[0] = h->count[1] = HOOK_BURSTS;
}

static void what_disturbs_a_burst_is_not_the_hooks_cost(void **state)
{
	struct hook_cost h = { .own_ns = 17 };
	double other = hook_cost_of(&h, PROGRAM_sched_switch);

	assert_true(hook_cost_of(&h, PROGRAM_syscall_enter) > 0); /* a default */
	bursts(&h, 130, 80);
	assert_true(hook_cost_settle(&h));
	assert_share(h.pair_ns, 33);
	assert_share(hook_cost_of(&h, PROGRAM_syscall_enter), 16.5);
	assert_share(hook_cost_of(&h, PROGRAM_syscall_exit), 16.5);
	assert_share(hook_cost_of(&h, PROGRAM_sched_switch), other);
	assert_false(hook_cost_settle(&h)); /* the next round has none yet */
	bursts(&h, 80, 80); /* less than what the programs timed: nothing */
	assert_true(hook_cost_settle(&h));
	assert_true(h.pair_ns == 0);
}

static void a_burst_takes_no_time_to_speak_of(void **state)
{
	struct hook_cost h = { 0 };
	double least = INFINITY;

	for (int i = 0; i < 2 * HOOK_BURSTS; i++)
		hook_cost_burst(&h, false);
	assert_int_equal(h.count[0], HOOK_BURSTS);
	assert_int_equal(h.count[1], 0);
	for (int i = 0; i < HOOK_BURSTS; i++) {
		assert_true(h.bursts[0][i] > 1);
		if (h.bursts[0][i] < least) /* others may have the CPU meanwhile */
			least = h.bursts[0][i];
	}
	assert_true(least < 100000);
	assert_false(hook_cost_settle(&h));
}

#define EXPENSE_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EXPENSE_TEST(runs_become_a_share_of_busy_time),
		EXPENSE_TEST(what_is_attached_for_a_while_is_taken_for_always),
		EXPENSE_TEST(windows_far_apart_give_the_same_share),
		EXPENSE_TEST(it_is_smoothed_over_a_minute),
		EXPENSE_TEST(a_cpu_that_is_hardly_busy_is_left_out),
		EXPENSE_TEST(on_an_idle_cpu_what_was_known_fades),
		EXPENSE_TEST(while_it_is_off_what_was_known_stays),
		cmocka_unit_test(busy_is_what_others_could_have_had),
		cmocka_unit_test(this_machine_was_busy),
		cmocka_unit_test(what_disturbs_a_burst_is_not_the_hooks_cost),
		cmocka_unit_test(a_burst_takes_no_time_to_speak_of),
	};

	return cmocka_run_group_tests_name("expense", tests, NULL, NULL);
}
