// SPDX-License-Identifier: Apache-2.0
/* The wall clock: it is set while we run, and what becomes of the times that we report.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "base/util.h"
#include "base/wall.h"
#include "otlp/otlp.h"
#include "otlp/otlp_pb.h"
#include "encode.h"

#define S 1000000000LL

static int64_t boot, offset, gap; /* what the clocks say; how far a reading is apart */
static int64_t stall;		  /* how long we do not run after each reading */

static uint64_t fake_boot(void)
{
	boot += gap;
	return boot;
}

static uint64_t fake_wall(void)
{
	boot += gap + stall;
	return boot - stall + offset;
}

static struct wall fake(void)
{
	return (struct wall){ .boot_ns = fake_boot, .wall_ns = fake_wall };
}

static void the_first_measurement_is_no_step(void **state)
{
	struct wall w = fake();

	boot = 100 * S;
	offset = 1700000000 * S;
	gap = 0;
	assert_int_equal(wall_measure(&w), 0);
	assert_int_equal(wall_time(w.offset_ns, 90 * S), 1700000090 * S);
}

static void a_clock_that_is_set_moves_all_times(void **state)
{
	static const int64_t steps[] = { 7200 * S, -3600 * S, S / 5, -S / 5 };
	struct wall w = fake();

	boot = 100 * S;
	offset = 1700000000 * S;
	gap = 0;
	wall_measure(&w);
	for (size_t i = 0; i < COUNT(steps); i++) {
		uint64_t before = wall_time(w.offset_ns, 50 * S);

		offset += steps[i];
		assert_int_equal(wall_measure(&w), steps[i]);
		assert_int_equal(wall_measure(&w), 0); /* once */
		assert_int_equal(wall_time(w.offset_ns, 50 * S), before + steps[i]);
		assert_int_equal(w.offset_ns, offset);
	}
}

/* A start that moved by nanoseconds at each export would be a reset at each export. */
static void what_lies_between_two_readings_is_no_step(void **state)
{
	struct wall w = fake();
	int64_t first;

	boot = 100 * S;
	offset = 1700000000 * S;
	gap = 0;
	wall_measure(&w);
	first = w.offset_ns;
	for (gap = 1; gap < S / 20; gap *= 7)
		assert_int_equal(wall_measure(&w), 0);
	assert_int_equal(w.offset_ns, first);
	gap = 0;
	offset += 2 * S; /* small ones add up to one that is followed */
	assert_int_equal(wall_measure(&w), 2 * S);
	for (int i = 0; i < 4; i++, offset += S / 25)
		assert_int_equal(wall_measure(&w), i < 3 ? 0 : S / 25 * 3);
}

/* On a machine that has no CPU for us. A step is followed when it has. */
static void a_reading_that_took_long_is_no_step(void **state)
{
	struct wall w = fake();

	boot = 100 * S;
	offset = 1700000000 * S;
	gap = 0;
	wall_measure(&w);
	for (stall = S / 10; stall < 5 * S; stall += S / 10)
		assert_int_equal(wall_measure(&w), 0);
	offset -= S;
	assert_int_equal(wall_measure(&w), 0); /* it may be the stall */
	stall = 0;
	assert_int_equal(wall_measure(&w), -S);
}

static void a_clock_of_1970_gives_no_time_before_it(void **state)
{
	assert_int_equal(wall_time(-100 * S, 50 * S), 1);
	assert_int_equal(wall_time(-100 * S, 100 * S), 1);
	assert_int_equal(wall_time(-100 * S, 101 * S), S);
}

static void the_systems_clocks_are_the_default(void **state)
{
	struct wall w = { 0 };
	int64_t wall, reported;

	assert_int_equal(wall_measure(&w), 0);
	wall = now_wall_ns();
	reported = wall_time(w.offset_ns, now_boot_ns());
	assert_in_range(reported - wall + S / 10, 0, 2 * S); /* a busy machine */
}

static const struct metric calls = { "test.calls", "{call}", "", METRIC_SUM };

/* Start and time of a point as they are exported; seconds. */
static void exported(int64_t wall_ns, uint64_t start, uint64_t time, uint64_t *out)
{
	struct points p = { .time_ns = time, .wall_ns = wall_ns };
	struct point *pt = points_add(points_group(&p), &calls);
	struct pb_number *d;
	struct pb_request *r;
	uint8_t *bytes;
	size_t len;

	pt->u = 1;
	pt->start_ns = start;
	assert_int_equal(encode_all(&p, &bytes, &len), 0);
	r = pb_request_unpack(NULL, len, bytes);
	free(bytes);
	d = r->resource_metrics[0]->scope_metrics[0]->metrics[0]->sum->data_points[0];
	out[0] = d->start_time_unix_nano;
	out[1] = d->time_unix_nano;
	pb_request_free(r, NULL);
	points_fini(&p);
}

/*
 * The clock is two hours ahead at the start and then right: no start and no time is in
 * the future from then on. Set back an hour, times go on from there.
 */
static void points_follow_the_clock_and_never_start_when_they_end(void **state)
{
	uint64_t ahead[2], right[2], back[2], next[2];
	int64_t truth = 1700000000 * S;

	exported(truth + 7200 * S, 10 * S, 20 * S, ahead);
	exported(truth, 10 * S, 30 * S, right);
	exported(truth - 3600 * S, 10 * S, 40 * S, back);
	exported(truth - 3600 * S, 10 * S, 50 * S, next);
	assert_int_equal(ahead[1], truth + 7220 * S);
	assert_int_equal(right[0], truth + 10 * S);
	assert_int_equal(right[1], truth + 30 * S);
	assert_int_equal(back[1] - back[0], 30 * S);
	assert_int_equal(next[1] - back[1], 10 * S);
	exported(truth, 30 * S, 30 * S, right); /* would say: the start is unknown */
	assert_int_equal(right[1], truth + 30 * S);
	assert_true(right[0] < right[1]);
	exported(-S * 100, 10 * S, 101 * S, right); /* a clock of 1970 */
	assert_true(right[0] > 0 && right[0] < right[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_measurement_is_no_step),
		cmocka_unit_test(a_clock_that_is_set_moves_all_times),
		cmocka_unit_test(what_lies_between_two_readings_is_no_step),
		cmocka_unit_test(a_reading_that_took_long_is_no_step),
		cmocka_unit_test(a_clock_of_1970_gives_no_time_before_it),
		cmocka_unit_test(the_systems_clocks_are_the_default),
		cmocka_unit_test(points_follow_the_clock_and_never_start_when_they_end),
	};

	return cmocka_run_group_tests_name("wall", tests, NULL, NULL);
}
