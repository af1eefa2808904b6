// SPDX-License-Identifier: Apache-2.0
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include "base/resident.h"

struct mapping {
	unsigned long start, end, inode;
	char mode[5]; /* "r-xp" */
	char path[256];
};

static bool is_private_file(const struct mapping *m)
{
	return m->inode && m->mode[0] == 'r' && m->mode[1] == '-' && m->mode[3] == 'p';
}

/* Does the line begin a mapping? */
static bool begins(const char *line, struct mapping *m)
{
	struct mapping here;

	here.path[0] = '\0';
	if (sscanf(line, "%lx-%lx %4s %*x %*s %lu %255s", &here.start, &here.end,
		   here.mode, &here.inode, here.path) < 4)
		return false; /* "Anonymous" begins with a digit, too */
	*m = here;
	return true;
}

/* Of a program that is linked with them: they are mapped as long as it runs. */
static bool speaks_tls(const struct mapping *m)
{
	return strstr(m->path, "/libcrypto.so") || strstr(m->path, "/libssl.so") ||
	       strstr(m->path, "/libcurl.so");
}

static void drop_file_pages(FILE *smaps, bool tls_only)
{
	struct mapping m = { 0 };
	unsigned long written;
	char line[512];

	while (fgets(line, sizeof(line), smaps)) {
		if (begins(line, &m))
			continue;
		if (sscanf(line, "Anonymous: %lu", &written) == 1 && !written &&
		    is_private_file(&m) && (!tls_only || speaks_tls(&m)))
			madvise((void *)m.start, m.end - m.start, MADV_DONTNEED);
	}
}

static void trim(bool tls_only)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");

	if (smaps) {
		drop_file_pages(smaps, tls_only);
		fclose(smaps);
	}
	malloc_trim(0);
}

void resident_trim(void)
{
	trim(false);
}

void resident_trim_tls(void)
{
	trim(true);
}

uint64_t heap_used(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}
