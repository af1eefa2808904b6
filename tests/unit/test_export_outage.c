// SPDX-License-Identifier: Apache-2.0
/* The exporter when the collector is away for long, and at the end. */
#include <errno.h>
#include <sys/resource.h>
#include <unistd.h>
#include "collector.h"
#include "encode.h"
#include "fake_snapshot.h"

/* AddressSanitizer keeps freed memory for a while. */
#ifdef __SANITIZE_ADDRESS__
#define RSS_ROOM_KIB	(256 * 1024)
#define ANSWER_ROOM_KIB (512 * 1024)
#else
#define RSS_ROOM_KIB	1024
#define ANSWER_ROOM_KIB (16 * 1024)
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

/* The file is as long as a file may be, as on a full disk. */
static void a_full_disk_is_few_lines_too(void **state)
{
	char path[] = "/tmp/assay-test-XXXXXX", name[] = "/tmp/assay-test-XXXXXX";
	struct export_opts o = { .file = path };
	int out = mkstemp(path), saved = dup(STDERR_FILENO), fd = mkstemp(name);
	struct rlimit old, small;
	struct otlp_batches b;
	struct export *e;
	char text[4096] = "";

	assert_int_equal(export_open(&o, &e), 0);
	unlink(name);
	dup2(fd, STDERR_FILENO);
	signal(SIGXFSZ, SIG_IGN);
	getrlimit(RLIMIT_FSIZE, &old);
	small = (struct rlimit){ 1 << 20, old.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);
	assert_int_equal(ftruncate(out, 1 << 20), 0);
	for (int i = 0; i < 1000; i++) {
		b = snapshot("a", 2);
		assert_int_equal(send_batches(e, &b), -EFBIG);
	}
	assert_int_equal(ftruncate(out, 0), 0);
	send_snapshot(e, "b", 1);
	send_snapshot(e, "c", 1);
	setrlimit(RLIMIT_FSIZE, &old);
	dup2(saved, STDERR_FILENO);
	close(saved);
	assert_int_equal(failed_points(e, "write"), 20000);
	assert_int_equal(export_stats(e)->exported, 20);
	assert_true(pread(fd, text, sizeof(text) - 1, 0) > 0);
	assert_int_equal(lines_of(fd), 2);
	assert_non_null(strstr(text, strerror(EFBIG)));
	assert_non_null(strstr(text, path));
	assert_non_null(strstr(text, "export: works again"));
	close(fd);
	close(out);
	unlink(path);
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

#define FIELDS (3 * 1024 * 1024) /* bytes of them in one answer */

/* Fields that nobody knows, of two bytes: a parser that keeps them needs 40 for each.
 */
static void *unknown_fields(void)
{
	uint8_t *body = malloc(FIELDS);

	assert_non_null(body);
	for (size_t i = 0; i < FIELDS; i += 2) {
		body[i] = 15 << 3; /* field 15, a number: 0 */
		body[i + 1] = 0;
	}
	return body;
}

#define CHUNKS "\r\n400\r\n"
#define BODY   "Transfer-Encoding: chunked\r\n\r\n400\r\n"
#define PROTO  "Content-Type: application/x-protobuf\r\n"

/* Whatever a collector answers, it costs a bounded time and little memory. */
static void no_answer_takes_long_or_much(void **state)
{
	static char line[1024 + sizeof(CHUNKS) - 1], header[1026];
	void *fields = unknown_fields();
	const struct step steps[] = {
		{ ENDLESS, .headers = BODY, .body = line, .body_len = sizeof(line) },
		{ ENDLESS, .body = header, .body_len = sizeof(header) },
		{ ENDLESS, .body = "a: b\r\n", .body_len = 6 },
		{ ENDLESS, .body = "a", .body_len = 1, .delay_ms = 20 },
		{ ENDLESS, .headers = "Content-Length: 99999\r\n\r\n", .body = "a",
		  .body_len = 1, .delay_ms = 20 },
		{ ANSWER, "200 OK", PROTO, fields, FIELDS },
		{ ANSWER, "400 Bad", PROTO, fields, FIELDS },
	};
	struct rusage early, late;
	uint64_t began;

	memset(line, 'x', 1024);
	memcpy(line + 1024, CHUNKS, sizeof(CHUNKS) - 1);
	memset(header, 'x', sizeof(header));
	memcpy(header + 8, ": ", 2);
	memcpy(header + sizeof(header) - 2, "\r\n", 2);
	for (size_t i = 0; i < COUNT(steps); i++) {
		struct export_opts o = { .timeout_ms = 1000,
					 .initial_backoff_ms = 30000 };
		struct server s;
		struct export *e;

		server_bind(&s);
		server_start(&s, &steps[i], 1);
		o.url = s.url;
		assert_int_equal(export_open(&o, &e), 0);
		getrusage(RUSAGE_SELF, &early);
		send_snapshot(e, "a", 1);
		began = now_mono_ns();
		do
			assert_int_equal(export_poll(e, NULL, 0, 20), 0);
		while (export_in_flight(e));
		getrusage(RUSAGE_SELF, &late);
		print_message("%zu: %s; %ld KiB in %llu ms\n", i,
			      export_stats(e)->status, late.ru_maxrss - early.ru_maxrss,
			      (unsigned long long)(now_mono_ns() - began) / 1000000);
		assert_in_range(now_mono_ns() - began, 0, 10 * 1000000000ULL);
		assert_in_range(late.ru_maxrss - early.ru_maxrss, 0, ANSWER_ROOM_KIB);
		export_close(e);
		server_stop(&s);
	}
	free(fields);
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

	e = open_served(&s, busy, COUNT(busy));
	send_snapshot(e, "a", 1);
	began = now_mono_ns();
	assert_int_equal(export_flush(e, 1000), -ETIMEDOUT);
	assert_in_range(now_mono_ns() - began, 0, 1500000000);
	wait_for_requests(&s, 1);
	export_close(e);
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ten_thousand_failures_are_few_lines_and_no_memory),
		cmocka_unit_test(a_full_disk_is_few_lines_too),
		cmocka_unit_test(an_outage_takes_no_memory),
		cmocka_unit_test(no_answer_takes_long_or_much),
		cmocka_unit_test(flush_sends_what_it_can_and_ends_in_time),
	};

	setenv("no_proxy", "*", 1);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
