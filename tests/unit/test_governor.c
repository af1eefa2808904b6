// SPDX-License-Identifier: Apache-2.0
/* The budget: what is done about costs that the test makes up, second by second. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "base/util.h"
#include "reading/governor.h"

#define SECOND 1000000000ULL
#define BUDGET 0.01

static struct {
	struct governor g;
	struct governor_cpu cpus[2];
	struct governor_load load;
	uint64_t now;
	unsigned int anew, steps,
	    over; /* steps of any probe, seconds over the budget */
} with;

static int begin(void **state)
{
	memset(&with, 0, sizeof(with));
	governor_init(&with.g, BUDGET);
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		with.g.probes[i].present = with.load.known[i] = true;
		with.g.probes[i].kind = GOVERN_OFF;
	}
	with.g.probes[PROBE_SYSCALL].kind = with.g.probes[PROBE_TCP].kind =
	    with.g.probes[PROBE_DNS].kind = GOVERN_WINDOWS;
	with.g.probes[PROBE_SCHED].kind = GOVERN_LAST;
	with.g.probes[PROBE_CGROUP].kind = GOVERN_NEVER;
	with.cpus[1].cpu = 1;
	with.load.cpus = with.cpus;
	with.load.count = 2;
	with.now = 1000 * SECOND;
	return 0;
}

/* From now on a probe takes this of a CPU, if it is on; by both measures. */
static void costs(unsigned int cpu, enum probe_id probe, double share)
{
	struct governor_cpu *c = &with.cpus[cpu];

	c->smooth[probe].windowed = c->latest[probe].windowed = share;
}

static uint32_t on(enum probe_id probe)
{
	return with.g.probes[probe].one_in;
}

static double worst(void)
{
	double share;

	governor_worst(&with.g, &with.load, &share);
	return share;
}

static void pass(unsigned int seconds)
{
	while (seconds--) {
		uint32_t was[PROBE_COUNT];

		for (size_t i = 0; i < PROBE_COUNT; i++)
			was[i] = with.g.probes[i].one_in;
		with.now += SECOND;
		governor_decide(&with.g, &with.load, with.now, &with.anew);
		for (size_t i = 0; i < PROBE_COUNT; i++)
			with.steps += was[i] != with.g.probes[i].one_in;
		with.over += worst() > BUDGET;
	}
}

static void under_the_budget_all_is_on(void **state)
{
	costs(0, PROBE_SYSCALL, 0.004);
	costs(0, PROBE_SCHED, 0.006);
	costs(1, PROBE_SYSCALL, 0.009); /* another CPU's are not added to it */
	pass(1000);
	assert_int_equal(with.steps, 0);
}

static void without_a_budget_all_is_on(void **state)
{
	governor_init(&with.g, 0);
	with.g.probes[PROBE_SYSCALL].present = true;
	costs(0, PROBE_SYSCALL, 0.9);
	pass(1000);
	assert_int_equal(with.steps, 0);
}

static void idle_cpus_do_not_count(void **state)
{
	costs(1, PROBE_SYSCALL, 0.5);
	with.load.count = 1;
	pass(10);
	assert_int_equal(with.steps, 0);
	with.load.count = 2;
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 64);
}

/* Measured in the issue: redis, with all probes. */
static void the_dearest_goes_down_until_all_fit(void **state)
{
	costs(1, PROBE_SYSCALL, 0.15);
	costs(1, PROBE_TCP, 0.036);
	costs(1, PROBE_DNS, 0.016);
	costs(1, PROBE_SCHED, 0.006);
	pass(1); /* at once: it is 20 times too much */
	assert_true(worst() <= BUDGET);
	assert_int_equal(on(PROBE_SYSCALL), 64);
	assert_true(on(PROBE_TCP) > 1);
	assert_true(on(PROBE_DNS) > 1 && on(PROBE_DNS) <= on(PROBE_TCP));
	assert_int_equal(on(PROBE_SCHED), 1);
	pass(3600);
	assert_int_equal(with.over, 0);
	assert_true(worst() > 0.4 * BUDGET); /* and not far below */
}

static void just_over_it_is_one_step(void **state)
{
	costs(0, PROBE_SYSCALL, 0.006);
	costs(0, PROBE_TCP, 0.005);
	pass(3600);
	assert_int_equal(on(PROBE_SYSCALL), 2);
	assert_int_equal(on(PROBE_TCP), 1);
	assert_int_equal(with.steps, 1);
}

/* Smoothed it is over by little, but it grows: the step is for what there is now. */
static void a_step_is_enough_for_the_latest_seconds(void **state)
{
	with.cpus[0].smooth[PROBE_SYSCALL].windowed = 0.011;
	with.cpus[0].latest[PROBE_SYSCALL].windowed = 0.1;
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 16);
	begin(state); /* one dear second alone is no reason */
	with.cpus[0].smooth[PROBE_SYSCALL].windowed = 0.009;
	with.cpus[0].latest[PROBE_SYSCALL].windowed = 0.1;
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 1);
}

static void what_stays_attached_is_not_made_less_by_windows(void **state)
{
	with.cpus[0].smooth[PROBE_TCP] = (struct governor_cost){ 0.002, 0.012 };
	pass(1);
	assert_int_equal(on(PROBE_TCP), 0);
}

static void off_comes_after_windows(void **state)
{
	costs(0, PROBE_SYSCALL, 0.9); /* 1.4 % at 1/64 */
	costs(0, PROBE_BLOCK, 0.002);
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 0);
	assert_int_equal(on(PROBE_BLOCK), 1);
	costs(0, PROBE_BLOCK, 0.02);
	pass(1);
	assert_int_equal(on(PROBE_BLOCK), 0);
	costs(0, PROBE_CGROUP,
	      0.02); /* names are needed: it stays, whatever it costs */
	pass(1);
	assert_int_equal(on(PROBE_CGROUP), 1);
}

static void sched_is_last_and_only_alone(void **state)
{
	costs(0, PROBE_SCHED, 0.009);
	costs(0, PROBE_SYSCALL, 0.3);
	costs(0, PROBE_MEMORY, 0.004);
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 0);
	assert_int_equal(on(PROBE_MEMORY), 0);
	assert_int_equal(on(PROBE_SCHED), 1);
	pass(600);
	assert_int_equal(on(PROBE_SCHED), 1);
	costs(0, PROBE_CGROUP, 0.002); /* over it together, but not by itself */
	pass(1);
	assert_int_equal(on(PROBE_SCHED), 1);
	costs(0, PROBE_SCHED, 0.011);
	pass(1);
	assert_int_equal(on(PROBE_SCHED), 0);
}

/* To switch off the others would not keep the budget. */
static void sched_alone_takes_nobody_along(void **state)
{
	costs(0, PROBE_SCHED, 0.03);
	costs(0, PROBE_SYSCALL, 0.3);
	costs(0, PROBE_TCP, 0.004);
	costs(0, PROBE_MEMORY, 0.002);
	pass(1);
	assert_int_equal(on(PROBE_SCHED), 0);
	assert_int_equal(on(PROBE_SYSCALL), 64);
	assert_int_equal(on(PROBE_MEMORY), 1);
}

static void who_costs_nothing_stays(void **state)
{
	costs(0, PROBE_SCHED, 0.02);
	costs(0, PROBE_BLOCK, 0.00005);
	pass(1);
	assert_int_equal(on(PROBE_SCHED), 0);
	assert_int_equal(on(PROBE_BLOCK), 1);
	assert_int_equal(on(PROBE_SYSCALL), 1);
}

static void who_was_switched_off_is_left_alone(void **state)
{
	with.g.probes[PROBE_SYSCALL].present = false;
	costs(0, PROBE_SYSCALL, 0.3);
	pass(1000);
	assert_int_equal(with.steps, 0);
	with.g.probes[PROBE_SYSCALL].present = true;
	governor_forget(&with.g, PROBE_SYSCALL);
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 32);
}

/* The load is over: all is exact within two minutes, a step every five seconds. */
static void back_in_steps_after_a_minute(void **state)
{
	costs(0, PROBE_SYSCALL, 0.5);
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 64);
	with.load.count = 0;
	pass(60);
	assert_int_equal(on(PROBE_SYSCALL), 64);
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 32);
	pass(4);
	assert_int_equal(on(PROBE_SYSCALL), 32);
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 16);
	pass(120 - 66);
	assert_int_equal(on(PROBE_SYSCALL), 1);
}

/* The CPU does something else now: what is smoothed falls slowly, and does not delay
 * it. */
static void back_within_two_minutes_on_a_busy_cpu(void **state)
{
	costs(0, PROBE_SYSCALL, 0.29);
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 32);
	for (unsigned int s = 0; s < 120; s++) {
		with.cpus[0].smooth[PROBE_SYSCALL].windowed = 0.29 * exp(-(s / 20.0));
		with.cpus[0].latest[PROBE_SYSCALL].windowed = 0.29 * exp(-(s / 4.0));
		pass(1);
	}
	assert_int_equal(on(PROBE_SYSCALL), 1);
	assert_int_equal(with.over, 0);
}

/* 0.6 % in windows is under 70 %, but twice that is over the budget: it stays. */
static void a_step_that_would_not_hold_is_not_made(void **state)
{
	costs(0, PROBE_SYSCALL, 0.036);
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 4);
	costs(0, PROBE_SYSCALL, 0.024);
	pass(3600);
	assert_int_equal(on(PROBE_SYSCALL), 4);
	costs(0, PROBE_SYSCALL, 0.016);
	pass(3600);
	assert_int_equal(on(PROBE_SYSCALL), 2);
}

static void what_is_not_known_gets_no_step(void **state)
{
	costs(0, PROBE_SYSCALL, 0.5);
	pass(1);
	costs(0, PROBE_SYSCALL, 0);
	with.load.known[PROBE_SYSCALL] = false;
	pass(200);
	assert_int_equal(on(PROBE_SYSCALL), 64);
	with.load.known[PROBE_SYSCALL] = true;
	pass(60);
	assert_int_equal(on(PROBE_SYSCALL), 1);
}

/* What one that is off would cost is what it cost then, until it is looked at anew. */
static void who_is_off_is_looked_at_every_five_minutes(void **state)
{
	costs(0, PROBE_SYSCALL, 0.9);
	with.load.count = 1;
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 0);
	pass(299);
	assert_int_equal(on(PROBE_SYSCALL), 0);
	pass(1);
	assert_int_equal(on(PROBE_SYSCALL), 64);
	assert_int_equal(with.anew, 1U << PROBE_SYSCALL);
	pass(1); /* it is as dear as it was */
	assert_int_equal(on(PROBE_SYSCALL), 0);
	assert_int_equal(with.anew, 0);
	pass(299);
	costs(0, PROBE_SYSCALL, 0.001);
	pass(120);
	assert_int_equal(on(PROBE_SYSCALL), 1);
}

/*
 * An hour of a load that comes and goes, as the agent sees it: smoothed, with a CPU
 * that is idle between. Returns for how much of the time on it was over the budget.
 */
static double alternate(unsigned int period, double share)
{
	double slow = 0, fast = 0;
	unsigned int loaded = 0;

	for (unsigned int s = 0; s < 3600; s++) {
		bool busy = s / period % 2 == 0;

		/* what it costs is learned while it runs; 5 s after, its CPU is idle */
		if (busy) {
			slow += (share - slow) * (1 - exp(-1 / 20.0));
			fast += (share - fast) * (1 - exp(-1 / 5.0));
			loaded++;
		}
		with.cpus[0].smooth[PROBE_SYSCALL].windowed = slow;
		with.cpus[0].latest[PROBE_SYSCALL].windowed = fast;
		with.load.count = s % (2 * period) < period + 15 ? 1 : 0;
		pass(1);
	}
	/* by what it really costs, not by what was known then */
	return (double)with.over / loaded;
}

static void an_alternating_load_makes_few_steps(void **state)
{
	static const struct {
		unsigned int period, steps;
	} cases[] = {
		/* it is never calm for a minute: down once, and that holds */
		{ 10, 6 },
		{ 45, 6 },
		/* it is calm for 75 s each time: what comes back then does not hold, so
		 * after the first time it waits for longer */
		{ 90, 20 },
		/* back to exact each time, and down again */
		{ 300, 12 * 7 },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		begin(state);
		assert_true(alternate(cases[i].period, 0.1) < 0.02);
		if (with.steps > cases[i].steps || !with.steps)
			fail_msg("every %u s: %u steps", cases[i].period, with.steps);
	}
}

/* A load that swings round the budget: in one window share all the time, or two. */
static void a_load_that_swings_does_not_swing_us(void **state)
{
	for (unsigned int s = 0; s < 3600; s++) {
		costs(0, PROBE_SYSCALL, 0.04 * (1 + 0.4 * sin(s / 7.0)));
		costs(0, PROBE_TCP, 0.005 * (1 + 0.4 * sin(s / 11.0)));
		pass(1);
	}
	if (with.steps > 8)
		fail_msg("%u steps", with.steps);
	assert_int_equal(with.over, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(under_the_budget_all_is_on, begin),
		cmocka_unit_test_setup(without_a_budget_all_is_on, begin),
		cmocka_unit_test_setup(idle_cpus_do_not_count, begin),
		cmocka_unit_test_setup(the_dearest_goes_down_until_all_fit, begin),
		cmocka_unit_test_setup(just_over_it_is_one_step, begin),
		cmocka_unit_test_setup(a_step_is_enough_for_the_latest_seconds, begin),
		cmocka_unit_test_setup(what_stays_attached_is_not_made_less_by_windows,
				       begin),
		cmocka_unit_test_setup(off_comes_after_windows, begin),
		cmocka_unit_test_setup(sched_is_last_and_only_alone, begin),
		cmocka_unit_test_setup(sched_alone_takes_nobody_along, begin),
		cmocka_unit_test_setup(who_costs_nothing_stays, begin),
		cmocka_unit_test_setup(who_was_switched_off_is_left_alone, begin),
		cmocka_unit_test_setup(back_in_steps_after_a_minute, begin),
		cmocka_unit_test_setup(back_within_two_minutes_on_a_busy_cpu, begin),
		cmocka_unit_test_setup(a_step_that_would_not_hold_is_not_made, begin),
		cmocka_unit_test_setup(what_is_not_known_gets_no_step, begin),
		cmocka_unit_test_setup(who_is_off_is_looked_at_every_five_minutes,
				       begin),
		cmocka_unit_test_setup(an_alternating_load_makes_few_steps, begin),
		cmocka_unit_test_setup(a_load_that_swings_does_not_swing_us, begin),
	};

	return cmocka_run_group_tests_name("governor", tests, NULL, NULL);
}
