// SPDX-License-Identifier: Apache-2.0
/* How a metric went over time: a line of marks for each series, and its numbers. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "base/options.h"
#include "base/text.h"
#include "base/units.h"
#include "base/util.h"
#include "view/listing.h"
#include "view/look.h"
#include "view/report.h"

void look_attributes(const struct frame_series *s, char *out, size_t size)
{
	size_t at = 0;

	out[0] = '\0';
	for (size_t i = 0; i < s->attrs.count && at + 2 < size; i++) {
		at += (size_t)snprintf(out + at, size - at, "%s", i ? " " : "");
		text_copy(out + at, size - at, s->attrs.list[i].key, SIZE_MAX);
		at += strlen(out + at);
		at += (size_t)snprintf(out + at, size - at, "=");
		if (at + 1 < size)
			text_copy(out + at, size - at, s->attrs.list[i].value,
				  SIZE_MAX);
		at += strlen(out + at);
	}
}

json_t *look_attributes_json(const struct frame_series *s)
{
	json_t *attrs = json_object();

	for (size_t i = 0; i < s->attrs.count; i++)
		json_object_set_new(attrs, s->attrs.list[i].key,
				    json_string(s->attrs.list[i].value));
	return attrs;
}

/* Is what is told of a step so many per second? */
static bool is_rate(const struct look_series *s)
{
	return s->s->kind == METRIC_HISTOGRAM || s->s->kind == METRIC_SUM;
}

/* What goes into the line: of a histogram how often, or a quantile of it. */
static double line_value(const struct look_series *s, const struct look_step *step,
			 unsigned int percent)
{
	double seconds = step->seconds;

	if (s->s->kind == METRIC_HISTOGRAM && percent)
		return percent == 50 ? step->p50 : step->p99;
	if (s->s->kind == METRIC_HISTOGRAM)
		return seconds > 0 ? (double)step->count / seconds : 0;
	if (s->s->kind == METRIC_SUM)
		return seconds > 0 ? step->value / seconds : 0;
	return step->value;
}

static const char *line_text(const struct look_series *s, double value,
			     unsigned int percent, char out[UNITS_LEN])
{
	if (s->s->kind != METRIC_HISTOGRAM)
		return look_value(s->s, value, 1, out);
	return percent ? units_seconds(out, value) : units_rate(out, value);
}

static int print_line(const struct look *l, const struct look_series *s,
		      const char *what, unsigned int percent, FILE *f)
{
	double *values = calloc(s->count, sizeof(*values)), least = 0, most = 0;
	bool *there = calloc(s->count, sizeof(*there)), any = false;
	char a[UNITS_LEN], b[UNITS_LEN];

	if (!values || !there) {
		free(values);
		free(there);
		return -ENOMEM;
	}
	for (size_t i = 0; i < s->count; i++) {
		const struct look_step *step = look_step_at(l, s, i);

		/* a quantile of nothing is none */
		there[i] = step && (!percent || step->count);
		if (!there[i])
			continue;
		values[i] = line_value(s, step, percent);
		least = !any || values[i] < least ? values[i] : least;
		most = !any || values[i] > most ? values[i] : most;
		any = true;
	}
	fprintf(f, "  %-6s ", what);
	look_spark(f, values, there, s->count, l->utf8);
	fprintf(f, "  %s to %s\n", line_text(s, least, percent, a),
		line_text(s, most, percent, b));
	free(values);
	free(there);
	return 0;
}

/* The numbers of one series, a line for each step. */
static void print_table(const struct look_series *s, FILE *f)
{
	bool hist = s->s->kind == METRIC_HISTOGRAM;
	char at[40], t[3][UNITS_LEN];

	fprintf(f, "\n  %-20s  %10s", "FROM", is_rate(s) ? "RATE" : "VALUE");
	fprintf(f, hist ? "  %8s  %8s\n" : "\n", "P50", "P99");
	for (size_t i = 0; i < s->count; i++) {
		const struct look_step *step = &s->steps[i];

		if (!step->there)
			continue;
		units_time(at, step->time.since_ns);
		fprintf(f, "  %-20s  %10s", at,
			line_text(s, line_value(s, step, 0), 0, t[0]));
		if (step->count)
			fprintf(f, "  %8s  %8s", units_seconds(t[1], step->p50),
				units_seconds(t[2], step->p99));
		fputc('\n', f);
	}
}

static int print_series(const struct look *l, const struct look_series *s, FILE *f)
{
	char label[256];
	int err;

	look_label(l->frame, s->s, label, sizeof(label));
	fprintf(f, "\n%s%s\n", report_is_estimated(s->s) ? "~ " : "", label);
	err = print_line(l, s, is_rate(s) ? "rate" : "value", 0, f);
	if (!err && s->s->kind == METRIC_HISTOGRAM) {
		err = print_line(l, s, "p50", 50, f);
		if (!err)
			err = print_line(l, s, "p99", 99, f);
	}
	if (!err && l->count == 1)
		print_table(s, f);
	return err;
}

static void csv_row(const struct look *l, const struct look_series *s,
		    const struct look_step *step, FILE *f)
{
	char attrs[256], at[40], to[40];

	look_attributes(s->s, attrs, sizeof(attrs));
	units_time(at, step->time.since_ns);
	units_time(to, step->time.until_ns);
	csv_field(f, l->metric);
	fputc(',', f);
	csv_field(f, frame_name(s->s->resource));
	fputc(',', f);
	csv_field(f, attrs);
	fprintf(f, ",%s,%s,%.9g,", at, to, line_value(s, step, 0));
	if (step->count)
		fprintf(f, "%.9g,%.9g\n", step->p50, step->p99);
	else
		fputs(",\n", f);
}

static json_t *step_json(const struct look_series *s, const struct look_step *step)
{
	char at[40], to[40];
	json_t *j;

	units_time(at, step->time.since_ns);
	units_time(to, step->time.until_ns);
	j = json_pack("{s:s, s:s, s:f}", "since", at, "until", to,
		      is_rate(s) ? "rate" : "value", line_value(s, step, 0));
	if (step->count) {
		json_object_set_new(j, "p50", json_real(step->p50));
		json_object_set_new(j, "p99", json_real(step->p99));
	}
	return j;
}

int look_append(const struct look *l, json_t *list, json_t *series)
{
	char since[UNITS_TIME_LEN], until[UNITS_TIME_LEN];
	int err = 0;

	if (series && l->kept)
		err = json_object_set_new(
		    series, "history",
		    json_pack("{s:s, s:s}", "since",
			      units_time(since, l->kept->since_ns), "until",
			      units_time(until, l->kept->until_ns)));
	return json_array_append_new(list, series) | err;
}

static int print_json(const struct look *l, FILE *f)
{
	json_t *top = json_array();
	int err = 0;

	for (size_t i = 0; i < l->count; i++) {
		const struct look_series *s = &l->list[i];
		json_t *steps = json_array();

		for (size_t k = 0; k < s->count; k++)
			if (s->steps[k].there)
				json_array_append_new(steps,
						      step_json(s, &s->steps[k]));
		err |= look_append(l, top,
				   json_pack("{s:s, s:s, s:s, s:s, s:o, s:b, s:o}",
					     "metric", l->metric, "unit", s->s->unit,
					     "workload", frame_name(s->s->resource),
					     "cgroup", frame_cgroup(s->s->resource),
					     "attributes", look_attributes_json(s->s),
					     "estimated", report_is_estimated(s->s),
					     "steps", steps));
	}
	if (!err)
		err = json_put(top, 0, f);
	json_decref(top);
	fputc('\n', f);
	return write_out(f) ?: (err ? -ENOMEM : 0);
}

int look_print_trend(const struct look *l, int format, FILE *f)
{
	int err = 0;

	if (format == FORMAT_JSON)
		return print_json(l, f);
	if (format == FORMAT_CSV) {
		fputs("metric,workload,attributes,since,until,value,p50_s,p99_s\n", f);
		for (size_t i = 0; i < l->count; i++)
			for (size_t k = 0; k < l->list[i].count; k++)
				if (l->list[i].steps[k].there)
					csv_row(l, &l->list[i], &l->list[i].steps[k],
						f);
		return write_out(f);
	}
	fprintf(f, "%s\n", l->metric);
	if (!l->count)
		fputs("\nnothing of it happened\n", f);
	for (size_t i = 0; i < l->count && !err; i++)
		err = print_series(l, &l->list[i], f);
	if (l->others)
		fprintf(f, "\nand %zu more with less (--limit)\n", l->others);
	return err ? err : write_out(f);
}
