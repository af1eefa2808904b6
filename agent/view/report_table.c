// SPDX-License-Identifier: Apache-2.0
/*
 * The table of `assay report`: its first screen, and below it the details of the first
 * workloads, a part for each golden signal that they have numbers for.
 */
#include <errno.h>
#include <string.h>
#include "base/text.h"
#include "base/units.h"
#include "base/util.h"
#include "view/report.h"
#include "view/report_items.h"
#include "view/report_rows.h"

#define LABEL	    34
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
	double time_s = report_item_time(item, duration_s);
	const struct hist *h = item->s->hist;
	bool estimated = report_is_estimated(item->s);
	double times[] = { report_quantile(h, 50), report_quantile(h, 90),
			   report_quantile(h, 99), report_max(h) };
	char text[UNITS_LEN];

	report_line(f, head);
	text_column(f, item->label, LABEL);
	print_number(f, 9, estimated, units_rate(text, hist_count(h) / time_s));
	for (size_t i = 0; i < COUNT(times); i++)
		print_number(f, 9, estimated, units_seconds(text, times[i]));
	fputc('\n', f);
	if (!strcmp(item->s->name, "assay.sched.wait.duration") &&
	    h->sum_ns * 1e-9 / time_s >= 0.01)
		fprintf(f, "%*s%.2f threads were waiting on average\n", REPORT_INDENT,
			"", h->sum_ns * 1e-9 / time_s);
}

/* A value with its unit: bytes and events as rates, errors as counts, gauges as is. */
static void format_value(char *out, size_t len, const struct item *item,
			 double duration_s)
{
	const char *mark = report_is_estimated(item->s) ? "~" : "";
	double value = report_value(item->s);
	double rate = value / report_item_time(item, duration_s);
	char a[16], b[16];

	if (item->s->kind == METRIC_GAUGE && !strcmp(item->s->unit, "s"))
		snprintf(out, len, "%s %s", item->label, units_age(a, value));
	else if (item->s->kind != METRIC_SUM)
		snprintf(out, len, "%s %s", item->label, units_count(a, value));
	else if (!strcmp(item->s->unit, "s"))
		snprintf(out, len, "%s %.2f", item->label, rate);
	else if (!strcmp(item->s->unit, "By"))
		snprintf(out, len, "%s %s", item->label, units_bytes_rate(a, rate));
	else if (item->signal == SHOW_ERRORS)
		snprintf(out, len, "%s %s%s (%s%s)", item->label, mark,
			 units_count(a, value), mark, units_rate(b, rate));
	else
		snprintf(out, len, "%s %s%s", item->label, mark, units_rate(a, rate));
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
	if (i < count && items->signal == SHOW_SATURATION)
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

static bool is_missing(const struct frame_series *s)
{
	return !strcmp(s->name, "assay.probe.attached") &&
	       strcmp(attr_or(s, "assay.state", "unavailable"), "attached");
}

/* The same on one line, where there is no room for the reasons. */
static void print_gaps_short(const struct frame *frame, FILE *f)
{
	static const char *const heads[] = { "NOT MEASURED", "LOST" };
	const char *sep = "";
	size_t column = 0;

	for (size_t kind = 0; kind < COUNT(heads); kind++) {
		const char *head = heads[kind], *last = "";

		for (size_t i = 0; i < frame->count; i++) {
			const struct frame_series *s = &frame->series[i];
			const char *probe = attr_or(s, "assay.probe", "agent");

			if (report_is_workload(s->resource) || !strcmp(probe, last) ||
			    (kind ? strcmp(s->name, "assay.lost") ||
					!report_has_events(s)
				  : !is_missing(s)) ||
			    column > 40)
				continue;
			column += fprintf(f, "%s%s %.16s", sep, head, probe);
			last = probe;
			head = "";
			sep = "";
		}
		sep = column ? "; " : "";
	}
	if (column)
		fputs(" (why: assay probes)\n", f);
}

int report_table(const struct report *r, FILE *f)
{
	struct report_rows rows;
	int err = report_rows_get(r, &rows);
	size_t shown = err ? 0 : report_shown(r, &rows);

	if (!err) {
		report_screen(r, &rows, f);
		if (r->choice.details) {
			for (size_t i = 0; i < shown && i < BLOCKS; i++)
				print_block(f, &rows.list[i].block, r->duration_s);
			print_gaps(r->frame, f);
		} else {
			print_gaps_short(r->frame, f);
			if (rows.count)
				fputs("More of each: assay report --wide\n", f);
		}
		err = write_out(f);
	}
	report_rows_fini(&rows);
	return err;
}
