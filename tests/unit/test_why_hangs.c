// SPDX-License-Identifier: Apache-2.0
/* What hangs is told for as long as it does; what always waits does not hang. */
#include "fake_why.h"

static double age_s;
static const char *what_hangs;

static void hangs_for(struct point_group *g)
{
	AGE(what_hangs, age_s);
}

/* Of one that is so old now, and one that was so old before: an hour up to 8 min ago.
 */
static const struct finding *hung(const char *what, double now, double before)
{
	struct scene s = { .idle = 15, .fault = hangs_for };

	what_hangs = what;
	age_s = before;
	say(&s, &s);
	frame_free(said.now);
	age_s = now;
	said.now = make_scene(&s);
	said.now->time_ns += 480 * SECOND;
	said.readings.now = said.now;
	said.readings.before_s = 3300;
	diagnose_workload(&said.d, &said.readings, first_of(said.now, "shop"));
	return rule_of(&said.d, !strcmp(what, "tcp.client")   ? "net.dependency_hangs"
				: !strcmp(what, "tcp.server") ? "net.server_hangs"
							      : "calls.stuck");
}

/* What hangs is in the baseline, too, when that is later than the hang's beginning. */
static void a_hang_does_not_become_usual_by_itself(void **state)
{
	static const char file[] = "syscall.file";
	const struct finding *f = hung(file, 1200, 720);

	assert_int_equal(f->change, CHANGE_NEW);
	assert_int_equal(f->severity, SEVERITY_CRITICAL);
	f = hung(file, 5000,
		 4520); /* in all of the hour, as who stands by for a lock */
	assert_int_equal(f->change, CHANGE_SAME);
	assert_int_equal(f->severity, SEVERITY_NOTICE);
	f = hung(file, 6, 7); /* another such call, as there always is one */
	assert_int_equal(f->change, CHANGE_SAME);
	f = hung(file, 40, 7);
	assert_int_equal(f->change, CHANGE_NEW);
	assert_int_equal(f->severity, SEVERITY_CRITICAL);
	f = hung(file, 500, 300); /* there was an older one */
	assert_int_equal(f->change, CHANGE_SAME);
}

static void a_request_that_hangs_is_told_for_as_long_as_it_does(void **state)
{
	static const char request[] = "tcp.client";
	const struct finding *f = hung(request, 1200, 720);

	assert_int_equal(f->verdict, VERDICT_FOUND);
	assert_int_equal(f->change, CHANGE_NEW);
	assert_int_equal(f->severity, SEVERITY_CRITICAL);
	assert_has(f->what, "no answer for 1200 s, since ");
	/* who asks for news waits for them: always for some time, or all the time */
	assert_int_equal(hung(request, 55, 6)->verdict, VERDICT_RULED_OUT);
	assert_int_equal(hung(request, 500, 300)->verdict, VERDICT_RULED_OUT);
	assert_int_equal(hung(request, 5000, 4520)->verdict, VERDICT_RULED_OUT);
}

/* A server whose clients wait for news, or speak and want no answer. */
static void takes_its_time(struct point_group *g)
{
	AGE("tcp.server", 50);
	put_hist(g, "assay.tcp.response.duration", "server", NULL, 20000 * MS, 500);
}

static void takes_only(struct point_group *g)
{
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 1);
	CALLS("socket", 4000);
}

static void takes_and_waits(struct point_group *g)
{
	takes_only(g);
	AGE("tcp.server", 50);
}

static void a_request_that_a_server_keeps_is_told_unless_it_always_does(void **state)
{
	static const char request[] = "tcp.server";
	struct scene before = { .idle = 15, .fault = takes_its_time };
	struct scene s = { .idle = 15, .fault = hangs_for };
	const struct finding *f = hung(request, 1200, 720);

	assert_int_equal(f->verdict, VERDICT_FOUND);
	assert_int_equal(f->change, CHANGE_NEW);
	assert_int_equal(f->severity, SEVERITY_CRITICAL);
	assert_has(f->what, "no answer for 1200 s, since ");
	assert_has(f->cause, "has the request");
	assert_has(f->next, "ps -L");
	/* a long poll: always for some time, or all the time */
	assert_int_equal(hung(request, 55, 6)->verdict, VERDICT_RULED_OUT);
	assert_int_equal(hung(request, 5000, 4520)->verdict, VERDICT_RULED_OUT);
	assert_calm(say(&before, NULL));
	/* by its responses of before, when none has ended since */
	before.fault = takes_its_time;
	age_s = 50;
	what_hangs = request;
	say(&s, &before);
	assert_int_equal(rule_of(&said.d, "net.server_hangs")->verdict,
			 VERDICT_RULED_OUT);
}

static void who_may_only_take_is_not_accused_of_no_answer(void **state)
{
	struct scene before = { .idle = 15, .fault = takes_only, .alone = true };
	struct scene s = { .idle = 15, .fault = takes_and_waits, .alone = true };

	say(&s, NULL); /* it may hang, or take logs: critical it is not said to be */
	assert_accused(&said.d, "net.server_hangs");
	assert_int_equal(said.d.found[0]->severity, SEVERITY_WARNING);
	say(&s, &before);
	assert_int_equal(said.d.found_count, 1);
	assert_string_equal(said.d.found[0]->rule->id, "net.server_hangs");
	assert_int_equal(said.d.found[0]->severity, SEVERITY_NOTICE);
}

static void hangs_since_long(struct point_group *g)
{
	AGE("tcp.client", 94);
}

static void serves_and_hangs_since_long(struct point_group *g)
{
	AGE("tcp.server", 94); /* the calm service answers others */
}

/* An idle connection of HTTP/2 looks so, too: a baseline tells whether that is new. */
static void without_a_baseline_a_hang_is_a_warning(void **state)
{
	struct scene calm = { .idle = 15 };
	struct scene client = { .idle = 15, .fault = hangs_since_long };
	struct scene server = { .idle = 15, .fault = serves_and_hangs_since_long };

	assert_accused(say(&client, NULL), "net.dependency_hangs");
	assert_int_equal(said.d.found[0]->severity, SEVERITY_WARNING);
	assert_has(said.d.found[0]->cause, "without a baseline nobody knows");
	assert_accused(say(&server, NULL), "net.server_hangs");
	assert_int_equal(said.d.found[0]->severity, SEVERITY_WARNING);
	assert_has(said.d.found[0]->cause, "without a baseline nobody knows");
	assert_accused(say(&client, &calm), "net.dependency_hangs");
	assert_int_equal(said.d.found[0]->severity, SEVERITY_CRITICAL);
	assert_null(strstr(said.d.found[0]->cause, "without a baseline"));
	assert_accused(say(&server, &calm), "net.server_hangs");
	assert_int_equal(said.d.found[0]->severity, SEVERITY_CRITICAL);
}

static int end(void **state)
{
	forget();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hang_does_not_become_usual_by_itself),
		cmocka_unit_test(a_request_that_hangs_is_told_for_as_long_as_it_does),
		cmocka_unit_test(
		    a_request_that_a_server_keeps_is_told_unless_it_always_does),
		cmocka_unit_test(who_may_only_take_is_not_accused_of_no_answer),
		cmocka_unit_test(without_a_baseline_a_hang_is_a_warning),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
