// SPDX-License-Identifier: Apache-2.0
/* The buckets of a histogram, as bytes. */
#include <errno.h>
#include <math.h>
#include <string.h>
#include "otlp/delta_sum_impl.h"
#include "otlp/frame_impl.h"

/* Of an offset as OTLP has it; 0: it is none of ours. */
static int64_t first_bucket(int64_t offset)
{
	if (offset < BUCKET_OTLP_MIN || offset >= BUCKET_OTLP_MIN + BUCKET_COUNT)
		return 0;
	return offset - BUCKET_OTLP_MIN + 1;
}

/* The sum of eight numbers of a byte each, all below 128. */
static uint64_t sum_of(uint64_t eight)
{
	const uint64_t low = 0x00ff00ff00ff00ff;
	uint64_t four = (eight & low) + (eight >> 8 & low);

	return four * 0x0001000100010001 >> 48;
}

/* Eight numbers at once, if each is one byte: how many of them were taken. */
static size_t take_eight(struct scan *in, int64_t at, uint64_t *into, uint64_t *count)
{
	uint64_t eight;

	if (scan_length(*in) < sizeof(eight) || at < 1 ||
	    at + (int64_t)sizeof(eight) > BUCKET_COUNT)
		return 0;
	memcpy(&eight, in->at, sizeof(eight));
	if (eight & 0x8080808080808080)
		return 0;
	for (size_t i = 0; into && eight && i < sizeof(eight); i++)
		into[at + (int64_t)i] += in->at[i];
	*count += sum_of(eight);
	in->at += sizeof(eight);
	return sizeof(eight);
}

/* Numbers one after the other, of the buckets from *at on. */
static int take_run(struct scan in, int64_t *at, uint64_t *into, uint64_t *count)
{
	uint64_t n;

	while (in.at < in.end) {
		size_t taken = take_eight(&in, *at, into, count);

		*at += (int64_t)taken;
		if (taken)
			continue;
		if (scan_varint(&in, &n) || *at < 1 || *at >= BUCKET_COUNT)
			return -EINVAL;
		if (into)
			into[*at] += n;
		*count += n;
		++*at;
	}
	return 0;
}

int delta_buckets(struct scan in, uint64_t *into, uint64_t *count, uint16_t *first,
		  uint16_t *end)
{
	int64_t at = 1 - BUCKET_OTLP_MIN;
	struct scan_field f = { 0 };
	int rc;

	*first = *end = 0;
	while ((rc = scan_next(&in, &f)) > 0) {
		if (f.tag == SCAN_TAG(1, SCAN_VARINT) && !*end)
			at = first_bucket(scan_sint(f.value));
		if (f.tag != SCAN_TAG(2, SCAN_BYTES) || !scan_length(f.in))
			continue;
		if (!*end)
			*first = (uint16_t)at;
		if (take_run(f.in, &at, into, count))
			return -EINVAL;
		*end = (uint16_t)at;
	}
	return rc;
}

/* Is there any bucket in that, or is it no message? */
static bool has_counts(struct scan in)
{
	struct scan_field f = { 0 };
	int rc;

	while ((rc = scan_next(&in, &f)) > 0)
		if (f.tag == SCAN_TAG(2, SCAN_BYTES) && scan_length(f.in))
			return true;
	return rc < 0;
}

int delta_check_hist(enum delta_use use, const struct delta_shape *h, struct met *m)
{
	double ns = h->sum * 1e9;
	uint64_t count = m->zero;
	uint16_t first, end;

	if (scan_sint(h->scale) != BUCKET_SCALE ||
	    h->threshold != FRAME_ZERO_THRESHOLD || !(ns >= 0 && ns < 0x1p64))
		return -EINVAL;
	if (has_counts(h->negative))
		return -EINVAL;
	m->i = (uint64_t)rint(ns);
	if (use == DELTA_ENCODE) /* of an error all is given up, not this batch only */
		return 0;
	if (delta_buckets(m->buckets, NULL, &count, &first, &end))
		return -EINVAL;
	return count == h->count ? 0 : -EINVAL;
}
