// SPDX-License-Identifier: Apache-2.0
/* Readings of a history that anybody may have made: merged, added up, and written out.
 */
#include "otlp/frame.h"
#include "sink/history_impl.h"
#include "fuzz.h"

static uint64_t events(const struct frame *f)
{
	uint64_t n = 0;

	for (size_t i = 0; i < f->count; i++)
		if (f->series[i].kind == METRIC_HISTOGRAM)
			n += hist_count(f->series[i].hist);
	return n;
}

/* What comes out of a frame goes in again. */
static void encode(const struct frame *f)
{
	struct frame *again;
	uint8_t *bytes;
	size_t len;

	if (frame_encode(f, &bytes, &len))
		return; /* more attributes than any metric has */
	CHECK(frame_decode_delta(bytes, len, &again) == 0);
	CHECK(again->count == f->count && events(again) == events(f));
	frame_free(again);
	free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t half = size ? data[0] * size / 256 : 0, out_len;
	uint8_t *parts[2] = { (uint8_t *)data, (uint8_t *)data + half }, *out;
	size_t lens[2] = { half, size - half };
	struct frame *sum = frame_new(64 << 20), *f;

	CHECK(sum);
	for (int i = 0; i < 2; i++) {
		if (frame_decode_delta(parts[i], lens[i], &f))
			continue;
		if (!frame_add(sum, f))
			frame_add_before(sum, f);
		frame_free(f);
	}
	for (size_t i = 1; i < sum->count; i++)
		CHECK(frame_find(sum, &sum->series[i]));
	encode(sum);
	frame_free(sum);
	if (!history_merge_bytes(parts, lens, 2, &out, &out_len))
		free(out);
	return 0;
}
