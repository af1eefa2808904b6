// SPDX-License-Identifier: Apache-2.0
/* The exporter against a collector that answers by script. */
#include <errno.h>
#include <strings.h>
#include <curl/curl.h>
#include <zlib.h>
#include "collector.h"
#include "encode.h"
#include "fake_snapshot.h"

#define PROTOBUF "Content-Type: application/x-protobuf\r\n"

static void a_request_is_otlp_over_http(void **state)
{
	static const struct step steps[] = { { ANSWER, "200 OK" },
					     { ANSWER, "201 Created" },
					     { ANSWER, "200 OK", PROTOBUF, "\x0a\x00",
					       2 } };
	struct export *e;
	struct server s;
	const struct received *r;

	e = open_served(&s, steps, COUNT(steps));
	send_snapshot(e, "a", 3);
	assert_true(export_busy(e));
	run_until(e, &s, 0);
	r = &s.seen->requests[0];
	assert_ptr_equal(strstr(r->head, "POST /v1/metrics HTTP/1.1\r\n"), r->head);
	assert_string_equal(header(r, "Content-Type"), "application/x-protobuf");
	assert_non_null(strstr(header(r, "User-Agent"), "OTel-OTLP-Exporter-"));
	assert_null(header(r, "Content-Encoding"));
	assert_null(header(r, "Expect"));
	assert_body(&s, 0, "a 1");
	assert_body(&s, 1, "a 2");
	assert_body(&s, 2, "a 3");
	assert_int_equal(s.seen->requests[2].connection, 1); /* kept alive */
	assert_int_equal(export_stats(e)->exported, 30);
	assert_int_equal(export_stats(e)->failed_count, 0);
	assert_int_equal(export_stats(e)->bytes_raw, 9);
	export_close(e);
	server_stop(&s);
}

/* The batches that were said to have arrived: the serials that send_two() gave them. */
static uint64_t arrived[8];
static size_t arrived_count;

static void note_arrived(void *arg, const struct otlp_batch *b)
{
	assert_ptr_equal(arg, arrived);
	arrived[arrived_count++] = b->number * 10 + b->from;
}

static void send_two(struct export *e, uint64_t number)
{
	struct otlp_batches b = snapshot("a", 2);

	for (size_t i = 0; i < 2; i++) {
		b.list[i].number = number;
		b.list[i].from = b.list[i].to = i + 1;
	}
	assert_int_equal(send_batches(e, &b), 0);
}

/* Refused for good, taken, retried until a newer one comes, taken, in part rejected. */
static void it_says_which_batches_arrived(void **state)
{
	static const char partial[] = "\x0a\x02\x08\x03"; /* 3 points rejected */
	static const struct step steps[] = {
		{ ANSWER, "400 Bad Request" },
		{ ANSWER, "200 OK" },
		{ ANSWER, "503 Service Unavailable", "Retry-After: 1\r\n" },
		{ ANSWER, "200 OK" },
		{ ANSWER, "200 OK", PROTOBUF, partial, sizeof(partial) - 1 },
	};
	struct export_opts o = { .accepted = note_arrived, .arg = arrived };
	struct export *e;
	struct server s;

	server_bind(&s);
	server_start(&s, steps, COUNT(steps));
	o.url = s.url;
	assert_int_equal(export_open(&o, &e), 0);
	arrived_count = 0;
	send_two(e, 1);
	run_until(e, &s, 0);
	assert_int_equal(arrived_count, 1);
	assert_int_equal(arrived[0], 12);
	send_two(e, 2);
	while (export_stats(e)->failures < 2)
		assert_int_equal(export_poll(e, NULL, 0, 20), 0);
	assert_false(export_in_flight(e));
	assert_int_equal(arrived_count, 1);
	send_two(e, 3);
	run_until(e, &s, 0);
	assert_int_equal(arrived_count, 3);
	assert_int_equal(arrived[1] + arrived[2], 31 + 32);
	assert_int_equal(export_stats(e)->rejected, 3);
	export_close(e);
	server_stop(&s);
}

static void gzip_and_headers_are_sent_as_asked(void **state)
{
	static const struct step steps[] = { { ANSWER, "200 OK" } };
	struct export_opts o = {
		.gzip = true,
		.headers = "x-token = a%20b%2Cc , authorization=Basic%20eA==,empty=",
	};
	const struct received *r;
	struct export *e;
	struct server s;
	uint8_t out[64];
	z_stream z = { .next_out = out, .avail_out = sizeof(out) };

	server_bind(&s);
	server_start(&s, steps, COUNT(steps));
	o.url = s.url;
	assert_int_equal(export_open(&o, &e), 0);
	send_snapshot(e, "zipped", 1);
	run_until(e, &s, 0);
	r = &s.seen->requests[0];
	assert_string_equal(header(r, "Content-Encoding"), "gzip");
	assert_string_equal(header(r, "x-token"), "a b,c");
	assert_string_equal(header(r, "authorization"), "Basic eA==");
	assert_non_null(strstr(r->head, "\r\nempty:"));
	z.next_in = (uint8_t *)r->body;
	z.avail_in = r->body_len;
	assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
	assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
	assert_int_equal(z.total_out, 8);
	assert_memory_equal(out, "zipped 1", 8);
	inflateEnd(&z);
	export_close(e);
	server_stop(&s);
}

static void headers_and_urls_that_cannot_be_are_refused(void **state)
{
	static const char *const headers[] = { "novalue", "=x",	   "a=%0d%0aEvil: 1",
					       "a=%zz",	  "a b=1", "a=%2" };
	struct export_opts o = { .url = "http://127.0.0.1:1/" };
	struct export *e;

	for (size_t i = 0; i < COUNT(headers); i++) {
		o.headers = headers[i];
		assert_int_equal(export_open(&o, &e), -EINVAL);
	}
	assert_int_equal(export_open(&(struct export_opts){ 0 }, &e), -EINVAL);
}

static void a_partial_success_is_counted_and_not_retried(void **state)
{
	/* partial_success { rejected_data_points: 3, error_message: "too old" } */
	static const char body[] = "\x0a\x0b\x08\x03\x12\x07too old";
	static const struct step steps[] = {
		{ ANSWER, "200 OK", PROTOBUF, body, sizeof(body) - 1 },
		{ ANSWER, "200 OK" },
	};
	struct export *e;
	struct server s;

	e = open_served(&s, steps, COUNT(steps));
	send_snapshot(e, "a", 1);
	run_until(e, &s, 0);
	assert_int_equal(export_stats(e)->exported, 7);
	assert_int_equal(export_stats(e)->rejected, 3);
	assert_int_equal(failed_points(e, "rejected"), 3);
	assert_string_equal(export_stats(e)->status, "too old");
	/* some of it has arrived, and not all is well */
	assert_true(export_stats(e)->arrived_ns && export_stats(e)->failing_ns);
	assert_non_null(strstr(export_stats(e)->error, "rejected 3 of 10 points: too"));
	send_snapshot(e, "b", 1);
	run_until(e, &s, 0);
	assert_int_equal(export_stats(e)->failing_ns, 0);
	assert_body(&s, 1, "b 1");
	export_close(e);
	server_stop(&s);
}

/* Since the first failure behind the last success, and no longer. */
static void it_says_since_when_exports_fail(void **state)
{
	static const char warning[] = "\x0a\x06\x12\x04hmm!"; /* nothing rejected */
	static const struct step steps[] = {
		{ ANSWER, "200 OK" },
		{ ANSWER, "400 Bad Request" },
		{ ANSWER, "404 Not Found" },
		{ ANSWER, "200 OK", PROTOBUF, warning, sizeof(warning) - 1 },
	};
	const struct export_stats *stats;
	uint64_t began = now_mono_ns(), first, failing;
	struct export *e;
	struct server s;

	e = open_served(&s, steps, COUNT(steps));
	stats = export_stats(e);
	assert_int_equal(stats->arrived_ns + stats->failing_ns, 0);
	send_snapshot(e, "a", 1);
	run_until(e, &s, 0);
	first = stats->arrived_ns;
	assert_in_range(first, began, now_mono_ns());
	assert_int_equal(stats->failing_ns, 0);
	send_snapshot(e, "b", 1);
	run_until(e, &s, 0);
	failing = stats->failing_ns;
	assert_in_range(failing, first, now_mono_ns());
	assert_int_equal(strncmp(stats->error, "HTTP 400", 8), 0);
	send_snapshot(e, "c", 1);
	run_until(e, &s, 0);
	assert_int_equal(stats->failing_ns, failing);
	assert_int_equal(stats->arrived_ns, first);
	assert_int_equal(strncmp(stats->error, "HTTP 404", 8), 0);
	send_snapshot(e, "d", 1);
	run_until(e, &s, 0);
	assert_int_equal(stats->failing_ns, 0);
	assert_true(stats->arrived_ns > failing);
	export_close(e);
	server_stop(&s);
}

static void only_the_listed_statuses_are_retried(void **state)
{
	static const struct {
		const char *status, *type;
		bool retried;
	} cases[] = {
		{ "429 Too Many Requests", "429", true },
		{ "502 Bad Gateway", "502", true },
		{ "503 Service Unavailable", "503", true },
		{ "504 Gateway Timeout", "504", true },
		{ "400 Bad Request", "400", false },
		{ "401 Unauthorized", "401", false },
		{ "404 Not Found", "404", false },
		{ "408 Request Timeout", "408", false },
		{ "413 Payload Too Large", "413", false },
		{ "500 Internal Server Error", "500", false },
		{ "501 Not Implemented", "501", false },
		{ "307 Temporary Redirect", "307", false },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct step steps[] = { { ANSWER, cases[i].status },
					{ ANSWER, "200 OK" } };
		struct export *e;
		struct server s;

		e = open_served(&s, steps, COUNT(steps));
		send_snapshot(e, "a", 1);
		run_until(e, &s, 0);
		assert_int_equal(export_stats(e)->failures, 1);
		assert_int_equal(export_stats(e)->retries, cases[i].retried);
		assert_int_equal(s.seen->count, 1 + cases[i].retried);
		assert_int_equal(export_stats(e)->exported, cases[i].retried ? 10 : 0);
		assert_int_equal(failed_points(e, cases[i].type),
				 cases[i].retried ? 0 : 10);
		export_close(e);
		server_stop(&s);
	}
}

static void a_refused_batch_does_not_stop_the_others(void **state)
{
	static const struct step steps[] = { { ANSWER, "400 Bad Request" },
					     { ANSWER, "200 OK" } };
	struct export *e;
	struct server s;

	e = open_served(&s, steps, COUNT(steps));
	send_snapshot(e, "a", 2);
	run_until(e, &s, 0);
	assert_body(&s, 1, "a 2");
	assert_int_equal(export_stats(e)->exported, 10);
	assert_int_equal(failed_points(e, "400"), 10);
	export_close(e);
	server_stop(&s);
}

static void what_the_collector_says_is_shown(void **state)
{
	/* Status { code: 3, message: "bad\nname" } */
	static const char status[] = "\x08\x03\x12\x08"
				     "bad\nname";
	static const struct step steps[] = {
		{ ANSWER, "400 Bad Request", PROTOBUF, status, sizeof(status) - 1 },
		{ ANSWER, "400 Bad Request", "Content-Type: text/plain\r\n",
		  "cannot read\x1b[2J\n", 16 },
		{ ANSWER, "400 Bad Request", PROTOBUF, "\xff\xff", 2 },
	};
	static const char *const shown[] = { "HTTP 400: bad name",
					     "HTTP 400: cannot read [2J", "HTTP 400" };
	struct export *e;
	struct server s;

	e = open_served(&s, steps, COUNT(steps));
	for (size_t i = 0; i < COUNT(shown); i++) {
		send_snapshot(e, "a", 1);
		run_until(e, &s, 0);
		assert_string_equal(export_stats(e)->status, shown[i]);
	}
	export_close(e);
	server_stop(&s);
}

static void a_server_for_grpc_is_told_from_http(void **state)
{
	/* an empty SETTINGS frame of HTTP/2 */
	static const struct step steps[] = { { RAW, .body = "\0\0\0\4\0\0\0\0\0",
					       .body_len = 9 } };
	struct export *e;
	struct server s;

	e = open_served(&s, steps, COUNT(steps));
	send_snapshot(e, "a", 1);
	run_until(e, &s, 0);
	assert_non_null(strstr(export_stats(e)->status, "not HTTP/1.1: port 4317"));
	assert_int_equal(failed_points(e, "not_http"), 10);
	export_close(e);
	server_stop(&s);
}

/*
 * libcurl before 8.1.1 continues a header of the answer before, which it has freed,
 * when a handle is used again: https://github.com/curl/curl/issues/11101.
 */
static void nothing_of_an_answer_is_left_for_the_next(void **state)
{
	static const char folded[] = "HTTP/1.1 200 OK\r\n Folded: a\r\n\tand b\r\n\r\n";
	static const struct step steps[] = {
		{ ANSWER, "200 OK", "Connection: keep-alive\r\n" },
		{ RAW, .body = folded, .body_len = sizeof(folded) - 1 },
		{ ANSWER, "200 OK" },
		{ RAW, .body = folded, .body_len = sizeof(folded) - 1 },
		{ ANSWER, "200 OK" },
	};
	struct export *e;
	struct server s;

	e = open_served(&s, steps, COUNT(steps));
	for (size_t i = 0; i < COUNT(steps); i++) {
		send_snapshot(e, "a", 1);
		run_until(e, &s, i + 1);
		run_until(e, &s, 0);
	}
	/* the connection is kept, though, until somebody closes it */
	assert_int_equal(s.seen->requests[1].connection, 1);
	assert_int_equal(s.seen->requests[2].connection, 2);
	assert_int_equal(s.seen->requests[3].connection, 2);
	export_close(e);
	server_stop(&s);
}

static void an_endless_answer_is_cut(void **state)
{
	static const struct step steps[] = { { FLOOD } };
	struct export *e;
	struct server s;

	server_bind(&s);
	server_start(&s, steps, COUNT(steps));
	e = open_url_for(s.url, TEST_LIMIT); /* megabytes, on a busy machine */
	send_snapshot(e, "a", 1);
	run_until(e, &s, 0);
	assert_int_equal(failed_points(e, "response_too_large"), 10);
	assert_int_equal(export_stats(e)->retries, 0);
	export_close(e);
	server_stop(&s);
}

static void other_descriptors_wake_the_poll(void **state)
{
	int pipes[2];
	struct curl_waitfd fd = { .events = CURL_WAIT_POLLIN };
	struct export_opts o = { .file = "/dev/null" };
	struct export *e[2];
	struct server s;

	server_bind(&s);
	assert_int_equal(pipe(pipes), 0);
	fd.fd = pipes[0];
	e[0] = open_url(s.url);
	assert_int_equal(export_open(&o, &e[1]), 0);
	for (int i = 0; i < 2; i++) {
		uint64_t began = now_mono_ns();

		fd.revents = 0;
		assert_int_equal(export_poll(e[i], &fd, 1, 30), 0);
		assert_in_range(now_mono_ns() - began, 25000000, 1000000000);
		assert_int_equal(fd.revents, 0);
		assert_int_equal(write(pipes[1], "x", 1), 1);
		began = now_mono_ns();
		assert_int_equal(export_poll(e[i], &fd, 1, 5000), 0);
		assert_in_range(now_mono_ns() - began, 0, 1000000000);
		assert_int_equal(fd.revents, CURL_WAIT_POLLIN);
		assert_int_equal(read(pipes[0], &fd.events, 1), 1);
		fd.events = CURL_WAIT_POLLIN;
		export_close(e[i]);
	}
	close(pipes[0]);
	close(pipes[1]);
	server_stop(&s);
}

/* A snapshot that could not be made whole: none of it is sent, the one before is. */
static void what_is_abandoned_is_not_sent(void **state)
{
	static const struct step steps[] = { { ANSWER, "200 OK" } };
	struct otlp_batches b = snapshot("half", 1);
	struct export *e;
	struct server s;

	e = open_served(&s, steps, COUNT(steps));
	assert_int_equal(export_add(e, &b.list[0]), 0);
	assert_false(export_busy(e));
	export_abandon(e);
	send_snapshot(e, "whole", 1);
	assert_int_equal(export_add(e, &b.list[0]), 0);
	export_abandon(e);
	otlp_batches_free(&b);
	run_until(e, &s, 0);
	assert_body(&s, 0, "whole 1");
	assert_int_equal(export_stats(e)->exported, 10);
	assert_int_equal(export_stats(e)->requests, 1);
	export_close(e);
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_which_batches_arrived),
		cmocka_unit_test(a_request_is_otlp_over_http),
		cmocka_unit_test(what_is_abandoned_is_not_sent),
		cmocka_unit_test(gzip_and_headers_are_sent_as_asked),
		cmocka_unit_test(headers_and_urls_that_cannot_be_are_refused),
		cmocka_unit_test(a_partial_success_is_counted_and_not_retried),
		cmocka_unit_test(it_says_since_when_exports_fail),
		cmocka_unit_test(only_the_listed_statuses_are_retried),
		cmocka_unit_test(a_refused_batch_does_not_stop_the_others),
		cmocka_unit_test(what_the_collector_says_is_shown),
		cmocka_unit_test(a_server_for_grpc_is_told_from_http),
		cmocka_unit_test(nothing_of_an_answer_is_left_for_the_next),
		cmocka_unit_test(an_endless_answer_is_cut),
		cmocka_unit_test(other_descriptors_wake_the_poll),
	};

	setenv("no_proxy", "*", 1);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
