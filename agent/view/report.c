// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include <unistd.h>
#include "view/report.h"

#define SCHEMA 1

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

/* The upper bound of a cell bucket, which the next one's lower bound is. */
static double bucket_bound(int n)
{
	return exp2_16th(2 * (BUCKET_OTLP_MIN + n));
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
	return bucket_bound(BUCKET_COUNT - 1);
}

double report_quantile(const struct hist *h, unsigned int percent)
{
	uint64_t count = hist_count(h), rest = count % 100 * percent;
	uint64_t rank = count / 100 * percent + (rest + 99) / 100;

	if (!rank)
		return 0;
	if (rest % 100 || rank == count)
		return value_at(h, rank);
	/* so many are below and so many above: it lies between two values */
	return (value_at(h, rank) + value_at(h, rank + 1)) / 2;
}

double report_max(const struct hist *h)
{
	for (int n = BUCKET_COUNT - 1; n >= 0; n--)
		if (h->buckets[n])
			return bucket_bound(n);
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

const char *report_node(const struct frame *f, const struct utsname *u)
{
	const char *name = NULL;

	for (size_t i = 0; i < f->count && !name; i = report_group_end(f, i))
		name = frame_attr(f->series[i].resource, "host.name");
	return name ? name : u->nodename;
}

static json_t *node_json(const struct frame *f)
{
	struct utsname u;

	uname(&u);
	return json_pack("{s:s, s:s, s:i}", "name", report_node(f, &u), "kernel",
			 u.release, "cpus", (int)sysconf(_SC_NPROCESSORS_ONLN));
}

/* The string, or null. */
static json_t *string_json(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

static bool is_own(const struct frame_series *s, const char *name)
{
	return !strcmp(s->name, name) && !report_is_workload(s->resource);
}

static json_t *probes_json(const struct frame *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];

		if (!is_own(s, "assay.probe.attached"))
			continue;
		json_array_append_new(
		    list,
		    json_pack(
			"{s:o, s:o, s:o}", "name",
			string_json(frame_attr(&s->attrs, "assay.probe")), "state",
			string_json(frame_attr(&s->attrs, "assay.state")), "reason",
			string_json(frame_attr(&s->attrs, "assay.reason"))));
	}
	return list;
}

static json_t *lost_json(const struct frame *f)
{
	json_t *list = json_array();

	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];

		if (!is_own(s, "assay.lost") || !report_has_events(s))
			continue;
		json_array_append_new(
		    list, json_pack("{s:o, s:o, s:I}", "probe",
				    string_json(frame_attr(&s->attrs, "assay.probe")),
				    "reason",
				    string_json(frame_attr(&s->attrs, "assay.reason")),
				    "count", (json_int_t)report_count(s)));
	}
	return list;
}

static int add_hist(json_t *m, const struct hist *h)
{
	uint64_t count = hist_count(h);

	if (!count)
		return json_object_update_new(
		    m, json_pack("{s:s, s:i, s:f, s:n, s:n, s:n, s:n}", "type",
				 "histogram", "count", 0, "sum", 0.0, "p50", "p90",
				 "p99", "max"));
	return json_object_update_new(
	    m, json_pack("{s:s, s:I, s:f, s:f, s:f, s:f, s:f}", "type", "histogram",
			 "count", (json_int_t)count, "sum", h->sum_ns * 1e-9, "p50",
			 report_quantile(h, 50), "p90", report_quantile(h, 90), "p99",
			 report_quantile(h, 99), "max", report_max(h)));
}

static int add_value(json_t *m, const struct frame_series *s)
{
	json_t *value = s->real ? json_real(s->d) : json_integer(s->i);

	return json_object_update_new(
	    m, json_pack("{s:s, s:o}", "type", s->kind == METRIC_SUM ? "sum" : "gauge",
			 "value", value));
}

static json_t *metric_json(const struct frame_series *s)
{
	json_t *attributes = json_object(), *m;
	int err = 0;

	for (size_t i = 0; i < s->attrs.count; i++)
		err |= json_object_set_new(attributes, s->attrs.list[i].key,
					   json_string(s->attrs.list[i].value));
	m = json_pack("{s:s, s:s, s:o}", "name", s->name, "unit", s->unit, "attributes",
		      attributes);
	if (!m)
		return NULL;
	err |= s->kind == METRIC_HISTOGRAM ? add_hist(m, s->hist) : add_value(m, s);
	if (err) {
		json_decref(m);
		return NULL;
	}
	return m;
}

/* One workload; *out is NULL when nothing happened there. */
static int workload_json(const struct frame *f, size_t i, size_t end, json_t **out)
{
	const struct frame_attrs *resource = f->series[i].resource;
	json_t *metrics = json_array();
	bool events = false;

	*out = NULL;
	for (; i < end; i++) {
		const struct frame_series *s = &f->series[i];

		/* what is now (connections open) counts where it is not 0 */
		if (!report_has_events(s) &&
		    (s->kind == METRIC_HISTOGRAM || report_value(s) == 0))
			continue;
		events |= report_has_events(s) || report_is_stuck(s);
		if (json_array_append_new(metrics, metric_json(s)))
			goto fail;
	}
	if (!events) {
		json_decref(metrics);
		return 0;
	}
	*out = json_pack("{s:s, s:s, s:s, s:o}", "kind", frame_kind(resource), "name",
			 frame_name(resource), "cgroup", frame_cgroup(resource),
			 "metrics", metrics);
	return *out ? 0 : -ENOMEM;
fail:
	json_decref(metrics);
	return -ENOMEM;
}

static json_t *workloads_json(const struct frame *f)
{
	json_t *list = json_array(), *w;
	size_t end;

	for (size_t i = 0; i < f->count; i = end) {
		end = report_group_end(f, i);
		if (!report_is_workload(f->series[i].resource))
			continue;
		if (workload_json(f, i, end, &w) ||
		    (w && json_array_append_new(list, w))) {
			json_decref(list);
			return NULL;
		}
	}
	return list;
}

int report_json(const struct report *r, FILE *f)
{
	json_t *top;
	int err;

	/* jansson takes a NULL member as a failure of the whole */
	top = json_pack("{s:i, s:o, s:f, s:o, s:o, s:o}", "schema", SCHEMA, "node",
			node_json(r->frame), "duration_s", r->duration_s, "probes",
			probes_json(r->frame), "lost", lost_json(r->frame), "workloads",
			workloads_json(r->frame));
	if (!top)
		return -ENOMEM;
	err = json_dumpf(top, f, JSON_INDENT(1) | JSON_REAL_PRECISION(15));
	json_decref(top);
	if (err || fputc('\n', f) == EOF || fflush(f))
		return -EIO;
	return 0;
}
