// SPDX-License-Identifier: Apache-2.0
/* The shared header of the buckets against floating-point truth. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/util.h"
#include "bpf/buckets.h"

/* The cell bucket by definition: base^i < x <= base^(i+1), x in seconds. */
static int true_bucket(uint64_t ns)
{
	long double x = (long double)ns / 1e9L;

	if (x <= 0x1p-20L)
		return 0;
	return (int)ceill(log2l(x) * BUCKET_PER_2) - 1 - BUCKET_OTLP_MIN + 1;
}

static void random_durations_are_at_most_one_bucket_off(void **state)
{
	int off = 0;

	srand48(20261123);
	for (int i = 0; i < 1000000; i++) {
		uint64_t ns = exp2(-20 + drand48() * 27) * 1e9;
		int diff = abs((int)bucket_of(ns) - true_bucket(ns));

		assert_in_range(diff, 0, 1);
		off += diff;
	}
	assert_in_range(off, 0, 5000); /* 0.5 % */
}

static void powers_of_two_of_a_second_are_exact(void **state)
{
	for (int k = -9; k <= 7; k++) { /* these are whole nanoseconds */
		uint64_t ns = exp2(k) * 1e9;

		assert_int_equal(bucket_of(ns), (k - BUCKET_ZERO_LOG2) * BUCKET_PER_2);
		if (k < 7)
			assert_int_equal(bucket_of(ns + (ns >> 20) + 2),
					 (k - BUCKET_ZERO_LOG2) * BUCKET_PER_2 + 1);
	}
}

static void extreme_durations_stay_in_the_cell(void **state)
{
	static const struct {
		uint64_t ns;
		unsigned int bucket;
	} cases[] = {
		{ 0, 0 },
		{ 1, 0 },
		{ 953, 0 }, /* 2^-20 s is 953.67 ns */
		{ 954, 1 },
		{ BUCKET_MAX_NS, BUCKET_COUNT - 1 },
		{ BUCKET_MAX_NS + 1, BUCKET_COUNT - 1 },
		{ 233000000000ULL, BUCKET_COUNT - 1 },
		{ 1ULL << 63, BUCKET_COUNT - 1 },
		{ ~0ULL, BUCKET_COUNT - 1 },
	};

	for (size_t i = 0; i < COUNT(cases); i++)
		assert_int_equal(bucket_of(cases[i].ns), cases[i].bucket);
}

static void buckets_never_go_down(void **state)
{
	unsigned int last = 0;

	for (uint64_t ns = 0; ns < 300000000000ULL; ns += 1 + ns / 1000) {
		assert_true(bucket_of(ns) >= last);
		last = bucket_of(ns);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_durations_are_at_most_one_bucket_off),
		cmocka_unit_test(powers_of_two_of_a_second_are_exact),
		cmocka_unit_test(extreme_durations_stay_in_the_cell),
		cmocka_unit_test(buckets_never_go_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
