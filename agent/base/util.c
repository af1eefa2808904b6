// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <time.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/log.h"
#include "base/util.h"

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

/* Reads a descriptor to its end, and closes it. */
static int read_fd(int fd, char *buf, size_t len)
{
	size_t at = 0;
	ssize_t n;

	while (at < len - 1 && (n = read(fd, buf + at, len - 1 - at)) > 0)
		at += n;
	close(fd);
	while (at && buf[at - 1] == '\n')
		at--;
	buf[at] = '\0';
	return (int)at;
}

int read_file(const char *path, char *buf, size_t len)
{
	int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	return fd < 0 ? -errno : read_fd(fd, buf, len);
}

int open_below(const char *root, const char *path, int flags)
{
	struct open_how how = { .flags = flags | O_CLOEXEC,
				.resolve = RESOLVE_IN_ROOT };
	int dir = open(root, O_PATH | O_DIRECTORY | O_CLOEXEC), fd;

	if (dir < 0)
		return -errno;
	fd = syscall(SYS_openat2, dir, path, &how, sizeof(how));
	if (fd < 0)
		fd = -errno;
	close(dir);
	return fd;
}

int read_file_below(const char *root, const char *path, char *buf, size_t len)
{
	int fd = open_below(root, path, O_RDONLY | O_NONBLOCK);

	return fd < 0 ? fd : read_fd(fd, buf, len);
}

void raise_descriptors(uint64_t wanted)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= wanted)
		return;
	limit.rlim_cur = limit.rlim_max < wanted ? limit.rlim_max : wanted;
	if (setrlimit(RLIMIT_NOFILE, &limit))
		log_warn(-errno, "the limit of descriptors stays as it is");
}

int write_out(FILE *f)
{
	errno = 0;
	if (!fflush(f) && !ferror(f))
		return 0;
	return errno ? -errno : -EIO; /* nobody has noted what it was */
}
