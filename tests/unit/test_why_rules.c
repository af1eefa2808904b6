// SPDX-License-Identifier: Apache-2.0
/*
 * Each rule: its fault is named first and nobody else is accused, with a baseline and
 * without; as much of it in few events is none; what was so before is no incident.
 */
#include "fake_why.h"

static const struct scene calm = { .idle = 15 };

struct fault {
	const char *id;
	void (*make)(struct point_group *g); /* the fault */
	void (*few)(struct point_group *g);  /* the same, but too little of it to say */
	bool level_stays; /* also when it was so before: that is no reason to be calm */
	bool notice;	  /* without a baseline it is only worth knowing */
	struct scene scene;
};

static void quota(struct point_group *g)
{
	WAITS("throttled", 60 * MS, 90);
	put(g, "assay.cgroup.cpu.throttled.time", NULL, NULL, 5);
	put(g, "assay.cgroup.cpu.periods", "true", NULL, 90);
	put(g, "assay.cgroup.cpu.periods", "false", NULL, 10);
}

static void quota_few(struct point_group *g)
{
	WAITS("throttled", 60 * MS, 15);
}

static void neighbours(struct point_group *g)
{
	WAITS("contention", 10 * MS, 400);
	BEHIND("/backup", 3);
	BEHIND("/other", 1);
}

static void neighbours_few(struct point_group *g)
{
	BEHIND("/backup", 0.25); /* 0.025 s per s */
}

static void pinned(struct point_group *g)
{
	WAITS("contention", 100 * MS, 300);
	BEHIND("/shop", 30);
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 8);
	put(g, "assay.pressure.some.time", "cpu", NULL, 9.9);
}

static void pinned_few(struct point_group *g)
{
	BEHIND("/shop", 0.9);
}

static void waits_longer(struct point_group *g)
{
	WAITS("contention", 1 * MS, 300);
	BEHIND("/other", 0.1);
}

static void slow_disk_few(struct point_group *g)
{
	put_hist(g, "assay.block.operation.duration", "read", "sda", 40 * MS, 8);
	put_hist(g, "assay.block.device.duration", "read", "sda", 38 * MS, 8);
	BLOCKED("file", 40 * MS, 8);
}

static void waits_for_files(struct point_group *g)
{
	BLOCKED("file", 80 * MS, 100);
}

static void waits_for_files_few(struct point_group *g)
{
	BLOCKED("file", 40 * MS, 5);
}

static void disk_errors(struct point_group *g)
{
	put(g, "assay.block.errors", "EIO", NULL, 3);
}

static void oom(struct point_group *g)
{
	put(g, "assay.memory.oom_kills", NULL, NULL, 2);
}

static void memory_limit(struct point_group *g)
{
	put(g, "assay.cgroup.memory.usage", NULL, NULL, 395e6);
	put_hist(g, "assay.memory.reclaim.duration", NULL, NULL, 5 * MS, 400);
	BLOCKED("fault", 2 * MS, 500);
	put(g, "assay.pressure.some.time", "memory", NULL, 4);
}

static void memory_limit_few(struct point_group *g)
{
	put(g, "assay.cgroup.memory.usage", NULL, NULL, 395e6); /* page cache, say */
	put_hist(g, "assay.memory.reclaim.duration", NULL, NULL, 100 * US, 400);
}

static void faults(struct point_group *g)
{
	BLOCKED("fault", 10 * MS, 300);
	put(g, "assay.cgroup.memory.major_faults", NULL, NULL, 300);
}

static void faults_few(struct point_group *g)
{
	BLOCKED("fault", 10 * MS, 30);
}

static void pressure(struct point_group *g)
{
	put_hist(g, "assay.memory.reclaim.duration", NULL, NULL, 10 * MS, 200);
	put(g, "assay.pressure.some.time", "memory", NULL, 3);
}

static void pressure_few(struct point_group *g)
{
	put_hist(g, "assay.memory.reclaim.duration", NULL, NULL, 10 * MS, 8);
	put(g, "assay.pressure.some.time", "memory", NULL, 0.1);
}

static void refused(struct point_group *g)
{
	put(g, "assay.tcp.connect.errors", "ECONNREFUSED", NULL, 50);
}

static void refused_few(struct point_group *g)
{
	put(g, "assay.tcp.connect.errors", "ECONNREFUSED", NULL, 2);
}

static void loss(struct point_group *g)
{
	put(g, "assay.tcp.retransmits", NULL, NULL, 400); /* of 10 MB: 6900 segments */
}

static void loss_few(struct point_group *g)
{
	put(g, "assay.tcp.retransmits", NULL, NULL, 100);
}

static void long_way(struct point_group *g)
{
	put_hist(g, "assay.tcp.rtt", NULL, NULL, 400 * MS, 400);
}

static void long_way_few(struct point_group *g)
{
	put_hist(g, "assay.tcp.rtt", NULL, NULL, 200 * MS, 40); /* of 140: no median */
}

static void accept_full(struct point_group *g)
{
	put(g, "assay.tcp.accept.overflows", NULL, NULL, 30);
}

static void accept_full_few(struct point_group *g)
{
	put(g, "assay.tcp.accept.overflows", NULL, NULL, 2);
}

static void accept_slow(struct point_group *g)
{
	put_hist(g, "assay.tcp.accept.wait.duration", NULL, NULL, 100 * MS, 50);
}

static void accept_slow_few(struct point_group *g)
{
	put_hist(g, "assay.tcp.accept.wait.duration", NULL, NULL, 100 * MS, 4);
}

static void dns_fails(struct point_group *g)
{
	put_hist(g, "assay.dns.lookup.duration", "SERVFAIL", NULL, 1 * MS, 30);
}

static void dns_fails_few(struct point_group *g)
{
	put_hist(g, "assay.dns.lookup.duration", "SERVFAIL", NULL, 1 * MS, 2);
}

static void dns_slow(struct point_group *g)
{
	put_hist(g, "assay.dns.lookup.duration", NULL, NULL, 800 * MS, 60);
}

static void dns_slow_few(struct point_group *g)
{
	put_hist(g, "assay.dns.lookup.duration", NULL, NULL, 800 * MS, 3);
}

static void dependency_slow(struct point_group *g)
{
	put_hist(g, "assay.tcp.response.duration", "client", NULL, 300 * MS, 500);
	put_hist(g, "assay.tcp.response.duration", "server", NULL, 310 * MS, 500);
}

static void dependency_slow_few(struct point_group *g)
{
	put_hist(g, "assay.tcp.response.duration", "client", NULL, 300 * MS, 30);
}

static void hangs(struct point_group *g)
{
	AGE("tcp.client", 9);
}

static void hangs_few(struct point_group *g)
{
	AGE("tcp.client", 3);
}

static void server_hangs(struct point_group *g)
{
	AGE("tcp.server", 9);
}

static void server_hangs_few(struct point_group *g)
{
	AGE("tcp.server", 3);
}

static void no_answer(struct point_group *g)
{
	put(g, "assay.tcp.response.errors", "client", "reset", 300);
}

static void no_answer_few(struct point_group *g)
{
	put(g, "assay.tcp.response.errors", "client", "reset", 20);
}

static void no_space(struct point_group *g)
{
	put(g, "assay.syscall.errors", "file", "ENOSPC", 200);
	put(g, "assay.syscall.errors", "file", "EACCES", 20);
}

static void no_space_few(struct point_group *g)
{
	put(g, "assay.syscall.errors", "file", "ENOSPC", 4);
	put(g, "assay.syscall.errors", "file", "EPERM", 90);
}

static void stuck(struct point_group *g)
{
	AGE("syscall.file", 12);
	AGE("block", 11);
}

static void stuck_few(struct point_group *g)
{
	AGE("syscall.file", 2);
	AGE("block", 1);
}

static void locks(struct point_group *g)
{
	BLOCKED("sync", 5 * MS, 20000);
	CALLS("sync", 40000);
}

static void locks_few(struct point_group *g) /* a pool with work: other calls, too */
{
	BLOCKED("sync", 5 * MS, 20000);
	CALLS("sync", 40000);
	CALLS("file", 60000);
}

static const struct fault list[] = {
	{ "cpu.quota", quota, quota_few },
	{ "cpu.neighbours", neighbours, neighbours_few, .scene = { .idle = 1 } },
	{ "cpu.itself", pinned, pinned_few },
	{ "cpu.steal", waits_longer, NULL, .scene = { .idle = 8, .stolen = { 6, 0 } } },
	{ "disk.slow", slow_disk, slow_disk_few },
	{ "disk.neighbour", slow_disk, slow_disk_few, .scene = { .flood = 100 } },
	{ "disk.files", waits_for_files, waits_for_files_few },
	{ "disk.errors", disk_errors, NULL, .level_stays = true },
	{ "memory.oom", oom, NULL, .level_stays = true },
	{ "memory.limit", memory_limit, memory_limit_few },
	{ "memory.faults", faults, faults_few },
	{ "memory.pressure", pressure, pressure_few },
	{ "net.connect", refused, refused_few },
	{ "net.loss", loss, loss_few },
	{ "net.way", long_way, long_way_few },
	{ "net.accept_full", accept_full, accept_full_few },
	{ "net.accept_slow", accept_slow, accept_slow_few },
	{ "net.dns", dns_fails, dns_fails_few },
	{ "net.dns_slow", dns_slow, dns_slow_few },
	{ "net.dependency_slow", dependency_slow, dependency_slow_few },
	{ "net.dependency_hangs", hangs, hangs_few },
	{ "net.server_hangs", server_hangs, server_hangs_few },
	{ "net.no_answer", no_answer, no_answer_few },
	{ "calls.failing", no_space, no_space_few, .level_stays = true },
	{ "calls.stuck", stuck, stuck_few },
	{ "calls.locks", locks, locks_few },
};

static struct scene scene_of(const struct fault *f, void (*make)(struct point_group *g))
{
	struct scene s = f->scene;

	if (!s.idle)
		s.idle = 15;
	s.fault = make;
	return s;
}

static void calm_is_calm(void **state)
{
	assert_calm(say(&calm, NULL));
	assert_calm(say(&calm, &calm));
}

static void a_fault_is_named_and_nobody_else(void **state)
{
	for (size_t i = 0; i < COUNT(list); i++) {
		struct scene s = scene_of(&list[i], list[i].make);

		assert_accused(say(&s, NULL), list[i].id);
		assert_int_equal(said.d.overall, ACTIONABLE);
		assert_int_equal(said.d.found[0]->change, CHANGE_UNKNOWN);
	}
}

static void a_fault_that_is_new_is_called_so(void **state)
{
	for (size_t i = 0; i < COUNT(list); i++) {
		struct scene s = scene_of(&list[i], list[i].make);

		assert_accused(say(&s, &calm), list[i].id);
		if (said.d.found[0]->change != CHANGE_NEW && !list[i].level_stays) {
			print_said(&said.d);
			fail_msg("%s is not new", list[i].id);
		}
	}
}

static void what_was_so_before_weighs_less(void **state)
{
	for (size_t i = 0; i < COUNT(list); i++) {
		struct scene s = scene_of(&list[i], list[i].make);
		enum severity alone;
		const struct finding *f;

		say(&s, NULL);
		alone = said.d.found[0]->severity;
		say(&s, &s);
		f = rule_of(&said.d, list[i].id);
		if (f->verdict != VERDICT_FOUND || list[i].level_stays)
			continue;
		if (f->severity >= alone || f->change != CHANGE_SAME) {
			print_said(&said.d);
			fail_msg("%s weighs as much as if it were new", list[i].id);
		}
	}
}

static void busy_on_a_cpu(struct point_group *g)
{
	put(g, "assay.cgroup.cpu.time", NULL, NULL,
	    1.8); /* with that of who is calm 3.8 s */
}

/* What the hypervisor takes is told to all, but only who has less by it is alarmed. */
static void who_does_not_feel_a_stolen_cpu_is_not_alarmed(void **state)
{
	struct scene s = { .idle = 8, .stolen = { 6, 0 } };

	say(&s, NULL);
	assert_int_equal(said.d.overall, NOTHING_UNUSUAL);
	assert_int_equal(said.d.found_count, 1);
	assert_string_equal(said.d.found[0]->rule->id, "cpu.steal");
	assert_int_equal(said.d.found[0]->severity, SEVERITY_NOTICE);
	s.fault = busy_on_a_cpu;
	assert_accused(say(&s, NULL), "cpu.steal");
	assert_int_equal(said.d.overall, ACTIONABLE);
}

static void few_events_are_no_finding(void **state)
{
	for (size_t i = 0; i < COUNT(list); i++) {
		struct scene s = calm;

		if (!list[i].few)
			continue;
		s.fault = list[i].few;
		say(&s, NULL);
		if (rule_of(&said.d, list[i].id)->verdict != VERDICT_FOUND &&
		    said.d.overall != ACTIONABLE)
			continue;
		print_said(&said.d);
		fail_msg("%s is said of too little", list[i].id);
	}
}

/* Each finding says all that the issue asks for. */
static void a_finding_is_whole(void **state)
{
	for (size_t i = 0; i < COUNT(list); i++) {
		struct scene s = scene_of(&list[i], list[i].make);
		const struct finding *f;
		size_t bounds = 0;

		say(&s, &calm);
		f = said.d.found[0];
		assert_true(*f->what && *f->cause && *f->next);
		/* a command to run, and not one to be filled in */
		assert_null(strstr(f->next, "PID"));
		assert_true(f->evidence_count >= 1);
		for (size_t k = 0; k < f->evidence_count; k++)
			bounds += !isnan(f->evidence[k].threshold) &&
				  f->evidence[k].number >= f->evidence[k].threshold;
		assert_true(bounds >= 1);
		for (size_t k = 0; k < RULE_NOT && f->rule->not_[k]; k++)
			rule_of(&said.d, f->rule->not_[k]);
		for (size_t k = 0; k < RULE_NOT && f->rule->after[k]; k++)
			rule_of(&said.d, f->rule->after[k]);
	}
}

/* All rules are in the list above, but those of which test_why.c has tests. */
static void every_rule_has_a_test(void **state)
{
	static const char *const elsewhere[] = { "self.lost", "self.windows",
						 "self.off", "self.overflow",
						 "net.dns_names" };
	size_t known = COUNT(list) + COUNT(elsewhere);

	say(&calm, NULL);
	assert_int_equal(said.d.count, known);
	for (size_t i = 0; i < COUNT(elsewhere); i++)
		rule_of(&said.d, elsewhere[i]);
	for (size_t i = 0; i < COUNT(list); i++)
		rule_of(&said.d, list[i].id);
}

/* What an input names is a metric, with that attribute. */
static void inputs_are_metrics(void **state)
{
	for (int in = 0; in < INPUTS; in++) {
		const struct metric *m = metric_of(inputs[in].metric);
		bool has = !inputs[in].key;

		for (int i = 0; m->attrs[i] && !has; i++)
			has = !strcmp(m->attrs[i], inputs[in].key);
		if (!has)
			fail_msg("%s has no %s", m->name, inputs[in].key);
		assert_non_null(inputs[in].label);
		assert_non_null(inputs[in].unit);
	}
}

static int end(void **state)
{
	forget();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(calm_is_calm),
		cmocka_unit_test(a_fault_is_named_and_nobody_else),
		cmocka_unit_test(a_fault_that_is_new_is_called_so),
		cmocka_unit_test(what_was_so_before_weighs_less),
		cmocka_unit_test(who_does_not_feel_a_stolen_cpu_is_not_alarmed),
		cmocka_unit_test(few_events_are_no_finding),
		cmocka_unit_test(a_finding_is_whole),
		cmocka_unit_test(every_rule_has_a_test),
		cmocka_unit_test(inputs_are_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
