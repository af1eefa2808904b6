// SPDX-License-Identifier: Apache-2.0
/* How long a command waits for the agent's answer, by a clock that goes on as it waits.
 */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
#include <cmocka.h>
#include "fake_clock.h"
#include "sink/client.h"

#define MS    1000000ULL
#define NEVER UINT64_MAX

/* An agent: what it says after which time, at once or a byte each so often. */
static struct {
	char dir[40], path[64];
	int listener, peer;
	const char *answer;
	uint64_t began_ns, at_ns, each_ns;
} with;

static void send_answer(void)
{
	size_t n = with.each_ns ? 1 : strlen(with.answer);

	if (with.peer < 0)
		with.peer = accept(with.listener, NULL, NULL);
	assert_true(with.peer >= 0);
	assert_int_equal(send(with.peer, with.answer, n, MSG_NOSIGNAL), n);
	with.answer += n;
	with.at_ns += with.each_ns;
	if (*with.answer)
		return;
	with.at_ns = NEVER;
	close(with.peer);
	with.peer = -1;
}

/* Comes before the library's: no time passes but this. */
int poll(struct pollfd *fds, nfds_t n, int timeout_ms)
{
	struct timespec none = { 0 };
	uint64_t end = fake_now_ns + timeout_ms * MS;
	int ready = ppoll(fds, n, &none, NULL);

	if (ready)
		return ready;
	if (with.at_ns <= end) {
		fake_now_ns = with.at_ns;
		send_answer();
	} else {
		fake_now_ns = end;
	}
	return ppoll(fds, n, &none, NULL);
}

static int begin(void **state)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	strcpy(with.dir, "/tmp/assay-client-XXXXXX");
	assert_non_null(mkdtemp(with.dir));
	snprintf(with.path, sizeof(with.path), "%s/s", with.dir);
	strcpy(addr.sun_path, with.path);
	with.listener = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(with.listener, (void *)&addr, sizeof(addr)), 0);
	assert_int_equal(listen(with.listener, 1), 0);
	with.peer = -1;
	with.at_ns = NEVER;
	with.each_ns = 0;
	with.began_ns = fake_now_ns;
	return 0;
}

static int end(void **state)
{
	if (with.peer >= 0)
		close(with.peer);
	close(with.listener);
	unlink(with.path);
	return rmdir(with.dir);
}

static void it_answers(const char *answer, uint64_t after_ns, uint64_t each_ns)
{
	with.answer = answer;
	with.at_ns = fake_now_ns + after_ns;
	with.each_ns = each_ns;
}

typedef int (*ask_fn)(const char *, const char *, uint8_t **, size_t *, char *, size_t);

/* What came of it after how many ms; the answer, or the cause that there is none. */
static int hear(ask_fn ask, const char *want, unsigned int *ms)
{
	uint8_t *bytes = NULL;
	char cause[256];
	size_t len = 0;
	int err = ask(with.path, "tune sched enabled=false", &bytes, &len, cause,
		      sizeof(cause));

	if (err) {
		assert_non_null(strstr(cause, want));
	} else {
		assert_int_equal(len, strlen(want));
		assert_memory_equal(bytes, want, len);
		free(bytes);
	}
	*ms = (fake_now_ns - with.began_ns) / MS;
	return err;
}

static void an_agent_without_a_word_is_waited_for_5_s(void **state)
{
	unsigned int ms;

	assert_int_equal(hear(client_ask, "timed out", &ms), -ETIMEDOUT);
	assert_in_range(ms, 5000, 5010);
}

static void with_a_word_now_and_then_for_30_s(void **state)
{
	unsigned int ms;

	it_answers("ok 90\n..........", 4000 * MS, 4000 * MS);
	assert_int_equal(hear(client_ask, "timed out", &ms), -ETIMEDOUT);
	assert_in_range(ms, 30000, 30010);
}

static void a_change_may_take_longer_than_other_answers(void **state)
{
	unsigned int ms;

	it_answers("ok 5\ndone\n", 29000 * MS, 0);
	assert_int_equal(hear(client_change, "done\n", &ms), 0);
	assert_int_equal(ms, 29000);
}

static void and_it_is_said_that_it_may_be_made_later(void **state)
{
	unsigned int ms;

	assert_int_equal(hear(client_change,
			      "/s: no answer within 30 s: the agent is stopped, or has "
			      "no CPU; it may make the change later (see assay tune)",
			      &ms),
			 -ETIMEDOUT);
	assert_in_range(ms, 30000, 30010);
}

static void nobody_at_all_is_no_wait(void **state)
{
	unsigned int ms;

	close(with.listener);
	assert_int_equal(hear(client_change, "Connection refused", &ms), -ECONNREFUSED);
	assert_int_equal(ms, 0);
}

static void a_length_that_is_no_number_is_no_answer(void **state)
{
	/* the second is 5 for who lets a number wrap around */
	static const char *const lines[] = { "ok -18446744073709551611\ndone\n",
					     "ok 18446744073709551621\ndone\n",
					     "ok +5\ndone\n", "ok 5 \ndone\n",
					     "ok\ndone\n" };
	unsigned int ms;

	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
		it_answers(lines[i], 0, 0);
		assert_int_equal(
		    hear(client_ask, "the answer is no assay agent's", &ms), -EPROTO);
	}
}

static void an_exact_time_that_is_no_number_is_no_answer(void **state)
{
	static const char *const good = "ok 5\n1234\n", *const bad = "ok 5\n12x4\n";
	uint64_t ms = 0;
	char cause[256];

	it_answers(good, 0, 0);
	assert_int_equal(client_exact(with.path, 1, &ms, cause, sizeof(cause)), 0);
	assert_int_equal(ms, 1234);
	it_answers(bad, 0, 0);
	assert_int_equal(client_exact(with.path, 1, &ms, cause, sizeof(cause)),
			 -EPROTO);
}

#define CLIENT_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		CLIENT_TEST(an_agent_without_a_word_is_waited_for_5_s),
		CLIENT_TEST(with_a_word_now_and_then_for_30_s),
		CLIENT_TEST(a_change_may_take_longer_than_other_answers),
		CLIENT_TEST(and_it_is_said_that_it_may_be_made_later),
		CLIENT_TEST(nobody_at_all_is_no_wait),
		CLIENT_TEST(a_length_that_is_no_number_is_no_answer),
		CLIENT_TEST(an_exact_time_that_is_no_number_is_no_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
