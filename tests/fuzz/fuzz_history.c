// SPDX-License-Identifier: Apache-2.0
/* Readings of a history that anybody may have made: added up, merged, and written out.
 */
#include "otlp/delta_sum.h"
#include "sink/history_impl.h"
#include "fuzz.h"

#define LIMIT (64UL << 20)

/* Those of the parts that a sum takes; how many of them. */
static int add(struct delta_sum *s, uint8_t *const *parts, const size_t *lens)
{
	int n = 0;

	CHECK(s);
	for (int i = 0; i < 2; i++)
		n += !delta_sum_add(s, parts[i], lens[i]);
	return n;
}

static void look(struct delta_sum *s)
{
	struct frame *f;

	CHECK(!delta_sum_frame(s, &f));
	for (size_t i = 0; i < f->count; i++)
		CHECK(frame_find(f, &f->series[i]) == &f->series[i]);
	frame_free(f);
}

/* As they are kept: packed, and unpacked side by side. */
static void merge_side_by_side(uint8_t *const *parts, const size_t *lens)
{
	struct history_packer *to = history_packer_new();
	struct history_source list[2] = { 0 };
	uint8_t *bytes;

	CHECK(to);
	for (int i = 0; i < 2; i++) {
		struct history_packer *p = history_packer_new();

		CHECK(p && !history_packer_add(p, parts[i], lens[i]));
		CHECK(!history_packer_end(p, &bytes, &list[i].len, &list[i].size));
		list[i].bytes = bytes;
	}
	history_merge_lanes(list, 2, lens[0] & 1, to);
	history_packer_free(to);
	free((void *)list[0].bytes);
	free((void *)list[1].bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t half = size ? data[0] * size / 256 : 0;
	uint8_t *parts[2] = { (uint8_t *)data, (uint8_t *)data + half };
	size_t lens[2] = { half, size - half };
	struct delta_sum *texts = delta_sum_new(DELTA_FRAME, LIMIT),
			 *bytes = delta_sum_new(DELTA_ENCODE, LIMIT);
	struct wire out = { 0 };
	int taken = add(texts, parts, lens);

	look(texts);
	delta_sum_add_before(texts, parts[0], lens[0]);
	look(texts);
	delta_sum_restart(texts);
	add(texts, parts, lens);
	look(texts);
	/* what comes out of a sum goes into one again */
	if (add(bytes, parts, lens) == 2 && taken == 2) {
		delta_sum_encode(bytes, &out);
		delta_sum_clear(texts);
		CHECK(!delta_sum_add(texts, out.bytes, out.len));
		look(texts);
	}
	free(out.bytes);
	delta_sum_free(texts);
	delta_sum_free(bytes);
	history_merge_bytes(parts, lens, 2, NULL);
	if (size % 8 == 1) /* packing takes much longer than all the rest */
		merge_side_by_side(parts, lens);
	return 0;
}
