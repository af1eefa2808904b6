// SPDX-License-Identifier: Apache-2.0
/*
 * What has changed and is no chance: against simulated loads, which did change or did
 * not.
 */
#include <math.h>
#include <stdio.h>
#include "fake_frame.h"
#include "base/random.h"
#include "base/util.h"
#include "view/significance.h"

#define STEPS 30
#define TURNS 400

static uint64_t seed = 4711;

static double unit(void)
{
	return random_unit(&seed);
}

/* Of independent events: how many come when `mean` are expected. */
static double poisson(double mean)
{
	double n = 0;

	for (double left = mean; left > 0; left -= 500) { /* e^-700 is no double */
		double least = exp(-fmin(left, 500)), product = 1 - unit();

		for (; product > least; n++)
			product *= 1 - unit();
	}
	return n;
}

struct load {
	double mean;	/* events of a step */
	double burst;	/* so many come at once */
	double wave;	/* the rate goes up and down by this share, slowly */
	double seconds; /* of a step */
	double jitter;	/* each step has more or less, by this share at most */
};

static int steps = STEPS;

static double run(const struct load *l, double *count, double *seconds)
{
	double all = 0, phase = unit() * 6.28;

	for (int i = 0; i < steps; i++) {
		double mean = l->mean * (1 + l->wave * sin(phase + i * 6.28 / 12));

		mean *= 1 + l->jitter * (2 * unit() - 1);

		seconds[i] = l->seconds;
		count[i] = l->burst * poisson(mean / l->burst);
		all += count[i];
	}
	return all;
}

static double p_of(const struct load *x, const struct load *y)
{
	double n[2][STEPS], s[2][STEPS], all[2];
	struct counts a = { n[0], s[0], steps }, b = { n[1], s[1], steps };

	all[0] = run(x, n[0], s[0]);
	all[1] = run(y, n[1], s[1]);
	return significance_rate(all[0], x->seconds * steps, all[1], y->seconds * steps,
				 significance_variation(&a, &b));
}

/* How many of so many pairs are said to differ, at p below 1 %. */
static int alarms(const struct load *x, const struct load *y)
{
	int found = 0;

	for (int i = 0; i < TURNS; i++)
		found += p_of(x, y) < 0.01;
	return found;
}

static void what_did_not_change_is_no_change(void **state)
{
	static const struct load loads[] = {
		{ 1000, 1, 0, 10 },  { 10, 1, 0, 10 },	   { 0.05, 1, 0, 10 },
		{ 1000, 50, 0, 10 }, { 1000, 1, 0.3, 10 }, { 200, 20, 0.2, 10 },
	};

	for (size_t i = 0; i < COUNT(loads); i++) {
		int found = alarms(&loads[i], &loads[i]);

		print_message("# %g a step, bursts of %g, waves of %g: %d of %d\n",
			      loads[i].mean, loads[i].burst, loads[i].wave, found,
			      TURNS);
		assert_in_range(found, 0, TURNS / 50);
	}
}

static void what_did_change_is_found(void **state)
{
	static const struct load before[] = { { 1000, 1, 0, 10 },
					      { 1000, 50, 0, 10 },
					      { 1000, 1, 0.3, 10 },
					      { 20, 1, 0, 10 } };

	for (size_t i = 0; i < COUNT(before); i++) {
		struct load after = before[i];
		int found;

		after.mean *= 2;
		found = alarms(&before[i], &after);
		print_message("# twice %g a step, bursts of %g: %d of %d\n",
			      before[i].mean, before[i].burst, found, TURNS);
		assert_in_range(found, TURNS * 9 / 10, TURNS);
	}
}

/* Of few steps, as of two times of 20 s, nobody knows well how much they vary. */
static void few_steps_say_little(void **state)
{
	static const struct load loads[] = {
		{ 1000, 1, 0, 10 },	   { 1000, 50, 0, 10 },
		{ 100000, 1, 0, 10, 0.1 }, { 10000, 100, 0, 10, 0.3 },
		{ 3, 1, 0, 10 },
	};

	for (steps = 1; steps <= 6; steps++)
		for (size_t i = 0; i < COUNT(loads); i++) {
			int found = alarms(&loads[i], &loads[i]);

			if (found > TURNS / 50)
				fail_msg("%d steps of %g: %d of %d", steps,
					 loads[i].mean, found, TURNS);
		}
	steps = STEPS;
}

static void some_steps_are_enough_for_a_great_change(void **state)
{
	static const struct load before[] = { { 1000, 1, 0, 10 },
					      { 1000, 10, 0, 10 },
					      { 100000, 1, 0, 10, 0.1 },
					      { 20, 1, 0, 10 } };

	steps = 4;
	for (size_t i = 0; i < COUNT(before); i++) {
		struct load after = before[i];

		after.mean *= 3;
		assert_in_range(alarms(&before[i], &after), TURNS * 9 / 10, TURNS);
	}
	steps = STEPS;
}

/* Values of tables. */
static void students_distribution(void **state)
{
	assert_true(fabs(significance_student(12.706, 1) - 0.05) < 1e-5);
	assert_true(fabs(significance_student(4.3027, 2) - 0.05) < 1e-5);
	assert_true(fabs(significance_student(5.8409, 3) - 0.01) < 1e-5);
	assert_true(fabs(significance_student(-3.1693, 10) - 0.01) < 1e-5);
	assert_true(fabs(significance_student(2.5758, INFINITY) - 0.01) < 1e-5);
	assert_true(significance_student(0, 5) == 1);
}

static void few_events_say_little(void **state)
{
	assert_true(
	    significance_rate(1, 300, 3, 300, (struct variation){ 1, INFINITY }) > 0.1);
	assert_true(
	    significance_rate(0, 300, 4, 300, (struct variation){ 1, INFINITY }) > 0.1);
	assert_true(significance_rate(0, 300, 12, 300,
				      (struct variation){ 1, INFINITY }) < 0.001);
	assert_true(significance_rate(0, 300, 12, 300,
				      (struct variation){ 10, INFINITY }) > 0.1);
	assert_true(significance_rate(10, 300, 100, 3000,
				      (struct variation){ 1, INFINITY }) > 0.9);
	assert_true(
	    significance_rate(0, 300, 0, 300, (struct variation){ 1, INFINITY }) == 1);
	assert_true(
	    significance_rate(5, 0, 5, 300, (struct variation){ 1, INFINITY }) == 1);
	/* of 10 events, all in the second half: 2 / 2^10 */
	assert_true(
	    fabs(significance_rate(0, 1, 10, 1, (struct variation){ 1, INFINITY }) -
		 2 / 1024.0) < 1e-9);
}

/*
 * Requests of which a share is slow; more so in some steps, as slow times come
 * together.
 */
struct requests {
	double mean, slow, clumps;
};

static double share_p(const struct requests *x, const struct requests *y)
{
	double slow[2][STEPS], all[2][STEPS];
	const struct requests *r[2] = { x, y };
	struct counts a = { slow[0], all[0], STEPS }, b = { slow[1], all[1], STEPS };

	for (int side = 0; side < 2; side++)
		for (int i = 0; i < STEPS; i++) {
			double share = r[side]->slow;

			if (r[side]->clumps > 1)
				share *=
				    unit() < 1 / r[side]->clumps ? r[side]->clumps : 0;
			slow[side][i] = poisson(r[side]->mean * share);
			all[side][i] =
			    slow[side][i] + poisson(r[side]->mean * (1 - share));
		}
	return significance_counts(&a, &b);
}

static int slower(const struct requests *x, const struct requests *y)
{
	int found = 0;

	for (int i = 0; i < TURNS; i++)
		found += share_p(x, y) < 0.01;
	return found;
}

static void durations_that_did_not_change_are_no_change(void **state)
{
	static const struct requests r[] = { { 1000, 0.5, 1 },
					     { 1000, 0.01, 1 },
					     { 1000, 0.01, 5 },
					     { 2, 0.01, 1 },
					     { 1000, 0.2, 3 } };

	for (size_t i = 0; i < COUNT(r); i++) {
		int found = slower(&r[i], &r[i]);

		print_message("# %g slow of %g, clumps of %g: %d of %d\n", r[i].slow,
			      r[i].mean, r[i].clumps, found, TURNS);
		assert_in_range(found, 0, TURNS / 50);
	}
}

static void durations_that_did_change_are_found(void **state)
{
	static const struct requests a = { 1000, 0.5, 1 }, b = { 1000, 0.6, 1 },
				     c = { 1000, 0.01, 1 }, d = { 1000, 0.02, 1 },
				     e = { 1000, 0.02, 2 }, f = { 1000, 0.2, 2 };

	assert_in_range(slower(&a, &b), TURNS * 9 / 10, TURNS);
	assert_in_range(slower(&c, &d), TURNS * 9 / 10, TURNS);
	assert_in_range(slower(&e, &f), TURNS * 9 / 10, TURNS);
}

/* What a gauge does: around a mean by noise, of which a part stays to the next step. */
struct course {
	double mean, noise, stays, leak; /* leak: more at each step */
};

static double normal(void)
{
	return sqrt(-2 * log(1 - unit())) * cos(6.2831853 * unit());
}

static int level_alarms(const struct course *x, const struct course *y, size_t of_each)
{
	const struct course *of[2] = { x, y };
	double v[2][STEPS];
	int found = 0;

	for (int turn = 0; turn < TURNS; turn++) {
		struct levels a = { v[0], of_each }, b = { v[1], of_each };
		double off = 0;

		for (int side = 0; side < 2; side++)
			for (int i = -50; i < (int)of_each; i++) {
				off =
				    of[side]->stays * off + of[side]->noise * normal();
				if (i >= 0)
					v[side][i] =
					    of[side]->mean + off + i * of[side]->leak;
			}
		found += significance_levels(&a, &b) < 0.01;
	}
	return found;
}

static void a_level_that_did_not_change_is_no_change(void **state)
{
	static const struct course courses[] = {
		{ 100, 10, 0, 0 },  { 100, 10, 0.5, 0 }, { 100, 10, 0.9, 0 },
		{ 1000, 10, 1, 0 }, /* drifts as it likes */
		{ 100, 1, 0, 5 },   { 100, 0, 0, 0 },	 { 0, 0, 0, 0 },
	};
	static const size_t of_each[] = { LEVELS_LEAST, 15, STEPS };
	int bad = 0;

	for (size_t i = 0; i < COUNT(courses); i++)
		for (size_t k = 0; k < COUNT(of_each); k++) {
			int found = level_alarms(&courses[i], &courses[i], of_each[k]);

			print_message("# noise of %g, %g of it stays, %zu steps: %d "
				      "of %d\n",
				      courses[i].noise, courses[i].stays, of_each[k],
				      found, TURNS);
			bad += found > TURNS / 50;
		}
	assert_int_equal(bad, 0);
}

static void a_level_that_did_change_is_found(void **state)
{
	static const struct {
		struct course a, b;
		size_t steps;
		int least; /* of TURNS */
	} pairs[] = {
		{ { 100, 10, 0, 0 }, { 150, 10, 0, 0 }, STEPS, 360 },
		{ { 100, 10, 0.5, 0 }, { 200, 10, 0.5, 0 }, STEPS, 200 },
		{ { 500, 0, 0, 0 }, { 600, 0, 0, 0 }, LEVELS_LEAST, TURNS },
		{ { 0, 0, 0, 0 }, { 7, 0, 0, 0 }, LEVELS_LEAST, TURNS },
	};
	const double few[] = { 1, 1, 1 }, many[] = { 9, 9, 9 };

	for (size_t i = 0; i < COUNT(pairs); i++) {
		int found = level_alarms(&pairs[i].a, &pairs[i].b, pairs[i].steps);

		print_message("# %g to %g: %d of %d\n", pairs[i].a.mean,
			      pairs[i].b.mean, found, TURNS);
		assert_in_range(found, pairs[i].least, TURNS);
	}
	assert_true(significance_levels(&(struct levels){ few, 3 },
					&(struct levels){ many, 3 }) == 1);
}

static void of_many_only_a_share_is_believed(void **state)
{
	static const double p[] = { 1e-9, 0.0001, 0.004, 0.03, 0.2, 0.9 };

	/* 0.01 * 3 / 6 is 0.005 */
	assert_true(significance_limit(p, COUNT(p), 0.01) == 0.004);
	assert_true(significance_limit(p + 3, 3, 0.01) < 0);
	assert_true(significance_limit(NULL, 0, 0.01) < 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_did_not_change_is_no_change),
		cmocka_unit_test(what_did_change_is_found),
		cmocka_unit_test(few_steps_say_little),
		cmocka_unit_test(some_steps_are_enough_for_a_great_change),
		cmocka_unit_test(students_distribution),
		cmocka_unit_test(few_events_say_little),
		cmocka_unit_test(durations_that_did_not_change_are_no_change),
		cmocka_unit_test(durations_that_did_change_are_found),
		cmocka_unit_test(a_level_that_did_not_change_is_no_change),
		cmocka_unit_test(a_level_that_did_change_is_found),
		cmocka_unit_test(of_many_only_a_share_is_believed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
