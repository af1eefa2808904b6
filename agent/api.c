// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "api.h"
#include "log.h"
#include "util.h"

#define CLIENT_TIMEOUT_NS 10000000000ULL

struct client {
	int fd; /* -1: free */
	uint64_t since_ns;
	char in[256];
	size_t in_len;
	uint8_t *out; /* NULL: the request is not whole yet */
	size_t out_len, out_done;
};

struct api {
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int fd;
	struct api_ops ops;
	struct client clients[API_CLIENTS];
};

/* Does anybody listen there? A socket file of a killed agent refuses. */
static int in_use(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), used;

	if (fd < 0)
		return 0;
	used = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0;
	close(fd);
	return used;
}

static void make_directory(const char *path)
{
	char dir[sizeof(((struct sockaddr_un *)0)->sun_path)], *slash;

	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (!slash || slash == dir)
		return;
	*slash = '\0';
	mkdir(dir, 0700); /* one level: /run/assay; bind() tells when it is not there */
}

static int listen_at(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	mode_t mask;
	int fd, err = 0;

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	make_directory(path);
	if (in_use(&addr))
		return -EADDRINUSE;
	unlink(path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	mask = umask(0177); /* from the start: 0600 */
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) || listen(fd, API_CLIENTS))
		err = -errno;
	umask(mask);
	if (err)
		close(fd);
	return err ? err : fd;
}

int api_open(const char *path, const struct api_ops *ops, struct api **out)
{
	struct api *a;

	if (strlen(path) >= sizeof(a->path))
		return -ENAMETOOLONG;
	a = calloc(1, sizeof(*a));
	if (!a)
		return -ENOMEM;
	snprintf(a->path, sizeof(a->path), "%s", path);
	a->ops = *ops;
	for (size_t i = 0; i < API_CLIENTS; i++)
		a->clients[i].fd = -1;
	a->fd = listen_at(path);
	if (a->fd < 0) {
		int err = a->fd;

		free(a);
		return err;
	}
	*out = a;
	return 0;
}

unsigned int api_poll(const struct api *a, struct pollfd *fds)
{
	unsigned int n = 0;

	fds[n++] = (struct pollfd){ .fd = a->fd, .events = POLLIN };
	for (size_t i = 0; i < API_CLIENTS; i++)
		if (a->clients[i].fd >= 0)
			fds[n++] = (struct pollfd){
				.fd = a->clients[i].fd,
				.events = a->clients[i].out ? POLLOUT : POLLIN,
			};
	return n;
}

static void drop(struct client *c)
{
	close(c->fd);
	free(c->out);
	*c = (struct client){ .fd = -1 };
}

/* Root, or whoever runs the agent. The mode of the socket says the same. */
static int allowed(int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == 0 || cred.uid == geteuid());
}

static void accept_all(struct api *a)
{
	int fd;

	while ((fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct client *c = NULL;

		for (size_t i = 0; i < API_CLIENTS && !c; i++)
			if (a->clients[i].fd < 0)
				c = &a->clients[i];
		if (!c || !allowed(fd)) {
			log_debug("socket: a client is refused");
			close(fd);
			continue;
		}
		*c = (struct client){ .fd = fd, .since_ns = now_mono_ns() };
	}
}

static int answer_error(struct client *c, const char *message)
{
	int n = asprintf((char **)&c->out, "error %s\n", message);

	if (n < 0)
		return -ENOMEM;
	c->out_len = n;
	return 0;
}

static int answer(struct api *a, struct client *c)
{
	char head[32], cause[256] = "";
	bool hidden = memchr(c->in, '\0', c->in_len);
	uint8_t *bytes;
	size_t len, n;
	int err;

	c->in[c->in_len] = '\0';
	c->in[strcspn(c->in, "\r\n")] = '\0';
	if (!strcmp(c->in, "snapshot") && !hidden)
		err = a->ops.snapshot(a->ops.arg, &bytes, &len);
	else if (!strncmp(c->in, "tune", 4) && strchr(" ", c->in[4]) && !hidden)
		err = a->ops.tune(a->ops.arg, c->in[4] ? c->in + 5 : NULL, &bytes, &len,
				  cause, sizeof(cause));
	else
		return answer_error(c, "unknown request");
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

static void serve(struct api *a, struct client *c)
{
	ssize_t n;

	if (now_mono_ns() - c->since_ns > CLIENT_TIMEOUT_NS) {
		drop(c);
		return;
	}
	if (!c->out) {
		n = recv(c->fd, c->in + c->in_len, sizeof(c->in) - 1 - c->in_len, 0);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n > 0)
			c->in_len += n;
		if (n <= 0 || (!memchr(c->in, '\n', c->in_len) &&
			       c->in_len == sizeof(c->in) - 1)) {
			drop(c);
			return;
		}
		if (!memchr(c->in, '\n', c->in_len))
			return;
		if (answer(a, c)) {
			drop(c);
			return;
		}
	}
	while (c->out_done < c->out_len) {
		n = send(c->fd, c->out + c->out_done, c->out_len - c->out_done,
			 MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0)
			break;
		c->out_done += n;
	}
	drop(c);
}

void api_serve(struct api *a)
{
	accept_all(a);
	for (size_t i = 0; i < API_CLIENTS; i++)
		if (a->clients[i].fd >= 0)
			serve(a, &a->clients[i]);
}

void api_close(struct api *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < API_CLIENTS; i++)
		if (a->clients[i].fd >= 0)
			drop(&a->clients[i]);
	close(a->fd);
	unlink(a->path);
	free(a);
}
