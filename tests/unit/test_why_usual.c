// SPDX-License-Identifier: Apache-2.0
/* What is no fault, though a number is high; and who is at fault of two. */
#include "fake_why.h"

static void busy(struct point_group *g) /* 8 CPUs: what is lost is a small share */
{
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 80);
	WAITS("throttled", 10 * MS, 200);
	WAITS("contention", 1 * MS, 5000);
	BEHIND("/backup", 5);
	BEHIND("/shop", 5);
	BLOCKED("file", 10 * MS, 400);
	BLOCKED("fault", 10 * MS, 200);
	put(g, "assay.cgroup.memory.usage", NULL, NULL, 395e6);
	put_hist(g, "assay.memory.reclaim.duration", NULL, NULL, 10 * MS, 100);
}

static void few_of_many_connects(struct point_group *g)
{
	put_hist(g, "assay.tcp.connect.duration", NULL, NULL, 200 * US, 1000);
	put(g, "assay.tcp.connect.errors", "ECONNREFUSED", NULL, 20);
}

static void two_connects(struct point_group *g)
{
	CALLS("socket", 100);
	put(g, "assay.tcp.connect.errors", "aborted", NULL, 2);
}

static void long_polls(struct point_group *g) /* as always: answers take 4 s */
{
	put_hist(g, "assay.tcp.response.duration", "client", NULL, 4000 * MS, 90);
	AGE("tcp.client", 9);
}

static void errors_that_programs_live_with(struct point_group *g)
{
	put(g, "assay.syscall.errors", "file", "ENOENT", 50000);
	put(g, "assay.syscall.errors", "socket", "ECONNRESET", 500);
	put(g, "assay.syscall.errors", "file", "EPERM", 20);
}

static void searches_domains(struct point_group *g)
{
	put_hist(g, "assay.dns.lookup.duration", "NXDOMAIN", NULL, 500 * US, 4000);
}

static void frees_its_cache(struct point_group *g) /* at its limit, at no cost */
{
	put(g, "assay.cgroup.memory.usage", NULL, NULL, 399e6);
	put_hist(g, "assay.memory.reclaim.duration", NULL, NULL, 20 * US, 1000);
}

static void reads_much(struct point_group *g) /* from a disk that is quick */
{
	put_hist(g, "assay.block.operation.duration", "read", "sda", 150 * US, 3000);
	put_hist(g, "assay.block.device.duration", "read", "sda", 120 * US, 3000);
	BLOCKED("file", 100 * US, 3000);
}

static void a_database(struct point_group *g) /* waits for each write of its log */
{
	put_hist(g, "assay.block.operation.duration", "write", "sda", 900 * US, 6000);
	put_hist(g, "assay.block.device.duration", "write", "sda", 800 * US, 6000);
	BLOCKED("file", 1 * MS, 6000);
}

static void users_far_away(struct point_group *g)
{
	put_hist(g, "assay.tcp.rtt", NULL, NULL, 150 * MS, 1000);
}

static void a_gateway(struct point_group *g)
{
	put_hist(g, "assay.tcp.response.duration", "client", NULL, 150 * MS, 900);
	put_hist(g, "assay.tcp.response.duration", "server", NULL, 152 * MS, 900);
}

static void terminals_that_end(struct point_group *g)
{
	put(g, "assay.syscall.errors", "other", "EIO", 50);
}

static void what_is_usual_is_no_fault(void **state)
{
	static const struct {
		const char *name;
		void (*make)(struct point_group *g);
		bool noted, alone;
	} fine[] = {
		{ "busy", busy },
		{ "few of many connects", few_of_many_connects },
		{ "two connects", two_connects, .alone = true },
		{ "long polls", long_polls, .noted = true },
		{ "errors", errors_that_programs_live_with },
		{ "search domains", searches_domains },
		{ "cache", frees_its_cache },
		{ "reads", reads_much },
		{ "database", a_database, .noted = true },
		{ "users far away", users_far_away, .noted = true },
		{ "gateway", a_gateway, .noted = true },
		{ "terminals", terminals_that_end },
	};

	for (size_t i = 0; i < COUNT(fine); i++) {
		struct scene s = { .idle = 15,
				   .fault = fine[i].make,
				   .alone = fine[i].alone };

		say(&s, NULL);
		if (said.d.overall == NOTHING_UNUSUAL &&
		    (fine[i].noted || !said.d.found_count))
			continue;
		fail_msg("%s: that is usual", fine[i].name);
	}
}

static void who_shares_a_disk_has_no_slow_one(void **state)
{
	struct scene s = { .idle = 15, .fault = slow_disk, .flood = 100 };

	say(&s, NULL);
	assert_int_equal(rule_of(&said.d, "disk.slow")->verdict, VERDICT_RULED_OUT);
	s.flood = 2; /* beside 7.6 s of its own */
	say(&s, NULL);
	assert_int_equal(rule_of(&said.d, "disk.neighbour")->verdict,
			 VERDICT_RULED_OUT);
	assert_accused(&said.d, "disk.slow");
}

/* Threads of a job that answers nobody: on one of two CPUs, or on both. */
static enum severity severity_of_job(double cpu_s, double behind_others)
{
	struct points p = { 0 };
	struct point_group *g;
	struct readings r = { .now_s = TEN_S };
	static const struct scene node = { .idle = 1 };
	const struct finding *f;
	enum severity severity;
	struct frame *frame;

	put_agent(points_group(&p), &node);
	g = add_workload(&p, "job", "/job");
	WAITS("contention", 10 * MS, 4000);
	BEHIND("/job", 40 - behind_others);
	BEHIND("/other", behind_others);
	put(g, "assay.cgroup.cpu.time", NULL, NULL, cpu_s);
	r.now = frame = to_frame(&p);
	diagnose_said(&r, first_of(frame, "job"));
	f = rule_of(&said.d, "cpu.itself");
	assert_int_equal(f->verdict, VERDICT_FOUND);
	severity = f->severity;
	frame_free(frame);
	return severity;
}

static void a_job_that_has_all_cpus_is_only_noted(void **state)
{
	assert_int_equal(severity_of_job(20, 0), SEVERITY_NOTICE);
	assert_int_equal(severity_of_job(10, 0), SEVERITY_WARNING);
	assert_int_equal(severity_of_job(10, 15), SEVERITY_NOTICE); /* others have it */
	assert_int_equal(severity_of_job(4, 0), SEVERITY_NOTICE);   /* bursts */
}

/* Faults that show in other numbers than most of their kind do. */

static void some_slow_reads(struct point_group *g) /* not the median of 63 */
{
	put_hist(g, "assay.block.operation.duration", "read", "sda", 80 * MS, 13);
	put_hist(g, "assay.block.device.duration", "read", "sda", 78 * MS, 13);
	BLOCKED("file", 80 * MS, 13);
}

static void slow_mapped_files(struct point_group *g)
{
	put_hist(g, "assay.block.operation.duration", "read", "sda", 40 * MS, 200);
	put_hist(g, "assay.block.device.duration", "read", "sda", 38 * MS, 200);
	BLOCKED("fault", 40 * MS, 200);
}

static void a_limit_without_pressure(struct point_group *g) /* a kernel with psi=0 */
{
	put(g, "assay.cgroup.memory.usage", NULL, NULL, 395e6);
	put_hist(g, "assay.memory.reclaim.duration", NULL, NULL, 5 * MS, 400);
}

static void reclaim_without_pressure(struct point_group *g)
{
	put_hist(g, "assay.memory.reclaim.duration", NULL, NULL, 10 * MS, 200);
}

static void lost_syns(struct point_group *g)
{
	put(g, "assay.tcp.connect.retransmits", NULL, NULL, 5);
	put(g, "assay.tcp.retransmits", NULL, NULL, 5);
}

static void waits_for_a_server(struct point_group *g)
{
	BLOCKED("file", 100 * MS, 90);
}

/* Nor a neighbour: its few requests are not what it waits for. */
static void who_waits_for_a_server_is_in_no_disk_s_way(void **state)
{
	struct scene s = { .idle = 15, .fault = waits_for_a_server, .flood = 100 };

	assert_accused(say(&s, NULL), "disk.files");
	assert_has(said.d.found[0]->what, "hardly for disk requests of its own");
	s.alone = true;
	assert_accused(say(&s, NULL), "disk.files");
	assert_has(said.d.found[0]->what, "has no disk requests of its own");
	said.readings.controllers = "hugetlb"; /* blkio is a hierarchy of v1 */
	diagnose_said(&said.readings, first_of(said.now, "shop"));
	assert_accused(&said.d, "disk.files");
	assert_has(said.d.found[0]->what, "is not known here (cgroup v1)");
}

/* A node has a disk for each volume, and most of them are not the one. */
static void the_last_disk_of_many(struct point_group *g)
{
	static char names[40][8];

	for (size_t i = 0; i < COUNT(names); i++) {
		snprintf(names[i], sizeof(names[i]), "dm-%zu", i);
		put_hist(g, "assay.block.device.duration", "read", names[i], MS, 2);
	}
	put_hist(g, "assay.block.operation.duration", "read", "sdz", 40 * MS, 200);
	put_hist(g, "assay.block.device.duration", "read", "sdz", 38 * MS, 200);
	BLOCKED("file", 40 * MS, 200);
}

static void the_slow_one_of_many_disks_is_named(void **state)
{
	struct scene s = { .idle = 15, .fault = the_last_disk_of_many };
	const struct finding *f;

	say(&s, NULL);
	f = rule_of(&said.d, "disk.slow");
	assert_int_equal(f->verdict, VERDICT_FOUND);
	assert_has(f->what, "the disk sdz is slow");
}

/* 100 bytes each, of which nothing comes back: 2 of 1000 are lost. */
static void small_messages(struct point_group *g)
{
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 1);
	CALLS("socket", 10000);
	put(g, "assay.tcp.io", "transmit", NULL, 1e6);
	put(g, "assay.tcp.retransmits", NULL, NULL, 20);
}

static void a_few_lost_of_many_small_messages_are_no_loss(void **state)
{
	struct scene s = { .idle = 15, .alone = true, .fault = small_messages };

	say(&s, NULL);
	assert_int_equal(rule_of(&said.d, "net.loss")->verdict, VERDICT_RULED_OUT);
}

static void what_is_new_in_any_number_is_new(void **state)
{
	static const struct {
		const char *id;
		void (*make)(struct point_group *g);
		double flood;
	} faults[] = {
		{ "disk.slow", some_slow_reads },
		{ "disk.neighbour", slow_mapped_files, 100 },
		{ "memory.limit", a_limit_without_pressure },
		{ "memory.pressure", reclaim_without_pressure },
		{ "net.loss", lost_syns },
	};
	static const struct scene calm = { .idle = 15 };

	for (size_t i = 0; i < COUNT(faults); i++) {
		struct scene s = { .idle = 15,
				   .fault = faults[i].make,
				   .flood = faults[i].flood };
		const struct finding *f;

		say(&s, &calm);
		f = rule_of(&said.d, faults[i].id);
		if (said.d.found_count && said.d.found[0] == f &&
		    f->change == CHANGE_NEW && f->severity > SEVERITY_NOTICE)
			continue;
		print_said(&said.d);
		fail_msg("%s: it is new", faults[i].id);
	}
}

static void hangs_in_connects(struct point_group *g)
{
	AGE("tcp.connect", 3);
}

static void a_connect_that_hung_before_is_not_new(void **state)
{
	struct scene s = { .idle = 15, .fault = hangs_in_connects };
	static const struct scene calm = { .idle = 15 };

	say(&s, &calm);
	assert_accused(&said.d, "net.dependency_hangs");
	assert_int_equal(said.d.found[0]->change, CHANGE_NEW);
	say(&s, &s);
	assert_int_equal(said.d.found[0]->change, CHANGE_SAME);
}

/* Who was there for a tenth of the baseline did all in it in a tenth of the time. */
static void a_baseline_is_as_long_as_the_workload_was_there(void **state)
{
	struct scene s = { .idle = 15, .fault = some_slow_reads };
	const struct finding *f;
	size_t first;

	say(&s, &s);
	first = first_of(said.before, "shop");
	said.before->time_ns += 90 * SECOND;
	for (size_t i = first; i < report_group_end(said.before, first); i++)
		if (said.before->series[i].start_ns)
			said.before->series[i].start_ns += 90 * SECOND;
	said.readings.before_s = 10 * TEN_S;
	diagnose_said(&said.readings, first_of(said.now, "shop"));
	f = rule_of(&said.d, "disk.slow");
	assert_int_equal(f->change, CHANGE_SAME);
	assert_float_equal(f->evidence[0].number, f->evidence[0].baseline, 1e-9);
}

static void times_are_read_at_a_glance(void **state)
{
	char text[UNITS_LEN];

	assert_string_equal(span_text(text, 9.976), "9.98 s");
	assert_string_equal(span_text(text, 300.2), "300 s");
	assert_string_equal(span_text(text, 3590), "59m50s");
	assert_string_equal(delay_text(text, 0.0123), "12.3 ms");
	assert_string_equal(delay_text(text, 0.9996), "1.0s");
	assert_string_equal(delay_text(text, 12.4), "12s");
}

/* What is said of a workload of this cgroup that waits behind another. */
static const struct finding *wait_of(const char *cgroup, const char *behind)
{
	struct points p = { 0 };
	struct point_group *g;
	static const struct scene node = { .idle = 1 };
	static struct readings r = { .now_s = TEN_S };

	forget();
	put_agent(points_group(&p), &node);
	g = add_workload(&p, "some", cgroup);
	WAITS("contention", 10 * MS, 400);
	BEHIND(behind, 4);
	if (*cgroup)
		put(g, "assay.cgroup.cpu.time", NULL, NULL, 2);
	r.now = said.now = to_frame(&p);
	diagnose_said(&r, first_of(said.now, "some"));
	return rule_of(&said.d, "cpu.neighbours");
}

static void who_has_no_cpu_time_has_no_share_of_it(void **state)
{
	assert_int_equal(wait_of("/some", "/other")->verdict, VERDICT_FOUND);
	assert_int_equal(wait_of("", "/other")->verdict, VERDICT_NONE);
	assert_int_equal(said.d.found_count, 0);
}

static void advice_is_what_can_be_done(void **state)
{
	const struct finding *f = wait_of("/some", "/other");

	assert_non_null(strstr(f->next, "assay why other"));
	f = wait_of("/some", "/");
	assert_null(strstr(f->next, "assay why"));
	assert_non_null(strstr(f->cause, "root cgroup"));
	f = wait_of("/some", "_OTHER");
	assert_null(strstr(f->next, "assay why"));
	assert_non_null(strstr(f->what, "behind many others together"));
	assert_null(strstr(f->cause, "_OTHER"));
	f = wait_of("/some", "kernel");
	assert_null(strstr(f->next, "assay why"));
	assert_non_null(strstr(f->cause, "kernel"));
}

static void lookups_without_an_answer(struct point_group *g)
{
	put_hist(g, "assay.dns.lookup.duration", "timeout", NULL, 5000 * MS, 60);
}

static void what_has_no_answer_is_not_slow(void **state)
{
	struct scene s = { .idle = 15, .fault = lookups_without_an_answer };

	assert_accused(say(&s, NULL), "net.dns");
	assert_int_equal(said.d.found_count, 1);
	assert_int_equal(rule_of(&said.d, "net.dns_slow")->verdict, VERDICT_NONE);
}

static int end(void **state)
{
	forget();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_usual_is_no_fault),
		cmocka_unit_test(who_shares_a_disk_has_no_slow_one),
		cmocka_unit_test(who_waits_for_a_server_is_in_no_disk_s_way),
		cmocka_unit_test(a_job_that_has_all_cpus_is_only_noted),
		cmocka_unit_test(the_slow_one_of_many_disks_is_named),
		cmocka_unit_test(a_few_lost_of_many_small_messages_are_no_loss),
		cmocka_unit_test(what_is_new_in_any_number_is_new),
		cmocka_unit_test(a_connect_that_hung_before_is_not_new),
		cmocka_unit_test(a_baseline_is_as_long_as_the_workload_was_there),
		cmocka_unit_test(times_are_read_at_a_glance),
		cmocka_unit_test(who_has_no_cpu_time_has_no_share_of_it),
		cmocka_unit_test(advice_is_what_can_be_done),
		cmocka_unit_test(what_has_no_answer_is_not_slow),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
