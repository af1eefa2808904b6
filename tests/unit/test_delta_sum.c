// SPDX-License-Identifier: Apache-2.0
/*
 * Sums of batches are compared with frames of each, which are decoded by protobuf-c and
 * added one by one.
 */
#include <stdio.h>
#include "some_batches.h"
#include "base/util.h"
#include "otlp/delta_sum.h"

#define LIMIT	(64UL << 20)
#define BATCHES 7

static bool is_close(double a, double b)
{
	return a - b < 1e-6 && b - a < 1e-6;
}

static void assert_same_series(const struct frame_series *a,
			       const struct frame_series *b)
{
	assert_string_equal(a->unit, b->unit);
	assert_int_equal(a->kind, b->kind);
	assert_int_equal(a->real, b->real);
	assert_int_equal(a->start_ns, b->start_ns);
	assert_true(is_close(a->error.noise, b->error.noise));
	assert_true(is_close(a->error.change, b->error.change));
	assert_true(is_close(a->error.outstanding, b->error.outstanding));
	if (a->kind == METRIC_HISTOGRAM)
		assert_memory_equal(a->hist, b->hist, sizeof(*a->hist));
	else if (a->real)
		assert_true(a->d == b->d);
	else
		assert_int_equal(a->i, b->i);
}

static void assert_same(const struct frame *f, const struct frame *like)
{
	assert_int_equal(f->time_ns, like->time_ns);
	assert_int_equal(f->count, like->count);
	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = frame_find(like, &f->series[i]);

		assert_ptr_equal(s, &like->series[i]);
		assert_same_series(&f->series[i], s);
		if (i && f->series[i - 1].resource != f->series[i].resource)
			assert_false(frame_has(
			    &(struct frame){ .series = f->series, .count = i },
			    f->series[i].resource));
	}
}

static struct frame *decoded(const struct batch *b)
{
	struct frame *f;

	assert_int_equal(frame_decode_delta(b->bytes, b->len, &f), 0);
	return f;
}

/* The slow way. Batches may have a workload twice, which frame_add() is not made for.
 */
static struct frame *sum_of_frames(const struct batch *list, size_t count)
{
	struct frame *sum = frame_new(LIMIT);

	for (size_t i = 0; i < count; i++) {
		struct frame *f = decoded(&list[i]);

		assert_int_equal(frame_add(sum, f), 0);
		frame_free(f);
	}
	return sum;
}

static bool has_twice(const struct batch *b)
{
	struct frame *f = decoded(b);
	bool twice = false;

	for (size_t i = 0; i < f->count; i++)
		twice |= frame_find(f, &f->series[i]) != &f->series[i];
	frame_free(f);
	return twice;
}

static struct batch good_batch(unsigned int k)
{
	struct batch b = random_batch(k);

	while (has_twice(&b)) {
		free(b.bytes);
		b = random_batch(k);
	}
	return b;
}

static void add_all(struct delta_sum *s, const struct batch *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		assert_int_equal(delta_sum_add(s, list[i].bytes, list[i].len), 0);
}

static void assert_sum(struct delta_sum *s, const struct frame *like)
{
	struct frame *f;

	assert_int_equal(delta_sum_frame(s, &f), 0);
	assert_same(f, like);
	frame_free(f);
}

static void free_all(struct batch *list, size_t count)
{
	for (size_t i = 0; i < count; i++)
		free(list[i].bytes);
}

static void sums_are_those_of_frames_and_come_back_from_bytes(void **state)
{
	struct delta_sum *again = delta_sum_new(DELTA_FRAME, LIMIT);
	size_t series = 0;

	for (seed = 1; seed < 200000; seed += 997) {
		struct delta_sum *s = delta_sum_new(DELTA_FRAME, LIMIT);
		struct delta_sum *bytes = delta_sum_new(DELTA_ENCODE, LIMIT);
		uint64_t before = seed;
		struct batch list[BATCHES];
		struct wire out = { 0 };
		struct frame *like, *f;

		for (unsigned int k = 0; k < BATCHES; k++)
			list[k] = good_batch(k);
		like = sum_of_frames(list, BATCHES);
		series += like->count;
		add_all(s, list, BATCHES);
		assert_sum(s, like);
		/* from the beginning, with all that is known of series */
		add_all(again, list, BATCHES);
		assert_sum(again, like);
		delta_sum_restart(again);
		add_all(bytes, list, BATCHES);
		delta_sum_encode(bytes, &out);
		assert_false(out.full);
		f = decoded(&(struct batch){ out.bytes, out.len });
		assert_same(f, like);
		frame_free(f);
		free(out.bytes);
		assert_int_equal(delta_sum_end(s, &f), 0); /* the sum is gone */
		assert_same(f, like);
		frame_free(f);
		frame_free(like);
		free_all(list, BATCHES);
		delta_sum_free(bytes);
		seed = before;
	}
	assert_true(series > 5000);
	delta_sum_free(again);
}

/* Cut off anywhere it is none, or less of it; then, too, the sum is of whole pieces. */
static void of_a_broken_batch_nothing_is_added(void **state)
{
	struct delta_sum *s = delta_sum_new(DELTA_FRAME, LIMIT);
	struct batch list[2];
	struct frame *like;
	size_t refused = 0;

	seed = 5;
	list[0] = good_batch(0);
	list[1] = good_batch(1);
	like = sum_of_frames(list, 1);
	for (size_t len = 1; len < list[1].len; len++) {
		int err;

		delta_sum_restart(s);
		add_all(s, list, 1);
		err = delta_sum_add(s, list[1].bytes, len);
		if (!err)
			continue;
		assert_int_equal(err, -EINVAL);
		assert_sum(s, like);
		refused++;
	}
	assert_true(refused > list[1].len - 20);
	for (size_t at = 0; at < list[1].len; at++) { /* no harm */
		list[1].bytes[at] ^= 0x55;
		delta_sum_restart(s);
		delta_sum_add(s, list[1].bytes, list[1].len);
		list[1].bytes[at] ^= 0x55;
	}
	frame_free(like);
	free_all(list, 2);
	delta_sum_free(s);
}

/* One workload, with its attributes in this order; what it has is n. */
static struct batch ordered(bool other, uint64_t n, unsigned int k)
{
	struct points p = { .delta = true, .time_ns = (100 + 10 * k) * SECOND };
	struct metric swapped = calls, *m = &swapped;
	struct point_group *g = points_group(&p);
	struct hist h = { .sum_ns = n, .buckets = { [7] = n } };
	struct point *pt;

	points_attr(g, other ? "b" : "a", other ? "2" : "1");
	points_attr(g, other ? "a" : "b", other ? "1" : "2");
	if (other) {
		swapped.attrs[0] = calls.attrs[1];
		swapped.attrs[1] = calls.attrs[0];
	}
	pt = points_add(g, m);
	pt->values[0] = other ? "ENOENT" : "x";
	pt->values[1] = other ? "x" : "ENOENT";
	pt->start_ns = SECOND;
	pt->u = n;
	pt = points_add(g, &memory);
	pt->start_ns = SECOND;
	pt->u = n;
	pt = points_add(g, &took);
	pt->start_ns = SECOND;
	pt->hist = sparse_of(&h);
	return encoded(&p);
}

/* As merged readings of one version and readings of another have them. */
static void attributes_in_another_order_are_the_same(void **state)
{
	struct delta_sum *s = delta_sum_new(DELTA_FRAME, LIMIT);
	struct batch list[4];
	struct frame *f, *like;

	for (unsigned int k = 0; k < 4; k++)
		list[k] = ordered(k % 2, 10 + k, k);
	for (int round = 0; round < 3; round++) {
		delta_sum_restart(s);
		add_all(s, list, 4);
		like = sum_of_frames(list, 4);
		assert_int_equal(like->count, 3);
		assert_sum(s, like);
		frame_free(like);
		/* the earlier form is the later one */
		delta_sum_restart(s);
		add_all(s, list + 1, 2);
		add_all(s, list, 1);
		assert_int_equal(delta_sum_frame(s, &f), 0);
		assert_int_equal(f->count, 3);
		assert_int_equal(f->series[0].i, 10 + 11 + 12);
		assert_int_equal(f->series[1].i, 10);
		assert_int_equal(f->series[2].hist->buckets[7], 10 + 11 + 12);
		frame_free(f);
	}
	free_all(list, 4);
	delta_sum_free(s);
}

/* One workload, whose names are from there; NULL: nobody says. */
static struct batch named_by(const char *source, unsigned int k)
{
	struct points p = { .delta = true, .time_ns = (100 + 10 * k) * SECOND };
	struct point_group *g = points_group(&p);
	struct point *pt;

	points_attr(g, "assay.identity.source", source);
	points_attr(g, "assay.workload.name", "shop");
	points_attr(g, "app", "web");
	pt = add_point(g, &calls, p.time_ns);
	pt->values[0] = "x";
	pt->u = 1;
	return encoded(&p);
}

static const char *source_of(const struct frame *f)
{
	return frame_attr(f->series[0].resource, "assay.identity.source");
}

/* Whether it was said first, last, or not at all; the latest one holds. */
static void where_names_are_from_makes_no_two_of_one(void **state)
{
	static const char *const sources[] = { NULL, "log", "bundle", NULL, "kubelet" };
	struct delta_sum *s = delta_sum_new(DELTA_FRAME, LIMIT);
	struct batch list[COUNT(sources)];
	struct frame *f, *other;

	for (unsigned int k = 0; k < COUNT(list); k++) {
		list[k] = named_by(sources[k], k);
		assert_int_equal(delta_sum_add(s, list[k].bytes, list[k].len), 0);
		assert_int_equal(delta_sum_frame(s, &f), 0);
		assert_int_equal(f->count, 1);
		assert_int_equal(f->series[0].i, k + 1);
		if (sources[k])
			assert_string_equal(source_of(f), sources[k]);
		else
			assert_null(source_of(f));
		other = decoded(&list[0]); /* as `assay diff` finds it */
		assert_ptr_equal(frame_find(other, &f->series[0]), &other->series[0]);
		assert_ptr_equal(frame_find(f, &other->series[0]), &f->series[0]);
		frame_free(other);
		frame_free(f);
	}
	free_all(list, COUNT(list));
	delta_sum_free(s);
}

static struct batch told(unsigned int first, unsigned int end, uint64_t n)
{
	struct points p = { .delta = true, .time_ns = (100 + n) * SECOND };

	for (unsigned int i = first; i < end; i++) {
		struct point_group *g = points_group(&p);

		name_group(g, i);
		add_point(g, &calls, p.time_ns)->values[0] = "x";
		add_point(g, &memory, p.time_ns)->u = n;
	}
	return encoded(&p);
}

/* What is told of workloads: 3 of 1 to 2, 2 of 0 to 2, 1 of all 4. */
static void of_the_time_before_there_is_how_things_were(void **state)
{
	struct delta_sum *s = delta_sum_new(DELTA_FRAME, LIMIT);
	struct batch now = told(1, 3, 3), before = told(0, 3, 2), first = told(0, 4, 1);
	static const int64_t values[] = { 2, 3, 3, 1 };
	struct frame *f;
	size_t sums = 0;

	add_all(s, &now, 1);
	assert_int_equal(delta_sum_add_before(s, before.bytes, before.len), 0);
	assert_int_equal(delta_sum_add_before(s, first.bytes, first.len), 0);
	assert_int_equal(delta_sum_frame(s, &f), 0);
	assert_int_equal(f->time_ns, 103 * SECOND);
	for (size_t i = 0; i < f->count; i++) {
		const char *cgroup = frame_cgroup(f->series[i].resource);

		sums += f->series[i].kind == METRIC_SUM;
		if (f->series[i].kind == METRIC_UPDOWN)
			assert_int_equal(f->series[i].i, values[cgroup[4] - '0']);
	}
	assert_int_equal(f->count, 4 + 2);
	assert_int_equal(sums, 2);
	frame_free(f);
	free(now.bytes);
	free(before.bytes);
	free(first.bytes);
	delta_sum_free(s);
}

/* The same when batches were added in the step before, and are not read once more. */
static void what_was_added_before_may_be_carried_on(void **state)
{
	struct delta_sum *s = delta_sum_new(DELTA_FRAME, LIMIT);
	struct batch list[] = { told(0, 5, 1), told(0, 4, 2), told(0, 3, 3),
				told(1, 3, 4) };
	static const int64_t values[] = { 3, 4, 4, 2 };
	struct frame *f;

	add_all(s, list, 1);
	delta_sum_restart(s);
	add_all(s, list + 1, 2);
	assert_int_equal(delta_sum_number(s), 3);
	/* nor is what a beginning before had looked up of the time before it */
	assert_int_equal(delta_sum_add_before(s, list[0].bytes, list[0].len), 0);
	delta_sum_restart(s);
	delta_sum_carry(s, 2); /* workload 4 is gone: it was in the batch before them */
	add_all(s, list + 3, 1);
	assert_int_equal(delta_sum_frame(s, &f), 0);
	assert_int_equal(f->time_ns, 104 * SECOND);
	for (size_t i = 0; i < f->count; i++) {
		const char *cgroup = frame_cgroup(f->series[i].resource);

		if (f->series[i].kind == METRIC_UPDOWN)
			assert_int_equal(f->series[i].i, values[cgroup[4] - '0']);
	}
	assert_int_equal(f->count, 4 + 2);
	frame_free(f);
	delta_sum_restart(s);
	add_all(s, list + 3, 1);
	assert_int_equal(delta_sum_frame(s, &f), 0);
	assert_int_equal(f->count, 2 + 2);
	frame_free(f);
	free_all(list, COUNT(list));
	delta_sum_free(s);
}

static void one_metric_may_be_all_that_is_looked_at(void **state)
{
	static const char *const names[] = { "test.memory", "test.age", NULL };
	struct delta_sum *s = delta_sum_new(DELTA_FRAME, LIMIT);
	struct frame *f, *like;
	struct batch list[3];
	size_t n = 0;

	seed = 77;
	for (unsigned int k = 0; k < 3; k++)
		list[k] = good_batch(k);
	delta_sum_only(s, names);
	add_all(s, list, 3);
	like = sum_of_frames(list, 3);
	assert_int_equal(delta_sum_frame(s, &f), 0);
	for (size_t i = 0; i < like->count; i++) {
		const struct frame_series *s_like = &like->series[i];

		/* whoever has neither is there by something else */
		assert_true(frame_has(f, s_like->resource));
		if (strcmp(s_like->name, "test.memory") != 0 &&
		    strcmp(s_like->name, "test.age") != 0)
			continue;
		n++;
		assert_same_series(frame_find(f, s_like), s_like);
	}
	assert_true(n > 3);
	assert_true(f->count < like->count);
	frame_free(f);
	frame_free(like);
	free_all(list, 3);
	delta_sum_free(s);
}

/* All alike but for a number, so that each has to be looked for. */
static void memory_and_time_are_bounded(void **state)
{
	struct delta_sum *s = delta_sum_new(DELTA_FRAME, 1 << 20);
	struct points p = { .delta = true, .time_ns = 100 * SECOND };
	struct point_group *g = points_group(&p);
	struct batch b;
	int err;

	points_attr(g, "a", "b");
	for (unsigned int i = 0; i < 40000; i++) {
		struct point *pt = points_add(g, &calls);

		pt->values[0] = points_text(g, "%08u", i);
		pt->start_ns = SECOND;
	}
	b = encoded(&p);
	assert_int_equal(delta_sum_add(s, b.bytes, b.len), -EMSGSIZE);
	delta_sum_free(s);
	s = delta_sum_new(DELTA_FRAME, LIMIT);
	err = delta_sum_add(s, b.bytes, b.len);
	assert_true(err == -EINVAL || err == 0);
	delta_sum_free(s);
	free(b.bytes);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sums_are_those_of_frames_and_come_back_from_bytes),
		cmocka_unit_test(of_a_broken_batch_nothing_is_added),
		cmocka_unit_test(attributes_in_another_order_are_the_same),
		cmocka_unit_test(where_names_are_from_makes_no_two_of_one),
		cmocka_unit_test(of_the_time_before_there_is_how_things_were),
		cmocka_unit_test(what_was_added_before_may_be_carried_on),
		cmocka_unit_test(one_metric_may_be_all_that_is_looked_at),
		cmocka_unit_test(memory_and_time_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
