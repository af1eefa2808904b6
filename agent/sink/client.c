// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/number.h"
#include "base/util.h"
#include "sink/client.h"

#define NS_PER_S    1000000000ULL
#define TIMEOUT_NS  (5 * NS_PER_S)  /* without a word */
#define WHOLE_NS    (30 * NS_PER_S) /* for all of an answer, of a node that is busy */
#define ANSWER_MAX  (64ULL << 20)   /* 16,384 workloads of 4 KiB; a busy one has 3 */
#define ANSWER_LINE 512		    /* "ok LEN" or "error MESSAGE" is shorter */
#define REQUEST_MAX 256		    /* as much as the agent reads */

struct answer {
	char *bytes;
	size_t len, room;
};

/* How long we wait: for each word, until a deadline that moves on with each that comes,
 * and for all of them. */
struct patience {
	uint64_t word_ns, deadline, last;
};

/* Waits until the socket is ready or the deadline has passed. */
static int wait_until(int fd, short events, uint64_t deadline)
{
	struct pollfd p = { .fd = fd, .events = events };
	uint64_t now;
	int n;

	do {
		now = now_mono_ns();
		if (now >= deadline)
			return -ETIMEDOUT;
		n = poll(&p, 1, (int)((deadline - now) / 1000000 + 1));
	} while (n == 0 || (n < 0 && errno == EINTR));
	return n < 0 ? -errno : 0;
}

static int connect_to(const char *path, uint64_t deadline, int *fdp)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, err = 0;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	/* A full backlog of a UNIX socket is EAGAIN, and poll does not wait for it. */
	while (connect(fd, (struct sockaddr *)&addr, sizeof(addr))) {
		err = -errno;
		if (err != -EAGAIN || now_mono_ns() >= deadline)
			goto fail;
		usleep(10000);
	}
	*fdp = fd;
	return 0;
fail:
	close(fd);
	return err == -EAGAIN ? -ETIMEDOUT : err;
}

/* The agent has let go of us; what it said before that can still be read. */
static bool is_closed(int err)
{
	return err == -EPIPE || err == -ECONNRESET;
}

/* The line and its end. */
static int send_request(int fd, const char *line, uint64_t deadline)
{
	char request[REQUEST_MAX];
	size_t at = 0, len = snprintf(request, sizeof(request), "%s\n", line);

	if (len >= sizeof(request))
		return -EMSGSIZE;
	while (at < len) {
		int err = wait_until(fd, POLLOUT, deadline);
		ssize_t n;

		if (err)
			return err;
		n = send(fd, request + at, len - at, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		at += n > 0 ? n : 0;
	}
	return 0;
}

static int make_room(struct answer *a)
{
	size_t room = a->room ? 2 * a->room : 65536;
	char *bytes;

	if (a->len + 1 < a->room)
		return 0;
	if (room > ANSWER_MAX)
		return -EFBIG;
	bytes = realloc(a->bytes, room);
	if (!bytes)
		return -ENOMEM;
	a->bytes = bytes;
	a->room = room;
	return 0;
}

/* All until the agent closes; a NUL that does not count stands at the end. */
static int receive(int fd, struct patience *p, struct answer *a)
{
	while (true) {
		ssize_t n;
		int err;

		err = make_room(a);
		if (!err)
			err = wait_until(fd, POLLIN, p->deadline);
		if (err)
			return err;
		n = recv(fd, a->bytes + a->len, a->room - a->len - 1, 0);
		if (n < 0 && is_closed(-errno) && a->len)
			return 0; /* it did not read all that we said */
		if (n < 0 && errno != EAGAIN && errno != EINTR)
			return -errno;
		if (n > 0) {
			a->len += n;
			p->deadline = now_mono_ns() + p->word_ns;
			if (p->deadline > p->last)
				p->deadline = p->last;
		}
		a->bytes[a->len] = '\0';
		if (n == 0)
			return 0;
	}
}

/* A client that is refused hears why, also when that is before it could ask. */
static int converse(int fd, const char *request, struct patience *p, struct answer *a)
{
	int sent = send_request(fd, request, p->deadline), err;

	if (sent && !is_closed(sent))
		return sent;
	err = receive(fd, p, a);
	return sent && !a->len ? sent : err;
}

/* Takes the first line off; what it announces must be all that follows. */
static int parse_answer(struct answer *a, char *cause, size_t len)
{
	char *end = memchr(a->bytes, '\n', a->len);
	uint64_t want;

	if (!end || end - a->bytes > ANSWER_LINE) {
		snprintf(cause, len, "the answer is no assay agent's");
		return -EPROTO;
	}
	*end++ = '\0';
	if (!strncmp(a->bytes, "error ", 6)) {
		snprintf(cause, len, "the agent says: %.200s", a->bytes + 6);
		return -EREMOTEIO;
	}
	if (strncmp(a->bytes, "ok ", 3) ||
	    number_parse(a->bytes + 3, UINT64_MAX, &want)) {
		snprintf(cause, len, "the answer is no assay agent's");
		return -EPROTO;
	}
	a->len -= end - a->bytes;
	if (a->len != want) {
		snprintf(cause, len, "the answer has %zu bytes of %llu", a->len,
			 (unsigned long long)want);
		return -EPROTO;
	}
	memmove(a->bytes, end, a->len);
	return 0;
}

static int ask(const char *path, const char *request, struct patience *p,
	       uint8_t **bytes, size_t *bytes_len, char *cause, size_t len)
{
	struct answer a = { 0 };
	int fd = -1, err;

	cause[0] = '\0';
	err = connect_to(path, p->deadline, &fd);
	if (!err)
		err = converse(fd, request, p, &a);
	if (!err)
		err = parse_answer(&a, cause, len);
	if (fd >= 0)
		close(fd);
	if (err == -EFBIG)
		snprintf(cause, len,
			 "%s: more than %llu MiB are no answer of an assay agent", path,
			 ANSWER_MAX >> 20);
	if (err) {
		if (!cause[0])
			snprintf(cause, len, "%.200s: %s%s", path, strerror(-err),
				 err == -EACCES
				     ? ": the agent answers root, and its own user"
				     : "");
		free(a.bytes);
		return err;
	}
	*bytes = (uint8_t *)a.bytes;
	*bytes_len = a.len;
	return 0;
}

int client_ask(const char *path, const char *request, uint8_t **bytes,
	       size_t *bytes_len, char *cause, size_t len)
{
	uint64_t now = now_mono_ns();
	struct patience p = { TIMEOUT_NS, now + TIMEOUT_NS, now + WHOLE_NS };

	return ask(path, request, &p, bytes, bytes_len, cause, len);
}

/*
 * To attach and detach programs, the kernel waits for all CPUs, and so does the agent's
 * one thread: where they are many and have little time, for longer than other answers.
 */
int client_change(const char *path, const char *request, uint8_t **bytes,
		  size_t *bytes_len, char *cause, size_t len)
{
	uint64_t end = now_mono_ns() + WHOLE_NS;
	struct patience p = { WHOLE_NS, end, end };
	int err = ask(path, request, &p, bytes, bytes_len, cause, len);

	if (err == -ETIMEDOUT)
		snprintf(
		    cause, len,
		    "%.108s: no answer within %llu s: the agent is stopped, or has no "
		    "CPU; it may make the change later (see assay tune)",
		    path, WHOLE_NS / NS_PER_S);
	return err;
}

/* Nobody listens at a path. */
static bool nobody_there(int err)
{
	return err == -ENOENT || err == -ECONNREFUSED;
}

void client_waiting_path(char out[CLIENT_PATH], const char *path)
{
	snprintf(out, CLIENT_PATH, "%.*s.waiting", CLIENT_PATH - 16, path);
}

int client_status(const char *path, uint64_t timeout_ns, uint8_t **bytes,
		  size_t *bytes_len, char *cause, size_t len)
{
	uint64_t end = now_mono_ns() + timeout_ns;
	char waiting[CLIENT_PATH];
	/* the own one again: one that waited may just have got it */
	const char *const paths[] = { path, waiting, path };
	int err = 0;

	client_waiting_path(waiting, path);
	for (size_t i = 0; i < COUNT(paths); i++) {
		struct patience p = { timeout_ns, end, end };

		err = ask(paths[i], "status", &p, bytes, bytes_len, cause, len);
		/* one that is about to measure lets its clients go, some in silence */
		if (!nobody_there(err) && err != -ENAMETOOLONG &&
		    (i != 1 || (!is_closed(err) && err != -EPROTO)))
			break;
	}
	if (nobody_there(err))
		snprintf(cause, len, "%.108s: no agent runs, or it still loads", path);
	return err;
}

int client_snapshot(const char *path, uint8_t **bytes, size_t *bytes_len, char *cause,
		    size_t len)
{
	return client_ask(path, "snapshot", bytes, bytes_len, cause, len);
}

int client_exact(const char *path, uint64_t ms, uint64_t *given_ms, char *cause,
		 size_t len)
{
	char request[40], text[24] = "";
	uint8_t *bytes;
	size_t n;
	int err;

	snprintf(request, sizeof(request), "exact %llu", (unsigned long long)ms);
	err = client_ask(path, request, &bytes, &n, cause, len);
	if (err)
		return err;
	memcpy(text, bytes, n < sizeof(text) ? n : sizeof(text) - 1);
	free(bytes);
	text[strcspn(text, "\n")] = '\0';
	if (number_parse(text, UINT64_MAX, given_ms)) {
		snprintf(cause, len, "the answer is no assay agent's");
		return -EPROTO;
	}
	return 0;
}

int client_agent(const char *path, pid_t *pid)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);
	int fd, err = connect_to(path, now_mono_ns() + TIMEOUT_NS, &fd);

	if (err)
		return err;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len))
		err = -errno;
	close(fd);
	*pid = err ? 0 : cred.pid;
	return err;
}
