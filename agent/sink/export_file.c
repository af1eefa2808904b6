// SPDX-License-Identifier: Apache-2.0
/* The file exporter: varint length, request, varint length, request, ... */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "base/varint.h"
#include "base/util.h"
#include "sink/export_http.h"

#define HEAD_MAX  10	    /* bytes of a length */
#define TORN_MAX  (4 << 20) /* far more than a message has */
#define FIRST_TAG 0x0a	    /* a request begins with a field of this number and kind */
#define LOOK_NS	  1000000000ULL

int file_open(const char *path)
{
	/* without waiting: for a reader of a FIFO, for a terminal */
	int flags = O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, O_RDWR | flags, 0600); /* read: for file_torn() */
	struct stat st;

	if (fd < 0 && errno == EACCES)
		fd = open(path, O_WRONLY | flags, 0600);
	if (fd < 0)
		return errno == ENXIO ? -EOPNOTSUPP : -errno;
	/* a pipe takes half a message, and a disk what is no file system's */
	if (fstat(fd, &st) || (!S_ISREG(st.st_mode) && !S_ISCHR(st.st_mode))) {
		close(fd);
		return -EOPNOTSUPP;
	}
	return fd;
}

/* Writes it all; -errno, and then a part may be written. */
static int write_all(int fd, struct iovec *v, int n)
{
	while (n) {
		ssize_t done = writev(fd, v, n);

		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		while (n && (size_t)done >= v->iov_len) {
			done -= v->iov_len;
			v++;
			n--;
		}
		if (n) {
			v->iov_base = (char *)v->iov_base + done;
			v->iov_len -= done;
		}
	}
	return 0;
}

int file_append(int fd, const struct otlp_batch *b)
{
	uint8_t head[VARINT_MAX];
	struct iovec v[2] = { { head, varint_put(head, b->len) },
			      { b->bytes, b->len } };
	struct stat st;
	int err;

	if (fstat(fd, &st))
		return -errno;
	err = write_all(fd, v, 2);
	/* a reader must never meet half a message with another one behind it */
	if (err && S_ISREG(st.st_mode) && ftruncate(fd, st.st_size))
		return -EIO;
	return err;
}

/* The first thing in a file of ours is a resource with a name. */
static bool is_ours(int fd)
{
	char begin[64];
	ssize_t n = pread(fd, begin, sizeof(begin), 0);

	return n > 0 && memmem(begin, n, "service.name", strlen("service.name"));
}

/* Where the message at `at` ends; UINT64_MAX: behind the file, 0: it is none of ours.
 */
static uint64_t end_of_message(int fd, uint64_t at)
{
	uint8_t head[HEAD_MAX + 1];
	ssize_t n = pread(fd, head, sizeof(head), at);
	uint64_t len = 0;

	for (ssize_t i = 0; i < HEAD_MAX; i++) {
		if (i >= n)
			return n < 0 ? 0 : UINT64_MAX;
		len |= (uint64_t)(head[i] & 0x7f) << 7 * i;
		if (head[i] & 0x80)
			continue;
		if (!len || (i + 1 < n && head[i + 1] != FIRST_TAG))
			return 0;
		return len < TORN_MAX ? at + i + 1 + len : 0;
	}
	return 0;
}

uint64_t file_torn(int fd)
{
	uint64_t at = 0, end = 0, stop = now_mono_ns() + LOOK_NS;
	struct stat st;

	if (fstat(fd, &st) || !S_ISREG(st.st_mode) || !is_ours(fd))
		return 0;
	while (at < (uint64_t)st.st_size && now_mono_ns() < stop) {
		end = end_of_message(fd, at);
		if (!end)
			return 0;
		if (end > (uint64_t)st.st_size)
			return st.st_size - at;
		at = end;
	}
	return 0;
}

int64_t file_mend(int fd)
{
	uint64_t torn = file_torn(fd);
	struct stat st;

	if (torn && (fstat(fd, &st) || ftruncate(fd, st.st_size - torn)))
		return -errno;
	return torn;
}
