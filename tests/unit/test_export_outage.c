// SPDX-License-Identifier: Apache-2.0
/* The exporter when the collector is away for long, and at the end. */
#include <errno.h>
#include <sys/resource.h>
#include "collector.h"
#include "fake_snapshot.h"

/* AddressSanitizer keeps freed memory for a while. */
#ifdef __SANITIZE_ADDRESS__
#define RSS_ROOM_KIB (256 * 1024)
#else
#define RSS_ROOM_KIB 1024
#endif

/* Number of lines that the file holds. */
static int lines_of(int fd)
{
	char text[4096];
	ssize_t n = pread(fd, text, sizeof(text), 0);
	int lines = 0;

	for (ssize_t i = 0; i < n; i++)
		lines += text[i] == '\n';
	return lines;
}

/* Each snapshot fails at once when the protocol is none of ours. */
static void ten_thousand_failures_are_few_lines_and_no_memory(void **state)
{
	struct export *e = open_url("ftp://127.0.0.1/");
	char name[] = "/tmp/assay-test-XXXXXX";
	int saved = dup(STDERR_FILENO), fd = mkstemp(name);
	struct rusage early, late;

	unlink(name);
	dup2(fd, STDERR_FILENO);
	getrusage(RUSAGE_SELF, &early);
	for (int i = 0; i < 10000; i++) {
		send_snapshot(e, "a", 1);
		while (export_busy(e))
			assert_int_equal(export_poll(e, NULL, 0, 0), 0);
	}
	getrusage(RUSAGE_SELF, &late);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_int_equal(export_stats(e)->failures, 10000);
	assert_int_equal(failed_points(e, "curl_1"), 100000);
	assert_in_range(lines_of(fd), 1, 2);
	assert_in_range(late.ru_maxrss - early.ru_maxrss, 0, RSS_ROOM_KIB);
	close(fd);
	export_close(e);
}

static void an_outage_takes_no_memory(void **state)
{
	struct rusage early, late;
	struct export *e;
	struct server s;

	server_bind(&s);
	e = open_url(s.url);
	send_snapshot(e, "a", 4);
	while (!export_stats(e)->failures)
		assert_int_equal(export_poll(e, NULL, 0, 50), 0);
	getrusage(RUSAGE_SELF, &early);
	for (int i = 0; i < 20000; i++) {
		send_snapshot(e, "a", 4);
		assert_int_equal(export_poll(e, NULL, 0, 0), 0);
	}
	getrusage(RUSAGE_SELF, &late);
	assert_int_equal(export_stats(e)->superseded, 20000);
	assert_int_equal(failed_points(e, "connect"), 800000);
	assert_in_range(late.ru_maxrss - early.ru_maxrss, 0, RSS_ROOM_KIB);
	export_close(e);
	server_stop(&s);
}

static void flush_sends_what_it_can_and_ends_in_time(void **state)
{
	static const struct step good[] = { { ANSWER, "200 OK" },
					    { ANSWER, "200 OK" } };
	static const struct step busy[] = { { ANSWER, "503 Service Unavailable",
					      "Retry-After: 30\r\n" } };
	struct export_opts o = { .initial_backoff_ms = 30000 };
	struct export *e;
	struct server s;
	uint64_t began;

	server_bind(&s); /* refused first: the long backoff must not hold the end up */
	o.url = s.url;
	assert_int_equal(export_open(&o, &e), 0);
	send_snapshot(e, "a", 2);
	while (!export_stats(e)->failures)
		assert_int_equal(export_poll(e, NULL, 0, 50), 0);
	server_start(&s, good, COUNT(good));
	assert_int_equal(export_flush(e, 2000), 0);
	assert_int_equal(export_stats(e)->exported, 20);
	export_close(e);
	server_stop(&s);

	server_bind(&s);
	server_start(&s, busy, COUNT(busy));
	e = open_url(s.url);
	send_snapshot(e, "a", 1);
	began = now_mono_ns();
	assert_int_equal(export_flush(e, 1000), -ETIMEDOUT);
	assert_in_range(now_mono_ns() - began, 0, 1500000000);
	assert_int_equal(s.seen->count, 1);
	export_close(e);
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_failures_are_few_lines_and_no_memory),
		cmocka_unit_test(an_outage_takes_no_memory),
		cmocka_unit_test(flush_sends_what_it_can_and_ends_in_time),
	};

	setenv("no_proxy", "*", 1);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
