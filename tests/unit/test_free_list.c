// SPDX-License-Identifier: Apache-2.0
/* The free list of cells: takers on several CPUs, an agent that adds, a list run dry.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bpf/free_list.h"

#define TAKERS 3
#define GIVEN \
	300000U /* hardly ever more than a few are there: they run dry all along */
#define AHEAD 4

static struct {
	struct free_list list;
	uint8_t *taken; /* by entry: how often */
	int over;
} t;

static void *take(void *arg)
{
	__u64 at;

	while (!__atomic_load_n(&t.over, __ATOMIC_ACQUIRE))
		if (free_list_take(&t.list, &at) && at < GIVEN)
			__atomic_fetch_add(&t.taken[at], 1, __ATOMIC_RELAXED);
	return NULL;
}

static uint32_t left(void)
{
	return __atomic_load_n(&t.list.left, __ATOMIC_RELAXED);
}

static void test_run_dry(void **state)
{
	pthread_t threads[TAKERS];
	uint32_t once = 0, rest = 0;
	__u64 at;

	memset(&t, 0, sizeof(t));
	t.taken = calloc(GIVEN, 1);
	assert_non_null(t.taken);
	for (int i = 0; i < TAKERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, take, NULL), 0);
	for (uint32_t i = 0; i < GIVEN; i++) {
		for (int spin = 0; spin < 1000 && (int32_t)left() > AHEAD; spin++)
			;
		free_list_give(&t.list);
	}
	__atomic_store_n(&t.over, 1, __ATOMIC_RELEASE);
	for (int i = 0; i < TAKERS; i++)
		pthread_join(threads[i], NULL);
	while (free_list_take(&t.list, &at)) {
		assert_in_range(at, 0, GIVEN - 1);
		t.taken[at]++;
		rest++;
	}
	for (uint32_t i = 0; i < GIVEN; i++)
		once += t.taken[i] == 1;
	print_message("# %u entries, %u of them left at the end\n", once, rest);
	assert_int_equal(once, GIVEN); /* each went to one taker, none to nobody */
	assert_int_equal(left(), 0);
	free(t.taken);
}

static void test_empty(void **state)
{
	struct free_list list = { 0 };
	__u64 at = 7;

	assert_false(free_list_take(&list, &at));
	free_list_give(&list);
	assert_true(free_list_take(&list, &at));
	assert_int_equal(at, 0);
	assert_false(free_list_take(&list, &at));
	list.next = UINT32_MAX; /* numbers do not wrap: a ring may have any size */
	free_list_give(&list);
	free_list_give(&list);
	assert_true(free_list_take(&list, &at));
	assert_int_equal(at, UINT32_MAX);
	assert_true(free_list_take(&list, &at));
	assert_int_equal(at, 1ULL << 32);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_run_dry),
	};

	return cmocka_run_group_tests_name("free_list", tests, NULL, NULL);
}
