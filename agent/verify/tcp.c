// SPDX-License-Identifier: Apache-2.0
/*
 * Connections over loopback from one cgroup to another, requests whose answer comes
 * after 20 ms, connects to a port where nobody listens. A response takes longer than
 * its server waited and less than its client did, for both of them.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/util.h"
#include "verify/stage.h"

#define CONNECTS      30 /* without a request */
#define REQUESTS      25 /* over one more connection */
#define REFUSED	      20
#define REQUEST_BYTES 64
#define ANSWER_BYTES  128
#define ANSWER_NS     20000000ULL

static int listener = -1, refusing = -1;
static struct sockaddr_in refused;

/* Binds a socket to a port of loopback that is free. */
static int bind_free(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof(*address);

	*address = (struct sockaddr_in){ .sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	if (fd >= 0 && !bind(fd, (struct sockaddr *)address, len) &&
	    !getsockname(fd, (struct sockaddr *)address, &len))
		return fd;
	return -errno;
}

void tcp_prepare_server(const struct actor_stage *s)
{
	struct sockaddr_in address;

	listener = bind_free(&address);
	if (listener < 0 || listen(listener, CONNECTS))
		stage_skip(s, "a listener on 127.0.0.1",
			   listener < 0 ? listener : -errno);
	s->truths->port = ntohs(address.sin_port);
}

void tcp_prepare_client(const struct actor_stage *s)
{
	refusing = bind_free(&refused); /* bound, so nobody else listens there */
	if (refusing < 0)
		truth_skip(&s->truths->of[TRUTH_TCP_REFUSED], "a port of 127.0.0.1",
			   refusing);
}

static void serve_one(struct truths *t, int fd)
{
	char request[REQUEST_BYTES], answer[ANSWER_BYTES] = { 0 };

	for (int i = 0;
	     recv(fd, request, sizeof(request), MSG_WAITALL) == sizeof(request); i++) {
		uint64_t began = now_mono_ns();

		truth_nap(ANSWER_NS);
		t->served_ns[i] = now_mono_ns() - began;
		if (send(fd, answer, sizeof(answer), MSG_NOSIGNAL) != sizeof(answer))
			break;
	}
	close(fd);
}

void tcp_serve(const struct actor_stage *s)
{
	if (*s->truths->of[TRUTH_TCP_CONNECTS].why)
		return;
	for (int i = 0; i < CONNECTS + 1; i++) {
		int fd = accept(listener, NULL, NULL);

		if (fd >= 0)
			serve_one(s->truths, fd);
	}
	close(listener);
}

/* Connects, with its time; the caller closes it. */
static int connect_one(const struct actor_stage *s)
{
	struct sockaddr_in address = { .sin_family = AF_INET,
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
				       .sin_port = htons(s->truths->port) };
	struct truth *t = &s->truths->of[TRUTH_TCP_CONNECTS];
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint64_t began = now_mono_ns();

	if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		stage_skip(s, "a connect to 127.0.0.1", -errno);
		return fd;
	}
	truth_add(t, 0, now_mono_ns() - began);
	truth_count(&s->truths->of[TRUTH_TCP_ACCEPTS], 1, 0);
	return fd;
}

static void ask_all(const struct actor_stage *s, int fd)
{
	char request[REQUEST_BYTES] = { 0 }, answer[ANSWER_BYTES];
	struct truth *of = s->truths->of;

	for (int i = 0; i < REQUESTS; i++) {
		uint64_t began = now_mono_ns();

		if (send(fd, request, sizeof(request), MSG_NOSIGNAL) !=
			sizeof(request) ||
		    recv(fd, answer, sizeof(answer), MSG_WAITALL) != sizeof(answer)) {
			stage_skip(s, "a request over 127.0.0.1", -errno);
			return;
		}
		truth_add(&of[TRUTH_TCP_RESPONSES], s->truths->served_ns[i],
			  now_mono_ns() - began);
	}
	truth_count(&of[TRUTH_TCP_CLIENT_BYTES], REQUESTS * REQUEST_BYTES, 0);
	truth_count(&of[TRUTH_TCP_SERVER_BYTES], REQUESTS * ANSWER_BYTES, 0);
}

static void be_refused(const struct actor_stage *s)
{
	struct truth *t = &s->truths->of[TRUTH_TCP_REFUSED];

	for (int i = 0; i < REFUSED && !*t->why; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

		if (!connect(fd, (struct sockaddr *)&refused, sizeof(refused)) ||
		    errno != ECONNREFUSED)
			truth_skip(t, "a connect that should be refused", -errno);
		else
			truth_count(t, 1, 0);
		close(fd);
	}
}

void tcp_ask(const struct actor_stage *s)
{
	int fd;

	for (int i = 0; i < CONNECTS && !*s->truths->of[TRUTH_TCP_CONNECTS].why; i++) {
		fd = connect_one(s);
		close(fd);
	}
	if (*s->truths->of[TRUTH_TCP_CONNECTS].why)
		return;
	fd = connect_one(s);
	ask_all(s, fd);
	close(fd);
	be_refused(s);
}
