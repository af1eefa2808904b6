// SPDX-License-Identifier: Apache-2.0
/* The file exporter: varint length, request, varint length, request, ... */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>
#include "sink/export_http.h"

int file_open(const char *path)
{
	/* without waiting: for a reader of a FIFO, for a terminal */
	int flags = O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK;
	int fd = open(path, flags, 0600);
	struct stat st;

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
	uint8_t head[10];
	struct iovec v[2] = { { head, 0 }, { b->bytes, b->len } };
	struct stat st;
	size_t len = b->len;
	int err;

	for (; len > 0x7f; len >>= 7)
		head[v[0].iov_len++] = len | 0x80;
	head[v[0].iov_len++] = len;
	if (fstat(fd, &st))
		return -errno;
	err = write_all(fd, v, 2);
	/* a reader must never meet half a message with another one behind it */
	if (err && S_ISREG(st.st_mode) && ftruncate(fd, st.st_size))
		return -EIO;
	return err;
}
