// SPDX-License-Identifier: Apache-2.0
/* Histograms without what never counted, against an array that holds it all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "reading/sparse.h"

static void random_counts_are_those_of_a_whole_array(void **state)
{
	unsigned int seed = 7;

	for (int round = 0; round < 300; round++) {
		struct sparse *s = sparse_new(sizeof(uint64_t));
		uint64_t want[BUCKET_COUNT] = { 0 }, got[BUCKET_COUNT], count = 0;

		assert_non_null(s);
		for (int i = 0; i < round; i++) {
			unsigned int b = rand_r(&seed) % BUCKET_COUNT;
			uint64_t *group = sparse_make(&s, b / SPARSE_GROUP);
			uint64_t n = (uint64_t)rand_r(&seed) << (rand_r(&seed) % 30);

			assert_non_null(group);
			group[b % SPARSE_GROUP] += n;
			want[b] += n;
			count += n;
		}
		sparse_expand(s, got);
		assert_memory_equal(got, want, sizeof(want));
		assert_int_equal(sparse_count(s), count);
		free(s);
	}
}

static void what_never_counted_takes_no_memory(void **state)
{
	struct sparse *s = sparse_new(sizeof(uint32_t));

	assert_null(sparse_find(s, 5));
	assert_non_null(sparse_make(&s, 5));
	assert_non_null(sparse_make(&s, 27));
	assert_non_null(sparse_make(&s, 0));
	assert_int_equal(s->groups, 1U << 27 | 1U << 5 | 1);
	assert_null(sparse_find(s, 6));
	assert_ptr_equal(sparse_find(s, 0), s->data);
	/* in order, whatever the order in which they came */
	assert_ptr_equal(sparse_find(s, 5), (char *)s->data + 32);
	assert_ptr_equal(sparse_find(s, 27), (char *)s->data + 64);
	free(s);
}

/* One bucket comes to the end of 32 bits: nothing wraps, and the rest stays. */
static void a_total_gets_wider_when_a_bucket_needs_it(void **state)
{
	static const uint32_t large[SPARSE_GROUP] = { [3] = 0xfffffff0, [4] = 5 };
	static const uint32_t small[SPARSE_GROUP] = { [3] = 15 };
	struct sparse *s = sparse_new(sizeof(uint32_t)), *sum = NULL, *narrow;
	uint64_t buckets[BUCKET_COUNT];

	assert_int_equal(sparse_sum_group(&s, 9, small), 0);
	assert_int_equal(sparse_sum_group(&s, 2, large), 0);
	assert_int_equal(sparse_sum_group(&s, 2, small), 0);
	assert_int_equal(s->width, sizeof(uint32_t));
	assert_int_equal(sparse_count(s), 0xffffffffULL + 5 + 15);
	s->sum_ns = 77;
	assert_int_equal(sparse_sum(&sum, s), 0);
	assert_int_equal(sparse_sum_group(&s, 2, small), 0);
	assert_int_equal(s->width, sizeof(uint64_t));
	assert_int_equal(sparse_sum_group(&s, 2, small), 0);
	assert_int_equal(s->sum_ns, 77);
	sparse_expand(s, buckets);
	assert_int_equal(buckets[2 * SPARSE_GROUP + 3], 0xffffffffULL + 15 + 15);
	assert_int_equal(buckets[2 * SPARSE_GROUP + 4], 5);
	assert_int_equal(buckets[9 * SPARSE_GROUP + 3], 15);
	/* the same of one that is added to another, whatever their widths */
	assert_int_equal(sparse_sum(&sum, s), 0);
	assert_int_equal(sparse_count(sum), 2 * (0xffffffffULL + 20) + 30);
	free(sum);
	sum = sparse_new(sizeof(uint32_t));
	narrow = sparse_new(sizeof(uint32_t));
	assert_int_equal(sparse_sum_group(&sum, 2, large), 0);
	assert_int_equal(sparse_sum_group(&narrow, 2, large), 0);
	assert_int_equal(sparse_sum(&sum, narrow), 0);
	assert_int_equal(sparse_count(sum), 2 * (0xfffffff0ULL + 5));
	assert_int_equal(sparse_sum(&sum, s), 0);
	assert_int_equal(sum->sum_ns, 77);
	assert_int_equal(sparse_count(sum), 3 * 0xffffffffULL + 30);
	free(narrow);
	free(sum);
	free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_counts_are_those_of_a_whole_array),
		cmocka_unit_test(a_total_gets_wider_when_a_bucket_needs_it),
		cmocka_unit_test(what_never_counted_takes_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
