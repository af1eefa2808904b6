/* SPDX-License-Identifier: Apache-2.0 */
/* A peer that answers every connection with the fuzzer's bytes, in a thread. */
#ifndef SERVE_H
#define SERVE_H

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include "fuzz.h"

static struct serve {
	int listener;
	const uint8_t *data; /* while a request runs */
	size_t size;
} serve;

/* Reads until the request is there, answers, and hangs up. */
static inline void *serve_loop(void *arg)
{
	char request[65536];

	while (1) {
		int fd = accept(serve.listener, NULL, NULL);

		if (fd < 0)
			continue;
		if (recv(fd, request, sizeof(request), 0) > 0)
			send(fd, serve.data, serve.size, MSG_NOSIGNAL);
		shutdown(fd, SHUT_WR);
		while (recv(fd, request, sizeof(request), 0) > 0)
			;
		close(fd);
	}
	return NULL;
}

/* Starts to serve on a socket that is bound. */
static inline void serve_start(int listener)
{
	pthread_t thread;

	CHECK(!listen(listener, 16));
	serve.listener = listener;
	CHECK(!pthread_create(&thread, NULL, serve_loop, NULL));
}

static inline void serve_this(const uint8_t *data, size_t size)
{
	serve.data = data;
	serve.size = size;
}

#endif
