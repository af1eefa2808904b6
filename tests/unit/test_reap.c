// SPDX-License-Identifier: Apache-2.0
/* Slots that are given back, and whose workloads are gone then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>
#include "reading/snapshot_impl.h"

/* A snapshot whose slots are all in quarantine, without the kernel's side. */
struct fake {
	struct cells cells;
	struct snapshot s;
	struct control control;
};

static void open_fake(struct fake *f, uint32_t slots)
{
	memset(f, 0, sizeof(*f));
	f->cells.plan.slots = slots;
	memset(f->cells.fds, -1, sizeof(f->cells.fds));
	f->cells.control = &f->control;
	f->cells.owners = calloc(slots, sizeof(*f->cells.owners));
	f->cells.rows = calloc(slots, sizeof(*f->cells.rows));
	f->cells.inflights = calloc(slots, sizeof(*f->cells.inflights));
	f->s.cells = &f->cells;
	f->s.slots = calloc(slots, sizeof(*f->s.slots));
	f->s.workloads = calloc(slots, sizeof(*f->s.workloads));
	assert_true(f->cells.owners && f->cells.rows && f->s.slots && f->s.workloads);
	f->s.count = slots;
	for (uint32_t i = 0; i < slots; i++) {
		f->s.workloads[i] = calloc(1, sizeof(struct workload));
		f->s.slots[i] = (struct slot){ .owner = OWNER_FIRST_ID + i,
					       .state = SLOT_QUARANTINE,
					       .workload = f->s.workloads[i] };
		f->cells.owners[i] = OWNER_RESERVED;
	}
}

static void close_fake(struct fake *f)
{
	for (size_t i = 0; i < f->s.count; i++)
		totals_free(f->s.workloads[i]);
	free(f->s.workloads);
	free(f->s.slots);
	free(f->cells.rows);
	free(f->cells.inflights);
	free(f->cells.owners);
}

static void a_workload_is_gone_with_the_last_of_its_slots(void **state)
{
	const uint32_t one = SLOT_FIRST, two = SLOT_FIRST + 1, other = SLOT_FIRST + 2;
	struct fake f;
	struct workload *w;

	for (int stays = 0; stays < 3; stays++) {
		open_fake(&f, 8);
		w = f.s.slots[one].workload;
		f.s.slots[two].workload = w;
		if (stays) /* neither live nor in quarantine: nobody looks at it */
			f.s.slots[stays == 1 ? one : two].state = SLOT_EMPTY;
		snapshot_reap(&f.s);
		assert_int_equal(w->gone, !stays);
		assert_true(f.s.slots[other].workload == NULL);
		assert_true(f.s.workloads[other]->gone);
		assert_int_equal(f.cells.owners[other], OWNER_FREE);
		assert_false(f.s.workloads[SLOT_UNKNOWN]->gone);
		close_fake(&f);
	}
}

static void no_slot_is_freed_while_records_of_it_may_be_left(void **state)
{
	struct fake f;

	open_fake(&f, 8);
	f.s.behind = true;
	snapshot_reap(&f.s);
	assert_int_equal(f.cells.owners[SLOT_FIRST], OWNER_RESERVED);
	assert_int_equal(f.s.slots[SLOT_FIRST].state, SLOT_QUARANTINE);
	assert_false(f.s.slots[SLOT_FIRST].workload->gone);
	f.s.behind = false;
	snapshot_reap(&f.s);
	assert_int_equal(f.cells.owners[SLOT_FIRST], OWNER_FREE);
	assert_int_equal(f.s.slots[SLOT_FIRST].state, SLOT_EMPTY);
	assert_true(f.s.unpublished); /* there is no kernel's side here */
	close_fake(&f);
}

/* CPU time in ns for as many slots, all of them freed at once. */
static uint64_t reap_ns(uint32_t slots)
{
	struct timespec before, after;
	struct fake f;

	open_fake(&f, slots);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	snapshot_reap(&f.s);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	for (uint32_t i = SLOT_FIRST; i < slots; i++)
		assert_true(f.s.workloads[i]->gone);
	close_fake(&f);
	return (after.tv_sec - before.tv_sec) * 1000000000ULL + after.tv_nsec -
	       before.tv_nsec;
}

static void eight_times_the_slots_take_no_sixty_times_as_long(void **state)
{
	const uint32_t slots = 1 << 12;
	uint64_t few = UINT64_MAX, many = UINT64_MAX;

	for (int i = 0; i < 3; i++) { /* the least is what nobody disturbed */
		uint64_t ns = reap_ns(slots);

		few = ns < few ? ns : few;
		ns = reap_ns(8 * slots);
		many = ns < many ? ns : many;
	}
	print_message("%llu us, %llu us\n", (unsigned long long)few / 1000,
		      (unsigned long long)many / 1000);
	assert_true(many < 30 * few);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_workload_is_gone_with_the_last_of_its_slots),
		cmocka_unit_test(no_slot_is_freed_while_records_of_it_may_be_left),
		cmocka_unit_test(eight_times_the_slots_take_no_sixty_times_as_long),
	};

	return cmocka_run_group_tests_name("reap", tests, NULL, NULL);
}
