// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <jansson.h>
#include "base/units.h"
#include "base/util.h"
#include "view/bench.h"
#include "view/listing.h"

#define NAME 22

/* A column of ns or %, or a dash. */
static void number(FILE *f, int width, int digits, double value)
{
	if (value < 0)
		fprintf(f, " %*s", width, "-");
	else
		fprintf(f, " %*.*f", width, digits, value);
}

static double percent(double cpus, unsigned int of)
{
	return cpus < 0 ? BENCH_NONE : 100 * cpus / of;
}

static void print_row(const struct bench *b, const struct bench_row *r, FILE *f)
{
	char rate[UNITS_LEN], name[64];

	snprintf(name, sizeof(name), "%s%s", r->program ? "  " : "",
		 r->program ? r->program : r->probe);
	fprintf(f, "%-*s %9s", NAME, name, units_rate(rate, r->rate));
	number(f, 9, 0, r->own_ns);
	number(f, 8, 0, r->kernel_ns);
	number(f, 6, 0, r->hook_ns);
	number(f, 8, 0, r->run_ns);
	number(f, 9, 3, percent(r->cpu, 1));
	number(f, 9, 4, percent(r->cpu, b->cpus));
	if (!r->program)
		fprintf(f, "  %s", r->state);
	if (!r->program && r->duty > 0 && r->duty < 1)
		fprintf(f, ", %.4g of the time", r->duty);
	fputc('\n', f);
}

/* What the columns are, and what could not be had. */
static void print_notes(const struct bench *b, FILE *f)
{
	char text[UNITS_LEN];

	fputs(
	    "\nprogram: of a run, by the programs' own clock (1 of 1024 runs), since "
	    "they were attached\nhook: what the kernel takes to call it; of system calls "
	    "measured on this node, of others\n  a stated default\n"
	    "kernel: the same as program, by the kernel's BPF statistics: ",
	    f);
	if (b->stats_s > 0)
		fprintf(f, "they were on for %s, and are off again\n",
			units_seconds(text, b->stats_s));
	else
		fprintf(f, "%s\n",
			*b->why_no_stats ? b->why_no_stats
					 : "not asked for (--kernel-stats, as root)");
	fputs(
	    "-: too few runs yet to tell; together is then what the agent reckons with\n",
	    f);
}

int bench_table(const struct bench *b, FILE *f)
{
	char text[UNITS_LEN];
	double sum = 0;

	fprintf(f, "%s, %s, %u CPUs\n\n",
		b->from_agent ? "The running agent's probes"
			      : "This build's probes (no agent runs)",
		units_seconds(text, b->seconds), b->cpus);
	fprintf(f, "%-*s %9s %9s %8s %6s %8s %9s %9s\n", NAME, "", "runs", "program",
		"kernel", "hook", "together", "% of one", "% of");
	fprintf(f, "%-*s %9s %9s %8s %6s %8s %9s %9s\n", NAME, "PROBE", "now", "ns",
		"ns", "ns", "ns", "CPU", "the node");
	for (size_t i = 0; i < b->count; i++) {
		print_row(b, &b->rows[i], f);
		if (!b->rows[i].program && b->rows[i].cpu > 0)
			sum += b->rows[i].cpu;
	}
	fprintf(f, "%-*s %*s", NAME, "all probes", 45, "");
	number(f, 9, 3, percent(sum, 1));
	number(f, 9, 4, percent(sum, b->cpus));
	fputc('\n', f);
	if (b->agent_cpu >= 0) {
		fprintf(f, "%-*s %*s", NAME, "the agent's process", 45, "");
		number(f, 9, 3, percent(b->agent_cpu, 1));
		number(f, 9, 4, percent(b->agent_cpu, b->cpus));
		fputc('\n', f);
	}
	print_notes(b, f);
	return write_out(f);
}

/* An empty field: not known. */
static void csv_number(FILE *f, double value)
{
	if (value < 0)
		fputc(',', f);
	else
		fprintf(f, ",%.6g", value);
}

int bench_csv(const struct bench *b, FILE *f)
{
	fputs("probe,program,state,duty,runs_per_second,program_ns,kernel_ns,hook_ns,"
	      "run_ns,percent_of_one_cpu,percent_of_node\n",
	      f);
	for (size_t i = 0; i < b->count; i++) {
		const struct bench_row *r = &b->rows[i];
		double numbers[] = { r->duty,
				     r->rate,
				     r->own_ns,
				     r->kernel_ns,
				     r->hook_ns,
				     r->run_ns,
				     percent(r->cpu, 1),
				     percent(r->cpu, b->cpus) };

		fprintf(f, "%s,%s,%s", r->probe, r->program ? r->program : "",
			r->state);
		for (size_t k = 0; k < COUNT(numbers); k++)
			csv_number(f, numbers[k]);
		fputc('\n', f);
	}
	return write_out(f);
}

static json_t *json_number(double value)
{
	return value < 0 ? json_null() : json_real(value);
}

static json_t *row_json(const struct bench *b, const struct bench_row *r)
{
	json_t *j =
	    json_pack("{s:s, s:s?, s:s, s:f}", "probe", r->probe, "program", r->program,
		      "state", r->state, "runs_per_second", r->rate);

	json_object_set_new(j, "duty", json_number(r->duty));
	json_object_set_new(j, "program_ns", json_number(r->own_ns));
	json_object_set_new(j, "kernel_ns", json_number(r->kernel_ns));
	json_object_set_new(j, "hook_ns", json_number(r->hook_ns));
	json_object_set_new(j, "run_ns", json_number(r->run_ns));
	json_object_set_new(j, "percent_of_one_cpu", json_number(percent(r->cpu, 1)));
	json_object_set_new(j, "percent_of_node",
			    json_number(percent(r->cpu, b->cpus)));
	return j;
}

int bench_json(const struct bench *b, FILE *f)
{
	json_t *rows = json_array(), *j;
	int err;

	for (size_t i = 0; i < b->count; i++)
		json_array_append_new(rows, row_json(b, &b->rows[i]));
	j = json_pack("{s:s, s:f, s:i, s:f, s:s, s:o}", "source",
		      b->from_agent ? "agent" : "self", "seconds", b->seconds, "cpus",
		      (int)b->cpus, "kernel_stats_seconds", b->stats_s,
		      "kernel_stats_missing", b->why_no_stats, "rows", rows);
	if (!j)
		return -ENOMEM;
	json_object_set_new(j, "agent_percent_of_one_cpu",
			    json_number(percent(b->agent_cpu, 1)));
	err = json_put(j, 6, f);
	json_decref(j);
	fputc('\n', f);
	return write_out(f) ?: (err ? -ENOMEM : 0);
}
