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

static void stuck_and_refused(struct point_group *g)
{
	stuck_on_a_file(g);
	put(g, "assay.tcp.connect.errors", "ECONNREFUSED", NULL, 20); /* of 70 */
}

static void stuck_on_a_file_and_a_disk(struct point_group *g)
{
	stuck_on_a_file(g);
	AGE("block", 11);
}

static const struct diagnosis *say_with_threads(void (*fault)(struct point_group *g),
						const struct stuck_threads *t)
{
	struct scene s = { .idle = 15, .fault = fault };

	say(&s, NULL);
	said.readings.stuck = t;
	diagnose_workload(&said.d, &said.readings, first_of(said.now, "shop"));
	return &said.d;
}

/* As of a job that another one of its kind keeps waiting. */
static void a_wait_for_a_lock_on_a_file_is_a_warning(void **state)
{
	struct stuck_threads t = { .all = 3, .asleep.count = 3 };
	struct sleepers *file = &t.of[CALL_FILE];
	const struct finding *f;

	*file = (struct sleepers){
		.count = 1, .locks = 1, .call = "flock", .command = "backup"
	};
	assert_accused(say_with_threads(stuck_on_a_file, &t), "calls.stuck");
	f = said.d.found[0];
	assert_int_equal(f->severity, SEVERITY_WARNING);
	assert_has(f->what, "waits for a lock");
	assert_has(f->cause, "1 of its 3 threads");
	assert_has(f->next, "lslocks");
	say_with_threads(stuck_and_refused, &t);
	assert_string_equal(said.d.found[0]->rule->id, "net.connect");
	assert_int_equal(said.d.found[0]->severity, SEVERITY_WARNING);
	/* what is worse is not hidden by it */
	f = rule_of(say_with_threads(stuck_on_a_file_and_a_disk, &t), "calls.stuck");
	assert_int_equal(f->severity, SEVERITY_CRITICAL);
	assert_has(f->what, "a disk request");
	/* another thread waits for something else: that may be what is so old */
	file->count = 2;
	f = rule_of(say_with_threads(stuck_on_a_file, &t), "calls.stuck");
	assert_int_equal(f->severity, SEVERITY_CRITICAL);
}

struct asked {
	struct stuck_threads threads;
	size_t times;
};

static const struct stuck_threads *threads_of(void *arg,
					      const struct frame_attrs *resource)
{
	struct asked *a = arg;

	assert_string_equal(frame_name(resource), "shop");
	a->times++;
	return &a->threads;
}

static void of_a_node_threads_are_named_too(void **state)
{
	struct asked a = { .threads = { .all = 7, .asleep.count = 6 } };
	struct scene s = { .idle = 15, .fault = stuck_on_a_file };
	struct frame *f = make_scene(&s);
	struct readings r = {
		.now = f, .now_s = TEN_S, .read_stuck = threads_of, .read_arg = &a
	};
	struct node_diagnosis d;

	a.threads.of[CALL_FILE] = (struct sleepers){
		.count = 3, .uninterruptible = 2, .call = "fsync", .command = "writer"
	};
	assert_int_equal(diagnose_node(&d, &r), 0);
	assert_int_equal(d.found_count, 1);
	assert_string_equal(d.found[0]->rule->id, "calls.stuck");
	assert_has(d.found[0]->cause,
		   "3 of its 7 threads sleep in such a call, writer in fsync");
	assert_int_equal(d.looked_at, 2);
	assert_int_equal(a.times, 1); /* of who is well nobody asks */
	diagnose_free_node(&d);
	frame_free(f);
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
		cmocka_unit_test(a_wait_for_a_lock_on_a_file_is_a_warning),
		cmocka_unit_test(of_a_node_threads_are_named_too),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
