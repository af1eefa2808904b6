// SPDX-License-Identifier: Apache-2.0
/*
 * A number far beyond its threshold is no finding where another one decides: then that
 * one is told first. Each say() looks (assert_evident()); here is what seldom happens.
 */
#include "fake_why.h"

static void nobody_answers(struct point_group *g) /* all that is sent again are SYNs */
{
	g->count = 0;
	put(g, "assay.tcp.connect.errors", "ETIMEDOUT", NULL, 40);
	put(g, "assay.tcp.connect.retransmits", NULL, NULL, 30);
	put(g, "assay.tcp.retransmits", NULL, NULL, 36);
}

static void threads_wait_for_work(struct point_group *g) /* 97 of them */
{
	BLOCKED("sync", 400 * MS, 2420);
	CALLS("sync", 40000);
}

static void locks_beside_much_work(struct point_group *g)
{
	BLOCKED("sync", 1 * MS, 8000);
	CALLS("sync", 40000);
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 80);
}

static void behind_others_more_than_itself(struct point_group *g)
{
	WAITS("contention", 50 * MS, 400);
	BEHIND("/shop", 8);
	BEHIND("/backup", 12);
}

static void few_long_waits(struct point_group *g)
{
	g->count = 0;
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 2);
	WAITS("contention", 200 * MS, 15);
	BEHIND("/shop", 1.5);
	BEHIND("/backup", 1.5);
}

static void few_long_sleeps(struct point_group *g)
{
	g->count = 0;
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 2);
	BLOCKED("file", 400 * MS, 6);
	BLOCKED("fault", 400 * MS, 3);
	put_hist(g, "assay.block.operation.duration", "read", "sda", 400 * MS, 6);
	put_hist(g, "assay.block.device.duration", "read", "sda", 400 * MS, 6);
}

static void sleeps_without_a_disk(struct point_group *g) /* NFS */
{
	g->count = 0;
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 2);
	BLOCKED("file", 40 * MS, 200);
}

static void reads_what_it_maps(struct point_group *g)
{
	BLOCKED("fault", 40 * MS, 200);
}

static void has_most_of_the_disk(struct point_group *g) /* which idles nevertheless */
{
	BLOCKED("file", 40 * MS, 200);
	put_hist(g, "assay.block.operation.duration", "read", "sda", 9 * MS, 100);
}

static void waits_for_a_server(struct point_group *g) /* NFS, beside a busy disk */
{
	BLOCKED("file", 40 * MS, 200);
}

static void some_slow_reads_beside(struct point_group *g)
{
	BLOCKED("file", 40 * MS, 200);
	put_hist(g, "assay.block.operation.duration", "read", "sda", 60 * MS, 10);
	put_hist(g, "assay.block.device.duration", "read", "sda", 60 * MS, 10);
}

static void at_its_limit(struct point_group *g)
{
	put(g, "assay.cgroup.memory.usage", NULL, NULL, 395e6);
	put_hist(g, "assay.memory.reclaim.duration", NULL, NULL, 5 * MS, 400);
	put(g, "assay.pressure.some.time", "memory", NULL, 4);
}

static void seldom_at_its_limit(struct point_group *g)
{
	g->count = 0;
	put(g, "assay.cgroup.memory.usage", NULL, NULL, 395e6);
	put(g, "assay.cgroup.memory.limit", NULL, NULL, 400e6);
	put(g, "assay.pressure.some.time", "memory", NULL, 4);
	put_hist(g, "assay.memory.reclaim.duration", NULL, NULL, 900 * MS, 4);
	BLOCKED("fault", 200 * MS, 4);
}

static void far_away(struct point_group *g)
{
	put_hist(g, "assay.tcp.rtt", NULL, NULL, 150 * MS, 1000);
}

static void asks_who_is_slow(struct point_group *g)
{
	put_hist(g, "assay.tcp.response.duration", "client", NULL, 150 * MS, 9000);
}

static void few_failed(struct point_group *g)
{
	put_hist(g, "assay.tcp.connect.duration", NULL, NULL, 200 * US, 1000);
	put(g, "assay.tcp.connect.errors", "ECONNREFUSED", NULL, 20);
	put(g, "assay.tcp.response.errors", "client", "reset", 20);
	put_hist(g, "assay.dns.lookup.duration", "SERVFAIL", NULL, MS, 2);
}

static const struct {
	const char *id; /* is ruled out, */
	void (*make)(struct point_group *g);
	const char *label; /* for this */
	bool as_before;
	double flood;
} list[] = {
	{ "net.loss", nobody_answers, "segments sent again that are no SYNs" },
	{ "calls.locks", threads_wait_for_work, "sleep on a lock or condition, p50" },
	{ "calls.locks", locks_beside_much_work, "threads wait for each that runs" },
	{ "cpu.itself", behind_others_more_than_itself,
	  "of its waits are behind its own threads" },
	{ "cpu.neighbours", few_long_waits, "waits for a CPU" },
	{ "cpu.itself", few_long_waits, "waits for a CPU" },
	{ "disk.files", few_long_sleeps, "sleeps in file calls and page faults" },
	{ "disk.slow", few_long_sleeps, "sleeps in file calls and page faults" },
	{ "disk.neighbour", sleeps_without_a_disk, "disk requests" },
	{ "disk.files", reads_what_it_maps, "of that in file calls" },
	{ "disk.files", slow_disk, "in the device alone, p50" },
	{ "disk.slow", slow_disk, "of what the disk does is for", .flood = 100 },
	{ "disk.neighbour", has_most_of_the_disk, "requests under way at a time for",
	  .flood = 1 },
	{ "disk.neighbour", waits_for_a_server,
	  "of that are disk requests of its own under way", .flood = 100 },
	{ "disk.slow", some_slow_reads_beside,
	  "of that are disk requests of its own under way" },
	{ "memory.pressure", at_its_limit, "of its memory limit is in use" },
	{ "memory.limit", seldom_at_its_limit,
	  "times that it freed memory or slept in a page fault" },
	{ "memory.faults", seldom_at_its_limit, "sleeps in page faults" },
	{ "net.way", far_away, "round trip, p50", .as_before = true },
	{ "net.dependency_slow", asks_who_is_slow, "response of what it asks, p90",
	  .as_before = true },
	{ "net.connect", few_failed, "of its connects fail" },
	{ "net.no_answer", few_failed, "of its requests got no answer" },
};

static void what_decides_is_told_first(void **state)
{
	for (size_t i = 0; i < COUNT(list); i++) {
		struct scene s = { .idle = 15,
				   .fault = list[i].make,
				   .flood = list[i].flood };
		const struct finding *f;

		say(&s, list[i].as_before ? &s : NULL);
		f = rule_of(&said.d, list[i].id);
		if (f->verdict == VERDICT_RULED_OUT &&
		    !strcmp(f->evidence[0].label, list[i].label))
			continue;
		print_said(&said.d);
		fail_msg("%zu: %s: verdict %d, \"%s\"", i, list[i].id, f->verdict,
			 f->evidence_count ? f->evidence[0].label : "");
	}
}

static const struct evidence *evidence_of(const char *id, const char *label)
{
	const struct finding *f = rule_of(&said.d, id);

	for (size_t i = 0; i < f->evidence_count; i++)
		if (!strcmp(f->evidence[i].label, label))
			return &f->evidence[i];
	fail_msg("%s says nothing of: %s", id, label);
	return NULL;
}

/* The neighbour's part was computed of the other frame, and counts are in as much time.
 */
static void a_baseline_is_the_same_number_of_then(void **state)
{
	struct scene was = { .idle = 15, .flood = 5, .stolen = { 1, 0 } };
	struct scene s = { .idle = 8, .fault = slow_disk, .flood = 100 };
	const struct evidence *e;

	was.fault = few_failed;
	say(&s, &was);
	e = evidence_of("disk.neighbour", "of what the disk does is for");
	assert_float_equal(e->baseline, 5 / 5.0075, 1e-6);
	e = evidence_of("cpu.steal", "of all CPUs was taken by the hypervisor");
	assert_float_equal(e->baseline, 0.05, 1e-9);
	e = evidence_of("net.connect", "of its connects fail");
	assert_float_equal(e->baseline, 20 / 1070.0, 1e-9);
	said.readings.before_s = 2 * TEN_S;
	said.before->time_ns += (uint64_t)(TEN_S * 1e9);
	diagnose_said(&said.readings, first_of(said.now, "shop"));
	e = evidence_of("net.dns", "DNS lookups that failed");
	assert_float_equal(e->baseline, 1, 1e-9); /* 2 in twice the time */
	e = evidence_of("net.dns", "of its DNS lookups failed");
	assert_float_equal(e->baseline, 2 / 52.0, 1e-9);
}

static int end(void **state)
{
	forget();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_decides_is_told_first),
		cmocka_unit_test(a_baseline_is_the_same_number_of_then),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
