// SPDX-License-Identifier: Apache-2.0
/* How a snapshot is split into requests. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/util.h"
#include "otlp/otlp.h"
#include "otlp/otlp_pb.h"
#include "some_points.h"

/* 60 resources of 9 points each: their numbers are 1 to 540. */
static void add_many(struct points *p)
{
	static const char *const classes[] = { "a", "b", "c" };
	char name[32];
	uint64_t n = 0;

	for (int i = 0; i < 60; i++) {
		struct point_group *g;

		snprintf(name, sizeof(name), "workload-%02d", i);
		g = add_group(p, strdup(name));
		for (int k = 0; k < 9; k++)
			add_count(g, k % 2 ? &calls : &open_now, ++n, classes[k % 3]);
	}
}

static void free_many(struct points *p)
{
	for (size_t i = 0; i < p->count; i++)
		free((char *)p->groups[i].attrs[0].value);
	points_fini(p);
}

/* Ticks off each point of a batch; its resource must be the one it was added to. */
static void tick_off(const struct otlp_batch *b, bool *seen)
{
	struct pb_request *r = pb_request_unpack(NULL, b->len, b->bytes);
	size_t points = 0;

	assert_non_null(r);
	for (size_t i = 0; i < r->n_resource_metrics; i++) {
		const struct pb_resource_metrics *rm = r->resource_metrics[i];
		int resource = atoi(rm->resource->attributes[0]->value->string_value +
				    strlen("workload-"));

		assert_int_equal(rm->resource->n_attributes, 2);
		for (size_t m = 0; m < rm->scope_metrics[0]->n_metrics; m++) {
			const struct pb_sum *s = rm->scope_metrics[0]->metrics[m]->sum;

			assert_true(s->n_data_points > 0);
			for (size_t k = 0; k < s->n_data_points; k++, points++) {
				int64_t n = s->data_points[k]->as_int;

				assert_false(seen[n]);
				assert_int_equal((n - 1) / 9, resource);
				seen[n] = true;
			}
		}
	}
	assert_int_equal(points, b->points);
	pb_request_free(r, NULL);
}

static void batches_are_small_and_together_exact(void **state)
{
	static const size_t limits[] = { 500, 800, 1500, 5000, 20000, 1000000 };
	struct points p = { .time_ns = TIME };
	size_t fewest = SIZE_MAX;

	add_many(&p);
	for (size_t i = 0; i < COUNT(limits); i++) {
		struct otlp_batches b;
		bool seen[541] = { true };

		assert_int_equal(otlp_encode_batches(&p, limits[i], &b), 0);
		for (size_t k = 0; k < b.count; k++) {
			assert_true(b.list[k].len <= limits[i]);
			tick_off(&b.list[k], seen);
		}
		for (size_t k = 0; k < COUNT(seen); k++)
			assert_true(seen[k]);
		assert_true(b.count < fewest);
		fewest = b.count;
		otlp_batches_free(&b);
		assert_int_equal(b.count, 0);
	}
	assert_int_equal(fewest, 1);
	free_many(&p);
}

static void a_point_above_the_limit_is_an_error(void **state)
{
	struct points p = { .time_ns = TIME };
	struct otlp_batches b;

	add_many(&p);
	assert_int_equal(otlp_encode_batches(&p, 100, &b), -EMSGSIZE);
	assert_null(b.list);
	free_many(&p);
}

static void nothing_makes_no_request(void **state)
{
	struct points p = { .time_ns = TIME };
	struct otlp_batches b;
	uint8_t *bytes;
	size_t len;

	add_group(&p, "a");
	assert_int_equal(otlp_encode_batches(&p, 0, &b), 0);
	assert_int_equal(b.count, 0);
	otlp_batches_free(&b);
	assert_int_equal(otlp_encode(&p, &bytes, &len), 0);
	assert_int_equal(len, 0);
	free(bytes);
	points_fini(&p);
}

/* One group is larger than a batch: it is in none of them whole. */
static void a_batch_says_which_groups_are_in_it_whole(void **state)
{
	struct points p = { .time_ns = TIME, .number = 42 };
	uint64_t expected = 1;
	struct otlp_batches b;

	for (uint64_t i = 1; i <= 6; i++) {
		struct point_group *g = add_group(&p, "a");

		g->serial = i;
		for (int k = 0; k < (i == 4 ? 60 : 5); k++)
			add_count(g, &calls, k, "file");
	}
	assert_int_equal(otlp_encode_batches(&p, 1500, &b), 0);
	assert_true(b.count > 3);
	for (size_t i = 0; i < b.count; i++) {
		assert_int_equal(b.list[i].number, 42);
		if (!b.list[i].from)
			continue;
		expected += expected == 4;
		assert_int_equal(b.list[i].from, expected);
		assert_in_range(b.list[i].to, expected, 6);
		assert_false(b.list[i].from < 4 && b.list[i].to >= 4);
		expected = b.list[i].to + 1;
	}
	assert_int_equal(expected, 7);
	otlp_batches_free(&b);
	points_fini(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_are_small_and_together_exact),
		cmocka_unit_test(a_point_above_the_limit_is_an_error),
		cmocka_unit_test(nothing_makes_no_request),
		cmocka_unit_test(a_batch_says_which_groups_are_in_it_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
