// SPDX-License-Identifier: Apache-2.0
/* What is in flight, culprits, quota, memory, pressure and own cost, as they are shown.
 */
#include <jansson.h>
#include "base/units.h"
#include "base/util.h"
#include "view/cost.h"
#include "fake_frame.h"

static const struct metric inflight = {
	"assay.inflight.age", "s", "", METRIC_GAUGE, true, { "assay.operation" }
};
static const struct metric waits = { "assay.sched.wait.duration", "s", "",
				     METRIC_HISTOGRAM,
				     .attrs = { "assay.sched.wait.cause" } };
static const struct metric culprit = {
	"assay.sched.wait.culprit.time", "s", "", METRIC_SUM, true,
	{ "assay.sched.culprit" }
};
static const struct metric cpu = { "assay.cgroup.cpu.time", "s", "", METRIC_SUM, true };
static const struct metric throttled = { "assay.cgroup.cpu.throttled.time", "s", "",
					 METRIC_SUM, true };
static const struct metric periods = { "assay.cgroup.cpu.periods", "{period}", "",
				       METRIC_SUM, .attrs = { "assay.throttled" } };
static const struct metric memory = { "assay.cgroup.memory.usage", "By", "",
				      METRIC_UPDOWN };
static const struct metric limit = { "assay.cgroup.memory.limit", "By", "",
				     METRIC_UPDOWN };
static const struct metric faults = { "assay.cgroup.memory.major_faults", "{fault}", "",
				      METRIC_SUM };
static const struct metric some = {
	"assay.pressure.some.time", "s", "", METRIC_SUM, true, { "assay.resource" }
};
static const struct metric full = {
	"assay.pressure.full.time", "s", "", METRIC_SUM, true, { "assay.resource" }
};
static const struct metric kills = { "assay.memory.oom_kills", "{kill}", "",
				     METRIC_SUM };
static const struct metric peers = { "assay.tcp.peer.events", "{event}", "", METRIC_SUM,
				     true };
static const struct metric runs = { "assay.bpf.runs", "{run}", "", METRIC_SUM,
				    .attrs = { "assay.probe", "assay.program" } };
static const struct metric run_time = {
	"assay.bpf.run.time", "s",  "",
	METRIC_SUM,	      true, { "assay.probe", "assay.program" }
};

static void add_real(struct point_group *g, const struct metric *m, const char *a,
		     const char *b, double value)
{
	struct point *p = points_add(g, m);

	p->values[0] = a;
	p->values[1] = b;
	p->start_ns = m->kind == METRIC_GAUGE ? 0 : SECOND;
	p->d = value;
}

static void assert_has_not(const char *text, const char *part)
{
	if (strstr(text, part)) {
		print_message("# '%s' is in:\n%s", part, text);
		fail();
	}
}

static void assert_narrow(char *text)
{
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
		if (strlen(line) > 100)
			fail_msg("%s", line);
}

static void what_is_in_flight_comes_first_the_longest_ahead(void **state)
{
	struct points p = { 0 };
	struct point_group *g = add_workload(&p, "db", "/db");
	struct frame *f;
	char *text;

	add_real(g, &cpu, NULL, NULL, 1.7);
	add_real(g, &inflight, "syscall.wait", NULL, 7 * 3600 + 125);
	add_real(g, &inflight, "syscall.file", NULL, 0.34);
	add_real(g, &inflight, "block", NULL, 754);
	add_real(g, &inflight, "syscall.sync", NULL, 90000);
	add_sum(g, &kills, NULL, NULL, NULL, 2);
	f = to_frame(&p);
	text = print(report_table, f);
	assert_has(text, "\ndb (unit)  /db\n"
			 "  IN FLIGHT  block 12m34s   syscall.file 340ms\n"
			 "  waiting    syscall.sync 1d1h   syscall.wait 7h2m\n"
			 "  TRAFFIC    CPUs used 0.85\n"
			 "  ERRORS     OOM kills 2 (1/s)\n");
	free(text);
	frame_free(f);
}

/* A server that waits for requests is idle, one that hangs in a read is not. */
static void who_only_hangs_is_shown_and_who_only_waits_is_not(void **state)
{
	struct points p = { 0 };
	struct frame *f;
	json_t *top, *list, *m;
	char *text;

	add_real(add_workload(&p, "idle", "/idle"), &inflight, "syscall.wait", NULL,
		 3600);
	add_real(&p.groups[0], &inflight, "syscall.socket", NULL, 3600);
	add_real(add_workload(&p, "hung", "/hung"), &inflight, "syscall.file", NULL,
		 12.5);
	f = to_frame(&p);
	text = print(report_table, f);
	assert_has(text, "\nhung (unit)  /hung\n  IN FLIGHT  syscall.file 12s\n");
	assert_has_not(text, "idle");
	free(text);
	text = print(report_json, f);
	top = json_loads(text, 0, NULL);
	list = json_object_get(top, "workloads");
	assert_int_equal(json_array_size(list), 1);
	m = json_array_get(json_object_get(json_array_get(list, 0), "metrics"), 0);
	assert_string_equal(json_string_value(json_object_get(m, "type")), "gauge");
	assert_true(json_real_value(json_object_get(m, "value")) == 12.5);
	json_decref(top);
	free(text);
	frame_free(f);
}

static void saturation_says_behind_whom_and_out_of_what(void **state)
{
	static const uint64_t one[] = { SECOND };
	struct hist *h = new_hist(one, 1);
	struct points p = { 0 };
	struct point_group *g = add_workload(&p, "db", "/db");
	struct frame *f;
	char *text;

	add_hist(g, &waits, "throttled", h);
	add_real(g, &culprit, "/system.slice/nginx.service", NULL, 0.0625);
	add_real(g, &culprit, "/db", NULL, 0.625);
	add_real(g, &culprit, "idle", NULL, 0.3125);
	add_real(g, &throttled, NULL, NULL, 0.5);
	add_sum(g, &periods, "true", NULL, NULL, 5);
	add_sum(g, &periods, "false", NULL, NULL, 15);
	add_sum(g, &memory, NULL, NULL, NULL, 96 << 20);
	add_sum(g, &limit, NULL, NULL, NULL, 128 << 20);
	add_sum(g, &faults, NULL, NULL, NULL, 8);
	add_real(g, &some, "cpu", NULL, 1.0);
	add_real(g, &full, "cpu", NULL, 0.0001);
	add_real(g, &some, "io", NULL, 0.04);
	add_real(g, &full, "io", NULL, 0.02);
	f = to_frame(&p);
	text = print(report_table, f);
	assert_has(text, "  SATURATION wait for a CPU throttled              0.5/s ");
	assert_has(
	    text,
	    "             0.50 threads were waiting on average\n"
	    "             waited behind itself 62 %, idle 31 %, nginx.service 6.2 "
	    "%\n"
	    "             CPU quota: out in 5 of 20 periods (25 %), 0.25 CPUs were "
	    "withheld on average\n"
	    "             memory 96 MiB of 128 MiB (75 %), 4/s major faults\n"
	    "             stalled on cpu 50 %, io 2.0 % (all tasks 1.0 %) of the "
	    "time\n");
	assert_narrow(text);
	free(text);
	frame_free(f);
	test_free(h);
}

static size_t count_of(const char *text, const char *part)
{
	size_t n = 0;

	for (; (text = strstr(text, part)); text += strlen(part))
		n++;
	return n;
}

/* Events of peers are for `why`: in a report they are no errors, and no line at all. */
static void events_of_peers_add_no_lines_and_move_nobody_up(void **state)
{
	struct points p = { 0 };
	struct point_group *g = add_workload(&p, "client", "/client");
	struct frame *f;
	char *text;

	add_sum(g, &peers, "slow", NULL, NULL, 1000);
	add_sum(g, &memory, NULL, NULL, NULL, 1 << 20);
	g = add_workload(&p, "worse", "/worse");
	add_sum(g, &kills, NULL, NULL, NULL, 1);
	add_sum(g, &memory, NULL, NULL, NULL, 1 << 20);
	f = to_frame(&p);
	text = print(report_table, f);
	assert_int_equal(count_of(text, "memory 1.0 MiB"), 2);
	assert_true(strstr(text, "\nworse (") < strstr(text, "\nclient ("));
	free(text);
	frame_free(f);
}

static void a_line_of_saturation_has_its_head_without_histograms_too(void **state)
{
	struct points p = { 0 };
	struct point_group *g = add_workload(&p, "db", "/db");
	struct frame *f;
	char *text;

	add_sum(g, &periods, "false", NULL, NULL, 1500);
	add_sum(g, &memory, NULL, NULL, NULL, 1 << 20);
	f = to_frame(&p);
	text = print(report_table, f);
	assert_has(text, "\ndb (unit)  /db\n"
			 "  SATURATION CPU quota: enough in all of 1.5k periods\n"
			 "             memory 1.0 MiB\n");
	free(text);
	frame_free(f);
}

static void a_culprit_is_called_what_its_workload_is(void **state)
{
	static const char container[] =
	    "/kubepods/pod1/"
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123"
	    "456789abcdef";
	static const uint64_t one[] = { SECOND };
	struct hist *h = new_hist(one, 1);
	struct points p = { 0 };
	struct point_group *g = add_workload(&p, "db", "/db");
	struct frame *f;
	char *text;

	add_hist(g, &waits, "contention", h);
	add_real(g, &culprit, container, NULL, 0.75);
	g = add_workload(&p, "shop/web-0/nginx", container);
	add_sum(g, &faults, NULL, NULL, NULL, 8);
	f = to_frame(&p);
	text = print(report_table, f);
	assert_has(text, "waited behind shop/web-0/nginx 100 %");
	free(text);
	frame_free(f);
	points_fini(&p);
	test_free(h);
}

static void many_culprits_are_added_up_and_long_names_wrap(void **state)
{
	static const char id[] =
	    "/a/cri-containerd-"
	    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef.scope";
	struct points p = { 0 };
	struct point_group *g = add_workload(&p, "db", "/db");
	char names[6][64], *text;
	struct frame *f;

	add_real(g, &culprit, id, NULL, 0.5);
	add_real(g, &culprit, "_OTHER", NULL, 0.2);
	for (int i = 0; i < 6; i++) {
		snprintf(names[i], sizeof(names[i]),
			 "/a/quite-a-long-name-of-a-cgroup-number-%d", i);
		add_real(g, &culprit, names[i], NULL, 0.05);
	}
	f = to_frame(&p);
	text = print(report_table, f);
	assert_has(text,
		   "  SATURATION waited behind 0123456789ab 50 %, others 20 %,\n"
		   "             a/quite-a-long-name-of-a-cgroup-number-0 5.0 %,\n"
		   "             a/quite");
	assert_has(text, ", 4 more 20 %\n");
	assert_narrow(text);
	free(text);
	frame_free(f);
}

static void what_is_now_is_not_a_difference(void **state)
{
	struct points before = { 0 }, after = { 0 };
	struct point_group *g = add_workload(&before, "db", "/db");
	struct frame *a, *b;
	char *text;

	add_sum(g, &memory, NULL, NULL, NULL, 96 << 20);
	add_real(g, &inflight, "block", NULL, 10);
	add_real(g, &cpu, NULL, NULL, 1);
	g = add_workload(&after, "db", "/db");
	add_sum(g, &memory, NULL, NULL, NULL, 64 << 20);
	add_real(g, &inflight, "block", NULL, 12);
	add_real(g, &cpu, NULL, NULL, 3);
	a = to_frame(&before);
	b = to_frame(&after);
	frame_subtract(b, a);
	text = print(report_table, b);
	assert_has(text, "IN FLIGHT  block 12s\n");
	assert_has(text, "CPUs used 1.00\n");
	assert_has(text, "memory 64 MiB\n");
	free(text);
	frame_free(a);
	frame_free(b);
}

static const struct {
	double s;
	const char *text;
} ages[] = {
	{ 0.00034, "340us" }, { 59.7, "60s" },	 { 60, "1m0s" },
	{ 3599.9, "59m59s" }, { 3600, "1h0m" },	 { 86399, "23h59m" },
	{ 86400, "1d0h" },    { 1e6, "11d13h" }, { 0.000000038, "38ns" },
	{ 1e12, "46296d7h" },
};

static void ages_have_two_units_at_most(void **state)
{
	char out[UNITS_LEN];

	for (size_t i = 0; i < COUNT(ages); i++)
		assert_string_equal(units_age(out, ages[i].s), ages[i].text);
}

/* Frames are of second 3, series begin at second 1. */
static void cost_is_told_per_run_and_of_one_cpu(void **state)
{
	struct points p = { 0 };
	struct point_group *g = points_group(&p);
	struct frame *f;
	struct cost c;
	char text[COST_LEN];

	points_attr(g, "service.name", "assay");
	add_sum(g, &runs, "syscall", "syscall_enter", NULL, 2000000);
	add_sum(g, &runs, "syscall", "syscall_exit", NULL, 2000000);
	add_sum(g, &runs, "sched", "sched_switch", NULL, 900);
	add_real(g, &run_time, "syscall", "syscall_enter", 0.12);
	add_real(g, &run_time, "syscall", "syscall_exit", 0.04);
	add_real(g, &run_time, "sched", "sched_switch", 0);
	f = to_frame(&p);
	cost_get(f, "syscall", NULL, &c);
	assert_string_equal(cost_text(text, &c),
			    "4.0M runs of 40ns: 8.00 % of one CPU");
	cost_get(f, "syscall", "syscall_exit", &c);
	assert_string_equal(cost_text(text, &c),
			    "2.0M runs of 20ns: 2.00 % of one CPU");
	cost_get(f, "sched", NULL, &c);
	assert_string_equal(cost_text(text, &c),
			    "900 runs, too few to tell what they take");
	cost_get(f, "tcp", NULL, &c);
	assert_string_equal(cost_text(text, &c), "no runs");
	frame_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_flight_comes_first_the_longest_ahead),
		cmocka_unit_test(who_only_hangs_is_shown_and_who_only_waits_is_not),
		cmocka_unit_test(saturation_says_behind_whom_and_out_of_what),
		cmocka_unit_test(events_of_peers_add_no_lines_and_move_nobody_up),
		cmocka_unit_test(
		    a_line_of_saturation_has_its_head_without_histograms_too),
		cmocka_unit_test(a_culprit_is_called_what_its_workload_is),
		cmocka_unit_test(many_culprits_are_added_up_and_long_names_wrap),
		cmocka_unit_test(what_is_now_is_not_a_difference),
		cmocka_unit_test(ages_have_two_units_at_most),
		cmocka_unit_test(cost_is_told_per_run_and_of_one_cpu),
	};

	return cmocka_run_group_tests_name("report_lines", tests, NULL, NULL);
}
