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
#include "encode.h"
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

		assert_int_equal(encode_batches(&p, limits[i], &b), 0);
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
	assert_int_equal(encode_batches(&p, 100, &b), -EMSGSIZE);
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
	assert_int_equal(encode_batches(&p, 0, &b), 0);
	assert_int_equal(b.count, 0);
	otlp_batches_free(&b);
	assert_int_equal(encode_all(&p, &bytes, &len), 0);
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
	assert_int_equal(encode_batches(&p, 1500, &b), 0);
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

/* What was taken of an encoder, without its bytes. */
static struct {
	bool seen[541];
	size_t requests, most;
	const uint8_t *bytes;
	bool moved;	    /* they were not in the same memory as before */
	size_t refuse_from; /* so many are taken */
} taken;

static int look_at(void *arg, struct otlp_batch *b)
{
	assert_ptr_equal(arg, &taken);
	if (taken.requests == taken.refuse_from)
		return -EIO;
	tick_off(b, taken.seen);
	taken.moved |= taken.bytes && taken.bytes != b->bytes;
	taken.bytes = b->bytes;
	taken.requests++;
	if (b->len > taken.most)
		taken.most = b->len;
	return 0;
}

/* Each group by itself, as the agent does it: nothing but the request in hand is kept.
 */
static int add_one_by_one(struct otlp_encoder *e, struct points *all)
{
	int err = 0;

	for (size_t i = 0; i < all->count && !err; i++) {
		struct points one = *all;

		one.groups = &all->groups[i];
		one.count = 1;
		err = otlp_add(e, &one);
	}
	return err;
}

static void groups_come_one_by_one_and_memory_is_used_again(void **state)
{
	struct otlp_encoder e = { .limit = 5000, .take = look_at, .arg = &taken };
	struct points p = { .time_ns = TIME };
	struct otlp_batches same;

	add_many(&p);
	memset(&taken, 0, sizeof(taken));
	taken.refuse_from = SIZE_MAX;
	taken.seen[0] = true;
	assert_int_equal(otlp_end(&e, add_one_by_one(&e, &p)), 0);
	for (size_t k = 0; k < COUNT(taken.seen); k++)
		assert_true(taken.seen[k]);
	assert_in_range(taken.most, 1, 5000);
	assert_false(taken.moved);
	assert_null(e.batch.bytes);
	assert_int_equal(encode_batches(&p, 5000, &same), 0);
	assert_true(same.count > 2);
	assert_int_equal(taken.requests, same.count);
	otlp_batches_free(&same);
	free_many(&p);
}

static void who_takes_no_more_ends_it(void **state)
{
	struct otlp_encoder e = { .limit = 5000, .take = look_at, .arg = &taken };
	struct points p = { .time_ns = TIME };

	add_many(&p);
	memset(&taken, 0, sizeof(taken));
	taken.refuse_from = 1;
	assert_int_equal(otlp_end(&e, add_one_by_one(&e, &p)), -EIO);
	assert_int_equal(taken.requests, 1);
	/* after an error of another the last one is not handed over */
	memset(&taken, 0, sizeof(taken));
	taken.refuse_from = SIZE_MAX;
	e.limit = 0;
	assert_int_equal(add_one_by_one(&e, &p), 0);
	assert_int_equal(otlp_end(&e, -ENOMEM), -ENOMEM);
	assert_int_equal(taken.requests, 0);
	free_many(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batches_are_small_and_together_exact),
		cmocka_unit_test(a_point_above_the_limit_is_an_error),
		cmocka_unit_test(nothing_makes_no_request),
		cmocka_unit_test(a_batch_says_which_groups_are_in_it_whole),
		cmocka_unit_test(groups_come_one_by_one_and_memory_is_used_again),
		cmocka_unit_test(who_takes_no_more_ends_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
