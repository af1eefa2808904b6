// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include "base/util.h"
#include "verify/found.h"
#include "view/report.h"

#define ROUNDING 1e-4 /* of a bucket's bounds: see bpf/buckets.h */

static bool has_suffix(const char *text, const char *end)
{
	size_t a = strlen(text), b = strlen(end);

	return a >= b && !strcmp(text + a - b, end);
}

static bool has_attr(const struct frame_series *s, const char *key, const char *value)
{
	const char *got = key ? frame_attr(&s->attrs, key) : NULL;

	if (!key)
		return true;
	if (!value || !got)
		return !value && !got;
	return *value == '/' ? has_suffix(got, value) : !strcmp(got, value);
}

static bool is_wanted(const struct frame_series *s, const struct found_key *key)
{
	return !strcmp(s->name, key->metric) && report_is_workload(s->resource) &&
	       (!key->suffix || has_suffix(frame_cgroup(s->resource), key->suffix)) &&
	       has_attr(s, key->key, key->value) &&
	       has_attr(s, key->also, key->also_value);
}

void found_get(const struct frame *f, const struct found_key *key, struct found *out)
{
	*out = (struct found){ 0 };
	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];

		if (!is_wanted(s, key))
			continue;
		out->series++;
		out->estimated |= report_is_estimated(s);
		if (s->kind != METRIC_HISTOGRAM) {
			out->count += report_value(s);
			out->sum_s += report_value(s);
			continue;
		}
		out->is_hist = true;
		out->count += hist_count(s->hist);
		out->sum_s += s->hist->sum_ns * 1e-9;
		out->hist.sum_ns += s->hist->sum_ns;
		for (size_t b = 0; b < BUCKET_COUNT; b++)
			out->hist.buckets[b] += s->hist->buckets[b];
	}
}

/* The upper bound of a cell's bucket, in s. */
static double bound(size_t bucket)
{
	return exp2(((double)bucket + BUCKET_OTLP_MIN) / BUCKET_PER_2);
}

bool found_buckets_fit(const struct hist *h)
{
	double least = 0, most = 0, sum = h->sum_ns * 1e-9;

	for (size_t b = 0; b < BUCKET_COUNT; b++) {
		least += b ? h->buckets[b] * bound(b - 1) : 0;
		most += h->buckets[b] * bound(b);
	}
	return sum >= least * (1 - ROUNDING) && sum <= most * (1 + ROUNDING);
}

double found_lost(const struct frame *f, const char *probe, const char *const *reasons)
{
	double sum = 0;

	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];

		if (strcmp(s->name, "assay.lost") || !has_attr(s, "assay.probe", probe))
			continue;
		for (size_t k = 0; reasons[k]; k++)
			if (has_attr(s, "assay.reason", reasons[k]))
				sum += report_value(s);
	}
	return sum;
}

bool found_probe(const struct frame *f, const char *probe, const char **state,
		 const char **reason)
{
	*state = "unknown";
	*reason = "";
	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		const char *text = frame_attr(&s->attrs, "assay.state");

		if (strcmp(s->name, "assay.probe.attached") || !text ||
		    !has_attr(s, "assay.probe", probe))
			continue;
		*state = text;
		text = frame_attr(&s->attrs, "assay.reason");
		*reason = text ? text : "";
		return !strcmp(*state, "attached");
	}
	return false;
}
