// SPDX-License-Identifier: Apache-2.0
/* What is told of a fault is so, and of two the one that costs more is the first. */
#include "fake_why.h"

static void slow_disk_without_stamps(struct point_group *g)
{
	put_hist(g, "assay.block.operation.duration", "read", "loop0", 40 * MS, 200);
	BLOCKED("file", 40 * MS, 200);
}

static void a_disk_that_stamps_nothing_has_no_time_of_its_own(void **state)
{
	struct scene s = { .idle = 15,
			   .fault = slow_disk_without_stamps,
			   .alone = true };

	say(&s, NULL);
	assert_accused(&said.d, "disk.slow");
	assert_non_null(strstr(said.d.found[0]->cause, "requests take long"));
	assert_null(strstr(said.d.found[0]->cause, "in the device)"));
	/* also beside one that does */
	s.flood = 5;
	say(&s, NULL);
	assert_accused(&said.d, "disk.slow");
	assert_non_null(strstr(said.d.found[0]->what, "the disk loop0"));
	for (size_t i = 0; i < said.d.found[0]->evidence_count; i++)
		assert_string_not_equal(said.d.found[0]->evidence[i].metric,
					"assay.block.device.duration");
}

static void killed(struct point_group *g)
{
	put(g, "assay.memory.oom_kills", NULL, NULL, 2);
}

/* A node without the controllers memory and cpu in its v2 tree. */
static void what_is_not_there_is_no_evidence(void **state)
{
	struct scene s = { .idle = 15, .fault = killed, .alone = true };
	const struct finding *f;

	say(&s, NULL);
	assert_accused(&said.d, "memory.oom");
	f = said.d.found[0];
	assert_int_equal(f->evidence_count, 1);
	assert_non_null(strstr(f->cause, "not known here"));
	s.alone = false;
	say(&s, NULL);
	assert_int_equal(said.d.found[0]->evidence_count, 3);
	assert_null(strstr(said.d.found[0]->cause, "not known here"));
}

/* A program that may not do what it is there for; one that looks what it may do. */
static void denied(struct point_group *g)
{
	put(g, "assay.syscall.errors", "file", "EACCES", 2000);
	CALLS("file", 2000);
}

static void denied_at_times(struct point_group *g)
{
	put(g, "assay.syscall.errors", "file", "EACCES", 150);
}

static void denials_are_a_fault_when_they_are_most_of_what_it_does(void **state)
{
	struct scene calm = { .idle = 15 }, s = { .idle = 15, .fault = denied };

	assert_accused(say(&s, NULL), "calls.failing");
	assert_accused(say(&s, &calm), "calls.failing");
	say(&s, &s);
	assert_int_equal(said.d.overall, NOTHING_UNUSUAL);
	s.fault = denied_at_times;
	say(&s, NULL);
	assert_int_equal(said.d.overall, NOTHING_UNUSUAL);
}

/* Waits for a CPU of a workload that hardly runs, and a loss that holds it up. */
static void seldom_runs_and_loses(struct point_group *g)
{
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 0.14);
	WAITS("contention", 250 * US, 1400);
	BEHIND("/other", 0.35);
	put_hist(g, "assay.tcp.response.duration", "client", NULL, 2 * MS, 1400);
	put(g, "assay.tcp.retransmits", NULL, NULL, 55);
}

static void a_great_share_of_little_is_not_first(void **state)
{
	struct scene s = { .idle = 15, .fault = seldom_runs_and_loses, .alone = true };

	say(&s, NULL);
	assert_int_equal(said.d.found_count, 2);
	assert_string_equal(said.d.found[0]->rule->id, "net.loss");
	assert_string_equal(said.d.found[1]->rule->id, "cpu.neighbours");
	assert_int_equal(said.d.found[1]->severity, SEVERITY_WARNING);
}

static void waits_for_one_connection(struct point_group *g) /* all its clients do */
{
	put_hist(g, "assay.tcp.response.duration", "client", NULL, 300 * MS, 600);
	put_hist(g, "assay.tcp.response.duration", "server", NULL, 320 * MS, 300);
	put_hist(g, "assay.tcp.response.duration", "server", NULL, 880 * MS, 300);
}

static void a_dependency_that_is_a_queue_is_the_cause(void **state)
{
	struct scene s = { .idle = 15, .fault = waits_for_one_connection };

	assert_accused(say(&s, NULL), "net.dependency_slow");
}

static void some_loss(struct point_group *g) /* 1.4 % of 6900 segments */
{
	put(g, "assay.tcp.retransmits", NULL, NULL, 100);
}

static void a_little_loss_counts_when_it_is_new(void **state)
{
	struct scene calm = { .idle = 15 }, s = { .idle = 15, .fault = some_loss };

	assert_calm(say(&s, NULL));
	assert_accused(say(&s, &calm), "net.loss");
	assert_calm(say(&s, &s));
}

/* A name that tells a terminal what to do, and one that is a number, or nobody alone.
 */
static void names_are_safe_to_see_and_to_run(void **state)
{
	struct points p = { 0 };
	struct point_group *g;
	struct readings r = { .now_s = TEN_S, .again = " --last 5m" };
	struct why w = { .readings = &r,
			 .workload = &said.d,
			 .no_baseline = "none",
			 .source = "agent" };
	const char *next;
	char *text;
	size_t first;
	struct frame *f;

	put_agent(points_group(&p), &(struct scene){ .idle = 1 });
	g = add_workload(&p, "sh\x1b[2Jop", "/sh\x1b[2Jop");
	WAITS("contention", 10 * MS, 400);
	BEHIND("/123", 4);
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 2);
	put(g, "assay.syscall.errors", "file", "EMFILE", 200);
	g = add_workload(&p, "123", "/123");
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 2);
	r.now = f = to_frame(&p);
	first = first_of(f, "sh\x1b[2Jop");
	diagnose_said(&r, first);
	text = printed(why_table, &w);
	assert_null(strchr(text, '\x1b'));
	assert_has(text, "sh\\x1b[2Jop waits for a CPU");
	free(text);
	/* by its path: 123 would be a process */
	next = rule_of(&said.d, "cpu.neighbours")->next;
	assert_non_null(strstr(next, "assay why /123 --last 5m   # "));
	next = rule_of(&said.d, "calls.failing")->next;
	assert_non_null(strstr(next, "for p in $(cat $'/sys/fs/cgroup/sh\\033[2Jop/"));
	frame_free(f);
}

static void stuck_on_a_file(struct point_group *g)
{
	AGE("syscall.file", 40);
}

/* Nobody is told that nothing hangs by who could not have seen it. */
static void ages_that_are_not_known_are_no_all_clear(void **state)
{
	double reach[INFLIGHT_COUNT];
	struct scene s = { .idle = 15, .reach = reach };
	const struct finding *f;

	for (int i = 0; i < INFLIGHT_COUNT; i++)
		reach[i] = 10;
	assert_calm(say(&s, NULL));
	reach[INFLIGHT_SYSCALL + CALL_FILE] = -1; /* no pass was whole */
	say(&s, NULL);
	assert_int_equal(said.d.overall, INCONCLUSIVE);
	f = rule_of(&said.d, "calls.stuck");
	assert_int_equal(f->verdict, VERDICT_UNMEASURED);
	assert_non_null(
	    strstr(said.d.why, "oldest file call that has not ended is not"));
	reach[INFLIGHT_SYSCALL + CALL_FILE] = 4.9; /* it has looked for so long */
	say(&s, NULL);
	assert_int_equal(said.d.overall, INCONCLUSIVE);
	assert_non_null(strstr(said.d.why, "may be older than 4.9"));
	reach[INFLIGHT_SYSCALL + CALL_FILE] = 5;
	reach[INFLIGHT_TCP + TCP_CLIENT] = -1; /* its probe is in windows */
	say(&s, NULL);
	assert_int_equal(said.d.overall, INCONCLUSIVE);
	f = rule_of(&said.d, "net.dependency_hangs");
	assert_int_equal(f->verdict, VERDICT_UNMEASURED);
	assert_non_null(strstr(said.d.why, "oldest request that has no answer yet"));
	/* of what is known to hang it is said */
	s.fault = stuck_on_a_file;
	say(&s, NULL);
	assert_accused(&said.d, "calls.stuck");
}

static int end(void **state)
{
	forget();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_disk_that_stamps_nothing_has_no_time_of_its_own),
		cmocka_unit_test(what_is_not_there_is_no_evidence),
		cmocka_unit_test(
		    denials_are_a_fault_when_they_are_most_of_what_it_does),
		cmocka_unit_test(names_are_safe_to_see_and_to_run),
		cmocka_unit_test(a_great_share_of_little_is_not_first),
		cmocka_unit_test(a_dependency_that_is_a_queue_is_the_cause),
		cmocka_unit_test(a_little_loss_counts_when_it_is_new),
		cmocka_unit_test(ages_that_are_not_known_are_no_all_clear),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
