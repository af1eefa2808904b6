// SPDX-License-Identifier: Apache-2.0
/* What a peer, or a copy of a history, may say, and what assay why says of it. */
#include "base/text.h"
#include "diagnose/diagnose.h"
#include "view/report.h"
#include "fuzz.h"

static void show(int (*print)(const struct why *, FILE *), const struct why *w,
		 bool line)
{
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	CHECK(print(w, out) == 0);
	fclose(out);
	CHECK(strlen(text) == len && text_is_utf8(text));
	for (size_t i = 0; i < len && line; i++)
		CHECK((text[i] >= ' ' && text[i] != 0x7f) || text[i] == '\n' ||
		      text[i] & 0x80);
	free(text);
}

static void ask(const struct readings *r, bool line)
{
	struct why w = {
		.readings = r, .no_baseline = "none", .host = "node", .source = "agent"
	};
	static struct node_diagnosis node;
	static struct diagnosis one;

	for (size_t i = 0; i < r->now->count; i = report_group_end(r->now, i)) {
		if (!report_is_workload(r->now->series[i].resource))
			continue;
		diagnose_workload(&one, r, i);
		w.workload = &one;
		show(line ? why_table : why_json, &w, line);
		break;
	}
	CHECK(diagnose_node(&node, r) == 0);
	w.workload = NULL;
	w.node = &node;
	show(line ? why_table : why_json, &w, line);
	diagnose_free_node(&node);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t half = size ? data[0] * size / 256 : 0;
	struct frame *f, *before = NULL;
	struct readings r = { .now_s = 10, .before_s = size % 3 ? 3600 : 0 };

	if (frame_decode(data, size, &f))
		return 0;
	if (frame_decode(data + half, size - half, &before))
		before = NULL;
	r.now = f;
	r.before = before;
	ask(&r, false);
	ask(&r, true);
	frame_free(f);
	frame_free(before);
	return 0;
}
