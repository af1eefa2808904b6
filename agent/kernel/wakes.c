// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <bpf/libbpf.h>
#include "kernel/wakes.h"

/*
 * The first page of the buffer has the place up to which we have read, which is ours to
 * write, the second one that up to which there is something (kernel/bpf/ringbuf.c).
 */
static void *map_page(int fd, int protection, off_t number)
{
	long page = sysconf(_SC_PAGESIZE);
	void *p = mmap(NULL, page, protection, MAP_SHARED, fd, number * page);

	return p == MAP_FAILED ? NULL : p;
}

int wakes_open(struct wakes *w, const struct bpf_object *obj, const char *map)
{
	int fd = bpf_object__find_map_fd_by_name(obj, map), err;

	*w = (struct wakes){ .fd = -1 };
	if (fd < 0)
		return fd;
	w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	if (w->fd < 0)
		return -errno;
	w->taken = map_page(w->fd, PROT_READ | PROT_WRITE, 0);
	w->given = map_page(w->fd, PROT_READ, 1);
	if (w->taken && w->given)
		return 0;
	err = -errno;
	wakes_close(w);
	return err;
}

void wakes_take(struct wakes *w)
{
	if (w->fd >= 0)
		__atomic_store_n(w->taken, __atomic_load_n(w->given, __ATOMIC_ACQUIRE),
				 __ATOMIC_RELEASE);
}

void wakes_close(struct wakes *w)
{
	long page = sysconf(_SC_PAGESIZE);

	if (w->taken)
		munmap(w->taken, page);
	if (w->given)
		munmap((void *)w->given, page);
	if (w->fd >= 0)
		close(w->fd);
	*w = (struct wakes){ .fd = -1 };
}
