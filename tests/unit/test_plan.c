// SPDX-License-Identifier: Apache-2.0
/* The memory plan. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "base/util.h"
#include "kernel/cells.h"

static void the_plan_fits_the_budget(void **state)
{
	static const uint32_t cpus[] = { 1, 2, 8, 128, 512 };
	struct cells_plan p;

	for (size_t i = 0; i < COUNT(cpus); i++) {
		assert_int_equal(cells_plan_for(1024, 64 << 20, cpus[i], &p), 0);
		assert_in_range(p.total, 1 << 20, 64 << 20);
		assert_int_equal(p.hists & (p.hists - 1), 0);
		assert_int_equal(p.counts & (p.counts - 1), 0);
		/* the parts are all of it */
		assert_int_equal(p.slot_bytes + p.hist_bytes + p.count_bytes +
				     p.open_bytes + p.query_bytes + p.fixed_bytes,
				 p.total);
	}
}

static void a_budget_too_small_is_refused(void **state)
{
	struct cells_plan p;

	assert_int_equal(cells_plan_for(16384, 1 << 20, 2, &p), -ENOSPC);
}

static void the_overflow_cells_fit_the_smallest_pools(void **state)
{
	struct cells_plan p;
	uint64_t memory = 1 << 20;

	while (cells_plan_for(64, memory, 512, &p))
		memory += 4096; /* the least budget that is taken */
	assert_true(p.hists > SERIES_COUNT);
	assert_true(p.counts > SERIES_COUNT + OPEN_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_plan_fits_the_budget),
		cmocka_unit_test(a_budget_too_small_is_refused),
		cmocka_unit_test(the_overflow_cells_fit_the_smallest_pools),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
