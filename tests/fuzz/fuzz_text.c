// SPDX-License-Identifier: Apache-2.0
/* Names: escaped for receivers, and made visible for terminals. */
#include "base/text.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *s = fuzz_string(data, size), *other = strdup(s);
	size_t room = 4 * strlen(s) + 1, columns;
	char *a = malloc(room), *b = malloc(room);

	text_escape(a, s);
	CHECK(text_is_utf8(a));
	CHECK(text_needs_escape(s) == (strcmp(a, s) != 0));
	if (*other) { /* a neighbour has another escape */
		other[size % strlen(other)] ^= 1 << size % 8;
		if (strlen(other) == strlen(s) && strcmp(other, s)) {
			text_escape(b, other);
			CHECK(strcmp(a, b));
		}
	}
	columns = text_copy(a, room, s, SIZE_MAX);
	CHECK(text_is_utf8(a) && text_columns(s) == columns);
	for (const char *c = a; *c; c++)
		CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
	text_copy(b, room, a, SIZE_MAX);
	CHECK(!strcmp(a, b));
	columns = text_copy(b, size % 50 + 1, s, size % 20);
	CHECK(columns <= size % 20 && strlen(b) <= size % 50 && text_is_utf8(b));
	free(a);
	free(b);
	free(other);
	free(s);
	return 0;
}
