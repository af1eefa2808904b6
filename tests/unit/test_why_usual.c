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
		print_said(&said.d);
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
	diagnose_workload(&said.d, &r, first_of(frame, "job"));
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
		cmocka_unit_test(a_job_that_has_all_cpus_is_only_noted),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
