// SPDX-License-Identifier: Apache-2.0
#include <math.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>
#include "base/util.h"
#include "metric/self_node.h"
#include "reading/estimate.h"
#include "view/report.h"

/* 2^(k/16): bucket bounds are the even ones, the geometric middles the odd ones. */
static double exp2_16th(int k)
{
	static const double table[16] = {
		1.0,
		1.0442737824274138,
		1.0905077326652577,
		1.1387886347566916,
		1.189207115002721,
		1.241857812073484,
		1.2968395546510096,
		1.3542555469368927,
		1.4142135623730951,
		1.4768261459394993,
		1.5422108254079407,
		1.6104903319492543,
		1.6817928305074290,
		1.7562521603732995,
		1.8340080864093424,
		1.9152065613971474,
	};
	int octave = k >= 0 ? k / 16 : -((15 - k) / 16);

	return ldexp(table[k - octave * 16], octave);
}

double report_bound(int bucket)
{
	return exp2_16th(2 * (BUCKET_OTLP_MIN + bucket));
}

/* The middle of the bucket that holds the value of this rank, from 1 on; 0: the zero
 * bucket. */
static double value_at(const struct hist *h, uint64_t rank)
{
	uint64_t below = 0;

	for (int n = 0; n < BUCKET_COUNT; n++) {
		below += h->buckets[n];
		if (below >= rank)
			return n ? exp2_16th(2 * (BUCKET_OTLP_MIN + n) - 1) : 0;
	}
	return report_bound(BUCKET_COUNT - 1);
}

double report_quantile(const struct hist *h, unsigned int percent)
{
	return report_quantile_of(h, percent, 100);
}

double report_quantile_of(const struct hist *h, unsigned int part, unsigned int of)
{
	uint64_t count = hist_count(h), rest = count % of * part;
	uint64_t rank = count / of * part + (rest + of - 1) / of;

	if (!rank)
		return 0;
	if (rest % of || rank == count)
		return value_at(h, rank);
	/* so many are below and so many above: it lies between two values */
	return (value_at(h, rank) + value_at(h, rank + 1)) / 2;
}

double report_max(const struct hist *h)
{
	for (int n = BUCKET_COUNT - 1; n >= 0; n--)
		if (h->buckets[n])
			return report_bound(n);
	return 0;
}

double report_value(const struct frame_series *s)
{
	if (s->kind == METRIC_HISTOGRAM)
		return 0;
	return s->real ? s->d : (double)s->i;
}

const struct hist *report_hist(const struct frame_series *s, const char *name)
{
	return s->kind == METRIC_HISTOGRAM && !strcmp(s->name, name) ? s->hist : NULL;
}

int64_t report_count(const struct frame_series *s)
{
	double value = report_value(s);

	if (!(value > 0))
		return 0;
	return value < 0x1p63 ? (int64_t)value : INT64_MAX;
}

bool report_has_events(const struct frame_series *s)
{
	switch (s->kind) {
	case METRIC_HISTOGRAM:
		return hist_count(s->hist) > 0;
	case METRIC_SUM:
		return report_value(s) > 0;
	default:
		return false;
	}
}

bool report_is_estimated(const struct frame_series *s)
{
	return s->error.noise > 0;
}

double report_relative_error(const struct frame_series *s)
{
	double value =
	    s->kind == METRIC_HISTOGRAM ? (double)hist_count(s->hist) : report_value(s);
	double error =
	    estimate_error(s->error.noise, s->error.change, s->error.outstanding);

	return value > 0 ? error / value : 0;
}

bool report_is_usage(const char *metric)
{
	return !strncmp(metric, "assay.cgroup.", 13) ||
	       !strncmp(metric, "assay.pressure.", 15);
}

size_t report_group_end(const struct frame *f, size_t first)
{
	size_t i = first;

	while (i < f->count && f->series[i].resource == f->series[first].resource)
		i++;
	return i;
}

bool report_is_workload(const struct frame_attrs *resource)
{
	return frame_kind(resource)[0] != '\0';
}

bool report_is_measuring(const struct frame_series *s)
{
	return !report_is_workload(s->resource) && !self_is_of_node(s->name);
}

void report_host_here(struct report_host *out)
{
	struct utsname u;

	uname(&u);
	snprintf(out->name, sizeof(out->name), "%s", u.nodename);
	snprintf(out->kernel, sizeof(out->kernel), "%s", u.release);
	out->cpus = sysconf(_SC_NPROCESSORS_ONLN);
}

const char *report_node(const struct frame *f, const char *other)
{
	const char *name = NULL;

	for (size_t i = 0; i < f->count && !name; i = report_group_end(f, i))
		name = frame_attr(f->series[i].resource, "host.name");
	return name ? name : other;
}

static const char *const headline_classes[] = { "file", "memory", "process" };

bool report_is_headline(const char *class)
{
	for (size_t i = 0; i < COUNT(headline_classes); i++)
		if (!strcmp(class, headline_classes[i]))
			return true;
	return false;
}

bool report_is_stuck(const struct frame_series *s)
{
	const char *operation = frame_attr(&s->attrs, "assay.operation");

	if (strcmp(s->name, "assay.inflight.age") || !operation || report_value(s) <= 0)
		return false;
	return strncmp(operation, "syscall.", 8) || report_is_headline(operation + 8);
}
