// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <string.h>
#include "base/units.h"
#include "view/cost.h"
#include "view/report.h"

static bool is_of(const struct frame_series *s, const char *key, const char *want)
{
	const char *value = frame_attr(&s->attrs, key);

	return !want || (value && !strcmp(value, want));
}

void cost_get(const struct frame *f, const char *probe, const char *program,
	      struct cost *out)
{
	*out = (struct cost){ 0 };
	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];

		if (report_is_workload(s->resource) ||
		    !is_of(s, "assay.probe", probe) ||
		    !is_of(s, "assay.program", program))
			continue;
		if (!strcmp(s->name, "assay.bpf.runs"))
			out->runs += report_value(s);
		else if (!strcmp(s->name, "assay.bpf.run.time"))
			out->seconds += report_value(s);
		else
			continue;
		out->since_s = ((double)f->time_ns - (double)s->start_ns) * 1e-9;
	}
}

const char *cost_text(char out[COST_LEN], const struct cost *c)
{
	char runs[UNITS_LEN], each[UNITS_LEN];

	units_count(runs, c->runs);
	if (c->runs <= 0 || c->since_s <= 0)
		snprintf(out, COST_LEN, "no runs");
	else if (c->seconds <= 0) /* one of about 1000 is timed */
		snprintf(out, COST_LEN, "%s runs, too few to tell what they take",
			 runs);
	else
		snprintf(out, COST_LEN, "%s runs of %s: %.*f %% of one CPU", runs,
			 units_seconds(each, c->seconds / c->runs),
			 c->seconds < 0.1 * c->since_s ? 2 : 0,
			 100 * c->seconds / c->since_s);
	return out;
}
