// SPDX-License-Identifier: Apache-2.0
/* What happened between two frames of the same agent. */
#include "otlp/frame.h"

/* True when the counts of `after` contain those of `before`. */
static bool continues(const struct frame_series *after,
		      const struct frame_series *before)
{
	if (after->kind != before->kind || after->real != before->real ||
	    after->start_ns > before->start_ns)
		return false;
	if (after->kind != METRIC_HISTOGRAM)
		return after->real ? after->d >= before->d : after->i >= before->i;
	if (after->hist->sum_ns < before->hist->sum_ns)
		return false;
	for (size_t i = 0; i < BUCKET_COUNT; i++)
		if (after->hist->buckets[i] < before->hist->buckets[i])
			return false;
	return true;
}

static void subtract_series(struct frame_series *after,
			    const struct frame_series *before)
{
	if (after->kind == METRIC_HISTOGRAM) {
		after->hist->sum_ns -= before->hist->sum_ns;
		for (size_t i = 0; i < BUCKET_COUNT; i++)
			after->hist->buckets[i] -= before->hist->buckets[i];
	} else if (after->real) {
		after->d -= before->d;
	} else {
		after->i -= before->i;
	}
	after->error.noise -= before->error.noise;
	after->error.change -= before->error.change;
	after->error.outstanding -= before->error.outstanding;
}

void frame_subtract(struct frame *after, const struct frame *before)
{
	for (size_t i = 0; i < after->count; i++) {
		struct frame_series *s = &after->series[i];
		const struct frame_series *old;

		if (s->kind == METRIC_GAUGE || s->kind == METRIC_UPDOWN)
			continue;
		old = frame_find(before, s);
		if (old && continues(s, old))
			subtract_series(s, old);
	}
}
