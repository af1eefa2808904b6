// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "base/util.h"
#include "kernel/plan.h"
#include "sink/api.h"
#include "sink/listen.h"
#include "sink/request.h"

#define CLIENT_TIMEOUT_NS 10000000000ULL
#define PAUSE_NS	  1000000000ULL
#define LOOK_NS		  1000000000ULL /* whether it is there */
#define LOG_INTERVAL_NS	  30000000000ULL
#define NS_OF_MS	  1000000ULL
#define TURN_NS		  (20 * NS_OF_MS) /* then the readings have their turn */
#define TURN_ACCEPTS	  32
#define REST_TIMES	  3
#define REST_MAX_NS	  1000000000ULL

#define TEXT_OF(x) #x
#define TEXT(x)	   TEXT_OF(x)

struct client {
	int fd; /* -1: free */
	pid_t pid;
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
	uint64_t rest_ns;   /* nobody is served before */
	unsigned int next;  /* whose turn it is then */
	uint64_t next_log_ns, next_look_ns;
	bool said_gone; /* that it was removed, and cannot be made anew */
	struct api_ops ops;
	struct client clients[API_CLIENTS];
};

static int open_spare(void)
{
	return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

int api_open(const char *path, const struct api_ops *ops, struct api **out, char *cause,
	     size_t len)
{
	struct api *a;
	int err = listen_check(path, cause, len);

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
	err = listen_at(a->path, API_CLIENTS, &a->fd, &a->bound, cause, len);
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
	uint64_t now = now_mono_ns();
	unsigned int n = 0;

	if (now < a->rest_ns)
		return 0;
	if (now >= a->resume_ns)
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

int api_rest_ms(const struct api *a)
{
	uint64_t now = now_mono_ns();

	return now < a->rest_ns ? (int)((a->rest_ns - now) / NS_OF_MS + 1) : 0;
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
static bool allowed(int fd, pid_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		return false;
	*pid = cred.pid; /* 0 for all of other PID namespaces */
	return cred.uid == 0 || cred.uid == geteuid();
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

/*
 * A place for a client of this process; NULL: there is none. One process has at most
 * API_PROCESS_CLIENTS, so that others are served whatever it does.
 */
static struct client *find_place(struct api *a, pid_t pid, const char **why)
{
	struct client *c = NULL;
	unsigned int its = 0;

	for (size_t i = 0; i < API_CLIENTS; i++) {
		if (a->clients[i].fd < 0)
			c = &a->clients[i];
		else
			its += a->clients[i].pid == pid;
	}
	*why = !c ? TEXT(API_CLIENTS) " clients are served already: try again"
		  : TEXT(API_PROCESS_CLIENTS) " clients of this process are served "
					      "already: try again";
	return its < API_PROCESS_CLIENTS ? c : NULL;
}

/* Takes a client in that was accepted; false: not. */
static bool take_in(struct api *a, int fd)
{
	const char *why = "only root and the agent's own user are served";
	struct client *c = NULL;
	pid_t pid;

	if (allowed(fd, &pid))
		c = find_place(a, pid, &why);
	if (!c) {
		refuse(fd, why);
		return false;
	}
	*c = (struct client){ .fd = fd, .pid = pid, .since_ns = now_mono_ns() };
	return true;
}

/* Some of those that wait: who refused each of a flood would do nothing else. */
static void accept_some(struct api *a)
{
	if (now_mono_ns() < a->resume_ns)
		return;
	for (int i = 0; i < TURN_ACCEPTS; i++) {
		int fd = accept4(a->fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

		if (fd >= 0) {
			if (!take_in(a, fd))
				close(fd);
		} else {
			if (errno != EAGAIN && errno != ECONNABORTED && errno != EINTR)
				turn_away(a, -errno);
			return;
		}
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

/*
 * Whether one more with readings may be made, as large as the largest that waits. Who
 * does not read is let go in time.
 */
static bool has_room(const struct api *a)
{
	size_t held = 0, largest = 0, count = 0;

	for (size_t i = 0; i < API_CLIENTS; i++) {
		size_t len = a->clients[i].out_len;

		held += len;
		largest = len > largest ? len : largest;
		count += len > 0;
	}
	return count < 2 || held + largest <= PLAN_ANSWERS;
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
	if (snapshot && !has_room(a))
		return -EAGAIN;
	if (snapshot)
		return ops->snapshot(ops->arg, c->asked_ns, bytes, len);
	if (exact)
		return ops->exact(ops->arg, c->asked_ns + ms * NS_OF_MS, bytes, len);
	return ops->tune(ops->arg, c->in[4] ? c->in + 5 : NULL, bytes, len, cause,
			 cause_len);
}

/* Puts "ok LENGTH" before what was made, in its place: of a full node it is megabytes.
 */
static int answer_ok(struct client *c, uint8_t *bytes, size_t len)
{
	char head[32];
	size_t n = snprintf(head, sizeof(head), "ok %zu\n", len);

	c->out = realloc(bytes, n + len);
	if (!c->out) {
		free(bytes);
		return -ENOMEM;
	}
	memmove(c->out + n, c->out, len);
	memcpy(c->out, head, n);
	c->out_len = n + len;
	return 0;
}

static int answer(struct api *a, struct client *c)
{
	char cause[256] = "";
	uint8_t *bytes;
	size_t len;
	int err = operate(a, c, &bytes, &len, cause, sizeof(cause));

	if (err == -EAGAIN)
		return err;
	if (err)
		return answer_error(c, cause[0] ? cause : strerror(-err));
	return answer_ok(c, bytes, len);
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
	int err = c->asked_ns ? 0 : read_request(c);

	if (!err && !c->out)
		err = answer(a, c);
	if (!err)
		err = write_answer(c);
	if (err != -EAGAIN || now_mono_ns() - c->since_ns <= CLIENT_TIMEOUT_NS)
		return err;
	if (!c->asked_ns)
		refuse(c->fd, "no whole request came within 10 s");
	else if (!c->out)
		refuse(c->fd, "no answer was ready within 10 s: try again");
	return -ETIMEDOUT;
}

/*
 * Whatever clients do, the agent measures: it serves them for TURN_NS, or as long as
 * one request takes, and then not for REST_TIMES of that. Who was not served is first.
 */
void api_serve(struct api *a)
{
	uint64_t began = now_mono_ns(), took, rest;

	if (began < a->rest_ns)
		return;
	accept_some(a);
	for (size_t i = 0; i < API_CLIENTS && now_mono_ns() - began < TURN_NS; i++) {
		struct client *c = &a->clients[a->next];

		a->next = (a->next + 1) % API_CLIENTS;
		if (c->fd >= 0 && serve(a, c) != -EAGAIN)
			drop(c);
	}
	took = now_mono_ns() - began;
	rest = took * REST_TIMES;
	a->rest_ns = began + took + (rest < REST_MAX_NS ? rest : REST_MAX_NS);
}

/*
 * Once a second: somebody may have removed the socket, or its directory. Who is at
 * another's place by now is left alone.
 */
void api_mend(struct api *a)
{
	uint64_t now = now_mono_ns();
	char cause[256];
	struct stat st;
	int fd;

	if (now < a->next_look_ns)
		return;
	a->next_look_ns = now + LOOK_NS;
	if (!lstat(a->path, &st) || (errno != ENOENT && errno != ENOTDIR))
		return;
	if (listen_at(a->path, API_CLIENTS, &fd, &a->bound, cause, sizeof(cause))) {
		if (!a->said_gone)
			log_warnx("socket: it was removed: %s: tried again until that "
				  "works; exports go on",
				  cause);
		a->said_gone = true;
		a->next_look_ns = now + LOG_INTERVAL_NS / 3;
		return;
	}
	close(a->fd);
	a->fd = fd;
	a->said_gone = false;
	log_warnx("socket: %s was removed: it is made anew", a->path);
}

void api_close(struct api *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < API_CLIENTS; i++)
		if (a->clients[i].fd >= 0)
			drop(&a->clients[i]);
	listen_end(a->path, &a->bound);
	close(a->fd);
	if (a->spare >= 0)
		close(a->spare);
	free(a);
}
