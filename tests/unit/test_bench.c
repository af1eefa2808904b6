// SPDX-License-Identifier: Apache-2.0
/* What `assay bench` makes of an agent's own metrics. */
#include "base/util.h"
#include "view/bench.h"
#include "fake_frame.h"

static const struct metric runs = { "assay.bpf.runs", "{run}", "", METRIC_SUM,
				    .attrs = { "assay.probe", "assay.program" } };
static const struct metric run_time = {
	"assay.bpf.run.time", "s",  "",
	METRIC_SUM,	      true, .attrs = { "assay.probe", "assay.program" }
};
static const struct metric attached = { "assay.probe.attached", "", "", METRIC_GAUGE,
					.attrs = { "assay.probe", "assay.state",
						   "assay.reason" } };

/* So many runs of two programs; of one it is known how long they take. */
static struct frame *some_runs(uint64_t enter, uint64_t migrate)
{
	struct points p = { 0 };
	struct point_group *g = points_group(&p);
	struct point *s;

	points_attr(g, "service.name", "assay");
	add_sum(g, &attached, "syscall", "attached", NULL, 1);
	add_sum(g, &runs, "syscall", "syscall_enter", NULL, enter);
	s = points_add(g, &run_time);
	s->values[0] = "syscall";
	s->values[1] = "syscall_enter";
	s->start_ns = SECOND;
	s->d = enter * 60e-9;
	add_sum(g, &runs, "sched", "sched_migrate", NULL, migrate);
	return to_frame(&p);
}

static const struct bench_row *find(const struct bench *b, const char *probe,
				    const char *program)
{
	for (size_t i = 0; i < b->count; i++) {
		const struct bench_row *r = &b->rows[i];

		if (!strcmp(r->probe, probe) &&
		    (program ? r->program && !strcmp(r->program, program)
			     : !r->program))
			return r;
	}
	return NULL;
}

static void fill(struct bench *b, struct frame *frames[2], bool told)
{
	struct status *s = test_calloc(1, sizeof(*s));
	bench_kernel_ns kernel_ns;

	s->governed = told;
	s->probe_count = 2;
	strcpy(s->probes[0].name, "syscall");
	s->probes[0].run_ns = 97;
	s->probes[0].hook_ns = 40;
	strcpy(s->probes[1].name, "sched");
	s->probes[1].run_ns = 90;
	s->probes[1].hook_ns = 30;
	for (size_t i = 0; i < PROGRAM_COUNT; i++)
		kernel_ns[i] = BENCH_NONE;
	kernel_ns[PROGRAM_syscall_enter] = 80;
	*b = (struct bench){ .seconds = 2, .cpus = 4, .from_agent = true };
	frames[0] = some_runs(40000, 20);
	frames[1] = some_runs(400000, 200);
	bench_fill(b, frames[0], frames[1], s, kernel_ns);
	test_free(s);
}

static void test_a_program_by_its_own_clock(void **state)
{
	const struct bench_row *r;
	struct frame *frames[2];
	struct bench b;

	fill(&b, frames, true);
	r = find(&b, "syscall", "syscall_enter");
	assert_non_null(r);
	assert_true(r->rate == 20000);
	assert_true(r->own_ns > 59.9 && r->own_ns < 60.1);
	assert_true(r->kernel_ns == 80 && r->hook_ns == 40);
	assert_true(r->cpu > 0.00199 && r->cpu < 0.00201); /* 20000 of 100 ns */
	r = find(&b, "syscall", NULL);
	assert_true(r->cpu > 0.00199 && r->cpu < 0.00201);
	assert_string_equal(r->state, "attached");
	frame_free(frames[0]);
	frame_free(frames[1]);
}

static void test_too_few_runs_are_what_the_agent_reckons(void **state)
{
	const struct bench_row *r;
	struct frame *frames[2];
	struct bench b;

	fill(&b, frames, true);
	r = find(&b, "sched", "sched_migrate");
	assert_non_null(r);
	assert_true(r->own_ns < 0 && r->kernel_ns < 0);
	assert_true(r->run_ns == 90);
	assert_true(r->cpu > 0.89e-6 && r->cpu < 0.91e-6); /* 10 of 90 ns */
	assert_null(find(&b, "sched", "sched_switch"));
	frame_free(frames[0]);
	frame_free(frames[1]);
}

static void test_an_agent_that_does_not_say(void **state)
{
	const struct bench_row *r;
	struct frame *frames[2];
	struct bench b;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	fill(&b, frames, false);
	r = find(&b, "syscall", NULL);
	assert_true(r->hook_ns < 0 && r->run_ns < 0 && r->cpu < 0);
	assert_int_equal(bench_table(&b, f), 0);
	assert_int_equal(bench_csv(&b, f), 0);
	assert_int_equal(bench_json(&b, f), 0);
	fclose(f);
	assert_has(text, "syscall_enter ");
	assert_has(text, "syscall,syscall_enter,attached,,20000,60,80,,,,\n");
	assert_has(text, "\"hook_ns\": null");
	free(text);
	frame_free(frames[0]);
	frame_free(frames[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_program_by_its_own_clock),
		cmocka_unit_test(test_too_few_runs_are_what_the_agent_reckons),
		cmocka_unit_test(test_an_agent_that_does_not_say),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
