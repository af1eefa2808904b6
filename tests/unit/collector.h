/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A collector that answers by script. The script is played by a child, one connection
 * and one step at a time, and what it received lies in memory that both share.
 */
#ifndef COLLECTOR_H
#define COLLECTOR_H

#include <arpa/inet.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/util.h"
#include "sink/export.h"

#define STEPS	   16
#define BODY_ROOM  4096
#define HEAD_ROOM  2048
#define TEST_LIMIT 60000 /* ms; nothing here takes as long, on a busy machine too */

enum action { ANSWER, RESET, CLOSE, HANG, FLOOD, RAW, ENDLESS };

/* One step of the script: what a request is answered with. */
struct step {
	enum action action;
	const char *status;  /* "200 OK" */
	const char *headers; /* lines, each with \r\n at its end; NULL: none */
	const void *body;
	size_t body_len;
	unsigned int delay_ms;
};

struct received {
	char head[HEAD_ROOM];
	uint8_t body[BODY_ROOM];
	size_t body_len;
	uint64_t time_ns;
	unsigned int connection;
};

/* What the child saw; in shared memory. */
struct seen {
	volatile unsigned int count;
	struct received requests[STEPS];
};

struct server {
	int listener;
	pid_t child;
	char url[64];
	struct seen *seen;
};

static inline void sleep_ms(unsigned int ms)
{
	nanosleep(&(struct timespec){ ms / 1000, ms % 1000 * 1000000L }, NULL);
}

/* Reads one request; false at the end of the connection. */
static inline bool read_request(int fd, struct received *r)
{
	size_t have = 0, want = 0;
	char *end = NULL, *length;

	memset(r, 0, sizeof(*r));
	while (!end) {
		ssize_t n = read(fd, r->head + have, 1);

		if (n <= 0 || ++have == HEAD_ROOM - 1)
			return false;
		end = strstr(r->head, "\r\n\r\n");
	}
	length = strcasestr(r->head, "\r\ncontent-length:");
	want = length ? strtoul(length + 17, NULL, 10) : 0;
	while (r->body_len < want && r->body_len < BODY_ROOM) {
		ssize_t n = read(fd, r->body + r->body_len, want - r->body_len);

		if (n <= 0)
			return false;
		r->body_len += n;
	}
	return true;
}

static inline void answer(int fd, const struct step *s)
{
	char head[512];
	int n =
	    snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n%s\r\n",
		     s->status, s->body_len, s->headers ? s->headers : "");

	if (write(fd, head, n) != n ||
	    (s->body_len && write(fd, s->body, s->body_len) < 0))
		_exit(1);
}

static inline void flood(int fd)
{
	static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 8388608\r\n\r\n";
	static const char zeros[65536];

	signal(SIGPIPE, SIG_IGN);
	if (write(fd, head, sizeof(head) - 1) < 0)
		return;
	for (int i = 0; i < 128; i++)
		if (write(fd, zeros, sizeof(zeros)) < 0)
			return;
}

/* A success whose headers or body never end: the step's body again and again. */
static inline void endless(int fd, const struct step *s)
{
	static const char head[] = "HTTP/1.1 200 OK\r\n";
	int n = write(fd, head, sizeof(head) - 1);

	signal(SIGPIPE, SIG_IGN);
	if (s->headers)
		n = write(fd, s->headers, strlen(s->headers));
	while (n > 0) {
		n = write(fd, s->body, s->body_len);
		sleep_ms(s->delay_ms);
	}
}

/* Plays a step on a connection; false when it does not survive it. */
static inline bool play(int fd, const struct step *s)
{
	struct linger abort = { 1, 0 };

	if (s->action != ENDLESS)
		sleep_ms(s->delay_ms);
	switch (s->action) {
	case ANSWER:
		answer(fd, s);
		return true;
	case FLOOD:
		flood(fd);
		return false;
	case ENDLESS:
		endless(fd, s);
		return false;
	case RAW:
		if (write(fd, s->body, s->body_len) < 0)
			_exit(1);
		return false;
	case RESET:
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &abort, sizeof(abort));
		return false;
	case HANG:
		sleep_ms(TEST_LIMIT);
		return false;
	default:
		return false;
	}
}

static inline void serve(struct server *s, const struct step *steps, size_t count)
{
	unsigned int connection = 0;
	size_t at = 0;

	while (at < count) {
		int fd = accept(s->listener, NULL, NULL);
		bool alive = fd >= 0;

		connection++;
		while (alive && at < count) {
			struct received *r = &s->seen->requests[at];

			if (!read_request(fd, r))
				break;
			r->time_ns = now_mono_ns();
			r->connection = connection;
			s->seen->count = at + 1;
			alive = play(fd, &steps[at++]);
		}
		close(fd);
	}
	_exit(0);
}

/* Binds a port, on which nobody listens yet. */
static inline void server_bind(struct server *s)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	memset(s, 0, sizeof(*s));
	s->seen = mmap(NULL, sizeof(*s->seen), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(s->seen, MAP_FAILED);
	s->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(s->listener, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(getsockname(s->listener, (struct sockaddr *)&a, &len), 0);
	snprintf(s->url, sizeof(s->url), "http://127.0.0.1:%d/v1/metrics",
		 ntohs(a.sin_port));
}

static inline void server_start(struct server *s, const struct step *steps,
				size_t count)
{
	assert_true(count <= STEPS);
	assert_int_equal(listen(s->listener, 8), 0);
	s->child = fork();
	assert_true(s->child >= 0);
	if (!s->child)
		serve(s, steps, count);
}

static inline void server_stop(struct server *s)
{
	if (s->child) {
		kill(s->child, SIGKILL);
		waitpid(s->child, NULL, 0);
	}
	close(s->listener);
	munmap(s->seen, sizeof(*s->seen));
}

/* The value of a header of a request, in static memory; NULL: not there. */
static inline const char *header(const struct received *r, const char *name)
{
	static char value[256];
	char want[64];
	const char *at;

	snprintf(want, sizeof(want), "\r\n%s: ", name);
	at = strcasestr(r->head, want);
	if (!at)
		return NULL;
	snprintf(value, sizeof(value), "%.*s", (int)strcspn(at + strlen(want), "\r"),
		 at + strlen(want));
	return value;
}

/* Polls until nothing is left to do, or until the server has seen `requests`. */
static inline void run_until(struct export *e, const struct server *s,
			     unsigned int requests)
{
	uint64_t end = now_mono_ns() + TEST_LIMIT * 1000000ULL;

	while (requests ? s->seen->count < requests : export_busy(e)) {
		assert_true(now_mono_ns() < end);
		assert_int_equal(export_poll(e, NULL, 0, 20), 0);
	}
}

/* Waits until the server has seen so many requests, whose sender may have given up on
 * them before it came to run. */
static inline void wait_for_requests(const struct server *s, unsigned int requests)
{
	uint64_t end = now_mono_ns() + TEST_LIMIT * 1000000ULL;

	while (s->seen->count < requests) {
		assert_true(now_mono_ns() < end);
		usleep(10000);
	}
	assert_int_equal(s->seen->count, requests);
}

static inline struct export *open_url_for(const char *url, unsigned int timeout_ms)
{
	struct export_opts o = { .url = url,
				 .timeout_ms = timeout_ms,
				 .initial_backoff_ms = 20 };
	struct export *e = NULL;

	assert_int_equal(export_open(&o, &e), 0);
	return e;
}

static inline struct export *open_url(const char *url)
{
	return open_url_for(url, 5000);
}

/* Starts a server, and opens an exporter to it. */
static inline struct export *open_served(struct server *s, const struct step *steps,
					 size_t count)
{
	server_bind(s);
	server_start(s, steps, count);
	return open_url(s->url);
}

static inline void assert_body(const struct server *s, unsigned int i, const char *want)
{
	assert_true(i < s->seen->count);
	assert_int_equal(s->seen->requests[i].body_len, strlen(want));
	assert_memory_equal(s->seen->requests[i].body, want, strlen(want));
}

#endif
