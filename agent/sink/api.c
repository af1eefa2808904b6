// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "base/util.h"
#include "sink/api.h"
#include "sink/request.h"

#define CLIENT_TIMEOUT_NS 10000000000ULL
#define LOCK_TIMEOUT_NS	  1000000000ULL
#define LEAVE_TIMEOUT_NS  100000000ULL /* at the end, which has little time */
#define PAUSE_NS	  1000000000ULL
#define LOG_INTERVAL_NS	  30000000000ULL
#define NS_OF_MS	  1000000ULL

#define TEXT_OF(x) #x
#define TEXT(x)	   TEXT_OF(x)

struct client {
	int fd; /* -1: free */
	uint64_t since_ns;
	char in[256];
	size_t in_len;
	uint64_t asked_ns; /* when the request was whole; 0: it is not */
	uint8_t *out;	   /* NULL: there is no answer yet */
	size_t out_len, out_done;
};

struct api {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;
	struct stat bound;  /* our socket's file */
	int spare;	    /* given up to take in a client when there is no other */
	uint64_t resume_ns; /* no client is taken in before */
	uint64_t next_log_ns;
	struct api_ops ops;
	struct client clients[API_CLIENTS];
};

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
static int bind_at(struct api *a, const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	mode_t mask;
	int err = 0;

	if (fd < 0)
		return -errno;
	mask = umask(0177); /* from the start: 0600 */
	if (bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) ||
	    listen(fd, API_CLIENTS) || lstat(addr->sun_path, &a->bound))
		err = -errno;
	umask(mask);
	if (err)
		close(fd);
	else
		a->fd = fd;
	return err;
}

static int listen_at(struct api *a, char *cause, size_t len)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	char dir[sizeof(addr.sun_path)];
	int lock, err;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", a->path);
	directory_of(a->path, dir, sizeof(dir));
	mkdir(dir,
	      0700); /* one level: /run/assay; the lock fails when it is not there */
	lock = lock_directory(a->path, LOCK_TIMEOUT_NS);
	if (lock == -EWOULDBLOCK) { /* no agent's, then: nobody is to keep us out */
		log_warnx("socket: another process keeps a lock of %s: going on "
			  "without it",
			  dir);
	} else if (lock < 0) {
		return no_listener(a->path, dir, lock, cause, len);
	}
	err = look_at(&addr, cause, len);
	if (err == 1)
		unlink(a->path);
	if (err >= 0) {
		err = bind_at(a, &addr);
		if (err)
			no_listener(a->path, dir, err, cause, len);
	}
	if (lock >= 0)
		close(lock);
	return err;
}

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int api_check(const char *path, char *cause, size_t len)
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

int api_open(const char *path, const struct api_ops *ops, struct api **out, char *cause,
	     size_t len)
{
	struct api *a;
	int err = api_check(path, cause, len);

	if (err)
		return err;
	a = calloc(1, sizeof(*a));
	if (!a) {
		snprintf(cause, len, "no memory");
		return -ENOMEM;
	}
	snprintf(a->path, sizeof(a->path), "%s", path);
	a->ops = *ops;
	a->spare = open_spare();
	for (size_t i = 0; i < API_CLIENTS; i++)
		a->clients[i].fd = -1;
	err = listen_at(a, cause, len);
	if (err) {
		close(a->spare);
		free(a);
		return err;
	}
	*out = a;
	return 0;
}

unsigned int api_poll(const struct api *a, struct pollfd *fds)
{
	unsigned int n = 0;

	if (now_mono_ns() >= a->resume_ns)
		fds[n++] = (struct pollfd){ .fd = a->fd, .events = POLLIN };
	for (size_t i = 0; i < API_CLIENTS; i++)
		if (a->clients[i].fd >= 0 &&
		    (a->clients[i].out || !a->clients[i].asked_ns))
			fds[n++] = (struct pollfd){
				.fd = a->clients[i].fd,
				.events = a->clients[i].out ? POLLOUT : POLLIN,
			};
	return n;
}

bool api_has_clients(const struct api *a)
{
	for (size_t i = 0; i < API_CLIENTS; i++)
		if (a->clients[i].fd >= 0)
			return true;
	return false;
}

static void drop(struct client *c)
{
	close(c->fd);
	free(c->out);
	*c = (struct client){ .fd = -1 };
}

/* The last words to a client, in one line; one that cannot take them has gone anyway.
 */
static void refuse(int fd, const char *why)
{
	char line[128];
	int n = snprintf(line, sizeof(line), "error %s\n", why);

	send(fd, line, n, MSG_NOSIGNAL | MSG_DONTWAIT);
	log_debug("socket: a client is refused: %s", why);
}

/* Root, or whoever runs the agent. The mode of the socket says the same. */
static int allowed(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == 0 || cred.uid == geteuid());
}

/*
 * We are out of descriptors, or the system is. The client that poll() would report
 * again and again is taken in with the spare one and let go; then we pause.
 */
static void turn_away(struct api *a, int err)
{
	uint64_t now = now_mono_ns();
	int fd;

	if (a->spare >= 0)
		close(a->spare);
	fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC);
	if (fd >= 0) {
		refuse(fd, "the agent has no descriptor left: try again");
		close(fd);
	}
	a->spare = open_spare();
	a->resume_ns = now + PAUSE_NS;
	if (now >= a->next_log_ns) {
		log_warn(err, "socket: clients are refused");
		a->next_log_ns = now + LOG_INTERVAL_NS;
	}
}

/* Takes a client in that was accepted; false: not. */
static bool take_in(struct api *a, int fd)
{
	struct client *c = NULL;

	for (size_t i = 0; i < API_CLIENTS && !c; i++)
		if (a->clients[i].fd < 0)
			c = &a->clients[i];
	if (!allowed(fd))
		refuse(fd, "only root and the agent's own user are served");
	else if (!c)
		refuse(fd, TEXT(API_CLIENTS) " clients are served already: try again");
	else
		*c = (struct client){ .fd = fd, .since_ns = now_mono_ns() };
	return c && c->fd == fd;
}

static void accept_all(struct api *a)
{
	int fd;

	if (now_mono_ns() < a->resume_ns)
		return;
	while ((fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0)
		if (!take_in(a, fd))
			close(fd);
	if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
		turn_away(a, -errno);
}

static int answer_error(struct client *c, const char *message)
{
	int n = asprintf((char **)&c->out, "error %s\n", message);

	if (n < 0)
		return -ENOMEM;
	c->out_len = n;
	return 0;
}

/* Has the operation that is asked for make an answer: bytes to be freed, or -errno. */
static int operate(struct api *a, struct client *c, uint8_t **bytes, size_t *len,
		   char *cause, size_t cause_len)
{
	const struct api_ops *ops = &a->ops;
	bool snapshot = !strcmp(c->in, "snapshot");
	uint64_t ms;
	bool exact = request_is_exact(c->in, &ms);

	if (!strcmp(c->in, "status"))
		return ops->status(ops->arg, bytes, len);
	if (!snapshot && !exact &&
	    (strncmp(c->in, "tune", 4) || !strchr(" ", c->in[4]))) {
		snprintf(cause, cause_len, "unknown request");
		return -EINVAL;
	}
	if (!ops->snapshot || !ops->tune || !ops->exact) {
		snprintf(cause, cause_len, "this agent waits for its node");
		return -EBUSY;
	}
	if (snapshot)
		return ops->snapshot(ops->arg, c->asked_ns, bytes, len);
	if (exact)
		return ops->exact(ops->arg, c->asked_ns + ms * NS_OF_MS, bytes, len);
	return ops->tune(ops->arg, c->in[4] ? c->in + 5 : NULL, bytes, len, cause,
			 cause_len);
}

static int answer(struct api *a, struct client *c)
{
	char head[32], cause[256] = "";
	uint8_t *bytes;
	size_t len, n;
	int err = operate(a, c, &bytes, &len, cause, sizeof(cause));

	if (err == -EAGAIN)
		return err;
	if (err)
		return answer_error(c, cause[0] ? cause : strerror(-err));
	n = snprintf(head, sizeof(head), "ok %zu\n", len);
	c->out = malloc(n + len);
	if (c->out) {
		memcpy(c->out, head, n);
		memcpy(c->out + n, bytes, len);
		c->out_len = n + len;
	}
	free(bytes);
	return c->out ? 0 : -ENOMEM;
}

/* Reads what there is of a request. 0: it is whole, -EAGAIN: not yet. */
static int read_request(struct client *c)
{
	ssize_t n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - 1 - c->in_len, 0);

	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n <= 0)
		return -ECONNRESET;
	c->in_len += n;
	if (!memchr(c->in, '\n', c->in_len)) {
		if (c->in_len < sizeof(c->in) - 1)
			return -EAGAIN;
		refuse(c->fd, "the request is too long");
		return -EMSGSIZE;
	}
	c->in[c->in_len] = '\0';
	if (memchr(c->in, '\0', c->in_len))
		c->in[0] = '\0'; /* no request of ours has one */
	c->in[strcspn(c->in, "\r\n")] = '\0';
	c->asked_ns = now_mono_ns();
	return 0;
}

/* Sends what the client takes of its answer. -EAGAIN: there is more. */
static int write_answer(struct client *c)
{
	while (c->out_done < c->out_len) {
		ssize_t n = send(c->fd, c->out + c->out_done, c->out_len - c->out_done,
				 MSG_NOSIGNAL);

		if (n <= 0)
			return n < 0 ? -errno : -EPIPE;
		c->out_done += n;
	}
	return 0;
}

/* One step: -EAGAIN when the client has to be served again, else it is done with. */
static int serve(struct api *a, struct client *c)
{
	int err;

	if (now_mono_ns() - c->since_ns > CLIENT_TIMEOUT_NS) {
		if (!c->asked_ns)
			refuse(c->fd, "no whole request came within 10 s");
		return -ETIMEDOUT;
	}
	err = c->asked_ns ? 0 : read_request(c);
	if (!err && !c->out)
		err = answer(a, c);
	return err ? err : write_answer(c);
}

void api_serve(struct api *a)
{
	accept_all(a);
	for (size_t i = 0; i < API_CLIENTS; i++)
		if (a->clients[i].fd >= 0 && serve(a, &a->clients[i]) != -EAGAIN)
			drop(&a->clients[i]);
}

/* Our socket, if it is still ours that is there. */
static void remove_socket(const struct api *a)
{
	int lock = lock_directory(a->path, LEAVE_TIMEOUT_NS);
	struct stat st;

	if (!lstat(a->path, &st) && st.st_dev == a->bound.st_dev &&
	    st.st_ino == a->bound.st_ino)
		unlink(a->path);
	if (lock >= 0)
		close(lock);
}

void api_close(struct api *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < API_CLIENTS; i++)
		if (a->clients[i].fd >= 0)
			drop(&a->clients[i]);
	close(a->fd);
	if (a->spare >= 0)
		close(a->spare);
	remove_socket(a);
	free(a);
}
