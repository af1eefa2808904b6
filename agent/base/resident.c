// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <sys/mman.h>
#include "base/resident.h"

struct mapping {
	unsigned long start, end, inode;
	char mode[5]; /* "r-xp" */
};

static bool is_private_file(const struct mapping *m)
{
	return m->inode && m->mode[0] == 'r' && m->mode[1] == '-' && m->mode[3] == 'p';
}

/* Does the line begin a mapping? */
static bool begins(const char *line, struct mapping *m)
{
	struct mapping here;

	if (sscanf(line, "%lx-%lx %4s %*x %*s %lu", &here.start, &here.end, here.mode,
		   &here.inode) != 4)
		return false; /* "Anonymous" begins with a digit, too */
	*m = here;
	return true;
}

static void drop_file_pages(FILE *smaps)
{
	struct mapping m = { 0 };
	unsigned long written;
	char line[512];

	while (fgets(line, sizeof(line), smaps)) {
		if (begins(line, &m))
			continue;
		if (sscanf(line, "Anonymous: %lu", &written) == 1 && !written &&
		    is_private_file(&m))
			madvise((void *)m.start, m.end - m.start, MADV_DONTNEED);
	}
}

void resident_trim(void)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");

	if (smaps) {
		drop_file_pages(smaps);
		fclose(smaps);
	}
	heap_trim();
}

void heap_trim(void)
{
	malloc_trim(0);
}

uint64_t heap_used(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}
