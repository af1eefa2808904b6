// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/options.h"
#include "cmd/baseline.h"
#include "cmd/source.h"

#define SECOND_NS  1000000000ULL
#define HOUR_NS	   (3600 * SECOND_NS)
#define APART_NS   (300 * SECOND_NS) /* what was then may be of the incident */
#define LEAST_S	   60.0		     /* what is shorter says nothing of what is usual */
#define LONGEST_MS (400ULL * 86400 * 1000)

int baseline_span(const char *text, const struct history_span *looked_at,
		  uint64_t now_ns, struct history_span *out, char *cause, size_t len)
{
	const char *dots = text ? strstr(text, "..") : NULL;
	uint64_t ms = HOUR_NS / 1000000;
	int err = 0;

	*out = (struct history_span){ 0 };
	if (dots)
		err = span_pair(text, now_ns, out);
	else if (text)
		err = options_duration(text, 60000, LONGEST_MS, &ms);
	if (dots && err == -ERANGE)
		snprintf(cause, len, "--baseline %.100s: its end is yet to come", text);
	else if (err)
		snprintf(
		    cause, len,
		    "--baseline %.100s: must be a time before, as 3h (1m at least), "
		    "or from when to when, as 02:00..03:00",
		    text);
	if (err)
		return -EINVAL;
	if (dots)
		return 0;
	out->until_ns =
	    looked_at->since_ns > APART_NS ? looked_at->since_ns - APART_NS : 0;
	out->since_ns =
	    looked_at->since_ns > ms * 1000000 ? looked_at->since_ns - ms * 1000000 : 0;
	/* less than the five minutes: just before them */
	if (ms * 1000000 <= APART_NS + LEAST_S * SECOND_NS)
		out->since_ns -= out->since_ns > APART_NS ? APART_NS : out->since_ns;
	return 0;
}

int baseline_take(const struct options *o, const struct history_span *looked_at,
		  struct baseline *out)
{
	struct span span = { .live = false, .of = "baseline: " };
	struct source src = { .o = o };
	uint64_t now_ns;
	int err;

	memset(out, 0, sizeof(*out));
	if (span_now(o, &now_ns, out->cause, sizeof(out->cause)))
		return 0;
	err = baseline_span(o->baseline, looked_at, now_ns, &span.time, out->cause,
			    sizeof(out->cause));
	if (err)
		return err;
	err = span_take(&src, &span, &out->taken, out->cause, sizeof(out->cause));
	if (err) {
		out->taken = (struct taken){ 0 };
		return 0;
	}
	if (out->taken.duration_s >= LEAST_S)
		return 0;
	snprintf(out->cause, sizeof(out->cause),
		 "the history has only %.0f s of the time before",
		 out->taken.duration_s);
	frame_free(out->taken.frame);
	out->taken = (struct taken){ .kept = out->taken.kept };
	return 0;
}
