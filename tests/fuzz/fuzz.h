/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For fuzzers (libFuzzer): each file has one function that is handed bytes, again and
 * again, and dies when something is wrong with what our code makes of them.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* As assert(), which a build may leave out. */
#define CHECK(condition)                                                           \
	do {                                                                       \
		if (!(condition)) {                                                \
			fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, \
				#condition);                                       \
			abort();                                                   \
		}                                                                  \
	} while (0)

/* The bytes as a string, which ends at the first NUL; to be freed. */
static inline char *fuzz_string(const uint8_t *data, size_t size)
{
	char *s = malloc(size + 1);

	memcpy(s, data, size);
	s[size] = '\0';
	return s;
}

/* A directory of this process, made once. */
static inline const char *fuzz_directory(void)
{
	static char path[64];

	if (!path[0]) {
		const char *top = getenv("TMPDIR");

		snprintf(path, sizeof(path), "%.40s/fuzz-XXXXXX", top ? top : "/tmp");
		CHECK(mkdtemp(path));
	}
	return path;
}

#endif
