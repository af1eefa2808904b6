// SPDX-License-Identifier: Apache-2.0
/* What is said when nothing is wrong, or nobody can know; the two forms of the answer.
 */
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include "base/options.h"
#include "cmd/baseline.h"
#include "diagnose/why_items.h"
#include "fake_why.h"
#include "kernel/probes.h"
#include "view/counted.h"

static const struct scene calm = { .idle = 15 };

static void throttle(struct point_group *g)
{
	WAITS("throttled", 60 * MS, 90);
}

static void throttle_at_half_a_cpu(struct point_group *g)
{
	throttle(g);
	put(g, "assay.cgroup.cpu.limit", NULL, NULL, 0.5);
}

/* Of a time that is over no file tells: a reading does. What a file says comes first.
 */
static void a_quota_of_then_is_told(void **state)
{
	static const struct cpu_limit now = { .cpus = 0.25, .path = "/above" };
	struct scene s = { .idle = 15, .fault = throttle };
	struct finding f;

	assert_accused(say(&s, NULL), "cpu.quota");
	assert_null(strstr(said.d.found[0]->cause, "CPU limit of"));
	s.fault = throttle_at_half_a_cpu;
	assert_accused(say(&s, NULL), "cpu.quota");
	f = *said.d.found[0];
	assert_has(f.cause, "CPU limit of 0.50 CPUs");
	for (size_t i = 0; i < f.evidence_count; i++)
		if (f.evidence[i].metric &&
		    !strcmp(f.evidence[i].metric, "assay.cgroup.cpu.limit"))
			assert_true(f.evidence[i].number == 0.5);
	said.readings.limit = &now;
	diagnose_said(&said.readings, first_of(said.now, "shop"));
	assert_has(said.d.found[0]->cause, "CPU limit of 0.25 CPUs");
}

static void a_probe_that_is_off_leaves_it_open(void **state)
{
	struct scene s = { .idle = 15, .off = "tcp" };

	say(&s, NULL);
	assert_int_equal(said.d.overall, INCONCLUSIVE);
	assert_has(said.d.why, "tcp");
	assert_has(said.d.why, "by assay tune");
	assert_int_equal(rule_of(&said.d, "net.connect")->verdict, VERDICT_UNMEASURED);
	assert_int_equal(rule_of(&said.d, "cpu.quota")->verdict, VERDICT_RULED_OUT);
	s.fault = throttle; /* what the others see is found all the same */
	assert_accused(say(&s, NULL), "cpu.quota");
}

static struct counted_shares all_but(const char *probe, double share)
{
	struct counted_shares c;

	for (size_t i = 0; i < COUNTED_METERS; i++)
		c.of[i] = 1;
	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (!strcmp(probe_descs[i].name, probe))
			c.of[2 * i] = c.of[2 * i + 1] = share;
	return c;
}

/* Looking back: what a probe counted is of the time in which it was on. */
static void a_probe_that_was_off_for_a_while_counts_for_the_rest(void **state)
{
	struct counted_shares half = all_but("sched", 0.5),
			      third = all_but("sched", 0.33),
			      none = all_but("sched", 0.05);
	double all, n;

	say(&calm, &calm);
	all = said.d.now.value[IN_BLOCKED_FILE] + said.d.now.value[IN_CONTENTION];
	n = said.d.now.value[IN_CALLS];
	assert_true(all > 0 && n > 0);
	said.readings.now_counted = &half;
	diagnose_said(&said.readings, first_of(said.now, "shop"));
	assert_true(fabs(said.d.now.value[IN_BLOCKED_FILE] +
			 said.d.now.value[IN_CONTENTION] - 2 * all) < 1e-9);
	assert_true(said.d.now.value[IN_CALLS] == n);
	assert_true(said.d.before.value[IN_CONTENTION] * 2 ==
		    said.d.now.value[IN_CONTENTION]);
	assert_int_equal(rule_of(&said.d, "cpu.quota")->verdict, VERDICT_RULED_OUT);
	assert_int_equal(said.d.overall, NOTHING_UNUSUAL);
	assert_string_equal(said.d.found[0]->rule->id, "self.off");
	assert_has(said.d.found[0]->what, "sched was on for 5 of 10 s");
	said.readings.now_counted = &third;
	diagnose_said(&said.readings, first_of(said.now, "shop"));
	assert_int_equal(said.d.overall, INCONCLUSIVE);
	assert_has(said.d.why, "was on for 3 of 10 s");
	said.readings.now_counted = &none;
	diagnose_said(&said.readings, first_of(said.now, "shop"));
	assert_int_equal(rule_of(&said.d, "cpu.quota")->verdict, VERDICT_UNMEASURED);
	assert_has(said.d.why, "it was on for 5 % of that time");
	assert_int_equal(rule_of(&said.d, "net.connect")->verdict, VERDICT_RULED_OUT);
}

static void nothing(struct point_group *g)
{
	g->count = 0;
	put(g, "assay.cgroup.memory.usage", NULL, NULL, 1e6);
}

static void who_is_not_told_of_does_nothing(void **state)
{
	struct attr list[] = { { .key = "assay.workload.name", .value = "idle" } };
	struct frame_attrs absent = { list, 1 };

	say(&calm, &calm);
	diagnose_absent(&said.d, &said.readings, &absent);
	assert_int_equal(said.d.overall, INCONCLUSIVE);
	assert_has(said.d.why, "hardly anything");
	assert_int_equal(said.d.found_count, 0);
}

static void who_does_nothing_is_not_well(void **state)
{
	struct scene s = { .idle = 15, .fault = nothing };

	say(&s, NULL);
	assert_int_equal(said.d.overall, INCONCLUSIVE);
	assert_has(said.d.why, "hardly anything");
}

static void waits_a_little(struct point_group *g)
{
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 0.1);
	WAITS("throttled", 20 * MS, 40);
}

static void a_great_share_of_little_is_not_critical(void **state)
{
	struct scene s = { .idle = 15, .alone = true, .fault = waits_a_little };

	assert_accused(say(&s, NULL), "cpu.quota");
	assert_int_equal(said.d.found[0]->severity, SEVERITY_WARNING);
}

static void losses_are_told_and_undermine(void **state)
{
	struct scene s = { .idle = 15, .lost = 50 };

	assert_calm(say(&s, NULL));
	s.lost = 500; /* of some 18,000 events: too few to change anything */
	say(&s, NULL);
	assert_int_equal(said.d.overall, NOTHING_UNUSUAL);
	assert_string_equal(said.d.found[0]->rule->id, "self.lost");
	assert_int_equal(said.d.found[0]->severity, SEVERITY_NOTICE);
	s.lost = 20000;
	say(&s, NULL);
	assert_int_equal(said.d.overall, INCONCLUSIVE);
	assert_string_equal(said.d.found[0]->rule->id, "self.lost");
	assert_has(said.d.why, "table_full");
}

static void windows_are_told(void **state)
{
	struct scene s = { .idle = 15, .duty = 0.0625 };

	say(&s, NULL);
	assert_int_equal(said.d.overall, NOTHING_UNUSUAL);
	assert_string_equal(said.d.found[0]->rule->id, "self.windows");
	assert_has(said.d.found[0]->what, "tcp");
}

/* 50 accept waits that stand for 50 +- `error`. */
static double accept_error;

static void accept_estimate(struct point_group *g)
{
	struct point *p;

	put_hist(g, "assay.tcp.accept.wait.duration", NULL, NULL, 100 * MS, 300);
	p = &g->points[g->count - 1];
	p->error.noise = accept_error * accept_error * 300 * 300;
}

static void noise_is_no_finding(void **state)
{
	struct scene s = { .idle = 15, .fault = accept_estimate };

	accept_error = 0.05;
	assert_accused(say(&s, NULL), "net.accept_slow");
	accept_error = 0.6;
	say(&s, NULL);
	assert_int_equal(said.d.overall, INCONCLUSIVE);
	assert_has(said.d.why, "too noisy");
	assert_has(said.d.why, "accepts slowly");
}

static void no_names(struct point_group *g)
{
	put_hist(g, "assay.dns.lookup.duration", "NXDOMAIN", NULL, 500 * US, 60);
}

static void names_that_do_not_exist_count_by_change(void **state)
{
	struct scene s = { .idle = 15, .fault = no_names };

	assert_calm(say(&s, NULL)); /* search domains */
	assert_calm(say(&s, &s));
	assert_accused(say(&s, &calm), "net.dns_names");
}

static void what_is_not_told_apart_is_said(void **state)
{
	struct points p = { 0 };
	struct point_group *g;
	struct readings r = { .now_s = TEN_S };
	struct frame *f;

	put_agent(points_group(&p), &calm);
	g = points_group(&p);
	points_attr(g, "assay.workload.kind", "overflow");
	points_attr(g, "assay.workload.name", "overflow");
	put_calm(g);
	r.now = f = to_frame(&p);
	diagnose_said(&r, first_of(f, "overflow"));
	assert_string_equal(said.d.found[0]->rule->id, "self.overflow");
	frame_free(f);
}

static void both(struct point_group *g)
{
	throttle(g);
	put(g, "assay.syscall.errors", "file", "ENOSPC", 30);
	put_hist(g, "assay.tcp.accept.wait.duration", NULL, NULL, 200 * MS, 50);
}

static void a_consequence_is_below_its_cause(void **state)
{
	struct scene s = { .idle = 15, .fault = both };

	say(&s, NULL);
	assert_int_equal(said.d.found_count, 3);
	assert_string_equal(said.d.found[0]->rule->id, "cpu.quota");
	assert_string_equal(said.d.found[1]->rule->id, "calls.failing");
	assert_string_equal(said.d.found[2]->rule->id, "net.accept_slow");
	assert_int_equal(said.d.found[2]->severity, SEVERITY_NOTICE);
}

static void an_old_baseline_of_another_container_is_found(void **state)
{
	struct scene s = { .idle = 15 };
	struct frame *before = make_scene(&calm), *now = make_scene(&s);
	struct points p = { 0 };
	struct frame *moved;

	assert_int_equal(
	    facts_find(before, now->series[first_of(now, "shop")].resource, 0),
	    first_of(before, "shop"));
	put_calm(add_workload(&p, "shop", "/another/path"));
	moved = to_frame(&p);
	assert_int_equal(
	    facts_find(moved, now->series[first_of(now, "shop")].resource, SIZE_MAX),
	    0);
	assert_true(facts_find(moved, now->series[first_of(now, "backup job")].resource,
			       0) == SIZE_MAX);
	frame_free(before);
	frame_free(now);
	frame_free(moved);
}

/* --- what it looks like --- */

static struct why why_of(void)
{
	return (struct why){ .readings = &said.readings,
			     .workload = &said.d,
			     .since_ns = 1000 * SECOND,
			     .until_ns = 1010 * SECOND,
			     .no_baseline = "no agent has kept anything",
			     .source = "agent" };
}

static void an_answer_fits_a_terminal(void **state)
{
	struct scene s = { .idle = 15, .fault = both };
	size_t lines = 0, widest = 0;
	struct why w;
	char *text;

	say(&s, NULL);
	w = why_of();
	text = printed(why_table, &w);
	assert_has(text, "CRITICAL  cpu.quota");
	assert_has(text, "1970-01-01T00:16:50Z");
	assert_has(text, "no baseline: no agent");
	assert_has(text, "the hypervisor takes no CPU away (0 %)");
	assert_has(text, "counts from 0.020 s/s");
	assert_has(text, "cat /sys/fs/cgroup/shop/cpu.max");
	assert_has(text, "calls of shop fail with ENOSPC");
	for (const char *line = text; *line; line += strcspn(line, "\n") + 1) {
		size_t len = strcspn(line, "\n");

		lines++;
		widest = len > widest ? len : widest;
	}
	if (lines > 24 || widest > 80)
		fail_msg("%zu lines of %zu columns:\n%s", lines, widest, text);
	free(text);
}

static void a_calm_answer_says_what_was_looked_at(void **state)
{
	struct why w;
	char *text;

	say(&calm, &calm);
	w = why_of();
	w.before_since_ns = 500 * SECOND;
	w.before_until_ns = 700 * SECOND;
	text = printed(why_table, &w);
	assert_has(text, "nothing unusual: ");
	assert_has(text, "no CPU quota ran out");
	assert_has(text, "1970-01-01T00:08Z to");
	assert_null(strstr(text, "the history goes"));
	free(text);
	w.kept_ns = 60 * SECOND;
	w.kept_until_ns = 1000 * SECOND;
	text = printed(why_table, &w);
	assert_has(text, "back to\n  1970-01-01T00:01Z");
	free(text);
	text = printed(why_json, &w);
	assert_has(text, "\"history\": {\n  \"since\": \"1970-01-01T00:01:00Z\",\n  "
			 "\"until\": \"1970-01-01T00:16:40Z\"\n }");
	free(text);
	w.kept_ns = 0;
	text = printed(why_json, &w);
	assert_has(text, "\"history\": null");
	free(text);
}

static void json_has_all_of_it(void **state)
{
	struct scene s = { .idle = 15, .fault = both };
	struct why w;
	json_t *top, *first, *evidence, *list;
	char *text;

	say(&s, &calm);
	w = why_of();
	text = printed(why_json, &w);
	top = json_loads(text, 0, NULL);
	assert_non_null(top);
	assert_string_equal(json_string_value(json_object_get(top, "overall")),
			    "actionable");
	list = json_object_get(top, "findings");
	assert_int_equal(json_array_size(list), 3);
	first = json_array_get(list, 0);
	assert_string_equal(json_string_value(json_object_get(first, "id")),
			    "cpu.quota");
	assert_string_equal(json_string_value(json_object_get(first, "change")), "new");
	evidence = json_array_get(json_object_get(first, "evidence"), 0);
	assert_string_equal(json_string_value(json_object_get(evidence, "metric")),
			    "assay.sched.wait.duration");
	assert_string_equal(
	    json_string_value(json_object_get(json_object_get(evidence, "attributes"),
					      "assay.sched.wait.cause")),
	    "throttled");
	assert_true(fabs(json_number_value(json_object_get(evidence, "value")) - 0.54) <
		    1e-9);
	assert_true(json_number_value(json_object_get(evidence, "baseline")) == 0);
	assert_true(json_array_size(json_object_get(first, "not")) >= 2);
	assert_true(json_array_size(json_object_get(top, "ruled_out")) > 10);
	json_decref(top);
	free(text);
}

static void the_node_tells_all_and_the_nodes_own_once(void **state)
{
	struct scene s = { .idle = 15, .fault = both, .stolen = { 5, 5 }, .lost = 500 };
	struct readings r = { .now_s = TEN_S };
	struct node_diagnosis n;
	struct why w = {
		.readings = &r, .node = &n, .no_baseline = "-", .source = "self"
	};
	struct frame *f = make_scene(&s);
	size_t steals = 0;
	char *text;

	r.now = f;
	assert_int_equal(diagnose_node(&n, &r), 0);
	assert_int_equal(n.overall, ACTIONABLE);
	assert_int_equal(n.looked_at, 2);
	for (size_t i = 0; i < n.found_count; i++)
		steals += !strcmp(n.found[i]->rule->id, "cpu.steal");
	assert_int_equal(steals, 1);
	text = printed(why_json, &w);
	assert_has(text, "\"workload\": null");
	assert_has(text, "calls.failing");
	free(text);
	text = printed(why_table, &w);
	assert_has(text, "the node: 10 s until");
	free(text);
	diagnose_free_node(&n);
	frame_free(f);
}

static void a_name_is_one_word_for_a_shell(void **state)
{
	char out[64];

	assert_string_equal(quoted(out, sizeof(out), "a/b-c:1"), "a/b-c:1");
	assert_string_equal(quoted(out, sizeof(out), "a b"), "'a b'");
	assert_string_equal(quoted(out, sizeof(out), "a;rm"), "'a;rm'");
	assert_string_equal(quoted(out, sizeof(out), "it's"), "'it'\\''s'");
	assert_string_equal(quoted(out, sizeof(out), "-x"), "'-x'");
	assert_string_equal(quoted(out, sizeof(out), "a\x1b[2J'b"), "$'a\\033[2J\\'b'");
	assert_string_equal(quoted(out, sizeof(out), "a   # b"), "$'a   \\043 b'");
	assert_string_equal(quoted(out, sizeof(out), "\xe2\x80\xae"), /* turns text */
			    "$'\\342\\200\\256'");
	assert_string_equal(quoted(out, sizeof(out), ""), "''");
}

#define YEAR_S (365 * 86400ULL)

static void baselines_are_read(void **state)
{
	struct history_span at = { .since_ns = 36000 * SECOND,
				   .until_ns = 36010 * SECOND };
	struct history_span out;
	uint64_t now = (YEAR_S + 40000) * SECOND;
	char cause[256];

	assert_int_equal(baseline_span(NULL, &at, now, &out, cause, sizeof(cause)), 0);
	assert_int_equal(out.since_ns, (36000 - 3600) * SECOND);
	assert_int_equal(out.until_ns, (36000 - 300) * SECOND);
	assert_int_equal(baseline_span("3h", &at, now, &out, cause, sizeof(cause)), 0);
	assert_int_equal(out.since_ns, (36000 - 3 * 3600) * SECOND);
	assert_int_equal(baseline_span("2m", &at, now, &out, cause, sizeof(cause)), 0);
	assert_int_equal(out.since_ns, (36000 - 120 - 300) * SECOND);
	assert_int_equal(out.until_ns, (36000 - 300) * SECOND);
	assert_int_equal(baseline_span("1971-01-01T02:00:00Z..1971-01-01T03:00:00Z",
				       &at, now, &out, cause, sizeof(cause)),
			 0);
	assert_int_equal(out.since_ns, (YEAR_S + 7200) * SECOND);
	assert_int_equal(out.until_ns, (YEAR_S + 10800) * SECOND);
	for (size_t i = 0; i < 5; i++) {
		static const char *const bad[] = { "", "x", "10s", "03:00..",
						   "1971-01-01T03:00:00Z.."
						   "1971-01-01T02:00:00Z" };

		assert_int_equal(
		    baseline_span(bad[i], &at, now, &out, cause, sizeof(cause)),
		    -EINVAL);
		assert_has(cause, "--baseline");
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
		cmocka_unit_test(a_quota_of_then_is_told),
		cmocka_unit_test(a_probe_that_is_off_leaves_it_open),
		cmocka_unit_test(a_probe_that_was_off_for_a_while_counts_for_the_rest),
		cmocka_unit_test(who_does_nothing_is_not_well),
		cmocka_unit_test(who_is_not_told_of_does_nothing),
		cmocka_unit_test(a_great_share_of_little_is_not_critical),
		cmocka_unit_test(losses_are_told_and_undermine),
		cmocka_unit_test(windows_are_told),
		cmocka_unit_test(noise_is_no_finding),
		cmocka_unit_test(names_that_do_not_exist_count_by_change),
		cmocka_unit_test(what_is_not_told_apart_is_said),
		cmocka_unit_test(a_consequence_is_below_its_cause),
		cmocka_unit_test(an_old_baseline_of_another_container_is_found),
		cmocka_unit_test(an_answer_fits_a_terminal),
		cmocka_unit_test(a_calm_answer_says_what_was_looked_at),
		cmocka_unit_test(json_has_all_of_it),
		cmocka_unit_test(the_node_tells_all_and_the_nodes_own_once),
		cmocka_unit_test(a_name_is_one_word_for_a_shell),
		cmocka_unit_test(baselines_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, end);
}
