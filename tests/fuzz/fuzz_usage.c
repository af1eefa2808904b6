// SPDX-License-Identifier: Apache-2.0
/* The files of a cgroup; a byte of 0 stands between two of them. */
#include <fcntl.h>
#include "base/util.h"
#include "workload/usage.h"
#include "fuzz.h"

static const char *const names[] = { "cpu.stat",   "memory.stat",  "memory.current",
				     "memory.max", "cpu.pressure", "memory.pressure",
				     "io.pressure" };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int dir = -1;
	struct usage_reading now = { 0 };
	const uint8_t *end = data + size;

	if (dir < 0)
		dir = open(fuzz_directory(), O_PATH | O_DIRECTORY);
	for (size_t i = 0; i < COUNT(names); i++) {
		const uint8_t *nul = memchr(data, 0, end - data);
		size_t len = (nul ? nul : end) - data;
		int fd = openat(dir, names[i], O_WRONLY | O_CREAT | O_TRUNC, 0600);

		CHECK(fd >= 0 && write(fd, data, len) == (ssize_t)len);
		close(fd);
		data = nul ? nul + 1 : end;
	}
	usage_read_files(&(struct usage_source){ .dir = dir }, USAGE_ALL, &now);
	CHECK(!(now.has >> USAGE_COUNT));
	for (int v = 0; v < USAGE_COUNT; v++)
		CHECK(now.has & 1U << v || v == USAGE_PERIODS_FREE || !now.value[v]);
	return 0;
}
