// SPDX-License-Identifier: Apache-2.0
/*
 * Load of the bench: N reads of one byte from a regular file in tmpfs.
 * Prints the wall time of them in nanoseconds.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define FILE_SIZE (1 << 20) /* its seeks are one call in a million */

static unsigned long long now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000ull + ts.tv_nsec;
}

static int read_bytes(int fd, long n)
{
	char byte;

	for (long i = 0; i < n; i++) {
		if (read(fd, &byte, 1) != 1)
			return -1;
		if (i % FILE_SIZE == FILE_SIZE - 1 && lseek(fd, 0, SEEK_SET))
			return -1;
	}
	return 0;
}

int main(int argc, char **argv)
{
	int fd = memfd_create("assay-bench", 0); /* a file of the kernel's own tmpfs */
	long n = argc == 2 ? atol(argv[1]) : 0;
	unsigned long long start;

	if (n <= 0 || fd < 0 || ftruncate(fd, FILE_SIZE) || read_bytes(fd, n / 20))
		return 1;
	if (lseek(fd, 0, SEEK_SET))
		return 1;
	start = now_ns();
	if (read_bytes(fd, n))
		return 1;
	printf("%llu\n", now_ns() - start);
	return 0;
}
