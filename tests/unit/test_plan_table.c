// SPDX-License-Identifier: Apache-2.0
/* The table of plans in ARCHITECTURE.md has what cells_plan_for() gives. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "kernel/plan.h"

#define MIB  (1ULL << 20)
#define LINE 400

/* As a row says it: MiB are rounded. */
static void say(const struct cells_plan *p, char *text, size_t len)
{
	snprintf(text, len,
		 "| %u | %zuMiB, %u | %.0f MiB | %.0f MiB | %u | %u + %u | %u + %u |\n",
		 p->cpus, p->limit >> 20, p->slots, plan_kernel_bytes(p) / (double)MIB,
		 p->bytes[PART_AGENT] / (double)MIB, p->busy, p->tables[TABLE_THREADS],
		 p->spills[TABLE_THREADS], p->tables[TABLE_CONNS],
		 p->spills[TABLE_CONNS]);
}

static void each_row_is_what_the_plan_gives(void **state)
{
	unsigned int cpus, memory, slots, rows = 0, wrong = 0;
	char line[LINE], want[LINE];
	struct cells_plan p;
	FILE *f = fopen("ARCHITECTURE.md", "r");

	if (!f)
		fail_msg("ARCHITECTURE.md: %s (run it where that is)", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "| %u | %uMiB, %u |", &cpus, &memory, &slots) != 3)
			continue;
		rows++;
		assert_int_equal(cells_plan_for(slots, memory * MIB, cpus, &p), 0);
		say(&p, want, sizeof(want));
		if (!strcmp(line, want))
			continue;
		print_error("it says  %sit gives %s", line, want);
		wrong++;
	}
	fclose(f);
	assert_int_equal(wrong, 0);
	assert_in_range(rows, 7, 20);
}

/* README: what the default takes in the kernel on 2 CPUs. */
static void the_readme_says_what_the_default_takes(void **state)
{
	char line[LINE], want[LINE];
	struct cells_plan p;
	FILE *f = fopen("README.md", "r");
	bool found = false;

	if (!f)
		fail_msg("README.md: %s (run it where that is)", strerror(errno));
	assert_int_equal(cells_plan_for(1024, 64 * MIB, 2, &p), 0);
	snprintf(want, sizeof(want),
		 "The default of 1024 workloads takes %.0f MiB in the kernel on 2 CPUs",
		 plan_kernel_bytes(&p) / (double)MIB);
	while (fgets(line, sizeof(line), f))
		found |= strstr(line, want) != NULL;
	fclose(f);
	if (!found)
		fail_msg("README.md does not say: %s", want);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_is_what_the_plan_gives),
		cmocka_unit_test(the_readme_says_what_the_default_takes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
