// SPDX-License-Identifier: Apache-2.0
/* Of several findings the worst is the first: by severity, then by how much is lost. */
#include "cpu_time.h"
#include "fake_why.h"

/* Of little weight by its score, but half of the time that it would run is gone. */
static void throttled_and_refused(struct point_group *g)
{
	WAITS("throttled", 22 * MS, 90);
	put(g, "assay.cgroup.cpu.throttled.time", NULL, NULL, 2);
	put(g, "assay.tcp.connect.errors", "ECONNREFUSED", NULL, 41); /* of 91 */
}

static void assert_order(const char *first, enum severity of_first, const char *second,
			 enum severity of_second)
{
	if (said.d.found_count == 2 && !strcmp(said.d.found[0]->rule->id, first) &&
	    !strcmp(said.d.found[1]->rule->id, second) &&
	    said.d.found[0]->severity == of_first &&
	    said.d.found[1]->severity == of_second)
		return;
	print_said(&said.d);
	fail_msg("not %s, then %s", first, second);
}

static void a_warning_is_not_above_a_critical_finding(void **state)
{
	struct scene s = { .idle = 15, .fault = throttled_and_refused };

	say(&s, NULL);
	assert_order("cpu.quota", SEVERITY_CRITICAL, "net.connect", SEVERITY_WARNING);
	/* else its score would have put it there */
	assert_true(said.d.found[0]->score < said.d.found[1]->score);
}

static void of_a_node_neither(void **state)
{
	struct scene s = { .idle = 15, .fault = throttled_and_refused };
	struct frame *f = make_scene(&s);
	struct readings r = { .now = f, .now_s = TEN_S };
	struct node_diagnosis d;

	assert_int_equal(diagnose_node(&d, &r), 0);
	assert_int_equal(d.found_count, 2);
	assert_string_equal(d.found[0]->rule->id, "cpu.quota");
	diagnose_free_node(&d);
	frame_free(f);
}

/* 4 % of its packets; and a request that waits, for 9 s or for 40. */
static void loses(struct point_group *g)
{
	put(g, "assay.tcp.retransmits", NULL, NULL, 300);
}

static void loses_and_waits(struct point_group *g)
{
	loses(g);
	AGE("tcp.client", 9);
}

static void loses_and_hangs(struct point_group *g)
{
	loses(g);
	AGE("tcp.client", 40);
}

static void a_cause_is_as_bad_as_what_follows_from_it(void **state)
{
	struct scene s = { .idle = 15, .fault = loses_and_waits };

	say(&s, NULL);
	assert_order("net.loss", SEVERITY_WARNING, "net.dependency_hangs",
		     SEVERITY_NOTICE);
	s.fault = loses_and_hangs;
	say(&s, &(struct scene){ .idle = 15 });
	assert_order("net.loss", SEVERITY_CRITICAL, "net.dependency_hangs",
		     SEVERITY_CRITICAL);
}

static void the_order_is_one_and_the_same(void **state)
{
	static const struct rule a = { .id = "a.a" }, b = { .id = "b.b" };
	struct attr attrs[2][2] = {
		{ { "assay.workload.name", "one" }, { "process.linux.cgroup", "/1" } },
		{ { "assay.workload.name", "one" }, { "process.linux.cgroup", "/2" } },
	};
	struct frame_attrs who[2] = { { attrs[0], 2 }, { attrs[1], 2 } };
	struct facts facts[2] = { { .resource = &who[0] }, { .resource = &who[1] } };
	const struct finding list[] = {
		{ .rule = &b, .severity = SEVERITY_CRITICAL, .score = 40 },
		{ .rule = &a, .severity = SEVERITY_CRITICAL, .score = 39 },
		{ .rule = &a, .severity = SEVERITY_WARNING, .score = 100 },
		{ .rule = &a, .severity = SEVERITY_WARNING, .facts = &facts[0] },
		{ .rule = &a, .severity = SEVERITY_WARNING, .facts = &facts[1] },
		{ .rule = &b, .severity = SEVERITY_WARNING },
		{ .rule = &b, .severity = SEVERITY_NOTICE, .score = 100 },
	};

	for (size_t i = 0; i < COUNT(list); i++)
		for (size_t k = 0; k < COUNT(list); k++) {
			int order = diagnose_compare(&list[i], &list[k]);

			assert_int_equal((order > 0) - (order < 0), (i > k) - (i < k));
		}
}

static void csv_has_a_row_for_each(void **state)
{
	struct scene calm = { .idle = 15 };
	struct scene s = { .idle = 15, .fault = throttled_and_refused };
	struct why w = { .readings = &said.readings,
			 .workload = &said.d,
			 .no_baseline = "none",
			 .source = "agent" };
	char *text;
	size_t lines = 0;

	say(&s, &calm);
	text = printed(why_csv, &w);
	for (const char *at = text; *at; at += strcspn(at, "\n") + 1)
		lines++;
	assert_int_equal(lines, 3);
	assert_has(text, "severity,id,score,change,workload,cgroup,what,cause,next\n"
			 "critical,cpu.quota,");
	assert_has(text, ",new,shop,/shop,");
	assert_has(text, "\nwarning,net.connect,");
	free(text);
	say(&calm, NULL); /* no row would look like health */
	text = printed(why_csv, &w);
	assert_has(text, "next\n,nothing_unusual,,,,,");
	free(text);
}

static int end(void **state)
{
	forget();
	return 0;
}

#define MANY 2000

/* A node of so many that do a little, and the agent. */
static struct frame *make_crowd(unsigned int n)
{
	static char names[MANY][16], paths[MANY][16];
	struct scene s = { .idle = 15 };
	struct points p = { 0 };
	struct point_group *g;
	struct frame *f;

	put_agent(points_group(&p), &s);
	for (unsigned int i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "job-%u", i);
		snprintf(paths[i], sizeof(paths[i]), "/job-%u", i);
		g = add_workload(&p, names[i], paths[i]);
		put(g, "assay.cgroup.cpu.time", NULL, NULL, 0.5);
		put(g, "assay.pressure.some.time", "cpu", NULL, 0.05);
		put(g, "assay.sched.context_switches", "voluntary", NULL, 50);
		put(g, "assay.tcp.io", "transmit", NULL, 10e6);
	}
	f = to_frame(&p);
	f->time_ns = SECOND + (uint64_t)(TEN_S * 1e9);
	return f;
}

static double node_ms(unsigned int workloads)
{
	struct frame *now = make_crowd(workloads), *before = make_crowd(workloads);
	struct readings r = {
		.now = now, .before = before, .now_s = TEN_S, .before_s = TEN_S
	};
	struct node_diagnosis d;
	double began = cpu_ms();

	assert_int_equal(diagnose_node(&d, &r), 0);
	began = cpu_ms() - began;
	assert_int_equal(d.looked_at, workloads);
	diagnose_free_node(&d);
	frame_free(now);
	frame_free(before);
	return began;
}

static void eight_times_the_workloads_take_no_sixty_times_as_long(void **state)
{
	double few = 1e9, many = 1e9;

	for (int i = 0; i < 3; i++) { /* the least is what nobody disturbed */
		double ms = node_ms(MANY / 8);

		few = ms < few ? ms : few;
		ms = node_ms(MANY);
		many = ms < many ? ms : many;
	}
	print_message("%.1f ms, %.1f ms\n", few, many);
	assert_true(many < 20 * few);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_warning_is_not_above_a_critical_finding),
		cmocka_unit_test(of_a_node_neither),
		cmocka_unit_test(a_cause_is_as_bad_as_what_follows_from_it),
		cmocka_unit_test(the_order_is_one_and_the_same),
		cmocka_unit_test(csv_has_a_row_for_each),
		cmocka_unit_test(eight_times_the_workloads_take_no_sixty_times_as_long),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
