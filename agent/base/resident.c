// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <link.h>
#include <malloc.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/resident.h"

/* Of an entry of pagemap (Documentation/admin-guide/mm/pagemap.rst). */
#define PAGE_PRESENT (1ULL << 63)
#define PAGE_SWAPPED (1ULL << 62)
#define PAGE_OF_FILE (1ULL << 61)

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
static bool speaks_tls(const char *path)
{
	return strstr(path, "/libcrypto.so") || strstr(path, "/libssl.so") ||
	       strstr(path, "/libcurl.so");
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
		    is_private_file(&m) && (!tls_only || speaks_tls(m.path)))
			madvise((void *)m.start, m.end - m.start, MADV_DONTNEED);
	}
}

void resident_trim(void)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");

	if (smaps) {
		drop_file_pages(smaps, false);
		fclose(smaps);
	}
	malloc_trim(0);
}

/* Has anybody written into these pages? true also if that cannot be told. */
static bool is_written(int pagemap, unsigned long start, unsigned long end,
		       unsigned long page)
{
	uint64_t entries[256];

	for (unsigned long at = start / page; at < end / page;) {
		size_t n = end / page - at;

		if (n > sizeof(entries) / sizeof(*entries))
			n = sizeof(entries) / sizeof(*entries);
		if (pread(pagemap, entries, n * 8, at * 8) != (ssize_t)(n * 8))
			return true;
		for (size_t i = 0; i < n; i++)
			if (entries[i] & (PAGE_PRESENT | PAGE_SWAPPED) &&
			    !(entries[i] & PAGE_OF_FILE))
				return true;
		at += n;
	}
	return false;
}

/* Of a library that speaks TLS: what is mapped to be read or run. */
static int drop_library(struct dl_phdr_info *lib, size_t size, void *pagemap)
{
	unsigned long page = sysconf(_SC_PAGESIZE);

	for (int i = 0; speaks_tls(lib->dlpi_name) && i < lib->dlpi_phnum; i++) {
		const ElfW(Phdr) *h = &lib->dlpi_phdr[i];
		unsigned long start = lib->dlpi_addr + h->p_vaddr,
			      end = (start + h->p_memsz + page - 1) & -page;

		start &= -page;
		if (h->p_type == PT_LOAD && !(h->p_flags & PF_W) &&
		    !is_written(*(int *)pagemap, start, end, page))
			madvise((void *)start, end - start, MADV_DONTNEED);
	}
	return 0;
}

void resident_trim_tls(bool heap)
{
	/* one who got capabilities from the program's file may not open it */
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	FILE *smaps = pagemap < 0 ? fopen("/proc/self/smaps", "re") : NULL;

	if (pagemap >= 0) {
		dl_iterate_phdr(drop_library, &pagemap);
		close(pagemap);
	} else if (smaps) {
		drop_file_pages(smaps, true);
		fclose(smaps);
	}
	if (heap)
		malloc_trim(0);
}

uint64_t heap_used(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}
