/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's socket with an agent behind it that says what the test knows. */
#ifndef FAKE_API_H
#define FAKE_API_H

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/util.h"
#include "fake_clock.h"
#include "sink/api.h"

#define BIG (8 << 20) /* more than any socket holds */

/* An agent, and what it was asked for. */
static struct {
	char dir[40], path[64];
	struct api *api;
	size_t len; /* of a snapshot */
	int error;  /* what both operations fail with */
	uint64_t takes_ns;
	int not_yet; /* so often a snapshot says: ask again */
	uint64_t asked_ns;
	const char *cause;
	int snapshots, tunes, statuses;
	unsigned int exacts;
	uint64_t until_ns;
	bool no_words;
	char words[300];
	pid_t pid; /* that a client is of; 0: each of one of its own */
	pid_t latest;
} with;

/* Who a client is: comes before the library's. */
int getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
	struct ucred cred = { with.pid ? with.pid : ++with.latest, geteuid(), 0 };

	assert_int_equal(level, SOL_SOCKET);
	assert_int_equal(name, SO_PEERCRED);
	memcpy(value, &cred, sizeof(cred));
	*len = sizeof(cred);
	return 0;
}

static inline uint8_t byte_of(size_t i)
{
	return i % 251;
}

static inline int make_snapshot(void *arg, uint64_t asked_ns, uint8_t **bytes,
				size_t *len)
{
	assert_ptr_equal(arg, &with);
	assert_in_range(asked_ns, 1, fake_now_ns);
	fake_now_ns += with.takes_ns;
	with.asked_ns = asked_ns;
	with.snapshots++;
	if (with.not_yet && with.not_yet--)
		return -EAGAIN;
	if (with.error)
		return with.error;
	*bytes = malloc(with.len);
	*len = with.len;
	for (size_t i = 0; i < with.len; i++)
		(*bytes)[i] = byte_of(i);
	return 0;
}

static inline int change(void *arg, const char *words, uint8_t **bytes, size_t *len,
			 char *cause, size_t cause_len)
{
	assert_ptr_equal(arg, &with);
	with.tunes++;
	with.no_words = !words;
	snprintf(with.words, sizeof(with.words), "%s", words ? words : "");
	if (with.error) {
		snprintf(cause, cause_len, "%s", with.cause ? with.cause : "");
		return with.error;
	}
	*bytes = (uint8_t *)strdup("tuned\n");
	*len = strlen("tuned\n");
	return 0;
}

static inline int tell(void *arg, uint8_t **bytes, size_t *len)
{
	assert_ptr_equal(arg, &with);
	with.statuses++;
	if (with.error)
		return with.error;
	*bytes = (uint8_t *)strdup("{}");
	*len = 2;
	return 0;
}

static inline int measure_exactly(void *arg, uint64_t until_ns, uint8_t **bytes,
				  size_t *len)
{
	assert_ptr_equal(arg, &with);
	with.exacts++;
	with.until_ns = until_ns;
	if (with.not_yet && with.not_yet--)
		return -EAGAIN;
	*bytes = (uint8_t *)strdup("17\n");
	*len = 3;
	return 0;
}

static const struct api_ops ops = { make_snapshot, change, measure_exactly, tell,
				    &with };

static inline int begin(void **state)
{
	char cause[256] = "";

	memset(&with, 0, sizeof(with));
	strcpy(with.dir, "/tmp/assay-api-XXXXXX");
	assert_non_null(mkdtemp(with.dir));
	snprintf(with.path, sizeof(with.path), "%s/run/socket", with.dir);
	with.len = 5;
	assert_int_equal(api_open(with.path, &ops, &with.api, cause, sizeof(cause)), 0);
	assert_string_equal(cause, "");
	return 0;
}

static inline int end(void **state)
{
	char run[64];

	api_close(with.api);
	fake_step_ns = 0;
	snprintf(run, sizeof(run), "%s/run", with.dir);
	assert_int_equal(rmdir(run), 0); /* nothing is left in it */
	return rmdir(with.dir);
}

static inline struct sockaddr_un address(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return addr;
}

static inline int dial(void)
{
	struct sockaddr_un addr = address(with.path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static inline void say_bytes(int fd, const char *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static inline int dial_and_say(const char *text)
{
	int fd = dial();

	say_bytes(fd, text, strlen(text));
	return fd;
}

/* All that a client gets until its end, which must come; it is closed. To be freed. */
static inline char *hear(int fd, size_t *len)
{
	size_t room = 2 * BIG, at = 0;
	char *text = malloc(room);
	ssize_t n = -1;

	for (int i = 0; i < 10000 && n; i++) {
		api_serve(with.api);
		n = recv(fd, text + at, room - at - 1, 0);
		if (n < 0 && errno == ECONNRESET)
			n = 0;
		at += n > 0 ? n : 0;
	}
	assert_int_equal(n, 0);
	text[at] = '\0';
	close(fd);
	if (len)
		*len = at;
	return text;
}

/* A snapshot of with.len bytes, whole. */
static inline void assert_hears_snapshot(int fd)
{
	char head[32];
	size_t len, n = snprintf(head, sizeof(head), "ok %zu\n", with.len);
	char *text = hear(fd, &len);

	assert_int_equal(len, n + with.len);
	assert_memory_equal(text, head, n);
	for (size_t i = 0; i < with.len; i++)
		assert_int_equal((uint8_t)text[n + i], byte_of(i));
	free(text);
}

/* Whether the agent has let go of a client; what it said is thrown away. */
static inline bool is_over(int fd)
{
	char buf[65536];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		;
	return n == 0 || errno == ECONNRESET;
}

static inline void assert_hears(int fd, const char *want)
{
	char *text = hear(fd, NULL);

	assert_string_equal(text, want);
	free(text);
}

/* What a client is waited for: POLLIN, POLLOUT; how many of them. */
static inline unsigned int waited_for(short events)
{
	struct pollfd fds[API_CLIENTS + 1];
	unsigned int all = api_poll(with.api, fds), n = 0;

	assert_in_range(all, 0, API_CLIENTS + 1);
	for (unsigned int i = 0; i < all; i++)
		n += fds[i].events == events;
	return n;
}

#define API_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
