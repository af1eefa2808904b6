// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include "kernel/probes.h"
#include "metric/metrics.h"
#include "metric/self_budget.h"
#include "view/counted.h"

#define MOST 1.02

size_t counted_meter(const char *metric)
{
	bool windowed;
	size_t probe = metrics_probe(metric, &windowed);

	return probe == PROBE_COUNT ? COUNTED_METERS - 1 : 2 * probe + windowed;
}

bool counted_is_told(const struct frame *f)
{
	for (size_t i = 0; i < f->count; i++)
		if (!strcmp(f->series[i].name, self_attached_time.name))
			return true;
	return false;
}

/* The meter that a series of the agent's own tells of; COUNTED_METERS: none. */
static size_t meter_of(const struct frame_series *s)
{
	bool windowed = !strcmp(s->name, self_counted_time.name);
	size_t probe;

	if (!windowed && strcmp(s->name, self_attached_time.name))
		return COUNTED_METERS;
	probe = probe_named(frame_attr(&s->attrs, "assay.probe"));
	return probe == PROBE_COUNT ? COUNTED_METERS : 2 * probe + windowed;
}

void counted_read(const struct frame *f, bool told, double covered_s,
		  double seconds[COUNTED_METERS])
{
	for (size_t i = 0; i < COUNTED_METERS; i++)
		seconds[i] = told && i < COUNTED_METERS - 1 ? 0 : covered_s;
	for (size_t i = 0; i < f->count && told; i++) {
		size_t meter = meter_of(&f->series[i]);

		if (meter < COUNTED_METERS && f->series[i].kind == METRIC_SUM &&
		    f->series[i].real)
			seconds[meter] += f->series[i].d;
	}
	/* readings and probes have each a clock of their own: all the time is all */
	for (size_t i = 0; i < COUNTED_METERS; i++)
		if (seconds[i] > COUNTED_ALL * covered_s &&
		    seconds[i] < MOST * covered_s)
			seconds[i] = covered_s;
}

void counted_shares_read(const struct frame *f, double covered_s,
			 struct counted_shares *out)
{
	bool told = covered_s > 0 && counted_is_told(f);

	counted_read(f, told, covered_s, out->of);
	for (size_t i = 0; i < COUNTED_METERS; i++)
		out->of[i] = told ? out->of[i] / covered_s : 1;
}

double counted_share(const struct counted_shares *c, const char *probe)
{
	size_t i = probe_named(probe);

	return i == PROBE_COUNT ? 1 : c->of[2 * i];
}

/* Is it loaded, so that it could count? */
static bool is_loaded(const struct frame *f, size_t probe)
{
	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];

		if (!strcmp(s->name, self_duty.name) &&
		    probe_named(frame_attr(&s->attrs, "assay.probe")) == probe)
			return true;
	}
	return false;
}

bool counted_text(const struct frame *f, double covered_s, char *text, size_t len)
{
	double seconds[COUNTED_METERS];
	size_t at = 0;

	text[0] = '\0';
	if (!counted_is_told(f))
		return false;
	counted_read(f, true, covered_s, seconds);
	for (size_t i = 0; i < PROBE_COUNT && at < len; i++)
		if (seconds[2 * i] < COUNTED_ALL * covered_s && is_loaded(f, i))
			at += (size_t)snprintf(
			    text + at, len - at, "%s%s %.3g of %.3g s", at ? ", " : "",
			    probe_descs[i].name, seconds[2 * i], covered_s);
	return text[0] != '\0';
}
