// SPDX-License-Identifier: Apache-2.0
/* What a peer on the agent's socket says of how it is. */
#include "fuzz.h"
#include "view/status.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct status s, again;
	static struct status_verdict v;
	static FILE *null;
	uint8_t *bytes;
	size_t len;
	json_t *j;

	if (!null)
		null = fopen("/dev/null", "w");
	if (status_decode(data, size, &s))
		return 0;
	status_judge(&s, &v);
	status_print(&s, &v, null);
	/* what was understood can be told on, and is understood as the same */
	CHECK(!status_encode(&s, &bytes, &len));
	CHECK(!status_decode(bytes, len, &again));
	CHECK(again.waits == s.waits && again.probe_count == s.probe_count &&
	      again.lost_count == s.lost_count &&
	      !strcmp(again.export.error, s.export.error));
	free(bytes);
	j = status_json(&s);
	CHECK(j);
	json_decref(j);
	return 0;
}
