// SPDX-License-Identifier: Apache-2.0
/* Words for `assay tune`, of a user or of a peer. */
#include "kernel/tune.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *words = fuzz_string(data, size), cause[256] = "";
	struct tune_change change;

	if (tune_parse(words, &change, cause, size % 200 + 56)) {
		CHECK(cause[0] && !strchr(cause, '\n'));
	} else {
		CHECK(change.probe >= 0 && change.probe < PROBE_COUNT);
		CHECK(change.sample_log2 <= 10);
		CHECK(!(change.keys & TUNE_INFLIGHT) || change.inflight_ns >= 1000000);
	}
	free(words);
	return 0;
}
