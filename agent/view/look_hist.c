// SPDX-License-Identifier: Apache-2.0
/* Draws histograms: bars by duration, and over time how many there were of each. */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include "base/options.h"
#include "base/units.h"
#include "base/util.h"
#include "view/listing.h"
#include "view/look.h"
#include "view/report.h"

#define ROWS_MOST 16
#define LABEL	  17 /* "1.0ms to 2.0ms" */

/* Neighbouring buckets that are one row. */
struct rows {
	int first, last; /* buckets that are not empty, and all between */
	int step;
};

/* As few rows as fit, of whole octaves or parts of one, so that bounds are round. */
static struct rows rows_of(const struct hist *h)
{
	struct rows r = { 0, BUCKET_COUNT - 1, 1 };

	while (r.first < BUCKET_COUNT - 1 && !h->buckets[r.first])
		r.first++;
	while (r.last > r.first && !h->buckets[r.last])
		r.last--;
	while ((r.last + r.step - 1) / r.step - (r.first + r.step - 1) / r.step >=
	       ROWS_MOST)
		r.step *= 2;
	return r;
}

/* Row n has the buckets (n - 1) * step + 1 to n * step; the zero bucket is row 0. */
static int row_of(const struct rows *r, int bucket)
{
	return (bucket + r->step - 1) / r->step;
}

static uint64_t row_count(const struct hist *h, const struct rows *r, int row)
{
	uint64_t n = 0;

	if (!row)
		return h->buckets[0];
	for (int b = (row - 1) * r->step + 1; b <= row * r->step && b < BUCKET_COUNT;
	     b++)
		n += h->buckets[b];
	return n;
}

static double row_bound(const struct rows *r, int row)
{
	int bucket = row * r->step;

	return report_bound(bucket < BUCKET_COUNT ? bucket : BUCKET_COUNT - 1);
}

static void print_row_label(const struct rows *r, int row, FILE *f)
{
	char from[UNITS_LEN], to[UNITS_LEN], text[2 * UNITS_LEN + 4];

	units_seconds(to, row_bound(r, row));
	if (row)
		snprintf(text, sizeof(text), "%s to %s",
			 units_seconds(from, row_bound(r, row - 1)), to);
	else
		snprintf(text, sizeof(text), "to %s", to);
	fprintf(f, "  %*s", LABEL, text);
}

/* A bar of so many eighths of a column. */
static void print_bar(double part, size_t columns, bool utf8, FILE *f)
{
	static const char *const parts[] = { "", "▏", "▎", "▍", "▌", "▋", "▊", "▉" };
	size_t eighths = (size_t)(part * (double)columns * 8 + 0.5);

	if (part > 0 && !eighths)
		eighths = 1;
	for (size_t i = 0; i < eighths / 8; i++)
		fputs(utf8 ? "█" : "#", f);
	if (utf8)
		fputs(parts[eighths % 8], f);
	else if (eighths < 8)
		fputc('.', f);
}

static void print_bars(const struct look *l, const struct hist *h, FILE *f)
{
	struct rows r = rows_of(h);
	uint64_t most = 0, all = hist_count(h);
	size_t used = 2 + LABEL + 9 + 8 + 2;
	size_t columns = l->width > used + 2 ? l->width - used : 2;

	for (int row = row_of(&r, r.first); row <= row_of(&r, r.last); row++)
		if (row_count(h, &r, row) > most)
			most = row_count(h, &r, row);
	for (int row = row_of(&r, r.first); row <= row_of(&r, r.last); row++) {
		uint64_t n = row_count(h, &r, row);
		char count[UNITS_LEN];

		print_row_label(&r, row, f);
		fprintf(f, " %8s %6.2f%%", units_count(count, (double)n),
			100.0 * (double)n / (double)all);
		if (n) {
			fputs("  ", f);
			print_bar((double)n / (double)most, columns, l->utf8, f);
		}
		fputc('\n', f);
	}
}

/* How much of the column's most there is; what there is at all is seen. */
static const char *shade(double part, bool utf8)
{
	static const char *const blocks[] = { "░", "▒", "▓", "█" };
	static const char *const letters[] = { ".", ":", "+", "#" };
	int level = part > 0.5 ? 3 : part > 0.1 ? 2 : part > 0.01 ? 1 : 0;

	return utf8 ? blocks[level] : letters[level];
}

/* Time goes to the right; a row is as in the bars. */
static void print_heat(const struct look *l, const struct look_series *s, FILE *f)
{
	struct rows r = rows_of(s->s->hist);
	size_t first = 0, end = s->count;
	char from[40], to[40];

	while (end > 1 && !s->steps[end - 1].time.covered_ns)
		end--;
	while (first < end - 1 && !s->steps[first].time.covered_ns)
		first++;
	fputs("  over time, each column by itself:\n", f);
	for (int row = row_of(&r, r.last); row >= row_of(&r, r.first); row--) {
		print_row_label(&r, row, f);
		fputs("  ", f);
		for (size_t i = first; i < end; i++) {
			const struct look_step *step = look_step_at(l, s, i);
			const struct hist *h = step ? step->hist : NULL;
			uint64_t n = h ? row_count(h, &r, row) : 0;

			fputs(!n ? (step ? " " : "?")
				 : shade((double)n / (double)hist_count(h), l->utf8),
			      f);
		}
		fputc('\n', f);
	}
	units_time(from, s->steps[first].time.since_ns);
	units_time(to, s->steps[end - 1].time.until_ns);
	fprintf(f, "  %*s  %s to %s\n", LABEL, "", from, to);
}

static void print_series(const struct look *l, const struct look_series *s, FILE *f)
{
	const struct hist *h = s->s->hist;
	const char *mark = report_is_estimated(s->s) ? "~" : "";
	uint64_t n = hist_count(h);
	char label[256], t[5][UNITS_LEN];

	look_label(l->frame, s->s, label, sizeof(label));
	fprintf(f, "%s\n  %s%s in all (%s%s), mean %s\n", label, mark,
		units_count(t[0], (double)n), mark,
		units_rate(t[1], l->seconds > 0 ? (double)n / l->seconds : 0),
		units_seconds(t[2], (double)h->sum_ns * 1e-9 / (double)n));
	fprintf(f, "  p50 %s%s, p90 %s%s, p99 %s%s, p99.9 %s%s, max %s\n", mark,
		units_seconds(t[0], report_quantile(h, 50)), mark,
		units_seconds(t[1], report_quantile(h, 90)), mark,
		units_seconds(t[2], report_quantile(h, 99)), mark,
		units_seconds(t[3], report_quantile_of(h, 999, 1000)),
		units_seconds(t[4], report_max(h)));
	print_bars(l, h, f);
	if (s->count > 1)
		print_heat(l, s, f);
}

static int print_csv(const struct look *l, FILE *f)
{
	fputs("metric,workload,cgroup,attributes,from_s,to_s,count\n", f);
	for (size_t i = 0; i < l->count; i++) {
		const struct frame_series *s = l->list[i].s;
		char attrs[256];

		look_attributes(s, attrs, sizeof(attrs));
		for (int b = 0; b < BUCKET_COUNT; b++) {
			if (!s->hist->buckets[b])
				continue;
			csv_field(f, l->metric);
			fputc(',', f);
			csv_field(f, frame_name(s->resource));
			fputc(',', f);
			csv_field(f, frame_cgroup(s->resource));
			fputc(',', f);
			csv_field(f, attrs);
			fprintf(f, ",%.9g,%.9g,%llu\n", b ? report_bound(b - 1) : 0,
				report_bound(b),
				(unsigned long long)s->hist->buckets[b]);
		}
	}
	return write_out(f);
}

static json_t *buckets_json(const struct hist *h)
{
	json_t *list = json_array();

	for (int b = 0; b < BUCKET_COUNT; b++)
		if (h->buckets[b])
			json_array_append_new(list,
					      json_pack("{s:f, s:f, s:I}", "from",
							b ? report_bound(b - 1) : 0.0,
							"to", report_bound(b), "count",
							(json_int_t)h->buckets[b]));
	return list;
}

static json_t *series_json(const struct look *l, const struct look_series *s)
{
	const struct hist *h = s->s->hist;
	uint64_t n = hist_count(h);

	return json_pack(
	    "{s:s, s:s, s:s, s:o, s:b, s:I, s:f, s:f, s:f, s:f, s:f, s:f, s:f, s:o}",
	    "metric", l->metric, "workload", frame_name(s->s->resource), "cgroup",
	    frame_cgroup(s->s->resource), "attributes", look_attributes_json(s->s),
	    "estimated", report_is_estimated(s->s), "count", (json_int_t)n, "rate",
	    l->seconds > 0 ? (double)n / l->seconds : 0, "sum",
	    (double)h->sum_ns * 1e-9, "p50", report_quantile(h, 50), "p90",
	    report_quantile(h, 90), "p99", report_quantile(h, 99), "p999",
	    report_quantile_of(h, 999, 1000), "max", report_max(h), "buckets",
	    buckets_json(h));
}

int look_print_hist(const struct look *l, int format, FILE *f)
{
	json_t *list;
	int err = 0;

	if (format == FORMAT_CSV)
		return print_csv(l, f);
	if (format == FORMAT_JSON) {
		list = json_array();
		for (size_t i = 0; i < l->count; i++)
			err |= look_append(l, list, series_json(l, &l->list[i]));
		if (!err)
			err = json_put(list, 0, f);
		json_decref(list);
		fputc('\n', f);
		return write_out(f) ?: (err ? -ENOMEM : 0);
	}
	fprintf(f, "%s, %.1f s\n", l->metric, l->duration_s);
	if (!l->count)
		fputs("\nnothing of it happened\n", f);
	for (size_t i = 0; i < l->count; i++) {
		fputc('\n', f);
		print_series(l, &l->list[i], f);
	}
	if (l->others)
		fprintf(f, "\nand %zu more with less time in them (--limit)\n",
			l->others);
	return write_out(f);
}
