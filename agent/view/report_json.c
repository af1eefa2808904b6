// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>
#include "base/units.h"
#include "base/util.h"
#include "view/listing.h"
#include "view/report_rows.h"

#define SCHEMA 1

static json_t *node_json(const struct report *r)
{
	const struct report_host *h = &r->host;

	return json_pack("{s:s, s:s, s:o}", "name", report_node(r->frame, h->name),
			 "kernel", h->kernel, "cpus",
			 h->cpus > 0 ? json_integer(h->cpus) : json_null());
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
	if (report_is_estimated(s))
		err |= json_object_update_new(m, json_pack("{s:b, s:f}", "estimated", 1,
							   "relative_standard_error",
							   report_relative_error(s)));
	if (err) {
		json_decref(m);
		return NULL;
	}
	return m;
}

/* What the columns say: null where a workload has nothing of it. */
static json_t *columns_json(const struct report *r, const struct block *b,
			    json_t *estimated)
{
	json_t *j = json_object();
	int err = 0;

	for (size_t i = 0; i < column_count; i++) {
		const struct column *c = &columns[i];
		struct cell cell;

		column_get(c, b, r->duration_s, &cell);
		err |=
		    json_object_set_new(j, c->key,
					c->unit == COLUMN_TEXT ? string_json(cell.text)
					: cell.there	       ? json_real(cell.number)
							       : json_null());
		if (cell.estimated)
			err |= json_array_append_new(estimated, json_string(c->key));
	}
	if (err) {
		json_decref(j);
		return NULL;
	}
	return j;
}

static json_t *metrics_json(const struct block *b)
{
	json_t *metrics = json_array();

	for (size_t i = b->first; i < b->end; i++) {
		const struct frame_series *s = &b->frame->series[i];

		/* what is now (connections open) counts where it is not 0 */
		if (!report_has_events(s) &&
		    (s->kind == METRIC_HISTOGRAM || report_value(s) == 0))
			continue;
		if (json_array_append_new(metrics, metric_json(s))) {
			json_decref(metrics);
			return NULL;
		}
	}
	return metrics;
}

static json_t *workload_json(const struct report *r, const struct block *b)
{
	json_t *estimated = json_array();

	/* jansson takes over what it is given, also when it fails */
	return json_pack("{s:s, s:s, s:s, s:o, s:o, s:o}", "kind",
			 frame_kind(b->resource), "name", frame_name(b->resource),
			 "cgroup", frame_cgroup(b->resource), "columns",
			 columns_json(r, b, estimated), "estimated", estimated,
			 "metrics", metrics_json(b));
}

static json_t *workloads_json(const struct report *r)
{
	json_t *list = json_array();
	size_t limit = r->choice.limit ? r->choice.limit : SIZE_MAX;
	struct report_rows rows;
	int err = report_rows_get(r, &rows);

	for (size_t i = 0; i < rows.count && i < limit && !err; i++)
		err =
		    json_array_append_new(list, workload_json(r, &rows.list[i].block));
	report_rows_fini(&rows);
	if (err) {
		json_decref(list);
		return NULL;
	}
	return list;
}

/* Of who looks back: of which time the numbers are, and how far it goes. */
static json_t *times_json(const struct report *r)
{
	char since[UNITS_TIME_LEN], until[UNITS_TIME_LEN];
	char first[UNITS_TIME_LEN], last[UNITS_TIME_LEN];

	return json_pack("{s:s, s:s, s:{s:s, s:s}}", "since",
			 units_time(since, r->since_ns), "until",
			 units_time(until, r->until_ns), "history", "since",
			 units_time(first, r->kept_since_ns), "until",
			 units_time(last, r->kept_until_ns));
}

int report_json(const struct report *r, FILE *f)
{
	json_t *top;
	int err;

	/* jansson takes a NULL member as a failure of the whole */
	top = json_pack("{s:i, s:o, s:f, s:o, s:o, s:o}", "schema", SCHEMA, "node",
			node_json(r), "duration_s", r->duration_s, "probes",
			probes_json(r->frame), "lost", lost_json(r->frame), "workloads",
			workloads_json(r));
	if (!top)
		return -ENOMEM;
	if (r->until_ns && json_object_update_new(top, times_json(r))) {
		json_decref(top);
		return -ENOMEM;
	}
	err = json_put(top, 15, f);
	json_decref(top);
	fputc('\n', f);
	return write_out(f) ?: (err ? -ENOMEM : 0);
}
