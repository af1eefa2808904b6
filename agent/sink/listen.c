// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "base/util.h"
#include "sink/listen.h"

#define LOCK_TIMEOUT_NS	 1000000000ULL
#define LEAVE_TIMEOUT_NS 100000000ULL /* at the end, which has little time */

/* The directory of path. */
static void directory_of(const char *path, char *dir, size_t len)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		snprintf(dir, len, ".");
	else
		snprintf(dir, len, "%.*s", slash == path ? 1 : (int)(slash - path),
			 path);
}

/*
 * One agent at a time looks at what is at a path, takes it away and binds, or removes
 * its own: the lock is the directory's. It goes when the descriptor is closed. An agent
 * has it for a moment only, but whoever may read the directory can keep it.
 */
static int lock_directory(const char *path, uint64_t timeout_ns)
{
	uint64_t end = now_mono_ns() + timeout_ns;
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;

	directory_of(path, dir, sizeof(dir));
	fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (flock(fd, LOCK_EX | LOCK_NB)) {
		int err = -errno;

		if (err == -EWOULDBLOCK && now_mono_ns() < end) {
			usleep(10000);
			continue;
		}
		close(fd);
		return err;
	}
	return fd;
}

/* Nobody listens there: the socket of a killed agent refuses. Never waits. */
static bool is_dead(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool dead;

	if (fd < 0)
		return false;
	dead = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) &&
	       errno == ECONNREFUSED;
	close(fd);
	return dead;
}

/* Why we cannot listen at a path, as the kernel says of it or of its directory. */
static int no_listener(const char *path, const char *what, int err, char *cause,
		       size_t len)
{
	snprintf(cause, len,
		 "cannot listen at %s: %s: %s (give --socket a path in a directory "
		 "that user %u may write to)",
		 path, what, strerror(-err), geteuid());
	return err;
}

/* What is at the path: nothing (0), a dead socket of ours (1), or why we cannot listen.
 */
static int look_at(const struct sockaddr_un *addr, char *cause, size_t len)
{
	struct stat st;

	if (lstat(addr->sun_path, &st)) {
		if (errno == ENOENT)
			return 0;
		return no_listener(addr->sun_path, addr->sun_path, -errno, cause, len);
	}
	if (!S_ISSOCK(st.st_mode)) {
		snprintf(cause, len, "cannot listen at %s: what is there is no socket",
			 addr->sun_path);
		return -EEXIST;
	}
	if (!is_dead(addr)) {
		snprintf(cause, len, "another agent listens at %s (see --socket)",
			 addr->sun_path);
		return -EADDRINUSE;
	}
	if (st.st_uid != geteuid()) {
		snprintf(cause, len, "cannot listen at %s: user %u's socket is there",
			 addr->sun_path, st.st_uid);
		return -EEXIST;
	}
	return 1;
}

/* With the lock of the directory, if that can be had. */
static int bind_at(const struct sockaddr_un *addr, int backlog, int *out,
		   struct stat *bound)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return -errno;
	/* its file's mode from the start; a umask would be that of all threads */
	if (fchmod(fd, 0600) ||
	    bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) ||
	    listen(fd, backlog) || lstat(addr->sun_path, bound)) {
		int err = -errno;

		close(fd);
		return err;
	}
	*out = fd;
	return 0;
}

int listen_at(const char *path, int backlog, int *fd, struct stat *bound, char *cause,
	      size_t len)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[sizeof(addr.sun_path)];
	int lock, err;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	directory_of(path, dir, sizeof(dir));
	mkdir(dir,
	      0700); /* one level: /run/assay; the lock fails when it is not there */
	lock = lock_directory(path, LOCK_TIMEOUT_NS);
	if (lock == -EWOULDBLOCK) { /* no agent's, then: nobody is to keep us out */
		log_warnx("socket: another process keeps a lock of %s: going on "
			  "without it",
			  dir);
	} else if (lock < 0) {
		return no_listener(path, dir, lock, cause, len);
	}
	err = look_at(&addr, cause, len);
	if (err == 1)
		unlink(path);
	if (err >= 0) {
		err = bind_at(&addr, backlog, fd, bound);
		if (err)
			no_listener(path, dir, err, cause, len);
	}
	if (lock >= 0)
		close(lock);
	return err;
}

int listen_check(const char *path, char *cause, size_t len)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int err;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		snprintf(cause, len, "cannot listen at %.200s: the path is too long",
			 path);
		return -ENAMETOOLONG;
	}
	strcpy(addr.sun_path, path);
	err = look_at(&addr, cause, len);
	return err == -EEXIST ? err : 0;
}

void listen_end(const char *path, const struct stat *bound)
{
	int lock = lock_directory(path, LEAVE_TIMEOUT_NS);
	struct stat st;

	if (!lstat(path, &st) && st.st_dev == bound->st_dev &&
	    st.st_ino == bound->st_ino)
		unlink(path);
	if (lock >= 0)
		close(lock);
}

void listen_clear(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char cause[256];
	int lock;

	if (strlen(path) >= sizeof(addr.sun_path))
		return;
	strcpy(addr.sun_path, path);
	if (look_at(&addr, cause, sizeof(cause)) != 1)
		return;
	lock = lock_directory(path, LEAVE_TIMEOUT_NS);
	if (look_at(&addr, cause, sizeof(cause)) == 1)
		unlink(path);
	if (lock >= 0)
		close(lock);
}
