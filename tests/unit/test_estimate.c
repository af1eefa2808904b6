// SPDX-License-Identifier: Apache-2.0
/* What is counted in windows stands for all: without bias, in whole numbers, and with
 * an error that is as large as it says. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/random.h"
#include "base/util.h"
#include "cmd/measure_windows.h"
#include "metric/metric.h"
#include "reading/estimate.h"

#define MS 1000000ULL
#define S  1000000000ULL

static void assert_near(double got, double want, double by)
{
	if (fabs(got - want) <= by)
		return;
	fail_msg("got %.9g, want %.9g +- %.3g", got, want, by);
}

static uint64_t seed = 42;

/* How many events of a rate come in a time: Poisson. */
static uint64_t events(double mean)
{
	double left = mean;
	uint64_t n = 0;

	for (;;) {
		left += log(1 - random_unit(&seed));
		if (left < 0)
			return n;
		n++;
	}
}

static void an_event_counts_for_the_time_that_its_window_stands_for(void **state)
{
	struct window_span w = { 8 * S, 500 * MS };

	assert_near(estimate_weight(&w, 0), 16, 0);
	assert_near(estimate_weight(&w, 100 * MS), 20, 1e-9);
	assert_near(estimate_weight(&w, 250 * MS), 32, 1e-9);
	assert_near(estimate_weight(&w, 250 * MS + 1), 0, 0);
	assert_near(estimate_weight(&w, 128 * S), 0, 0);
	w.stands_ns = w.open_ns; /* no gap */
	assert_near(estimate_weight(&w, 0), 1, 0);
}

static void what_is_rounded_is_right_in_the_mean(void **state)
{
	static const double values[] = { 0, 1, 2.25, 0.001, 17.999, 1e12 + 0.5 };

	for (size_t i = 0; i < COUNT(values); i++) {
		double whole = floor(values[i]), sum = 0;
		int n = 200000;

		for (int k = 0; k < n; k++) {
			double got = (double)estimate_round(values[i], &seed);

			assert_true(got == whole || got == whole + 1);
			assert_true(got == whole || values[i] > whole);
			sum += got - whole;
		}
		assert_near(sum / n, values[i] - whole, 4 * 0.5 / sqrt(n));
	}
}

static uint64_t total(const struct hist *h)
{
	uint64_t n = 0;

	for (int i = 0; i < BUCKET_COUNT; i++)
		n += h->buckets[i];
	return n;
}

static void put(struct hist *h, uint64_t ns, uint64_t n)
{
	h->buckets[bucket_of(ns)] += n;
	h->sum_ns += ns * n;
}

static void short_calls_all_have_one_weight_and_so_has_their_sum(void **state)
{
	struct window_span w = { 8 * S, 500 * MS };
	struct estimate e = { 0 };
	struct hist h = { 0 };

	put(&h, 150, 1000); /* in the zero bucket */
	put(&h, 3000, 500);
	put(&h, 17000, 100);
	estimate_hist(h.buckets, &h.sum_ns, true, &w, &e, &seed);
	assert_int_equal(e.seen, 1600);
	assert_near(total(&h), 16 * 1600, 3);
	assert_near(h.buckets[0], 16000, 0);
	assert_near(h.sum_ns, 16.0 * (150 * 1000 + 3000 * 500 + 17000 * 100), 2000);
	assert_near(e.noise, 1600 * 16 * 15, 1000);
	estimate_hist((uint64_t[BUCKET_COUNT]){ 0 }, &(uint64_t){ 0 }, true, &w, &e,
		      &seed);
	assert_int_equal(e.seen, 1600);
}

static void half_a_window_and_longer_is_left_out(void **state)
{
	struct window_span w = { 8 * S, 501 * MS };
	struct estimate e = { 0 };
	struct hist h = { 0 };

	put(&h, 10 * MS, 100);
	put(&h, 300 * MS, 5);
	put(&h, 2 * S, 1);
	estimate_hist(h.buckets, &h.sum_ns, true, &w, &e, &seed);
	assert_int_equal(e.seen, 100);
	assert_int_equal(h.buckets[bucket_of(300 * MS)], 0);
	assert_int_equal(h.buckets[bucket_of(2 * S)], 0);
	assert_near(total(&h), 100 * 8000 / 491.0, 100 * 16 * 0.002);
	assert_near(h.sum_ns * 1e-9, 100 * 8000 / 491.0 * 0.010, 1.6);
	/* what is seen at once counts, however long it was */
	h = (struct hist){ 0 };
	put(&h, 2 * S, 10);
	estimate_hist(h.buckets, &h.sum_ns, false, &w, &e, &seed);
	assert_near(total(&h), 10 * 8000 / 501.0, 1);
	assert_near(h.sum_ns * 1e-9, 20 * 8000 / 501.0, 2);
}

/* What a window sees of calls of one duration that begin at random. */
static uint64_t seen_of(double per_s, uint64_t ns, uint64_t open_ns)
{
	return events(per_s * (open_ns - ns) * 1e-9);
}

static void calls_of_any_duration_are_as_many_as_there_were(void **state)
{
	static const uint64_t durations[] = { 0, 1 * MS, 50 * MS, 120 * MS, 240 * MS };
	double per_s = 40;

	for (size_t i = 0; i < COUNT(durations); i++) {
		struct estimate e = { 0 };
		double got = 0, of = 0, sum = 0;

		for (int k = 0; k < 3000; k++) {
			struct window_span w = { window_gap(500 * MS, 16, &seed),
						 500 * MS };
			struct hist h = { 0 };

			w.stands_ns += w.open_ns;
			put(&h, durations[i], seen_of(per_s, durations[i], w.open_ns));
			estimate_hist(h.buckets, &h.sum_ns, true, &w, &e, &seed);
			estimate_end(&e, &w);
			got += total(&h);
			sum += h.sum_ns;
			of += w.stands_ns * 1e-9;
		}
		/* the middle of a bucket stands for all durations in it: 5 % of them */
		assert_near(got, per_s * of,
			    3 * estimate_error(e.noise, e.change, 0) +
				per_s * of * 0.05 * durations[i] / (500.0 * MS));
		assert_near(sum, got * durations[i], got * durations[i] * 0.05 + 1);
	}
}

struct run {
	double got, want, stated;
};

/* Five minutes at 1/16, of a load whose rate may change with time. */
static struct run run(double (*rate)(double s), double per_s)
{
	struct estimate e = { 0 };
	struct run r = { 0 };
	uint64_t at = 0, began;
	uint64_t phase = random_next(&seed) % (8 * S);

	while (at < 300 * S) {
		struct window_span w = { 0, 500 * MS };
		uint64_t n = 0;

		began = at;
		at += window_gap(w.open_ns, 16, &seed);
		for (uint64_t t = at; t < at + w.open_ns; t += 10 * MS)
			n += events(per_s * rate((t + phase) * 1e-9) * 0.01);
		at += w.open_ns;
		w.stands_ns = at - began;
		r.got += estimate_count(n, &w, &e, &seed);
		estimate_end(&e, &w);
		for (uint64_t t = began; t < at; t += 10 * MS)
			r.want += per_s * rate((t + phase) * 1e-9) * 0.01;
	}
	r.stated = estimate_error(e.noise, e.change, 0);
	return r;
}

static double steady(double s)
{
	return 1;
}

/* Busy for an eighth of each 8 s, which is also the period of the windows. */
static double bursts(double s)
{
	return fmod(s, 8) < 1 ? 8 : 0;
}

/* And of half that time, and of the windows' length. */
static double fast_bursts(double s)
{
	return fmod(s, 0.5) < 0.25 ? 2 : 0;
}

static void check_runs(double (*rate)(double s), double per_s, double honest, int least)
{
	double square = 0, stated = 0, bias = 0, spread = 0;
	int runs = 200, within = 0;

	for (int i = 0; i < runs; i++) {
		struct run r = run(rate, per_s);
		double off = r.got - r.want;

		within += fabs(off) <= 3 * r.stated;
		square += off * off;
		stated += r.stated * r.stated;
		bias += off / r.want;
		spread += off * off / r.want / r.want;
	}
	printf("within %d of %d, bias %.4f, spread %.4f, stated %.4f of it\n", within,
	       runs, bias / runs, sqrt(spread / runs), sqrt(stated / square));
	/* no bias; the error is honest */
	assert_true(within >= least);
	assert_near(bias / runs, 0, 3 * sqrt(spread) / runs);
	assert_near(log(sqrt(stated / square)), 0, log(honest));
}

static void an_estimate_is_as_good_as_it_says(void **state)
{
	/* of 20 runs 19 within three standard errors */
	check_runs(steady, 1000, 1.3, 190);
	check_runs(steady, 20, 1.3, 190);
}

static void a_load_that_has_the_period_of_the_windows_is_not_misjudged(void **state)
{
	/* few windows hit a burst: the error is not known that well */
	check_runs(bursts, 1000, 1.5, 170);
	check_runs(fast_bursts, 1000, 1.5, 190);
}

static void each_moment_is_as_likely_in_a_window_as_any_other(void **state)
{
	uint64_t window = 500 * MS, at = 0, covered = 0;
	int bins[16] = { 0 }, n = 40000;

	for (int i = 0; i < n; i++) {
		at += window_gap(window, 16, &seed);
		bins[at % (8 * S) / (window)]++;
		at += window;
		covered += window;
	}
	for (size_t i = 0; i < COUNT(bins); i++)
		assert_near(bins[i], n / 16.0, 4 * sqrt(n / 16.0));
	/* a gap's deviation is 2 * 7.5 s / sqrt(12) */
	assert_near((double)at / covered, 16, 3 * 8.7 / sqrt(n));
	assert_int_equal(window_gap(window, 1, &seed), 0);
}

static void what_no_window_has_seen_yet_is_told(void **state)
{
	struct window_span w = { 8 * S, 500 * MS };
	struct estimate e = { 0 }, sum = { 0 };

	estimate_count(1000, &w, &e, &seed);
	estimate_end(&e, &w);
	estimate_age(&e, 4 * S);
	assert_near(e.outstanding, 8000, 1);
	estimate_add(&sum, &e);
	estimate_add(&sum, &e);
	assert_near(sum.outstanding, 16000, 2);
	assert_near(sum.noise, 2 * e.noise, 1);
	estimate_age(&e, 0);
	assert_near(e.outstanding, 0, 0);
	assert_near(estimate_error(9, 16, 3), 5, 1e-9);
}

static void a_glimpse_does_not_stand_for_a_long_gap(void **state)
{
	struct window_span w = { 20 * S, 5 * MS }, whole = { 8 * S, 500 * MS };

	estimate_cut(&w, 16);
	assert_int_equal(w.open_ns, 5 * MS);
	assert_int_equal(w.stands_ns, 2 * 16 * 5 * MS);
	estimate_cut(&whole, 16);
	assert_int_equal(whole.stands_ns, 8 * S);
}

static void a_load_that_begins_is_no_noise(void **state)
{
	struct window_span w = { 8 * S, 500 * MS };
	struct estimate e = { 0 };

	for (int i = 0; i < 10; i++) {
		estimate_count(1000, &w, &e, &seed);
		estimate_end(&e, &w);
	}
	assert_near(e.change, 0, 1);
	estimate_end(&e, &w); /* nothing any more */
	assert_near(sqrt(e.change), 16000 / sqrt(2) * sqrt(15 / 16.0), 10);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(
		    an_event_counts_for_the_time_that_its_window_stands_for),
		cmocka_unit_test(what_is_rounded_is_right_in_the_mean),
		cmocka_unit_test(short_calls_all_have_one_weight_and_so_has_their_sum),
		cmocka_unit_test(half_a_window_and_longer_is_left_out),
		cmocka_unit_test(calls_of_any_duration_are_as_many_as_there_were),
		cmocka_unit_test(an_estimate_is_as_good_as_it_says),
		cmocka_unit_test(
		    a_load_that_has_the_period_of_the_windows_is_not_misjudged),
		cmocka_unit_test(each_moment_is_as_likely_in_a_window_as_any_other),
		cmocka_unit_test(what_no_window_has_seen_yet_is_told),
		cmocka_unit_test(a_load_that_begins_is_no_noise),
		cmocka_unit_test(a_glimpse_does_not_stand_for_a_long_gap),
	};

	return cmocka_run_group_tests_name("estimate", tests, NULL, NULL);
}
