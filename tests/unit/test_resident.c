// SPDX-License-Identifier: Apache-2.0
/* What is given back is what can be had again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/mman.h>
#include <unistd.h>
#include "base/resident.h"
#include "base/util.h"

#define PAGES 64

/* A file of so many pages, each of one letter. */
static int make_file(size_t page)
{
	FILE *f = tmpfile();
	int fd;

	assert_non_null(f);
	for (size_t i = 0; i < PAGES * page; i++)
		fputc('a' + i / page % 26, f);
	assert_int_equal(fflush(f), 0);
	fd = dup(fileno(f));
	fclose(f);
	assert_true(fd >= 0);
	return fd;
}

/* Maps the file as a library's code, or (first) with a page of our own in it. */
static char *map(int fd, size_t page, bool write_first)
{
	char *p = mmap(NULL, PAGES * page, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);

	assert_ptr_not_equal(p, MAP_FAILED);
	if (write_first)
		p[0] = 'X';
	assert_int_equal(mprotect(p, PAGES * page, PROT_READ), 0);
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(p[i * page],
				 i || !write_first ? (int)('a' + i % 26) : 'X');
	return p;
}

/* kB of the mapping that begins there, by the kernel. */
static unsigned long resident_at(const void *start)
{
	unsigned long from, rss = 0;
	char mode;
	bool here = false;
	char line[512];
	FILE *f = fopen("/proc/self/smaps", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%*x %c", &from, &mode) == 2)
			here = from == (uintptr_t)start;
		if (here && sscanf(line, "Rss: %lu", &rss) == 1)
			break;
	}
	fclose(f);
	return rss;
}

static void pages_that_nobody_wrote_to_go_and_come_again(void **state)
{
	size_t page = sysconf(_SC_PAGESIZE);
	int fd = make_file(page);
	char *clean = map(fd, page, false), *written = map(fd, page, true);

	assert_int_equal(resident_at(clean), PAGES * page / 1024);
	assert_int_equal(resident_at(written), PAGES * page / 1024);
	resident_trim();
	assert_int_equal(resident_at(clean), 0);
	assert_int_equal(resident_at(written), PAGES * page / 1024);
	assert_int_equal(written[0], 'X');
	for (size_t i = 0; i < PAGES; i++)
		assert_int_equal(clean[i * page], (int)('a' + i % 26));
	munmap(clean, PAGES * page);
	munmap(written, PAGES * page);
	close(fd);
}

/* Where a library's code is mapped. */
static char *code_of(const char *library)
{
	unsigned long from = 0;
	char line[512], mode;
	FILE *f = fopen("/proc/self/maps", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f))
		if (strstr(line, library) &&
		    sscanf(line, "%lx-%*x %*c%*c%c", &from, &mode) == 2 && mode == 'x')
			break;
	fclose(f);
	assert_int_not_equal(from, 0);
	return (char *)from;
}

static void of_tls_only_what_nobody_wrote_to_goes(void **state)
{
	size_t page = sysconf(_SC_PAGESIZE);
	char *code = code_of("/libcrypto.so"), *other = code_of("/libjansson.so");
	const volatile char *look = code;
	char first = look[0];

	assert_true(resident_at(code) > 0);
	(void)*(volatile char *)other;
	resident_trim_tls(false);
	assert_int_equal(resident_at(code), 0);
	assert_true(resident_at(other) > 0);
	resident_trim_libraries((const char *const[]){ "/libjansson.so", NULL });
	assert_int_equal(resident_at(other), 0);
	assert_int_equal(look[0], first);
	/* as a breakpoint is set */
	assert_int_equal(mprotect(code, page, PROT_READ | PROT_WRITE), 0);
	*(volatile char *)code = first + 1;
	assert_int_equal(mprotect(code, page, PROT_READ | PROT_EXEC), 0);
	resident_trim_tls(true);
	assert_int_equal(look[0], (char)(first + 1));
	assert_true(resident_at(code) > 0);
	assert_int_equal(mprotect(code, page, PROT_READ | PROT_WRITE), 0);
	*(volatile char *)code = first;
	assert_int_equal(mprotect(code, page, PROT_READ | PROT_EXEC), 0);
}

/* The relocated data of our libraries, our own variables: all as it was. */
static void what_runs_goes_on(void **state)
{
	static int mine;

	mine = 42;
	for (int i = 0; i < 3; i++)
		resident_trim();
	assert_int_equal(mine, 42);
	assert_int_equal(strtol("17", NULL, 10), 17);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pages_that_nobody_wrote_to_go_and_come_again),
		cmocka_unit_test(of_tls_only_what_nobody_wrote_to_goes),
		cmocka_unit_test(what_runs_goes_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
