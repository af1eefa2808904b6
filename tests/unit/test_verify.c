// SPDX-License-Identifier: Apache-2.0
/*
 * What `assay verify` makes of numbers: of a node that never was, with readings that
 * say what happened there, and some that do not.
 */
#include <errno.h>
#include <stdio.h>
#include "base/util.h"
#include "verify/checks.h"
#include "verify/complete.h"
#include "verify/found.h"
#include "verify/judge.h"
#include "fake_frame.h"

#define ROOT  "/assay-verify-7"
#define TIMES 8
#define MS    1000000ULL

static const struct metric calls = { "assay.syscall.duration", "s", "",
				     METRIC_HISTOGRAM,
				     .attrs = { "assay.syscall.class" } };
static const struct metric errors = { "assay.syscall.errors", "{error}", "", METRIC_SUM,
				      .attrs = { "assay.syscall.class",
						 "error.type" } };
static const struct metric blocked = { "assay.blocked.duration", "s", "",
				       METRIC_HISTOGRAM,
				       .attrs = { "assay.syscall.class" } };
static const struct metric response = { "assay.tcp.response.duration", "s", "",
					METRIC_HISTOGRAM,
					.attrs = { "assay.tcp.role" } };
static const struct metric attached = { "assay.probe.attached", "", "", METRIC_GAUGE,
					.attrs = { "assay.probe", "assay.state",
						   "assay.reason" } };
static const struct metric lost = { "assay.lost", "{event}", "", METRIC_SUM,
				    .attrs = { "assay.probe", "assay.reason" } };

static struct truths truths;
static struct scratch scratch = { .path = "/sys/fs/cgroup" ROOT };
static struct actors actors = { .truths = &truths, .scratch = &scratch };

/* What is wrong with the numbers. */
static struct {
	uint64_t sleep_ns; /* as counted */
	int off;	   /* buckets */
	uint64_t sleeps, errors, skipped, no_room;
	const char *role, *state;
} fake;

static int reset(void **state)
{
	memset(&truths, 0, sizeof(truths));
	memset(actors.of, 0, sizeof(actors.of));
	truths.grain_ns = 5000;
	for (int i = 0; i < TIMES; i++) {
		truth_add(&truths.of[TRUTH_SLEEPS_SYNC], 4 * MS, 4 * MS);
		truth_add(&truths.of[TRUTH_TCP_RESPONSES], 20 * MS, 21 * MS);
	}
	truth_count(&truths.of[TRUTH_CALLS_ENOENT], 300, 0);
	truth_count(&truths.of[TRUTH_CALLS_PROCESS], 500, 500 * 1000);
	memset(&fake, 0, sizeof(fake));
	fake.sleep_ns = 4 * MS + 10000;
	fake.sleeps = TIMES;
	fake.errors = 300;
	fake.role = "client";
	fake.state = "attached";
	return 0;
}

static struct hist *some(uint64_t n, uint64_t ns, int off)
{
	struct hist *h = test_calloc(1, sizeof(*h));

	h->buckets[bucket_of(ns) + off] = n;
	h->sum_ns = n * ns;
	return h;
}

static void add_self(struct points *p)
{
	static const char *const probes[] = { "sched", "syscall", "tcp" };
	struct point_group *g = points_group(p);

	points_attr(g, "service.name", "assay");
	for (size_t i = 0; i < COUNT(probes); i++)
		add_sum(g, &attached, probes[i], fake.state, NULL,
			!strcmp(fake.state, "attached"));
	add_sum(g, &lost, "sched", "recursion", NULL, fake.skipped);
	add_sum(g, &lost, "sched", "slots_full", NULL, fake.no_room);
}

/* The verdict of the first check of a truth that is of this group. */
static struct judge_verdict judged(enum truth_id truth, enum actor_id actor)
{
	struct hist *hists[] = { some(500, 700, 0),
				 some(fake.sleeps, fake.sleep_ns, fake.off),
				 some(TIMES, 20 * MS + MS / 2, 0) };
	struct points p = { 0 };
	struct judge_case c = { .actors = &actors };
	struct judge_verdict v;
	struct point_group *g;
	struct frame *f;
	size_t i = 0;

	add_self(&p);
	g = add_workload(&p, "calls", ROOT "/calls");
	add_hist(g, &calls, "process", hists[0]);
	add_sum(g, &errors, "file", "ENOENT", NULL, fake.errors);
	g = add_workload(&p, "sleeps", ROOT "/sleeps");
	add_hist(g, &blocked, "sync", hists[1]);
	g = add_workload(&p, "client", ROOT "/tcp-client");
	add_hist(g, &response, fake.role, hists[2]);
	g = add_workload(&p, "another", "/another/calls");
	add_sum(g, &errors, "file", "ENOENT", NULL, 77);
	c.frame = f = to_frame(&p);
	while (checks[i].truth != truth || checks[i].actor != actor)
		i++;
	judge_check(&c, i, &v);
	frame_free(f);
	for (i = 0; i < COUNT(hists); i++)
		test_free(hists[i]);
	return v;
}

static void assert_judged(enum truth_id truth, enum actor_id actor,
			  enum judge_result result, const char *part)
{
	struct judge_verdict v = judged(truth, actor);

	if (v.result != result)
		print_message("# %s: %s\n", judge_names[v.result], v.text);
	assert_int_equal(v.result, result);
	assert_has(v.text, part);
}

#define SLEEPS	 TRUTH_SLEEPS_SYNC, ACTOR_SLEEPER
#define NO_ENTRY TRUTH_CALLS_ENOENT, ACTOR_CALLS

static void test_what_is_right(void **state)
{
	assert_judged(SLEEPS, JUDGE_OK, "8 of 8, 32ms of 32ms");
	assert_judged(NO_ENTRY, JUDGE_OK, "300 of 300");
	assert_judged(TRUTH_CALLS_PROCESS, ACTOR_CALLS, JUDGE_OK, "500 of 500");
	assert_judged(TRUTH_TCP_RESPONSES, ACTOR_CLIENT, JUDGE_OK, "8 of 8");
}

static void test_counted_twice(void **state)
{
	fake.errors = 600;
	assert_judged(NO_ENTRY, JUDGE_FAILED, "expected 300, got 600");
}

static void test_one_too_few(void **state)
{
	fake.errors = 299;
	assert_judged(NO_ENTRY, JUDGE_FAILED, "expected 300, got 299");
}

static void test_a_bucket_off_by_one(void **state)
{
	fake.off = 1;
	assert_judged(SLEEPS, JUDGE_FAILED, "cannot hold their sum");
	fake.off = -1;
	assert_judged(SLEEPS, JUDGE_FAILED, "cannot hold their sum");
	fake.off = 2;
	assert_judged(SLEEPS, JUDGE_FAILED, "p50");
}

static void test_a_sum_that_is_too_large_or_small(void **state)
{
	fake.sleep_ns = 4200000;
	assert_judged(SLEEPS, JUDGE_FAILED, "took: expected 31ms to 33ms, got 34ms");
	fake.sleep_ns = 3800000;
	assert_judged(SLEEPS, JUDGE_FAILED, "got 30ms");
}

static void test_the_wrong_role(void **state)
{
	fake.role = "server";
	assert_judged(TRUTH_TCP_RESPONSES, ACTOR_CLIENT, JUDGE_FAILED,
		      "expected 8, got 0");
	assert_judged(TRUTH_TCP_NONE, ACTOR_CLIENT, JUDGE_FAILED, "expected 0, got 8");
}

static void test_what_the_kernel_skipped_may_be_missing(void **state)
{
	fake.sleeps = TIMES - 2;
	fake.skipped = 1;
	assert_judged(SLEEPS, JUDGE_FAILED, "expected 8, got 6");
	fake.skipped = 2;
	assert_judged(SLEEPS, JUDGE_OK,
		      "6 of 8, 24ms of 32ms; the kernel skipped up to 2");
	fake.sleeps = TIMES + 1;
	assert_judged(SLEEPS, JUDGE_FAILED, "expected 8, got 9");
}

static void test_a_switch_that_nobody_was_told_of(void **state)
{
	fake.sleeps = TIMES - 1;
	actors.of[ACTOR_SLEEPER].init_runs = 1;
	assert_judged(SLEEPS, JUDGE_OK, "7 of 8");
	actors.of[ACTOR_SLEEPER].init_runs = 1000;
	fake.sleeps = 1; /* that proves nothing */
	assert_judged(SLEEPS, JUDGE_SKIPPED, "the machine was busy");
}

/* The count is right, as one is missing and another was cut in two. */
static void test_a_switch_that_hides_a_part_of_the_sum(void **state)
{
	fake.sleep_ns = 3800000;
	assert_judged(SLEEPS, JUDGE_FAILED, "got 30ms");
	actors.of[ACTOR_SLEEPER].init_runs = 1;
	assert_judged(SLEEPS, JUDGE_SKIPPED, "PID 1 ran 1 times");
	fake.sleep_ns = 2 * MS;
	assert_judged(SLEEPS, JUDGE_FAILED, "got 16ms");
	actors.of[ACTOR_CALLS].init_runs = 1000;
	truths.grain_ns = 0;
	truths.of[TRUTH_CALLS_PROCESS].most_ns = 100 * 1000;
	assert_judged(TRUTH_CALLS_PROCESS, ACTOR_CALLS, JUDGE_FAILED, "took");
}

static void test_what_is_not_measured(void **state)
{
	fake.state = "off";
	assert_judged(SLEEPS, JUDGE_SKIPPED, "the probe sched is off");
	fake.state = "attached";
	fake.sleeps = 0;
	fake.no_room = 1;
	assert_judged(SLEEPS, JUDGE_SKIPPED, "no room");
	truth_skip(&truths.of[TRUTH_SLEEPS_SYNC], "a futex", -EPERM);
	assert_judged(SLEEPS, JUDGE_SKIPPED, "a futex: Operation not permitted");
}

static void test_buckets_that_hold_their_sum(void **state)
{
	static const uint64_t ns[] = { 0,	  500,	     953,
				       954,	  1000,	     15625000,
				       125000000, 125000001, 127000000000 };
	struct hist *h = new_hist(ns, COUNT(ns));

	assert_true(found_buckets_fit(h));
	test_free(h);
	for (size_t i = 0; i < COUNT(ns); i++) {
		h = new_hist(&ns[i], 1);
		assert_true(found_buckets_fit(h));
		test_free(h);
	}
}

static void test_what_the_kernel_counted(void **state)
{
	struct complete_disk d = { { 100, 101, 120, 125 } };
	struct points p = { 0 };
	struct frame *f;

	truths.wanted_ns = 200 * MS;
	truths.ran_ns = 40 * MS;
	actors.of[ACTOR_VICTIM].after = (struct truth_sched){ 0, 100 * MS, 30 };
	actors.of[ACTOR_HOG].after = (struct truth_sched){ 150 * MS, 0, 30 };
	truth_count(&truths.of[TRUTH_BLOCK_READS], 16, 0);
	truth_count(&truths.of[TRUTH_DNS_TIMEOUT], 2, 0);
	truths.asked_ns = 1 * SECOND;
	add_workload(&p, "calls", ROOT "/calls");
	f = to_frame(&p);
	complete(&actors, &d, f, 7 * SECOND);
	assert_int_equal(truths.of[TRUTH_WAITS].most, 30);
	assert_int_equal(truths.of[TRUTH_WAITS].most_ns, 100 * MS);
	/* others had a CPU for 10 ms, in waits of 3.3 ms in the mean */
	assert_in_range(truths.of[TRUTH_WAITS_CULPRITS].least_ns, 28 * MS, 29 * MS);
	assert_int_equal(truths.of[TRUTH_BLOCK_DISK_READS].least, 19);
	assert_int_equal(truths.of[TRUTH_BLOCK_DISK_READS].most, 25);
	assert_int_equal(truths.of[TRUTH_DNS_TIMEOUT].least_ns, 10 * SECOND);
	assert_int_equal(truths.of[TRUTH_DNS_TIMEOUT].most_ns, 12 * SECOND);
	frame_free(f);
}

static void assert_asleep(const struct truth_look *before,
			  const struct truth_look *after, uint64_t low, uint64_t high)
{
	uint64_t got_low, got_high;

	truth_asleep(before, after, &got_low, &got_high);
	assert_int_equal(got_low, low);
	assert_int_equal(got_high, high);
}

static void test_a_look_that_takes_its_time(void **state)
{
	struct truth_look before = { 100, 150, 10, 1000 },
			  after = { 1300, 1200, 20, 1100 };

	assert_asleep(&before, &after, 1050 - 10 - 100, 1200 - 10 - 100);
	after.cpu_ns = 410; /* by a clock that runs ahead */
	assert_asleep(&before, &after, 1050 - 400 - 100, 1200 - 100);
	after.preempted = 1;
	assert_asleep(&before, &after, 0, 1200 - 100);
	after.cpu_ns = 5000;
	after.preempted = 0;
	assert_asleep(&before, &after, 0, 1200 - 100);
}

#define CASE(test) cmocka_unit_test_setup(test, reset)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CASE(test_what_is_right),
		CASE(test_counted_twice),
		CASE(test_one_too_few),
		CASE(test_a_bucket_off_by_one),
		CASE(test_a_sum_that_is_too_large_or_small),
		CASE(test_the_wrong_role),
		CASE(test_what_the_kernel_skipped_may_be_missing),
		CASE(test_a_switch_that_hides_a_part_of_the_sum),
		CASE(test_a_switch_that_nobody_was_told_of),
		CASE(test_what_is_not_measured),
		CASE(test_buckets_that_hold_their_sum),
		CASE(test_what_the_kernel_counted),
		CASE(test_a_look_that_takes_its_time),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
