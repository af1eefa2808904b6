// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/util.h"
#include "kernel/probes.h"
#include "view/bench.h"
#include "view/cost.h"
#include "view/report.h"

#define TIMED_RUNS 30000 /* of fewer, too few were timed: one of 1024 is */

/* A gauge or sum of the agent's own with these attributes; BENCH_NONE: there is none.
 */
static double own_value(const struct frame *f, const char *name, const char *probe)
{
	double sum = BENCH_NONE;

	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		const char *of = frame_attr(&s->attrs, "assay.probe");

		if (strcmp(s->name, name) || report_is_workload(s->resource) ||
		    (probe && (!of || strcmp(of, probe))))
			continue;
		sum = (sum < 0 ? 0 : sum) + report_value(s);
	}
	return sum;
}

static const char *state_of(const struct frame *f, const char *probe)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		const char *of = frame_attr(&s->attrs, "assay.probe");
		const char *state = frame_attr(&s->attrs, "assay.state");

		if (!strcmp(s->name, "assay.probe.attached") && of && state &&
		    !strcmp(of, probe))
			return state;
	}
	return "unknown";
}

/* What the agent says of a probe; NULL: nothing. */
static const struct status_probe *told(const struct status *status, const char *probe)
{
	for (size_t i = 0; status && status->governed && i < status->probe_count; i++)
		if (!strcmp(status->probes[i].name, probe) &&
		    status->probes[i].run_ns > 0)
			return &status->probes[i];
	return NULL;
}

static void fill(struct bench_row *r, const struct bench *b, const struct frame *change,
		 const struct frame *total)
{
	struct cost now, all;

	cost_get(change, r->probe, r->program, &now);
	cost_get(total, r->probe, r->program, &all);
	r->rate = b->seconds > 0 ? now.runs / b->seconds : 0;
	r->own_ns = all.runs >= TIMED_RUNS ? all.seconds / all.runs * 1e9 : BENCH_NONE;
	r->kernel_ns = r->hook_ns = r->run_ns = r->cpu = BENCH_NONE;
}

/* What is known of a run. */
static void add_up(struct bench_row *r, const struct status_probe *told)
{
	r->hook_ns = told ? told->hook_ns : BENCH_NONE;
	if (r->own_ns >= 0 && told)
		r->run_ns = r->own_ns + r->hook_ns;
	else if (told)
		r->run_ns = told->run_ns;
	if (r->rate <= 0)
		r->cpu = 0;
	else if (r->run_ns >= 0)
		r->cpu = r->rate * r->run_ns * 1e-9;
}

/* Of all its programs: the mean by how often each ran. */
static void sum_kernel(struct bench_row *probe, const struct bench_row *programs_of,
		       size_t count)
{
	double runs = 0, ns = 0;

	for (size_t i = 0; i < count; i++) {
		if (programs_of[i].kernel_ns < 0)
			continue;
		runs += programs_of[i].rate;
		ns += programs_of[i].rate * programs_of[i].kernel_ns;
	}
	if (runs > 0)
		probe->kernel_ns = ns / runs;
}

static void fill_probe(struct bench *b, size_t i, const struct frame *change,
		       const struct frame *total, const struct status *status,
		       const bench_kernel_ns kernel_ns)
{
	struct bench_row *probe = &b->rows[b->count++];
	const struct status_probe *of_agent = told(status, probe_descs[i].name);
	size_t first = b->count;
	double cpu = 0;

	*probe = (struct bench_row){ .probe = probe_descs[i].name };
	fill(probe, b, change, total);
	probe->state = state_of(total, probe->probe);
	probe->duty = own_value(total, "assay.probe.duty", probe->probe);
	for (size_t p = 0; p < PROGRAM_COUNT; p++) {
		struct bench_row *r = &b->rows[b->count];

		if (programs[p].probe != i)
			continue;
		*r = *probe;
		r->program = programs[p].name;
		fill(r, b, change, total);
		if (r->rate <= 0)
			continue; /* nothing to show */
		r->kernel_ns = kernel_ns[p];
		add_up(r, of_agent);
		b->count++;
	}
	sum_kernel(probe, &b->rows[first], b->count - first);
	add_up(probe, of_agent);
	for (size_t k = first; k < b->count; k++)
		cpu += b->rows[k].cpu > 0 ? b->rows[k].cpu : 0;
	if (cpu > 0)
		probe->cpu = cpu; /* each program by what it takes itself */
}

void bench_fill(struct bench *b, const struct frame *change, const struct frame *total,
		const struct status *status, const bench_kernel_ns kernel_ns)
{
	double agent = own_value(change, "process.cpu.time", NULL);

	b->count = 0;
	for (size_t i = 0; i < probe_desc_count; i++)
		fill_probe(b, i, change, total, status, kernel_ns);
	b->agent_cpu = BENCH_NONE;
	if (b->from_agent && agent >= 0 && b->seconds > 0)
		b->agent_cpu = agent / b->seconds;
}
