// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include "base/options.h"
#include "base/text.h"
#include "base/units.h"
#include "base/util.h"
#include "view/diff.h"
#include "view/listing.h"
#include "view/look.h"
#include "view/report.h"

#define SHOWN 20 /* in a table, if nobody says how many */

static const struct frame_series *any_of(const struct diff_series *s)
{
	return s->in[1] ? s->in[1] : s->in[0];
}

/* Is what it was, or what it is, an estimate? */
static bool is_estimated(const struct diff_series *s)
{
	return (s->in[0] && report_is_estimated(s->in[0])) ||
	       (s->in[1] && report_is_estimated(s->in[1]));
}

/* Per second: events, bytes or seconds. */
static double rate_of(const struct diff *d, const struct diff_series *s, int side)
{
	const struct frame_series *in = s->in[side];

	if (!in || !(d->side[side].counted_s[s->meter] > 0))
		return 0;
	return (in->kind == METRIC_HISTOGRAM ? (double)hist_count(in->hist)
					     : report_value(in)) /
	       d->side[side].counted_s[s->meter];
}

static void print_rate(const struct diff *d, const struct diff_change *c, FILE *f)
{
	const struct frame_series *s = any_of(c->s);
	char text[2][UNITS_LEN];

	for (int side = 0; side < 2; side++)
		if (s->kind == METRIC_HISTOGRAM)
			units_rate(text[side], rate_of(d, c->s, side));
		else
			look_value(s, rate_of(d, c->s, side), 1, text[side]);
	fprintf(f, "%s -> %s", text[0], text[1]);
}

static void print_level(const struct diff_change *c, FILE *f)
{
	char text[2][UNITS_LEN];

	for (int side = 0; side < 2; side++)
		look_value(any_of(c->s), diff_level(c->s, side), 0, text[side]);
	fprintf(f, "%s -> %s", text[0], text[1]);
}

static void print_durations(const struct diff_change *c, FILE *f)
{
	static const unsigned int percents[] = { 50, 99 };
	char from[UNITS_LEN], to[UNITS_LEN];

	for (int i = 0; i < 2; i++)
		fprintf(
		    f, "%sp%u %s -> %s", i ? ", " : "", percents[i],
		    units_seconds(from,
				  report_quantile(c->s->in[0]->hist, percents[i])),
		    units_seconds(to, report_quantile(c->s->in[1]->hist, percents[i])));
}

/* How many times as much, or as little. */
static void print_ratio(double ratio, FILE *f)
{
	char text[UNITS_LEN];

	if (isinf(ratio))
		fputs(" (new)", f);
	else if (ratio <= 0)
		fputs(" (gone)", f);
	else if (ratio < 999.5)
		fprintf(f, " (x%.3g)", ratio);
	else
		fprintf(f, " (x%s)", units_count(text, ratio));
}

static void print_chance(double p, FILE *f)
{
	char text[UNITS_LEN];

	if (p < 1e-9)
		fputs("; surely no chance\n", f);
	else
		fprintf(f, "; by chance 1 in %s\n", units_count(text, 1 / p));
}

static void print_change(const struct diff *d, const struct diff_change *c, FILE *f)
{
	const struct frame_series *s = any_of(c->s);
	char label[256], name[256];

	text_copy(name, sizeof(name), s->name,
		  SIZE_MAX); /* the file's, not a table's */
	look_label(d->side[c->s->in[1] ? 1 : 0].frame, s, label, sizeof(label));
	fprintf(f, "\n%s%s\n  %s: ", is_estimated(c->s) ? "~ " : "", label, name);
	if (c->what == DIFF_RATE)
		print_rate(d, c, f);
	else if (c->what == DIFF_LEVEL)
		print_level(c, f);
	else
		print_durations(c, f);
	print_ratio(c->ratio, f);
	print_chance(c->p, f);
}

static json_t *number(double x)
{
	return isfinite(x) ? json_real(x) : json_null();
}

static const char *const what_names[] = {
	[DIFF_RATE] = "rate",
	[DIFF_DURATION] = "duration",
	[DIFF_LEVEL] = "level",
};

static json_t *side_json(const struct diff *d, const struct diff_change *c, int side)
{
	const struct hist *h = c->what == DIFF_DURATION ? c->s->in[side]->hist : NULL;

	if (c->what == DIFF_LEVEL)
		return json_pack("{s:f}", "value", diff_level(c->s, side));
	if (!h)
		return json_pack("{s:f}", "rate", rate_of(d, c->s, side));
	return json_pack("{s:I, s:f, s:f}", "count", (json_int_t)hist_count(h), "p50",
			 report_quantile(h, 50), "p99", report_quantile(h, 99));
}

static json_t *change_json(const struct diff *d, const struct diff_change *c)
{
	const struct frame_series *s = any_of(c->s);

	return json_pack(
	    "{s:s, s:s, s:s, s:o, s:b, s:s, s:o, s:o, s:o, s:f}", "metric", s->name,
	    "workload", frame_name(s->resource), "cgroup", frame_cgroup(s->resource),
	    "attributes", look_attributes_json(s), "estimated", is_estimated(c->s),
	    "what", what_names[c->what], "before", side_json(d, c, 0), "after",
	    side_json(d, c, 1), "ratio", number(c->ratio), "p", c->p);
}

static json_t *changes_json(const struct diff *d, const struct diff_change *list,
			    size_t count)
{
	json_t *array = json_array();

	for (size_t i = 0; i < count && (!d->limit || i < d->limit); i++)
		if (json_array_append_new(array, change_json(d, &list[i]))) {
			json_decref(array);
			return NULL;
		}
	return array;
}

static int print_json(const struct diff *d, FILE *f)
{
	char since[UNITS_TIME_LEN], until[UNITS_TIME_LEN];
	json_t *top =
	    json_pack("{s:{s:s, s:s}, s:f, s:f, s:I, s:I, s:o, s:o}", "history",
		      "since", units_time(since, d->kept.since_ns), "until",
		      units_time(until, d->kept.until_ns), "before_s", d->side[0].all_s,
		      "after_s", d->side[1].all_s, "tested", (json_int_t)d->tested,
		      "changed", (json_int_t)d->change_count, "changes",
		      changes_json(d, d->changes, d->change_count), "measuring",
		      changes_json(d, d->own, d->own_count));
	int err = json_put(top, 0, f);

	json_decref(top);
	fputc('\n', f);
	return write_out(f) ?: (err ? -ENOMEM : 0);
}

static double csv_value(const struct diff *d, const struct diff_change *c, int side)
{
	if (c->what == DIFF_LEVEL)
		return diff_level(c->s, side);
	return c->what == DIFF_RATE ? rate_of(d, c->s, side)
				    : report_quantile(c->s->in[side]->hist, 99);
}

static int print_csv(const struct diff *d, FILE *f)
{
	fputs("metric,workload,attributes,what,before,after,ratio,p\n", f);
	for (size_t i = 0; i < d->change_count && (!d->limit || i < d->limit); i++) {
		const struct diff_change *c = &d->changes[i];
		const struct frame_series *s = any_of(c->s);
		char attrs[256];

		look_attributes(s, attrs, sizeof(attrs));
		csv_field(f, s->name);
		fputc(',', f);
		csv_field(f, frame_name(s->resource));
		fputc(',', f);
		csv_field(f, attrs);
		fprintf(f, ",%s,%.9g,%.9g,",
			c->what == DIFF_DURATION ? "p99_s" : what_names[c->what],
			csv_value(d, c, 0), csv_value(d, c, 1));
		if (isfinite(c->ratio))
			fprintf(f, "%.6g", c->ratio);
		fprintf(f, ",%.6g\n", c->p);
	}
	return write_out(f);
}

#define OWN_SHOWN 3

/* One program's, one probe's: the name alone does not tell. */
static void print_own_name(const struct frame_series *s, FILE *f)
{
	char value[160]; /* 40 columns of 4 bytes */

	text_copy(value, sizeof(value), s->name, SIZE_MAX);
	fputs(value, f);
	for (size_t i = 0; i < s->attrs.count; i++) {
		text_copy(value, sizeof(value), s->attrs.list[i].value, 40);
		fprintf(f, " %s", value);
	}
}

/* Of the measuring itself a line: nobody is woken up for that. */
static void print_own(const struct diff *d, FILE *f)
{
	if (!d->own_count)
		return;
	fprintf(f, "\nthe measuring itself: %zu of its numbers changed, too",
		d->own_count);
	for (size_t i = 0; i < d->own_count && i < OWN_SHOWN; i++) {
		fputs(i ? ", " : ": ", f);
		print_own_name(any_of(d->own[i].s), f);
		print_ratio(d->own[i].ratio, f);
	}
	fputs("; all of them: --format json\n", f);
}

int diff_print(const struct diff *d, int format, FILE *f)
{
	size_t most = d->limit ? d->limit : SHOWN;

	if (format == FORMAT_JSON)
		return print_json(d, f);
	if (format == FORMAT_CSV)
		return print_csv(d, f);
	fprintf(
	    f,
	    "%zu of %zu numbers changed by %.0f %% or more, and not by chance: %.0f s "
	    "then %.0f s\n",
	    d->change_count, d->tested, (DIFF_LEAST - 1) * 100, d->side[0].all_s,
	    d->side[1].all_s);
	for (size_t i = 0; i < d->change_count && i < most; i++)
		print_change(d, &d->changes[i], f);
	if (d->change_count > most)
		fprintf(f, "\nand %zu more, less sure (--limit)\n",
			d->change_count - most);
	print_own(d, f);
	return write_out(f);
}
