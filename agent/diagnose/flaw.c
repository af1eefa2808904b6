// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "diagnose/flaw.h"
#include "view/counted.h"
#include "view/report.h"

#define LOST "assay.lost"
#define DUTY "assay.probe.duty"
#define GAP_NS \
	90000000000ULL /* readings are merged to minutes; more, and nobody measured */

const char *const flaw_metrics[] = { LOST, DUTY, "assay.probe.attached.time",
				     "assay.probe.counted.time", NULL };

static bool has(const struct frame_series *s, const char *metric, const char *key,
		const char *value)
{
	const char *own = strcmp(s->name, metric) ? NULL : frame_attr(&s->attrs, key);

	return own && !strcmp(own, value);
}

static bool is_off(const struct flaw *flaw, const struct frame *f, double covered_s)
{
	struct counted_shares counted;

	counted_shares_read(f, covered_s, &counted);
	return counted_share(&counted, flaw->probe) < COUNTED_ALL;
}

bool flaw_shows(const struct flaw *flaw, const struct frame *f, double covered_s)
{
	if (flaw->kind == FLAW_OFF)
		return is_off(flaw, f, covered_s);
	for (size_t i = 0; i < f->count; i++) {
		const struct frame_series *s = &f->series[i];
		double v = report_value(s);

		if (flaw->kind == FLAW_LOST && v > 0 &&
		    has(s, LOST, "assay.probe", flaw->probe) &&
		    has(s, LOST, "assay.reason", flaw->reason))
			return true;
		if (flaw->kind == FLAW_WINDOWS && v > 0 && v < 1 &&
		    has(s, DUTY, "assay.probe", flaw->probe))
			return true;
	}
	return false;
}

void flaw_walk_step(struct flaw_walk *w, bool shows, uint64_t since_ns,
		    uint64_t until_ns)
{
	bool goes_on = w->shows && since_ns <= w->until_ns + GAP_NS;

	if (!w->first_ns)
		w->first_ns = since_ns;
	if (shows && !goes_on)
		w->since_ns = since_ns;
	w->shows = shows;
	w->seen |= shows;
	w->until_ns = until_ns;
}
