// SPDX-License-Identifier: Apache-2.0
/*
 * The table of `assay report`. A workload has a block for each golden signal that it
 * has numbers for; what hurts comes first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/text.h"
#include "base/units.h"
#include "base/util.h"
#include "view/report.h"
#include "view/report_items.h"

#define LABEL	    34
#define WORKLOADS   30 /* in the overview; those after them are only counted */
#define BLOCKS	    10 /* with all details */
#define ERROR_ITEMS 8

/* Text of a number behind a sign that says that it is an estimate. */
static const char *marked(char out[UNITS_LEN], bool estimated, const char *text)
{
	snprintf(out, UNITS_LEN, "%s%s", estimated ? "~" : "", text);
	return out;
}

/* A column of numbers: 9 wide, or as wide as it is asked. */
static void print_number(FILE *f, int width, bool estimated, const char *text)
{
	char out[UNITS_LEN];

	fprintf(f, "%*s", width, marked(out, estimated, text));
}

static void print_hist(FILE *f, const char **head, const struct item *item,
		       double duration_s)
{
	const struct hist *h = item->s->hist;
	bool estimated = report_is_estimated(item->s);
	double times[] = { report_quantile(h, 50), report_quantile(h, 90),
			   report_quantile(h, 99), report_max(h) };
	char text[UNITS_LEN];

	report_line(f, head);
	text_column(f, item->label, LABEL);
	print_number(f, 9, estimated, units_rate(text, hist_count(h) / duration_s));
	for (size_t i = 0; i < COUNT(times); i++)
		print_number(f, 9, estimated, units_seconds(text, times[i]));
	fputc('\n', f);
	if (!strcmp(item->s->name, "assay.sched.wait.duration") &&
	    h->sum_ns * 1e-9 / duration_s >= 0.01)
		fprintf(f, "%*s%.2f threads were waiting on average\n", REPORT_INDENT,
			"", h->sum_ns * 1e-9 / duration_s);
}

/* A value with its unit: bytes and events as rates, errors as counts, gauges as is. */
static void format_value(char *out, size_t len, const struct item *item,
			 double duration_s)
{
	const char *mark = report_is_estimated(item->s) ? "~" : "";
	double value = report_value(item->s);
	char a[16], b[16];

	if (item->s->kind == METRIC_GAUGE && !strcmp(item->s->unit, "s"))
		snprintf(out, len, "%s %s", item->label, units_age(a, value));
	else if (item->s->kind != METRIC_SUM)
		snprintf(out, len, "%s %s", item->label, units_count(a, value));
	else if (!strcmp(item->s->unit, "s"))
		snprintf(out, len, "%s %.2f", item->label, value / duration_s);
	else if (!strcmp(item->s->unit, "By"))
		snprintf(out, len, "%s %s", item->label,
			 units_bytes_rate(a, value / duration_s));
	else if (item->signal == SHOW_ERRORS)
		snprintf(out, len, "%s %s%s (%s%s)", item->label, mark,
			 units_count(a, value), mark,
			 units_rate(b, value / duration_s));
	else
		snprintf(out, len, "%s %s%s", item->label, mark,
			 units_rate(a, value / duration_s));
}

/* Items beside each other, in as many lines as they need. */
static void print_values(FILE *f, const char **head, const struct item *items,
			 size_t count, double duration_s)
{
	size_t column = REPORT_INDENT, most = count;
	char text[96];

	if (items->signal == SHOW_ERRORS && count > ERROR_ITEMS)
		most = ERROR_ITEMS;
	report_line(f, head);
	for (size_t i = 0; i < most; i++) {
		format_value(text, sizeof(text), &items[i], duration_s);
		report_put(f, &column, i ? "   " : "", text);
	}
	if (count > most)
		fprintf(f, "\n%*sand %zu rarer kinds", REPORT_INDENT, "", count - most);
	fputc('\n', f);
}

/* All of one signal; those that several metrics make come last. */
static void print_signal(FILE *f, const struct block *b, const struct item *items,
			 size_t count, double duration_s)
{
	const char *head = report_signal_name(items->signal);
	size_t i = 0, first;

	for (; i < count && items[i].s->kind == METRIC_HISTOGRAM; i++)
		print_hist(f, &head, &items[i], duration_s);
	for (first = i; i < count && !items[i].composed; i++)
		;
	if (i > first)
		print_values(f, &head, items + first, i - first, duration_s);
	if (i < count)
		report_lines(f, b, duration_s, &head);
}

static bool has_hist(const struct block *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->items[i].s->kind == METRIC_HISTOGRAM)
			return true;
	return false;
}

/* The workload's name, and the heads of the columns beside or below it. */
static void print_title(FILE *f, const struct block *b)
{
	const char *cgroup = frame_cgroup(b->resource), *name = frame_name(b->resource);
	size_t n = text_columns(name) + text_columns(frame_kind(b->resource)) + 3;

	fprintf(f, "\n%s (%s)", name, frame_kind(b->resource));
	if (*cgroup && strcmp(cgroup, name)) {
		fprintf(f, "  %s", cgroup);
		n += 2 + text_columns(cgroup);
	}
	if (!has_hist(b)) {
		fputc('\n', f);
		return;
	}
	if (n >= REPORT_INDENT + LABEL) {
		fputc('\n', f);
		n = 0;
	}
	fprintf(f, "%*s%9s%9s%9s%9s%9s\n", REPORT_INDENT + LABEL - (int)n, "", "rate",
		"p50", "p90", "p99", "max");
}

static void print_block(FILE *f, const struct block *b, double duration_s)
{
	size_t end;

	print_title(f, b);
	for (size_t i = 0; i < b->count; i = end) {
		end = i;
		while (end < b->count && b->items[end].signal == b->items[i].signal)
			end++;
		print_signal(f, b, b->items + i, end - i, duration_s);
	}
}

static int compare_blocks(const void *a, const void *b)
{
	const struct block *x = a, *y = b;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->resource < y->resource ? -1 : x->resource > y->resource;
}

static int fill_blocks(const struct frame *f, struct block *blocks, size_t *count)
{
	size_t end;

	for (size_t i = 0; i < f->count; i = end) {
		int err;

		end = report_group_end(f, i);
		if (!report_is_workload(f->series[i].resource))
			continue;
		err = report_block(&blocks[*count], f, i, end);
		if (err)
			return err;
		if (blocks[*count].count)
			(*count)++;
		else
			free(blocks[*count].items);
	}
	qsort(blocks, *count, sizeof(*blocks), compare_blocks);
	return 0;
}

/* What one workload comes to, per second. */
struct overview {
	const struct hist *responses; /* as a server if it is one, else as a client */
	double calls, errors, waiting;
	bool responses_estimated, calls_estimated, errors_estimated;
};

static struct overview sum_up(const struct block *b, double duration_s)
{
	struct overview o = { 0 };

	for (size_t i = 0; i < b->count; i++) {
		const struct frame_series *s = b->items[i].s;
		const char *role = frame_attr(&s->attrs, "assay.tcp.role");
		const struct hist *h;

		if ((h = report_hist(s, "assay.tcp.response.duration"))) {
			if (o.responses && (!role || strcmp(role, "server")))
				continue;
			o.responses = h;
			o.responses_estimated = report_is_estimated(s);
		} else if ((h = report_hist(s, "assay.syscall.duration"))) {
			o.calls += hist_count(h) / duration_s;
			o.calls_estimated |= report_is_estimated(s);
		} else if ((h = report_hist(s, "assay.sched.wait.duration"))) {
			o.waiting += h->sum_ns * 1e-9 / duration_s;
		} else if (b->items[i].signal == SHOW_ERRORS &&
			   strcmp(s->name, "assay.syscall.errors")) {
			o.errors += report_value(s) / duration_s;
			o.errors_estimated |= report_is_estimated(s);
		}
	}
	return o;
}

/* A line for each workload, worst first. */
static void print_overview(FILE *f, const struct block *blocks, size_t count,
			   double duration_s)
{
	char text[UNITS_LEN];

	fprintf(f, "\n%-44s%11s%9s%11s%10s%10s\n", "WORKLOADS, what hurts first",
		"responses", "p99", "errors", "calls", "waiting");
	for (size_t i = 0; i < count && i < WORKLOADS; i++) {
		struct overview o = sum_up(&blocks[i], duration_s);
		const struct hist *h = o.responses;

		fputs("  ", f);
		text_column(f, frame_name(blocks[i].resource), 42);
		print_number(f, 11, o.responses_estimated,
			     h ? units_rate(text, hist_count(h) / duration_s) : "-");
		print_number(f, 9, o.responses_estimated,
			     h ? units_seconds(text, report_quantile(h, 99)) : "-");
		print_number(f, 11, o.errors_estimated,
			     o.errors > 0 ? units_rate(text, o.errors) : "-");
		print_number(f, 10, o.calls_estimated,
			     o.calls > 0 ? units_rate(text, o.calls) : "-");
		fprintf(f, "%10.2f\n", o.waiting);
	}
	if (count > WORKLOADS)
		fprintf(f, "  and %zu quieter workloads (--format json has all)\n",
			count - WORKLOADS);
	if (count > BLOCKS)
		fprintf(f, "  Details of the first %d follow.\n", BLOCKS);
}

static void print_head(const struct report *r, FILE *f)
{
	struct utsname u;
	char node[256];

	uname(&u);
	text_copy(node, sizeof(node), report_node(r->frame, &u), SIZE_MAX);
	fprintf(f, "%s, Linux %s, %ld CPUs: %.1f s %s\n", node, u.release,
		sysconf(_SC_NPROCESSORS_ONLN), r->duration_s,
		r->from_agent ? "from the agent" : "measured by this command");
}

static const char *attr_or(const struct frame_series *s, const char *key,
			   const char *none)
{
	const char *value = frame_attr(&s->attrs, key);

	return value && *value ? value : none;
}

/* What the numbers above do not hold: probes that do not run, and what was lost. */
static void print_gaps(const struct frame *frame, FILE *f)
{
	bool first = true;
	char n[UNITS_LEN];

	for (size_t i = 0; i < frame->count; i++) {
		const struct frame_series *s = &frame->series[i];
		const char *state = attr_or(s, "assay.state", "unavailable");
		const char *probe = attr_or(s, "assay.probe", "agent");

		if (report_is_workload(s->resource))
			continue;
		if (!strcmp(s->name, "assay.probe.attached") &&
		    strcmp(state, "attached"))
			fprintf(f, "%sNOT MEASURED  %s is %s: %s\n", first ? "\n" : "",
				probe, state,
				attr_or(s, "assay.reason", "no reason given"));
		else if (!strcmp(s->name, "assay.lost") && report_has_events(s))
			fprintf(f, "%sLOST          %s: %s %s\n", first ? "\n" : "",
				probe, units_count(n, report_value(s)),
				attr_or(s, "assay.reason", "events"));
		else
			continue;
		first = false;
	}
}

/* What a sign before some of the numbers says. */
static void print_legend(const struct frame *frame, FILE *f)
{
	for (size_t i = 0; i < frame->count; i++) {
		if (!report_is_estimated(&frame->series[i]))
			continue;
		fputs(
		    "\n~ is an estimate: its probe is attached for a part of the time "
		    "(its duty, assay tune)\n",
		    f);
		return;
	}
}

int report_table(const struct report *r, FILE *f)
{
	struct block *blocks = calloc(r->frame->count + 1, sizeof(*blocks));
	size_t count = 0;
	int err;

	if (!blocks)
		return -ENOMEM;
	err = fill_blocks(r->frame, blocks, &count);
	if (!err) {
		print_head(r, f);
		if (!count)
			fputs("\nNothing was measured: no workload had an event.\n", f);
		else
			print_overview(f, blocks, count, r->duration_s);
		for (size_t i = 0; i < count && i < BLOCKS; i++)
			print_block(f, &blocks[i], r->duration_s);
		print_legend(r->frame, f);
		print_gaps(r->frame, f);
		if (fflush(f))
			err = -EIO;
	}
	for (size_t i = 0; i < count; i++)
		free(blocks[i].items);
	free(blocks);
	return err;
}
