// SPDX-License-Identifier: Apache-2.0
/*
 * The kubelet that is asked: what is made of each answer and of none, and that
 * names stay and come back. TLS and tokens: tests/kernel/test_kubelet.py.
 */
#include <errno.h>
#include <fcntl.h>
#include "collector.h"
#include "base/log.h"
#include "workload/kubelet_impl.h"

#define SECOND 1000000000ULL
#define MS     1000000ULL
#define ID     "22d0b2f8154dd5edd2802eb36dec5717a5277d8735b35784aa2c147e8903678e"
#define OTHER  "e3a604302db838ae5e4ffde9e9d7f3e606767cfc5da5c01aa516143741e44a0e"
#define UID    "379560a2-cb47-f9b1-3c81-0328ff2bade1"

#define LIST(pod)                                                                     \
	"{\"items\":[{\"metadata\":{\"namespace\":\"shop\",\"name\":\"" pod           \
	"\",\"uid\":\"" UID "\"},\"status\":{\"containerStatuses\":[{\"name\":\"a\"," \
	"\"containerID\":\"containerd://" ID "\"}]}}]}"

#define OK_STEP(pod)                                                        \
	{                                                                   \
		ANSWER, "200 OK", NULL, LIST(pod), sizeof(LIST(pod)) - 1, 0 \
	}
#define STATUS_STEP(status, body)                               \
	{                                                       \
		ANSWER, status, NULL, body, sizeof(body) - 1, 0 \
	}

static char spaces[1 << 20];

/* A kubelet that plays a script, and who asks it. */
static struct {
	struct server server;
	struct kubelet *kubelet;
	char url[80], log[32];
	unsigned int timeout_ms; /* 0: 20 s, which no large answer takes */
	int stderr_fd;
} with;

static const struct kubelet_pace quick = {
	MS, MS, 10, 3600 * SECOND, 20 * MS, 50 * MS
};

static void ask(const struct step *steps, size_t count, const struct kubelet_pace *pace)
{
	struct kubelet_opts o = { .url = with.url,
				  .token = "/nowhere",
				  .timeout_ms = with.timeout_ms,
				  .pace = *pace };
	char cause[256];

	server_bind(&with.server);
	server_start(&with.server, steps, count);
	snprintf(with.url, sizeof(with.url), "%.*s/pods",
		 (int)strcspn(with.server.url + 7, "/") + 7, with.server.url);
	assert_int_equal(kubelet_open(&o, &with.kubelet, cause, sizeof(cause)), 0);
	assert_int_equal(kubelet_start(with.kubelet), 0);
}

/* What is said in the log goes into a file meanwhile. */
static int begin(void **state)
{
	int fd;

	memset(&with, 0, sizeof(with));
	memset(spaces, ' ', sizeof(spaces));
	strcpy(with.log, "/tmp/assay-kubelet-XXXXXX");
	fd = mkstemp(with.log);
	with.stderr_fd = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
	signal(SIGPIPE, SIG_IGN);
	return 0;
}

static int end(void **state)
{
	kubelet_close(with.kubelet);
	if (with.server.seen)
		server_stop(&with.server);
	dup2(with.stderr_fd, STDERR_FILENO);
	close(with.stderr_fd);
	unlink(with.log);
	return 0;
}

/* How often the log says so. */
static int said(const char *words)
{
	static char text[65536];
	int n = 0;

	read_file(with.log, text, sizeof(text));
	for (const char *s = text; (s = strstr(s, words)); s++)
		n++;
	return n;
}

static uint64_t count_of(enum kubelet_result result)
{
	struct kubelet_stats stats;

	kubelet_get_stats(with.kubelet, &stats);
	return stats.results[result];
}

static void wait_for(enum kubelet_result result, uint64_t count)
{
	uint64_t end_ns = now_mono_ns() + TEST_LIMIT * MS;

	while (count_of(result) < count) {
		if (now_mono_ns() > end_ns)
			fail_msg("no %s", kubelet_result_name(result));
		sleep_ms(2);
	}
	assert_int_equal(count_of(result), count);
}

static void expect_name(const char *want)
{
	struct names *n;
	char *name;

	assert_int_equal(kubelet_find(with.kubelet, ID, "", &n), 0);
	name = names_of_workload(n);
	assert_string_equal(name, want);
	free(name);
	names_free(n);
}

static void an_answer_gives_names(void **state)
{
	const struct step steps[] = { OK_STEP("web-0") };
	const struct received *r;
	struct kubelet_stats stats;
	struct names *n;

	ask(steps, COUNT(steps), &quick);
	wait_for(KUBELET_OK, 1);
	expect_name("shop/web-0/a");
	assert_int_equal(kubelet_find(with.kubelet, OTHER, UID, &n), 0);
	assert_null(n->container);
	names_free(n);
	assert_int_equal(kubelet_find(with.kubelet, OTHER, "", &n), -ENOENT);
	kubelet_get_stats(with.kubelet, &stats);
	assert_int_equal(stats.counts.containers, 1);
	r = &with.server.seen->requests[0];
	assert_true(!strncmp(r->head, "GET /pods HTTP/1.1\r\n", 20));
	assert_null(header(r, "Authorization")); /* never over http */
	assert_string_equal(header(r, "User-Agent"), "assay/" ASSAY_VERSION);
	/* nobody wants more: it is not asked again */
	sleep_ms(100);
	kubelet_want(with.kubelet, ID, UID, false);
	kubelet_want(with.kubelet, "", UID, false);
	sleep_ms(100);
	assert_int_equal(with.server.seen->count, 1);
	assert_int_equal(said("warning"), 0);
	assert_int_equal(said("answers: 1 containers of 1 pods"), 1);
}

static const struct failure {
	struct step step;
	enum kubelet_result result;
	const char *words;
	/* on a connection that was kept it says nothing of the kubelet: libcurl asks
	 * again on a new one */
	bool repeated;
} failures[] = {
	{ STATUS_STEP("401 Unauthorized", "Unauthorized"), KUBELET_UNAUTHORIZED,
	  "HTTP 401: Unauthorized; it does not know the token" },
	{ STATUS_STEP("403 Forbidden", "Forbidden (user=x, verb=get)\nmore"),
	  KUBELET_FORBIDDEN,
	  "HTTP 403: Forbidden (user=x, verb=get); give the service account get on "
	  "nodes/pods" },
	{ STATUS_STEP("404 Not Found", ""), KUBELET_NOT_FOUND, "HTTP 404; a kubelet" },
	{ { ANSWER, "302 Found", "Location: /pods\r\n", "", 0, 0 },
	  KUBELET_REDIRECT,
	  "redirects are not followed" },
	{ STATUS_STEP("400 Bad Request", "\x1b[31m"), KUBELET_REFUSED,
	  "HTTP 400: \\x1b[31m" },
	{ STATUS_STEP("503 Busy", "b"), KUBELET_SERVER_ERROR, "HTTP 503: b" },
	{ STATUS_STEP("204 No Content", ""), KUBELET_BAD_ANSWER, "HTTP 204" },
	{ STATUS_STEP("200 OK", "{\"items\":[{\"metadata\":{}"), KUBELET_BAD_ANSWER,
	  "no whole list of pods" },
	{ STATUS_STEP("200 OK", "ok"), KUBELET_BAD_ANSWER, "no whole list of pods" },
	{ STATUS_STEP("200 OK", "{}"), KUBELET_BAD_ANSWER, "no whole list of pods" },
	{ { RAW, .body = "HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n{\"items\":",
	    .body_len = 48 },
	  KUBELET_DISCONNECT,
	  "bytes remaining to read" },
	{ { RAW, .body = "HTTP/1.1 200 OK\r\n\r\n{\"items\":", .body_len = 28 },
	  KUBELET_BAD_ANSWER,
	  "no whole list of pods" },
	{ { RAW, .body = "hello\r\n", .body_len = 7 }, KUBELET_BAD_ANSWER, "HTTP/0.9" },
	{ { .action = RESET }, KUBELET_DISCONNECT, "reset by peer", true },
	{ { .action = CLOSE }, KUBELET_DISCONNECT, "mpty reply", true },
	{ { ENDLESS, .headers = "\r\n", .body = spaces, .body_len = sizeof(spaces) },
	  KUBELET_TOO_LARGE,
	  "larger than any node's" },
	{ { ENDLESS, .body = "A: 456789012345678901234567890\r\n", .body_len = 32 },
	  KUBELET_TOO_LARGE,
	  "larger than any node's" },
	{ { ENDLESS, .headers = "\r\n", .body = " ", .body_len = 1, .delay_ms = 10 },
	  KUBELET_TIMEOUT,
	  "timed out" },
	{ { ENDLESS, .headers = "Content-Length: 99999999\r\n\r\n", .body = spaces,
	    .body_len = sizeof(spaces) },
	  KUBELET_TOO_LARGE,
	  "file size" },
};

/* Names stay as they were through any of these, and what it says next counts. */
static void each_failure_is_told_and_heals(void **state)
{
	for (size_t i = 0; i < COUNT(failures); i++) {
		const struct failure *f = &failures[i];
		const struct step steps[] = { OK_STEP("web-0"), f->step, f->step,
					      f->repeated
						  ? f->step
						  : (struct step)OK_STEP("web-1"),
					      OK_STEP("web-1") };
		size_t count = COUNT(steps) - !f->repeated;

		print_message("%zu: %s\n", i, f->words);
		if (i)
			begin(state);
		with.timeout_ms = f->result == KUBELET_TIMEOUT ? 2000 : 0;
		ask(steps, count, &quick);
		wait_for(KUBELET_OK, 1);
		kubelet_want(with.kubelet, OTHER, UID, false);
		wait_for(f->result, 2);
		wait_for(KUBELET_OK, 2);
		expect_name("shop/web-1/a");
		assert_int_equal(with.server.seen->count, count);
		assert_int_equal(said(f->words), 1);
		assert_int_equal(said("warning"), 1);
		assert_int_equal(said("answers: "), 2);
		if (i + 1 < COUNT(failures))
			end(state);
	}
}

static void names_stay_while_it_fails(void **state)
{
	const struct step steps[] = { OK_STEP("web-0"), STATUS_STEP("500 Oh", "x"),
				      STATUS_STEP("200 OK", "{\"items\":[{}") };

	ask(steps, COUNT(steps), &quick);
	wait_for(KUBELET_OK, 1);
	kubelet_want(with.kubelet, OTHER, "", false);
	wait_for(KUBELET_BAD_ANSWER, 1);
	expect_name("shop/web-0/a");
}

static void nobody_there_is_told(void **state)
{
	const struct step steps[] = { OK_STEP("web-0") };
	struct kubelet_opts o = { .url = with.url, .pace = quick };
	char cause[256];

	server_bind(&with.server);
	snprintf(with.url, sizeof(with.url), "%s", with.server.url);
	assert_int_equal(kubelet_open(&o, &with.kubelet, cause, sizeof(cause)), 0);
	assert_int_equal(kubelet_start(with.kubelet), 0);
	while (count_of(KUBELET_CONNECT) < 3)
		sleep_ms(5);
	server_start(&with.server, steps, COUNT(steps));
	wait_for(KUBELET_OK, 1);
	assert_int_equal(said("warning"), 1);
}

static void a_token_that_is_not_there_is_told(void **state)
{
	struct kubelet_opts o = { .url = "https://127.0.0.1:1/pods", .pace = quick };
	char text[512];

	o.token = "/nowhere/token";
	assert_int_equal(kubelet_try(&o, text, sizeof(text)), -EIO);
	assert_non_null(
	    strstr(text, "the token /nowhere/token cannot be read by user"));
	assert_non_null(strstr(text, "No such file"));
	o.token = "/dev/null";
	assert_int_equal(kubelet_try(&o, text, sizeof(text)), -EIO);
	assert_non_null(strstr(text, "/dev/null holds no token"));
	o.token = "/etc/passwd"; /* several lines */
	assert_int_equal(kubelet_try(&o, text, sizeof(text)), -EIO);
	assert_non_null(strstr(text, "/etc/passwd holds no token"));
}

static void the_doctor_asks_once(void **state)
{
	const struct step steps[] = { OK_STEP("web-0"), STATUS_STEP("403 No", "why") };
	struct kubelet_opts o = { .url = with.url };
	char text[512];

	server_bind(&with.server);
	server_start(&with.server, steps, COUNT(steps));
	snprintf(with.url, sizeof(with.url), "%s", with.server.url);
	assert_int_equal(kubelet_try(&o, text, sizeof(text)), 0);
	assert_string_equal(text, "1 containers of 1 pods");
	assert_int_equal(kubelet_try(&o, text, sizeof(text)), -EIO);
	assert_non_null(strstr(text, "HTTP 403: why; give"));
	o.url = "http://a b/pods";
	assert_int_equal(kubelet_try(&o, text, sizeof(text)), -EIO);
	assert_non_null(strstr(text, "no URL"));
}

static void an_address_of_ipv6_needs_no_brackets(void **state)
{
	static const struct {
		const char *url, *name, *want, *to;
	} cases[] = {
		{ "https://10.0.0.1:10250/pods", NULL, "https://10.0.0.1:10250/pods" },
		{ "https://fd00::1:10250/pods", NULL, "https://[fd00::1]:10250/pods" },
		{ "https://[fd00::1]:10250/pods", NULL,
		  "https://[fd00::1]:10250/pods" },
		{ "https://fd00::1:10250/pods", "node-a", "https://node-a:10250/pods",
		  "::[fd00::1]:10250" },
		{ "https://node/pods", "node-a", "https://node-a/pods", "::node:443" },
		{ "http://node/pods", "node-a", "http://node/pods", NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct kubelet_opts o = { .url = cases[i].url,
					  .server_name = cases[i].name };
		struct kubelet_target t;

		assert_int_equal(kubelet_target_init(&t, &o), 0);
		assert_string_equal(t.url, cases[i].want);
		assert_int_equal(!t.connect_to, !cases[i].to);
		if (t.connect_to)
			assert_string_equal(t.connect_to->data, cases[i].to);
		kubelet_target_fini(&t);
	}
}

static void who_hangs_holds_nobody(void **state)
{
	const struct step steps[] = { { .action = HANG } };
	struct names *n;
	uint64_t now;

	ask(steps, COUNT(steps), &quick);
	while (!with.server.seen->count)
		sleep_ms(2);
	now = now_mono_ns();
	assert_int_equal(kubelet_find(with.kubelet, ID, UID, &n), -ENOENT);
	kubelet_want(with.kubelet, ID, UID, false);
	kubelet_close(with.kubelet);
	with.kubelet = NULL;
	assert_true(now_mono_ns() - now < SECOND / 2);
	assert_int_equal(said("warning"), 0);
}

/* A container is wanted that its pod's statuses do not have yet. */
static void who_is_unknown_is_asked_for_again(void **state)
{
	const struct step steps[] = { OK_STEP("web-0"), OK_STEP("web-0"),
				      OK_STEP("web-0"), OK_STEP("web-0") };
	const struct received *r;
	uint64_t wanted;

	ask(steps, COUNT(steps), &quick);
	wait_for(KUBELET_OK, 1);
	sleep_ms(20);
	wanted = now_mono_ns();
	for (int i = 0; i < 100; i++)
		kubelet_want(with.kubelet, OTHER, UID, false);
	wait_for(KUBELET_OK, 2);
	sleep_ms(500);
	assert_int_equal(with.server.seen->count, 2);
	wait_for(KUBELET_OK, 3); /* after 2 s */
	r = with.server.seen->requests;
	assert_true(r[1].time_ns - wanted < SECOND);
	assert_true(r[2].time_ns - wanted >= 2 * SECOND);
	assert_true(r[2].time_ns - wanted < 4 * SECOND);
}

/* One connection for all requests that follow one another soon. */
static void a_connection_is_kept(void **state)
{
	const struct step steps[] = { OK_STEP("web-0"), OK_STEP("web-1"),
				      STATUS_STEP("500 Oh", "x"), OK_STEP("web-2") };
	const struct received *r;

	ask(steps, COUNT(steps), &quick);
	wait_for(KUBELET_OK, 1);
	kubelet_want(with.kubelet, OTHER, "", false);
	wait_for(KUBELET_OK, 3);
	r = with.server.seen->requests;
	assert_int_equal(r[1].connection, r[0].connection);
	assert_int_equal(r[2].connection, r[0].connection);
	assert_int_not_equal(r[3].connection, r[0].connection);
}

#define KUBELET_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		KUBELET_TEST(an_answer_gives_names),
		KUBELET_TEST(each_failure_is_told_and_heals),
		KUBELET_TEST(names_stay_while_it_fails),
		KUBELET_TEST(nobody_there_is_told),
		KUBELET_TEST(a_token_that_is_not_there_is_told),
		KUBELET_TEST(the_doctor_asks_once),
		cmocka_unit_test(an_address_of_ipv6_needs_no_brackets),
		KUBELET_TEST(who_hangs_holds_nobody),
		KUBELET_TEST(who_is_unknown_is_asked_for_again),
		KUBELET_TEST(a_connection_is_kept),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
