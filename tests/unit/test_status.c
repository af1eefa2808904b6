// SPDX-License-Identifier: Apache-2.0
/* A status on its way from the agent to the command, and what is made of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/util.h"
#include "view/status.h"

static struct status_verdict verdict;

/* An agent with nothing wrong. */
static struct status healthy(void)
{
	return (struct status){
		.version = "1.2.3",
		.pid = 42,
		.uptime_s = 100.25,
		.state_s = 90,
		.read_s = 3.5,
		.snapshot_interval_s = 10,
		.probes = { { "sched", "attached" },
			    { "tcp", "attached" },
			    { "dns", "disabled" },
			    { "cgroup", "attached" } },
		.probe_count = 4,
		.export = { .on = true,
			    .to = "http://c:4318/v1/metrics",
			    .interval_s = 60,
			    .arrived_s = 12,
			    .failing_s = STATUS_NEVER,
			    .points = 1000 },
		.lost_window_s = 60,
		.lost = { { "sched", "table_full", 17, 0 } },
		.lost_count = 1,
		.memory = { 64, 40, 20, 20, 3 },
		.history = { .on = true,
			     .is_kept = true,
			     .path = "/var/lib/assay/history.db",
			     .back_s = 3600,
			     .bytes = 10,
			     .limit = 64,
			     .kept = 360 },
	};
}

static struct status sent(const struct status *s)
{
	static struct status got;
	uint8_t *bytes;
	size_t len;

	assert_int_equal(status_encode(s, &bytes, &len), 0);
	assert_int_equal(status_decode(bytes, len, &got), 0);
	free(bytes);
	return got;
}

static const char *cost_of(const struct status *s, size_t probe)
{
	static char text[STATUS_TEXT];

	status_cost(s, &s->probes[probe], text, sizeof(text));
	return text;
}

static void what_probes_cost_is_said_and_why(void **state)
{
	struct status s = healthy();

	assert_string_equal(cost_of(&s, 0), ""); /* nobody has measured it */
	s.governed = true;
	s.budget = 0.01;
	s.worst_cpu = 1;
	s.probes[0].duty = 1;
	s.probes[0].cost = 0.0021;
	s.probes[0].run_ns = 96;
	s.probes[0].hook_ns = 40;
	s.probes[0].node_cost = 0.0005;
	s.probes[1].duty = 0.0625;
	s.probes[1].cost = 0.0026;
	s.probes[1].full_cost = 0.041;
	s = sent(&s);
	assert_string_equal(cost_of(&s, 0),
			    "always on: 0.21 % of the busy time of CPU 1, budget 1 %; "
			    "96ns a run, 0.05 % of the node");
	assert_string_equal(cost_of(&s, 1),
			    "in windows, 1/16: 0.26 % of the busy time of CPU 1, 4.1 % "
			    "if it were always on, budget 1 %");
	assert_string_equal(cost_of(&s, 2), ""); /* it is disabled */
	strcpy(s.probes[1].state, "off");
	s.probes[1].duty = 0;
	assert_string_equal(cost_of(&s, 1),
			    "off: it took 4.1 % of a CPU's busy time, budget 1 %");
	s.probes[1].full_cost = 0;
	assert_string_equal(cost_of(&s, 1), ""); /* somebody said so */
	s.budget = 0;
	s.worst_cpu = STATUS_NO_CPU;
	assert_non_null(strstr(cost_of(&s, 0), "of a busy CPU, no budget;"));
	s = sent(&s);
	assert_int_equal(s.worst_cpu, STATUS_NO_CPU);
}

static void what_is_told_arrives(void **state)
{
	struct status s = healthy(), got = sent(&s);

	assert_memory_equal(&got, &s, sizeof(s));
	s.waits = true;
	s.holder = 4000000000U;
	s.read_s = s.export.arrived_s = STATUS_NEVER;
	s.export.failing_s = 7;
	strcpy(s.export.error, "HTTP 503");
	strcpy(s.probes[1].reason, "why not");
	got = sent(&s);
	assert_memory_equal(&got, &s, sizeof(s));
	s.export = (struct status_export){ .arrived_s = STATUS_NEVER,
					   .failing_s = STATUS_NEVER,
					   .interval_s = STATUS_NEVER };
	got = sent(&s);
	assert_memory_equal(&got, &s, sizeof(s));
}

static void text_from_outside_is_visible_text(void **state)
{
	struct status s = healthy(), got, again;

	memset(s.export.error, '\xff', sizeof(s.export.error) - 1);
	strcpy(s.probes[0].reason, "a\x1b[31mb\xfe");
	got = sent(&s);
	assert_string_equal(got.probes[0].reason, "a\\x1b[31mb\\xfe");
	assert_int_equal(strncmp(got.export.error, "\\xff\\xff", 8), 0);
	assert_in_range(strlen(got.export.error), 200, sizeof(s.export.error) - 1);
	/* told on, as `assay status --format json` does, it is the same */
	again = sent(&got);
	assert_string_equal(again.probes[0].reason, "a\\x1b[31mb\\xfe");
}

static void what_is_no_status_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"{",
		"[]",
		"\"measuring\"",
		"{\"schema\":1}",
		"{\"state\":\"measuring\"}",
		"{\"schema\":2,\"state\":\"measuring\"}",
		"{\"schema\":1,\"state\":\"idle\"}",
		"{\"schema\":1,\"state\":true}",
		"{\"schema\":1,\"state\":\"waiting\"} x",
	};
	struct status s;

	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(
		    status_decode((const uint8_t *)bad[i], strlen(bad[i]), &s),
		    -EINVAL);
}

static void members_of_a_wrong_kind_are_as_none(void **state)
{
	const char *odd = "{\"schema\":1,\"state\":\"measuring\",\"new\":{},"
			  "\"uptime_s\":\"x\",\"read_s\":-5,\"state_s\":1e300,"
			  "\"probes\":[7,{\"name\":[]}],\"export\":[],\"lost\":3,"
			  "\"memory\":{\"limit\":-1,\"planned\":\"x\"}}";
	struct status s;

	assert_int_equal(status_decode((const uint8_t *)odd, strlen(odd), &s), 0);
	assert_true(s.uptime_s < 0 && s.read_s < 0 && s.state_s < 0);
	assert_int_equal(s.probe_count, 2);
	assert_string_equal(s.probes[1].name, "");
	assert_false(s.export.on);
	assert_int_equal(s.memory.limit + s.memory.planned + s.lost_count, 0);
}

static const struct status_problem *judged(const struct status *s, size_t count)
{
	status_judge(s, &verdict);
	assert_int_equal(verdict.count, count);
	return verdict.problems;
}

static void assert_problem(const struct status_problem *p, enum status_level level,
			   const char *text)
{
	assert_int_equal(p->level, level);
	assert_string_equal(p->text, text);
}

static void who_measures_or_waits_with_probes_is_ready(void **state)
{
	struct status s = healthy();

	judged(&s, 0);
	strcpy(s.probes[0].state, "off"); /* somebody's wish */
	strcpy(s.probes[1].state, "off");
	judged(&s, 0);
	s.waits = true;
	s.read_s = STATUS_NEVER;
	s.state_s = 1e6;
	for (size_t i = 0; i < s.probe_count; i++)
		strcpy(s.probes[i].state, "loaded");
	judged(&s, 0);
}

static void who_has_no_probe_is_not_ready_and_says_why(void **state)
{
	struct status s = healthy();

	strcpy(s.probes[0].state, "unavailable");
	strcpy(s.probes[0].reason, "no BTF");
	assert_problem(&judged(&s, 1)[0], STATUS_STRICT,
		       "probe sched is unavailable: no BTF");
	strcpy(s.probes[1].state, "unavailable"); /* that of cgroups measures nothing */
	judged(&s, 3);
	assert_problem(&verdict.problems[0], STATUS_NOT_READY,
		       "no probe is attached: sched: no BTF");
	assert_problem(&verdict.problems[2], STATUS_STRICT,
		       "probe tcp is unavailable: it does not say why");
	/* loaded is enough for who waits, and for nobody else */
	strcpy(s.probes[1].state, "loaded");
	assert_int_equal(judged(&s, 3)[0].level, STATUS_NOT_READY);
	s.waits = true;
	strcpy(s.probes[3].state, "loaded");
	assert_int_equal(judged(&s, 1)[0].level, STATUS_STRICT);
}

static void readings_that_stopped_are_not_ready(void **state)
{
	struct status s = healthy();

	s.read_s = 60;
	judged(&s, 0);
	s.read_s = 60.5;
	assert_problem(&judged(&s, 1)[0], STATUS_NOT_READY,
		       "the kernel's counts were last read 1m0s ago");
	s.read_s = STATUS_NEVER;
	judged(&s, 1); /* it measures for 90 s */
	s.state_s = 60;
	judged(&s, 0);
}

static void exports_and_losses_are_told_but_no_failure(void **state)
{
	struct status s = healthy();

	s.lost[0].lately = 5;
	s.export.failing_s = 200;
	strcpy(s.export.error, "HTTP 503");
	judged(&s, 2);
	assert_problem(&verdict.problems[0], STATUS_STRICT,
		       "exports have failed for 3m20s (the last one arrived 12s ago): "
		       "HTTP 503");
	assert_problem(&verdict.problems[1], STATUS_NOTE,
		       "sched lost 5 in the last 1m0s: table_full (17 in all)");
	s.export.on = false;
	judged(&s, 1);
}

static void a_history_that_is_not_kept_is_a_problem(void **state)
{
	struct status s = healthy();

	s.history.is_kept = false;
	judged(&s, 0); /* no reading has come yet */
	strcpy(s.history.error, "no space");
	judged(&s, 1);
	assert_problem(&verdict.problems[0], STATUS_STRICT,
		       "readings are not kept: no space");
	s.history.is_kept = true;
	s.history.lost = 2;
	judged(&s, 1);
	assert_problem(&verdict.problems[0], STATUS_NOTE,
		       "2 readings could not be kept since the start");
}

static void a_full_list_of_problems_is_cut(void **state)
{
	struct status s = healthy();

	s.lost_count = STATUS_LOSSES;
	for (size_t i = 0; i < STATUS_LOSSES; i++)
		s.lost[i] = (struct status_loss){ "a", "b", 1, 1 };
	s.probe_count = STATUS_PROBES;
	for (size_t i = 0; i < STATUS_PROBES; i++)
		s.probes[i] = (struct status_probe){ "a", "unavailable" };
	status_judge(&s, &verdict);
	assert_in_range(verdict.count, STATUS_LOSSES + STATUS_PROBES, STATUS_PROBLEMS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_told_arrives),
		cmocka_unit_test(what_probes_cost_is_said_and_why),
		cmocka_unit_test(text_from_outside_is_visible_text),
		cmocka_unit_test(what_is_no_status_is_refused),
		cmocka_unit_test(members_of_a_wrong_kind_are_as_none),
		cmocka_unit_test(who_measures_or_waits_with_probes_is_ready),
		cmocka_unit_test(who_has_no_probe_is_not_ready_and_says_why),
		cmocka_unit_test(readings_that_stopped_are_not_ready),
		cmocka_unit_test(exports_and_losses_are_told_but_no_failure),
		cmocka_unit_test(a_history_that_is_not_kept_is_a_problem),
		cmocka_unit_test(a_full_list_of_problems_is_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
