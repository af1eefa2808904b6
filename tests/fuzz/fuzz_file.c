// SPDX-License-Identifier: Apache-2.0
/* What an export file may end with, when whoever wrote it was killed. */
#include <sys/mman.h>
#include "sink/export_http.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int fd = -1;
	uint64_t torn;

	if (fd < 0)
		fd = memfd_create("export", MFD_CLOEXEC);
	CHECK(fd >= 0 && !ftruncate(fd, 0) &&
	      pwrite(fd, data, size, 0) == (ssize_t)size);
	torn = file_torn(fd);
	CHECK(torn <= size && !ftruncate(fd, size - torn));
	CHECK(!file_torn(fd)); /* all that is left is whole */
	return 0;
}
