// SPDX-License-Identifier: Apache-2.0
/* What the first byte tells: a runtime's file of a container, or the target of a link
 * to a container's log. */
#include "workload/names_impl.h"
#include "fuzz.h"

#define ID "22d0b2f8154dd5edd2802eb36dec5717a5277d8735b35784aa2c147e8903678e"

static void check(const char *name)
{
	for (; name && *name; name++)
		CHECK(*name > ' ' && *name <= '~');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct names *n = calloc(1, sizeof(*n));
	char *text = malloc(size + 1), *name;
	struct podman_names podman = { 0 };
	int err;

	if (!size)
		data = (const uint8_t *)"";
	memcpy(text, data, size);
	text[size] = '\0';
	if (*text == 'l')
		err = names_parse_log(text + (size > 0), n);
	else if (*text == 'p')
		err = names_podman_parse(&podman, text + 1, size - 1)
			  ?: names_podman_take(&podman, ID, n);
	else
		err = names_parse(*text == 'd' ? NAMES_DOCKER : NAMES_BUNDLE,
				  text + (size > 0), size - (size > 0), n);
	check(n->namespace);
	check(n->pod);
	check(n->container);
	check(n->image);
	if (!err) {
		name = names_of_workload(n);
		CHECK(name && *name);
		free(name);
	}
	names_link_is(text, ID);
	if (!names_parse_pod_logs(text, "u", n)) {
		check(n->namespace);
		check(n->pod);
		CHECK(n->namespace && n->pod && !n->container);
	}
	names_podman_clear(&podman);
	names_free(n);
	free(text);
	return 0;
}
