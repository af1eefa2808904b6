// SPDX-License-Identifier: Apache-2.0
/* A kubelet's configuration. */
#include "workload/max_pods.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = malloc(size + 1);

	CHECK(text);
	memcpy(text, data, size);
	text[size] = '\0';
	CHECK(max_pods_parse(text) > 0 && max_pods_parse(text) < 10000000);
	free(text);
	return 0;
}
