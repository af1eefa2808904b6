// SPDX-License-Identifier: Apache-2.0
/* The agent's metrics about itself: each of them, by numbers that the test knows. */
#include <sys/mman.h>
#include <sys/resource.h>
#include "fake_self.h"
#include "metric/self_budget.h"
#include "metric/self_history.h"
#include "workload/kubelet.h"

static uint64_t value_of(const char *metric, const char *a, const char *b)
{
	const struct point *p = find(metric, a, b, NULL);

	if (!p)
		fail_msg("no %s {%s, %s}", metric, a ? a : "", b ? b : "");
	assert_false(p->metric->real || p->ended);
	assert_int_equal(p->start_ns, with.self.start_ns);
	return p->u;
}

/* What receivers were promised: names, units, kinds, attributes. */
static const struct metric promised[] = {
	{ "assay.probe.attached",
	  "",
	  NULL,
	  METRIC_GAUGE,
	  false,
	  { "assay.probe", "assay.state", "assay.reason" } },
	{ "assay.probe.duty", "1", NULL, METRIC_GAUGE, true, { "assay.probe" } },
	{ "assay.probe.cost", "1", NULL, METRIC_GAUGE, true, { "assay.probe" } },
	{ "assay.budget", "1", NULL, METRIC_GAUGE, true },
	{ "assay.lost",
	  "{event}",
	  NULL,
	  METRIC_SUM,
	  false,
	  { "assay.probe", "assay.reason" } },
	{ "assay.bpf.runs",
	  "{run}",
	  NULL,
	  METRIC_SUM,
	  false,
	  { "assay.probe", "assay.program" } },
	{ "assay.bpf.run.time",
	  "s",
	  NULL,
	  METRIC_SUM,
	  true,
	  { "assay.probe", "assay.program" } },
	{ "assay.slot.usage", "{slot}", NULL, METRIC_UPDOWN },
	{ "assay.slot.limit", "{slot}", NULL, METRIC_UPDOWN },
	{ "assay.pool.usage", "{entry}", NULL, METRIC_UPDOWN, false, { "assay.pool" } },
	{ "assay.pool.limit", "{entry}", NULL, METRIC_UPDOWN, false, { "assay.pool" } },
	{ "assay.map.size", "By", NULL, METRIC_UPDOWN },
	{ "assay.heap.usage", "By", NULL, METRIC_UPDOWN },
	{ "assay.heap.limit", "By", NULL, METRIC_UPDOWN },
	{ "process.cpu.time", "s", NULL, METRIC_SUM, true, { "cpu.mode" } },
	{ "process.memory.usage", "By", NULL, METRIC_UPDOWN },
	{ "otel.sdk.exporter.metric_data_point.exported",
	  "{data_point}",
	  NULL,
	  METRIC_SUM,
	  false,
	  { "error.type" } },
	{ "assay.kubelet.requests",
	  "{request}",
	  NULL,
	  METRIC_SUM,
	  false,
	  { "assay.result" } },
	{ "assay.kubelet.containers", "{container}", NULL, METRIC_UPDOWN },
	{ "assay.kubelet.left_out", "{item}", NULL, METRIC_UPDOWN },
	{ "assay.history.size", "By", NULL, METRIC_UPDOWN },
	{ "assay.history.readings",
	  "{reading}",
	  NULL,
	  METRIC_SUM,
	  false,
	  { "assay.result" } },
};

static void metrics_are_what_they_were(void **state)
{
	for (size_t i = 0; i < COUNT(promised); i++) {
		const struct metric *m = NULL;

		for (size_t k = 0; k < self_metric_count; k++)
			if (!strcmp(self_metrics[k]->name, promised[i].name))
				m = self_metrics[k];
		if (!m)
			fail_msg("%s is gone", promised[i].name);
		assert_string_equal(m->unit, promised[i].unit);
		assert_int_equal(m->kind, promised[i].kind);
		assert_int_equal(m->real, promised[i].real);
		for (int a = 0; a <= METRIC_ATTRS; a++)
			assert_true(same_value(m->attrs[a], promised[i].attrs[a]));
		assert_true(m->help[0] && m->help[strlen(m->help) - 1] == '.');
	}
}

static const struct budget_facts all_on = {
	.budget = 0.01,
	.loaded = { [0 ... PROBE_COUNT - 1] = true },
};

static const struct history_stats some_history = {
	.kept = 5, .late = 2, .lost = 1, .bytes = 4096
};

/* Every metric that is listed has points, and no others are. */
static void all_that_is_listed_is_reported(void **state)
{
	uint32_t cpu = 0;
	struct cpu_state seen = { .runs[PROGRAM_tcp_state] = { .count = 1, .ns = 1 } };
	struct kubelet_stats kubelet = { 0 };
	uint64_t stolen[2] = { 0, 5 };
	double reach_s[INFLIGHT_COUNT] = { 3, -1 };
	struct node_usage node = {
		.stolen_ns = stolen, .known = 2, .memory = 1, .memory_available = 1
	};
	size_t all = 0;

	bpf_map_update_elem(with.cells.fds[MAP_CPUS], &cpu, &seen, 0);
	with.control.lost[PROBE_TCP][LOSS_UNREADABLE] = 1;
	with.facts.kubelet = &kubelet;
	with.facts.budget = &all_on;
	with.facts.history = &some_history;
	with.facts.node = &node;
	with.facts.reach_s = reach_s;
	look(0); /* steal of single CPUs is in no export */
	for (size_t i = 0; i < self_metric_count; i++) {
		if (!points_of(self_metrics[i]->name))
			fail_msg("no point of %s", self_metrics[i]->name);
		all += points_of(self_metrics[i]->name);
	}
	assert_int_equal(all, with.group->count);
	/* of one nothing is known */
	assert_int_equal(points_of("assay.inflight.reach"), INFLIGHT_COUNT - 1);
}

static void the_kubelet_is_reported_when_it_is_asked(void **state)
{
	struct kubelet_stats kubelet = {
		.results = { [KUBELET_FORBIDDEN] = 3, [KUBELET_TLS] = 1 },
		.counts = { 2, 5, 1 }
	};

	look(1);
	assert_int_equal(points_of("assay.kubelet.requests"), 0);
	assert_int_equal(points_of("assay.kubelet.containers"), 0);
	with.facts.kubelet = &kubelet;
	look(2);
	assert_int_equal(points_of("assay.kubelet.requests"), 3);
	assert_int_equal(value_of("assay.kubelet.requests", "ok", NULL), 0);
	assert_int_equal(value_of("assay.kubelet.requests", "403", NULL), 3);
	assert_int_equal(value_of("assay.kubelet.requests", "tls", NULL), 1);
	assert_int_equal(value_of("assay.kubelet.containers", NULL, NULL), 5);
	assert_int_equal(value_of("assay.kubelet.left_out", NULL, NULL), 1);
}

static void every_loss_has_a_name_of_its_own(void **state)
{
	for (int i = 0; i < SELF_LOSSES; i++) {
		const char *name = loss_name(i);

		assert_non_null(name);
		assert_int_equal(strspn(name, "abcdefghijklmnopqrstuvwxyz_"),
				 strlen(name));
		for (int k = 0; k < i; k++)
			assert_string_not_equal(name, loss_name(k));
	}
}

static void losses_are_counted_by_probe_and_reason(void **state)
{
	look(1);
	assert_int_equal(points_of("assay.lost"), 0);
	for (int i = 0; i < PROBE_COUNT; i++)
		for (int why = 0; why < LOSS_COUNT; why++)
			with.control.lost[i][why] = 1 + 100 * i + why;
	with.facts.folded = 9;
	with.facts.overflown = 8;
	look(2);
	assert_int_equal(points_of("assay.lost"), PROBE_COUNT * LOSS_COUNT + 2);
	for (int i = 0; i < PROBE_COUNT; i++)
		for (int why = 0; why < LOSS_COUNT; why++)
			assert_int_equal(
			    value_of("assay.lost", probe_descs[i].name, loss_name(why)),
			    1 + 100 * i + why);
	assert_int_equal(value_of("assay.lost", "cgroup", "folded"), 9);
	assert_int_equal(self_lost(&with.facts, PROBE_DNS, LOSS_FOLDED), 0);
	assert_int_equal(value_of("assay.lost", "cgroup", "series_full"), 8);
}

/* Runs that the kernel skipped, of every program of the probe; its maps have none. */
static void skipped_runs_are_lost_events(void **state)
{
	struct probe *p = &with.probes[PROBE_MEMORY];

	p->program_count = 3;
	p->map_count = 5;
	look(1);
	assert_int_equal(points_of("assay.lost"), 0);
	with.misses = 7;
	look(2);
	assert_int_equal(value_of("assay.lost", "memory", "recursion"), 3 * 7);
	assert_int_equal(points_of("assay.lost"), 1);
}

static double seconds_of(const char *metric, const char *a, const char *b)
{
	const struct point *p = find(metric, a, b, NULL);

	if (!p)
		fail_msg("no %s {%s, %s}", metric, a, b ? b : "");
	assert_true(p->metric->real);
	return p->d;
}

static void set_runs(uint32_t cpu, enum program program, uint64_t count, int64_t ns)
{
	struct cpu_state state;

	bpf_map_lookup_elem(with.cells.fds[MAP_CPUS], &cpu, &state);
	state.runs[program] = (struct runs){ count, ns };
	bpf_map_update_elem(with.cells.fds[MAP_CPUS], &cpu, &state, 0);
}

static void runs_of_all_cpus_add_up(void **state)
{
	look(1);
	assert_int_equal(points_of("assay.bpf.runs"), 0); /* nothing has run yet */
	for (int i = 0; i < PROGRAM_COUNT; i++) {
		set_runs(0, i, 1000 + i, 1000000000 + i);
		set_runs(1, i, 20000, 500000000);
	}
	look(2);
	assert_int_equal(points_of("assay.bpf.runs"), PROGRAM_COUNT);
	assert_int_equal(points_of("assay.bpf.run.time"), PROGRAM_COUNT);
	for (int i = 0; i < PROGRAM_COUNT; i++) {
		const char *probe = probe_descs[programs[i].probe].name;

		assert_int_equal(value_of("assay.bpf.runs", probe, programs[i].name),
				 21000 + i);
		assert_true(seconds_of("assay.bpf.run.time", probe, programs[i].name) ==
			    (1500000000 + i) * 1e-9);
	}
}

/* Those that have their numbers in a ring or at a gate count as the others do. */
static void runs_that_are_counted_elsewhere_are_in_it(void **state)
{
	uint32_t cpu = 1, gate_at = cpu + 1;
	struct call_ring calls = { .runs = { { 5, 5000 }, { 6, 6000 } } };
	struct dns_gate gate = { .runs = { 7, 7000 } };

	bpf_map_update_elem(with.cells.fds[MAP_CALL_RINGS], &cpu, &calls, 0);
	bpf_map_update_elem(with.cells.fds[MAP_DNS_GATES], &gate_at, &gate, 0);
	set_runs(0, PROGRAM_syscall_exit, 100, 0);
	look(1);
	assert_int_equal(value_of("assay.bpf.runs", "syscall", "syscall_enter"), 5);
	assert_int_equal(value_of("assay.bpf.runs", "syscall", "syscall_exit"), 106);
	assert_int_equal(value_of("assay.bpf.runs", "dns", "dns_packet_in"), 7);
	assert_true(seconds_of("assay.bpf.run.time", "dns", "dns_packet_in") ==
		    7000 * 1e-9);
}

/* Timed runs are net of the clock's own time: one may come out below 0. */
static void a_time_that_shrinks_is_reported_as_it_was(void **state)
{
	static const struct {
		int64_t ns;
		double reported;
	} readings[] = {
		{ -50, 0 },
		{ 2000, 2000 * 1e-9 },
		{ 1900, 2000 * 1e-9 },
		{ 2100, 2100 * 1e-9 },
	};

	for (size_t i = 0; i < COUNT(readings); i++) {
		set_runs(0, PROGRAM_block_issue, i + 1, readings[i].ns);
		look(i + 1);
		assert_true(seconds_of("assay.bpf.run.time", "block", "block_issue") ==
			    readings[i].reported);
	}
}

static double gauge_of(const char *metric, const char *probe)
{
	const struct point *p = find(metric, probe, NULL, NULL);

	assert_non_null(p);
	assert_int_equal(p->start_ns, 0);
	return p->d;
}

static void what_probes_cost_is_told_of_those_that_are_loaded(void **state)
{
	struct budget_facts b = { .budget = 0.01 };

	look(1);
	assert_int_equal(points_of("assay.probe.duty"), 0); /* nobody looks at it */
	b.loaded[PROBE_SYSCALL] = b.loaded[PROBE_TCP] = true;
	b.duty[PROBE_SYSCALL] = 0.25;
	b.cost[PROBE_SYSCALL] = 0.007;
	with.facts.budget = &b;
	look(2);
	assert_int_equal(points_of("assay.probe.duty"), 2);
	assert_int_equal(points_of("assay.probe.cost"), 2);
	assert_true(gauge_of("assay.probe.duty", "syscall") == 0.25);
	assert_true(gauge_of("assay.probe.cost", "syscall") == 0.007);
	assert_true(gauge_of("assay.probe.duty", "tcp") == 0);
	assert_true(gauge_of("assay.budget", NULL) == 0.01);
	b.budget = 0;
	look(3);
	assert_int_equal(points_of("assay.budget"), 0);
	assert_int_equal(points_of("assay.probe.duty"), 2);
}

static void sizes_are_those_of_the_plan(void **state)
{
	look(1);
	assert_int_equal(value_of("assay.slot.usage", NULL, NULL), 17);
	assert_int_equal(value_of("assay.slot.limit", NULL, NULL), 1024);
	assert_int_equal(value_of("assay.map.size", NULL, NULL), 5000000);
	assert_int_equal(value_of("assay.heap.limit", NULL, NULL), 1000000);
}

static double used_cpu(bool user)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return user ? ru.ru_utime.tv_sec + ru.ru_utime.tv_usec * 1e-6
		    : ru.ru_stime.tv_sec + ru.ru_stime.tv_usec * 1e-6;
}

/* VmRSS of /proc/self/status, in kB there: another file than the agent reads. */
static uint64_t resident(void)
{
	char line[128];
	unsigned long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "VmRSS: %lu kB", &kb) != 1)
		;
	fclose(f);
	assert_true(kb > 0);
	return kb * 1024;
}

static void the_process_is_measured_as_the_kernel_does(void **state)
{
	const size_t ours = 32 << 20;
	double user = used_cpu(true), system = used_cpu(false);
	uint64_t before, after;
	void *memory;

	look(1);
	assert_true(seconds_of("process.cpu.time", "user", NULL) >= user);
	assert_true(seconds_of("process.cpu.time", "user", NULL) <= used_cpu(true));
	assert_true(seconds_of("process.cpu.time", "system", NULL) >= system);
	assert_true(seconds_of("process.cpu.time", "system", NULL) <= used_cpu(false));
	before = value_of("process.memory.usage", NULL, NULL);
	memory = mmap(NULL, ours, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
	assert_ptr_not_equal(memory, MAP_FAILED);
	look(2);
	after = value_of("process.memory.usage", NULL, NULL);
	/* the kernel may be a few pages a CPU behind with its own counting */
	assert_in_range(after - before, ours - (2 << 20), ours + (2 << 20));
	assert_in_range(after, resident() - (2 << 20), resident() + (2 << 20));
	munmap(memory, ours);
}

/* From the start on; the program's own memory of before is not in it. */
static void what_the_numbers_take_is_what_malloc_gave(void **state)
{
	const size_t ours = 3 << 20;
	uint64_t before;
	char *more;

	with.self.heap_start = 0;
	look(1);
	if (!value_of("assay.heap.usage", NULL, NULL))
		skip(); /* a sanitizer's malloc does not tell */
	self_init(&with.self);
	look(2);
	before = value_of("assay.heap.usage", NULL, NULL);
	assert_in_range(before, 0, 1 << 20);
	more = malloc(ours);
	assert_non_null(more);
	memset(more, 1, ours);
	look(3);
	assert_in_range(value_of("assay.heap.usage", NULL, NULL), before + ours,
			before + ours + (64 << 10));
	free(more);
	look(4);
	assert_in_range(value_of("assay.heap.usage", NULL, NULL), 0,
			before + (64 << 10));
}

#define EXPORTED "otel.sdk.exporter.metric_data_point.exported"

static void exports_are_counted_by_what_became_of_them(void **state)
{
	look(1);
	assert_int_equal(value_of(EXPORTED, NULL, NULL), 0);
	assert_int_equal(points_of(EXPORTED), 1);
	with.stats =
	    (struct export_stats){ .exported = 1234,
				   .failed = { { "503", 7 }, { "timeout", 8 } },
				   .failed_count = 2 };
	look(2);
	assert_int_equal(value_of(EXPORTED, NULL, NULL), 1234);
	assert_int_equal(value_of(EXPORTED, "503", NULL), 7);
	assert_int_equal(value_of(EXPORTED, "timeout", NULL), 8);
	assert_int_equal(points_of(EXPORTED), 3);
	with.facts.stats = NULL; /* no exporter: nothing to say of it */
	look(3);
	assert_int_equal(points_of(EXPORTED), 0);
}

static void the_history_is_told(void **state)
{
	with.facts.history = &some_history;
	look(1);
	assert_int_equal(value_of("assay.history.size", NULL, NULL), 4096);
	assert_int_equal(value_of("assay.history.readings", "kept", NULL), 5);
	assert_int_equal(value_of("assay.history.readings", "late", NULL), 2);
	assert_int_equal(value_of("assay.history.readings", "lost", NULL), 1);
}

/* Everything that there is to say at once; but for runs that the kernel skipped. */
static void there_are_no_more_series_than_the_bound(void **state)
{
	memset(with.control.lost, 1, sizeof(with.control.lost));
	static const struct node_usage node = { .memory = 1, .memory_available = 1 };

	with.facts.node = &node;
	with.facts.folded = with.facts.overflown = 1;
	with.facts.history = &some_history;
	with.facts.budget = &all_on;
	for (int i = 0; i < PROGRAM_COUNT; i++)
		set_runs(0, i, 1000, 1000000000);
	with.stats.failed_count = EXPORT_FAILURES;
	for (int i = 0; i < EXPORT_FAILURES; i++)
		snprintf(with.stats.failed[i].type, sizeof(with.stats.failed[i].type),
			 "%d", i);
	for (int k = 0; k < 2 * SELF_ENDED; k++) {
		for (int i = 0; i < PROBE_COUNT; i++)
			snprintf(with.probes[i].reason, sizeof(with.probes[i].reason),
				 "%d", k);
		look(k + 1);
	}
	assert_int_equal(with.group->count, SELF_SERIES_MOST - PROBE_COUNT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SELF_TEST(metrics_are_what_they_were),
		SELF_TEST(all_that_is_listed_is_reported),
		SELF_TEST(the_kubelet_is_reported_when_it_is_asked),
		SELF_TEST(every_loss_has_a_name_of_its_own),
		SELF_TEST(losses_are_counted_by_probe_and_reason),
		SELF_TEST(skipped_runs_are_lost_events),
		SELF_TEST(runs_of_all_cpus_add_up),
		SELF_TEST(runs_that_are_counted_elsewhere_are_in_it),
		SELF_TEST(a_time_that_shrinks_is_reported_as_it_was),
		SELF_TEST(what_probes_cost_is_told_of_those_that_are_loaded),
		SELF_TEST(sizes_are_those_of_the_plan),
		SELF_TEST(what_the_numbers_take_is_what_malloc_gave),
		SELF_TEST(the_process_is_measured_as_the_kernel_does),
		SELF_TEST(exports_are_counted_by_what_became_of_them),
		SELF_TEST(the_history_is_told),
		SELF_TEST(there_are_no_more_series_than_the_bound),
	};

	return cmocka_run_group_tests_name("self", tests, NULL, NULL);
}
