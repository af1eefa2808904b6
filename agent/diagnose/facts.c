// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <string.h>
#include "diagnose/facts.h"
#include "view/counted.h"
#include "view/report.h"

double facts_series(const struct frame_series *s)
{
	return s->kind == METRIC_HISTOGRAM ? (double)hist_count(s->hist)
					   : report_value(s);
}

double facts_events(const struct frame_series *s)
{
	/* neither bytes nor seconds; periods come by themselves */
	if (!report_has_events(s) ||
	    (s->kind != METRIC_HISTOGRAM &&
	     (*s->unit != '{' || !strcmp(s->unit, "{period}"))))
		return 0;
	return facts_series(s);
}

static bool matches(const struct input_desc *d, const struct frame_series *s)
{
	const char *value;

	if (strcmp(d->metric, s->name))
		return false;
	if (!d->key)
		return true;
	value = frame_attr(&s->attrs, d->key);
	return value && !strcmp(value, d->value);
}

/* All series of an input together. */
struct gathered {
	struct hist hist;
	double sum, most, error;
};

static void gather(struct gathered *g, const struct frame_series *s)
{
	double v = facts_series(s);

	g->sum += v;
	if (v > g->most)
		g->most = v;
	if (report_is_estimated(s) && report_relative_error(s) > g->error)
		g->error = report_relative_error(s);
	if (s->kind != METRIC_HISTOGRAM)
		return;
	g->hist.sum_ns += s->hist->sum_ns;
	for (size_t i = 0; i < BUCKET_COUNT; i++)
		g->hist.buckets[i] += s->hist->buckets[i];
}

static double stat_of(const struct input_desc *d, const struct gathered *g,
		      enum metric_kind kind, double duration_s)
{
	switch (d->stat) {
	case STAT_RATE:
		return g->sum / duration_s;
	case STAT_COUNT:
		return g->sum;
	case STAT_TIME:
		return g->hist.sum_ns * 1e-9 / duration_s;
	case STAT_P50:
		return report_quantile(&g->hist, 50);
	case STAT_P90:
		return report_quantile(&g->hist, 90);
	case STAT_P99:
		return report_quantile(&g->hist, 99);
	case STAT_WORST:
		return g->most / duration_s;
	case STAT_NOW:
		return kind == METRIC_GAUGE ? g->most : g->sum;
	}
	return 0;
}

double facts_time(const struct facts *f, const char *metric)
{
	double share = f->counted ? f->counted->of[counted_meter(metric)] : 1;

	return f->duration_s * (share > 0 ? share : 1);
}

static void compute_input(struct facts *out, enum input in)
{
	const struct input_desc *d = &inputs[in];
	enum metric_kind kind = METRIC_SUM;
	struct gathered g = { 0 };

	for (size_t i = out->first; i < out->end; i++) {
		const struct frame_series *s = &out->frame->series[i];

		if (!matches(d, s))
			continue;
		kind = s->kind;
		gather(&g, s);
	}
	out->value[in] = stat_of(d, &g, kind, facts_time(out, d->metric));
	if (!(out->value[in] > 0))
		out->value[in] = 0; /* what is no number, too */
	out->error[in] = g.error;
}

/* Where the agent's own series begin; SIZE_MAX: there are none. */
static size_t find_self(const struct frame *f)
{
	for (size_t i = 0; i < f->count; i = report_group_end(f, i))
		if (!report_is_workload(f->series[i].resource))
			return i;
	return SIZE_MAX;
}

double facts_lived(const struct frame *f, size_t first, double duration_s)
{
	uint64_t start = f->time_ns;
	double lived;

	for (size_t i = first; i < report_group_end(f, first); i++)
		if (f->series[i].start_ns && f->series[i].start_ns < start)
			start = f->series[i].start_ns;
	lived = (double)(f->time_ns - start) * 1e-9;
	return lived > 0 && lived < duration_s ? lived : duration_s;
}

void facts_compute(struct facts *out, const struct frame *f, size_t first,
		   double duration_s, const struct counted_shares *counted)
{
	bool node = first == SIZE_MAX;

	*out = (struct facts){ .frame = f,
			       .duration_s = duration_s > 0 ? duration_s : 1,
			       .counted = counted };
	out->first = node ? find_self(f) : first;
	if (out->first == SIZE_MAX)
		return; /* no agent that says anything of itself */
	out->end = report_group_end(f, out->first);
	if (!node)
		out->resource = f->series[first].resource;
	for (int in = node ? INPUTS_WORKLOAD : 0;
	     in < (node ? INPUTS : INPUTS_WORKLOAD); in++)
		compute_input(out, in);
	for (size_t i = out->first; i < out->end && !node; i++)
		out->events += facts_events(&f->series[i]);
	out->lost_of = out->value[IN_CPU] + out->value[IN_CONTENTION] +
		       out->value[IN_THROTTLED] + out->value[IN_BLOCKED_FILE] +
		       out->value[IN_BLOCKED_FAULT] + out->value[IN_BLOCKED_MEMORY];
}

static bool same_workload(const struct frame_attrs *a, const struct frame_attrs *b,
			  const char *(*by)(const struct frame_attrs *))
{
	return *by(a) && !strcmp(by(a), by(b)) && !strcmp(frame_kind(a), frame_kind(b));
}

size_t facts_find(const struct frame *f, const struct frame_attrs *resource,
		  size_t guess)
{
	size_t by_name = SIZE_MAX;

	if (guess < f->count &&
	    same_workload(f->series[guess].resource, resource, frame_cgroup))
		return guess;
	for (size_t i = 0; i < f->count; i = report_group_end(f, i)) {
		const struct frame_attrs *r = f->series[i].resource;

		if (same_workload(r, resource, frame_cgroup))
			return i;
		/* a container that was started again has another path */
		if (by_name == SIZE_MAX && same_workload(r, resource, frame_name))
			by_name = i;
	}
	return by_name;
}

bool facts_has_share(const struct facts *f)
{
	return !f->resource || *frame_cgroup(f->resource);
}

double facts_share(const struct facts *f, double lost)
{
	double of = f->lost_of > lost ? f->lost_of : lost;

	return of > 0 && facts_has_share(f) ? lost / of : 0;
}
