// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <time.h>
#include <unistd.h>
#include "util.h"

static uint64_t now_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return ts.tv_sec * 1000000000ULL + ts.tv_nsec;
}

uint64_t now_wall_ns(void)
{
	return now_ns(CLOCK_REALTIME);
}

uint64_t now_boot_ns(void)
{
	return now_ns(CLOCK_BOOTTIME);
}

uint64_t now_mono_ns(void)
{
	return now_ns(CLOCK_MONOTONIC);
}

int read_file(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	size_t at = 0;
	ssize_t n;

	if (fd < 0)
		return -errno;
	while (at < len - 1 && (n = read(fd, buf + at, len - 1 - at)) > 0)
		at += n;
	close(fd);
	while (at && buf[at - 1] == '\n')
		at--;
	buf[at] = '\0';
	return (int)at;
}
