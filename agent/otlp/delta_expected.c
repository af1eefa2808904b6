// SPDX-License-Identifier: Apache-2.0
/*
 * Points that are, byte by byte, as our encoder makes them (otlp.c, delta_encode.c) of
 * the series that comes next: as nearly all are, and they are not looked at field by
 * field. What is anything else is no error here: it is looked at again.
 */
#include <math.h>
#include "otlp/delta_sum_impl.h"
#include "otlp/frame_impl.h"

#define FIXED (1 + sizeof(uint64_t)) /* a field of 64 bits, with its tag */
#define HIST_HEAD                                                            \
	(4 * FIXED + 2) /* start, time, count, sum; scale, which is one byte \
			 */
#define SCALE_BYTE (2 * BUCKET_SCALE) /* as a sint */

static uint64_t load(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, sizeof(v));
	return le64toh(v);
}

bool delta_expected_number(struct scan in, const struct sum_series *t, struct met *m)
{
	size_t len = scan_length(in), raw = scan_length(t->raw);
	bool starts = t->metric->kind != METRIC_GAUGE;
	const uint8_t *p = in.at;

	if (len != raw + (starts ? 3 : 2) * FIXED)
		return false;
	if (starts) {
		m->start_ns = load(p + 1);
		if (*p != SCAN_TAG(2, SCAN_64))
			return false;
		p += FIXED;
	}
	m->time_ns = load(p + 1);
	m->i = load(p + FIXED + 1); /* or d */
	return p[0] == SCAN_TAG(3, SCAN_64) &&
	       p[FIXED] == SCAN_TAG(t->real ? 4 : 6, SCAN_64) &&
	       (!raw || !memcmp(p + 2 * FIXED, t->raw.at, raw)) &&
	       (!t->real || isfinite(m->d));
}

/* What a histogram has behind its attributes and before its buckets. */
static bool take_head(const uint8_t *p, struct delta_shape *h, struct met *m)
{
	if (p[0] != SCAN_TAG(2, SCAN_64) || p[FIXED] != SCAN_TAG(3, SCAN_64) ||
	    p[2 * FIXED] != SCAN_TAG(4, SCAN_64) ||
	    p[3 * FIXED] != SCAN_TAG(5, SCAN_64) ||
	    p[4 * FIXED] != SCAN_TAG(6, SCAN_VARINT) || p[4 * FIXED + 1] != SCALE_BYTE)
		return false;
	m->start_ns = load(p + 1);
	m->time_ns = load(p + FIXED + 1);
	h->count = load(p + 2 * FIXED + 1);
	h->sum = scan_double(load(p + 3 * FIXED + 1));
	h->scale = SCALE_BYTE;
	return true;
}

bool delta_expected_hist(enum delta_use use, struct scan in, const struct sum_series *t,
			 struct met *m)
{
	size_t raw = scan_length(t->raw), left = scan_length(in);
	struct delta_shape h = { .threshold = FRAME_ZERO_THRESHOLD };
	uint64_t len;

	if (left < raw + HIST_HEAD + FIXED || (raw && memcmp(in.at, t->raw.at, raw)) ||
	    !take_head(in.at + raw, &h, m))
		return false;
	in.at += raw + HIST_HEAD;
	in.end -= FIXED;
	if (*in.end != SCAN_TAG(14, SCAN_64) ||
	    scan_double(load(in.end + 1)) != FRAME_ZERO_THRESHOLD)
		return false;
	if (scan_length(in) >= FIXED && *in.at == SCAN_TAG(7, SCAN_64)) {
		m->zero = load(in.at + 1);
		in.at += FIXED;
	}
	if (in.at < in.end) {
		if (*in.at++ != SCAN_TAG(8, SCAN_BYTES) || scan_varint(&in, &len) ||
		    len != scan_length(in))
			return false;
		m->buckets = in;
	}
	return !delta_check_hist(use, &h, m);
}
