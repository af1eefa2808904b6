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
static const char *const speak_tls[] = { "/libcrypto.so", "/libssl.so", "/libcurl.so",
					 NULL };

static bool is_one_of(const char *path, const char *const *names)
{
	for (; *names; names++)
		if (strstr(path, *names))
			return true;
	return false;
}

/* names: of these libraries only; NULL: all. */
static void drop_file_pages(FILE *smaps, const char *const *names)
{
	struct mapping m = { 0 };
	unsigned long written;
	char line[512];

	while (fgets(line, sizeof(line), smaps)) {
		if (begins(line, &m))
			continue;
		if (sscanf(line, "Anonymous: %lu", &written) == 1 && !written &&
		    is_private_file(&m) && (!names || is_one_of(m.path, names)))
			madvise((void *)m.start, m.end - m.start, MADV_DONTNEED);
	}
}

void resident_trim(void)
{
	FILE *smaps = fopen("/proc/self/smaps", "re");

	if (smaps) {
		drop_file_pages(smaps, NULL);
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

struct dropping {
	const char *const *names;
	int pagemap;
};

/* Of a library that is named: what is mapped to be read or run. */
static int drop_library(struct dl_phdr_info *lib, size_t size, void *arg)
{
	const struct dropping *d = arg;
	unsigned long page = sysconf(_SC_PAGESIZE);

	for (int i = 0; is_one_of(lib->dlpi_name, d->names) && i < lib->dlpi_phnum;
	     i++) {
		const ElfW(Phdr) *h = &lib->dlpi_phdr[i];
		unsigned long start = lib->dlpi_addr + h->p_vaddr,
			      end = (start + h->p_memsz + page - 1) & -page;

		start &= -page;
		if (h->p_type == PT_LOAD && !(h->p_flags & PF_W) &&
		    !is_written(d->pagemap, start, end, page))
			madvise((void *)start, end - start, MADV_DONTNEED);
	}
	return 0;
}

static void drop_libraries(const char *const *names)
{
	/* one who got capabilities from the program's file may not open it */
	struct dropping d = { names, open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC) };
	FILE *smaps = d.pagemap < 0 ? fopen("/proc/self/smaps", "re") : NULL;

	if (d.pagemap >= 0) {
		dl_iterate_phdr(drop_library, &d);
		close(d.pagemap);
	} else if (smaps) {
		drop_file_pages(smaps, names);
		fclose(smaps);
	}
}

void resident_trim_libraries(const char *const *names)
{
	drop_libraries(names);
}

void resident_trim_tls(bool heap)
{
	drop_libraries(speak_tls);
	if (heap)
		malloc_trim(0);
}

uint64_t heap_used(void)
{
	struct mallinfo2 m = mallinfo2();

	return m.uordblks + m.hblkhd;
}
