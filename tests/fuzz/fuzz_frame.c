// SPDX-License-Identifier: Apache-2.0
/* What a peer on the agent's socket may say of its numbers, decoded and shown. */
#include "base/text.h"
#include "otlp/frame.h"
#include "view/report.h"
#include "fuzz.h"

static void show(int (*print)(const struct report *, FILE *), const struct frame *f,
		 char **text, size_t *len)
{
	struct report r = { .frame = f, .duration_s = 1.5, .from_agent = true };
	FILE *out = open_memstream(text, len);

	CHECK(print(&r, out) == 0);
	fclose(out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t half = size ? data[0] * size / 256 : 0, len;
	struct frame *f, *before;
	char *text;

	if (frame_decode(data, size, &f))
		return 0;
	if (!frame_decode(data + half, size - half, &before)) {
		frame_subtract(f, before);
		frame_free(before);
	}
	show(report_json, f, &text, &len);
	CHECK(text_is_utf8(text));
	free(text);
	CHECK(frame_make_visible(f) == 0);
	show(report_table, f, &text, &len);
	CHECK(strlen(text) == len && text_is_utf8(text));
	for (size_t i = 0; i < len; i++)
		CHECK((text[i] >= ' ' && text[i] != 0x7f) || text[i] == '\n' ||
		      text[i] & 0x80);
	free(text);
	frame_free(f);
	return 0;
}
