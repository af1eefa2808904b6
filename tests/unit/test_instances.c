/* SPDX-License-Identifier: Apache-2.0 */
/* Workloads by instance: all of one, each once, also when it gets another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "reading/instances.h"
#include "reading/snapshot.h"

#define MANY 3000
#define EACH 3 /* workloads of an instance */

static struct workload all[MANY];
static char names[MANY][16];

static void name(size_t i, size_t n)
{
	snprintf(names[i], sizeof(names[i]), "shop.%zu", n);
	all[i].instance = names[i];
}

/* How many workloads it has of an instance; the sum of their positions in `all`. */
static size_t count(const struct instances *x, const char *instance, size_t *sum)
{
	const struct workload *w;
	size_t at = 0, n = 0;

	for (*sum = 0; (w = instances_next(x, instance, &at)); n++) {
		assert_string_equal(w->instance, instance);
		*sum += w - all;
	}
	return n;
}

static void fill(struct instances *x, size_t room)
{
	assert_int_equal(instances_clear(x, room), 0);
	for (size_t i = 0; i < MANY; i++) {
		name(i, i / EACH);
		assert_int_equal(instances_add(x, &all[i]), 0);
	}
}

static void expect_all(const struct instances *x)
{
	size_t sum;

	for (size_t i = 0; i < MANY; i += EACH) {
		assert_int_equal(count(x, names[i], &sum), EACH);
		assert_int_equal(sum, EACH * i + 3);
	}
	assert_int_equal(count(x, "shop.", &sum), 0);
}

static void test_all_of_one(void **state)
{
	struct instances x = { NULL };
	size_t sum;

	assert_int_equal(count(&x, "nobody", &sum), 0);
	fill(&x, MANY);
	expect_all(&x);
	fill(&x, MANY); /* again: nothing of before is left */
	expect_all(&x);
	instances_fini(&x);
}

static void test_it_grows(void **state)
{
	struct instances x = { NULL };

	fill(&x, 1);
	expect_all(&x);
	instances_fini(&x);
}

/* Whoever gets another instance is found there, once, and no more where it was. */
static void test_another_instance(void **state)
{
	struct instances x = { NULL };
	size_t sum;

	fill(&x, 1);
	for (size_t i = 0; i < MANY; i++) {
		name(i, MANY + i / EACH);
		assert_int_equal(instances_add(&x, &all[i]), 0);
	}
	expect_all(&x);
	assert_int_equal(count(&x, "shop.0", &sum), 0);
	for (size_t i = 0; i < MANY; i++) { /* and back */
		name(i, i / EACH);
		assert_int_equal(instances_add(&x, &all[i]), 0);
	}
	expect_all(&x);
	instances_fini(&x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_all_of_one),
		cmocka_unit_test(test_it_grows),
		cmocka_unit_test(test_another_instance),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
