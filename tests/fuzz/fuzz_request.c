// SPDX-License-Identifier: Apache-2.0
/* What is sent to the agent's socket. */
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include "base/log.h"
#include "kernel/tune.h"
#include "sink/api.h"
#include "fuzz.h"

#define QUIET_TURNS 100
#define REST_US	    20

static int abc(uint8_t **bytes, size_t *len)
{
	*len = 3;
	*bytes = malloc(*len);
	memcpy(*bytes, "abc", 3);
	return 0;
}

/* Not at once. */
static int snapshot(void *arg, uint64_t asked_ns, uint8_t **bytes, size_t *len)
{
	static uint64_t seen_ns;

	if (asked_ns != seen_ns) {
		seen_ns = asked_ns;
		return -EAGAIN;
	}
	return abc(bytes, len);
}

static int tune(void *arg, const char *words, uint8_t **bytes, size_t *len, char *cause,
		size_t cause_len)
{
	struct tune_change change;
	int err = tune_parse(words, &change, cause, cause_len);

	return err ? err : abc(bytes, len);
}

static int exact(void *arg, uint64_t until_ns, uint8_t **bytes, size_t *len)
{
	return snapshot(arg, until_ns, bytes, len);
}

static int status(void *arg, uint8_t **bytes, size_t *len)
{
	return abc(bytes, len);
}

static struct api *listen_once(struct sockaddr_un *addr)
{
	static struct api *api;
	static struct sockaddr_un at = { .sun_family = AF_UNIX };
	char cause[512];

	if (!api) {
		log_set_level(LOG_LEVEL_ERROR);
		snprintf(at.sun_path, sizeof(at.sun_path), "%s/assay.sock",
			 fuzz_directory());
		CHECK(!api_open(at.sun_path,
				&(struct api_ops){ snapshot, tune, exact, status },
				&api, cause, sizeof(cause)));
	}
	*addr = at;
	return api;
}

/* An answer is "ok 3" and the bytes, one line of an error, or nothing. */
static void check_answer(const char *s, size_t len)
{
	if (len >= 3 && !memcmp(s, "ok ", 3))
		CHECK(len == 8 && !memcmp(s, "ok 3\nabc", 8));
	else if (len)
		CHECK(len > 7 && !memcmp(s, "error ", 6) &&
		      memchr(s, '\n', len) == s + len - 1);
}

/*
 * What comes back until the agent closes, or has been quiet for long. It rests after
 * each turn for some times as long as that took.
 */
static size_t take_answer(struct api *api, int fd, char *answer, size_t room)
{
	size_t len = 0;

	for (int quiet = 0; quiet < QUIET_TURNS && len < room; quiet++) {
		ssize_t n;

		api_serve(api);
		n = recv(fd, answer + len, room - len, MSG_DONTWAIT);
		if (!n)
			break;
		if (n > 0) {
			len += (size_t)n;
			quiet = 0;
		}
		usleep(REST_US);
	}
	return len;
}

/*
 * Until clients are served. After a turn in which this process had no CPU that is up to
 * a second: enough connections to fill the queue of them, and the next connect() waits
 * for ever, as nobody else serves.
 */
static void wait_for_rest(const struct api *api)
{
	int ms = api_rest_ms(api);

	if (ms > 1)
		usleep(ms * 1000);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sockaddr_un addr;
	struct api *api = listen_once(&addr);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t half = size ? data[0] % size : 0;
	char answer[1024];

	wait_for_rest(api);
	CHECK(!connect(fd, (struct sockaddr *)&addr, sizeof(addr)));
	if (size > 4096)
		size = 4096;
	if (half > size)
		half = size;
	send(fd, data, half, MSG_NOSIGNAL);
	api_serve(api); /* in two parts */
	usleep(REST_US);
	send(fd, data + half, size - half, MSG_NOSIGNAL);
	shutdown(fd, SHUT_WR);
	check_answer(answer, take_answer(api, fd, answer, sizeof(answer)));
	close(fd);
	return 0;
}
