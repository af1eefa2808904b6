// SPDX-License-Identifier: Apache-2.0
/* When the exporter tries again, and what replaces what still waits. */
#include <time.h>
#include "base/util.h"
#include "collector.h"
#include "fake_snapshot.h"

/* How long after the first request the second one came, for a Retry-After. */
static double retry_seconds(const char *headers)
{
	struct step steps[] = { { ANSWER, "503 Service Unavailable", headers },
				{ ANSWER, "200 OK" } };
	struct export *e;
	struct server s;
	double seconds;

	e = open_served(&s, steps, COUNT(steps));
	send_snapshot(e, "a", 1);
	run_until(e, &s, 0);
	assert_body(&s, 1, "a 1");
	seconds = (s.seen->requests[1].time_ns - s.seen->requests[0].time_ns) / 1e9;
	export_close(e);
	server_stop(&s);
	return seconds;
}

static void retry_after_is_kept_to(void **state)
{
	time_t later;
	char date[64];

	assert_true(retry_seconds(NULL) < 0.5);
	assert_true(retry_seconds("Retry-After: 1\r\n") >= 1);
	later = time(NULL) + 3;
	strftime(date, sizeof(date), "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n",
		 gmtime(&later));
	assert_in_range((int)(retry_seconds(date) * 1000), 1900, 5000);
}

static void broken_connections_are_retried(void **state)
{
	static const struct step steps[] = { { RESET }, { CLOSE } };

	for (size_t i = 0; i < COUNT(steps); i++) {
		struct step script[] = { steps[i], { ANSWER, "200 OK" } };
		struct export *e;
		struct server s;

		e = open_served(&s, script, COUNT(script));
		send_snapshot(e, "a", 1);
		run_until(e, &s, 0);
		assert_int_equal(export_stats(e)->retries, 1);
		assert_int_equal(export_stats(e)->exported, 10);
		assert_body(&s, 1, "a 1");
		export_close(e);
		server_stop(&s);
	}
}

static void no_answer_in_time_is_retried(void **state)
{
	static const struct step steps[] = { { HANG } };
	struct export_opts o = { .timeout_ms = 200, .initial_backoff_ms = 20 };
	struct export *e;
	struct server s;

	server_bind(&s);
	server_start(&s, steps, COUNT(steps));
	o.url = s.url;
	assert_int_equal(export_open(&o, &e), 0);
	send_snapshot(e, "a", 1);
	while (!export_stats(e)->failures)
		assert_int_equal(export_poll(e, NULL, 0, 50), 0);
	wait_for_requests(&s, 1);
	assert_true(export_busy(e));
	/* the server still sleeps, so the snapshot that follows has the type */
	send_snapshot(e, "b", 1);
	assert_int_equal(failed_points(e, "timeout"), 10);
	export_close(e);
	server_stop(&s);
}

static void the_newest_snapshot_supersedes_a_retry(void **state)
{
	static const struct step steps[] = { { ANSWER, "200 OK" },
					     { ANSWER, "200 OK" } };
	const struct export_stats *st;
	struct export *e;
	struct server s;

	server_bind(&s); /* nobody listens: connections are refused */
	e = open_url(s.url);
	send_snapshot(e, "first", 2);
	while (export_stats(e)->failures < 3)
		assert_int_equal(export_poll(e, NULL, 0, 50), 0);
	for (int i = 0; i < 5; i++)
		send_snapshot(e, "middle", 2);
	send_snapshot(e, "last", 2);
	server_start(&s, steps, COUNT(steps));
	run_until(e, &s, 0);
	st = export_stats(e);
	assert_int_equal(s.seen->count, 2);
	assert_body(&s, 0, "last 1");
	assert_body(&s, 1, "last 2");
	assert_int_equal(st->exported, 20);
	assert_int_equal(st->superseded, 6);
	assert_int_equal(failed_points(e, "connect"), 120);
	export_close(e);
	server_stop(&s);
}

static void a_request_in_flight_is_not_torn(void **state)
{
	static const struct step steps[] = {
		{ ANSWER, "200 OK", .delay_ms = 100 },
		{ ANSWER, "503 Service Unavailable", .delay_ms = 100 },
		{ ANSWER, "200 OK" },
		{ ANSWER, "200 OK" },
		{ ANSWER, "200 OK" },
	};
	struct export *e;
	struct server s;

	e = open_served(&s, steps, COUNT(steps));
	send_snapshot(e, "a", 3);
	run_until(e, &s, 1);
	send_snapshot(e, "b", 3); /* goes on with its second part */
	run_until(e, &s, 2);
	send_snapshot(e, "c", 3); /* and this with its third */
	run_until(e, &s, 0);
	assert_body(&s, 0, "a 1");
	assert_body(&s, 1, "b 2");
	assert_body(&s, 2, "c 3");
	assert_body(&s, 3, "c 1");
	assert_body(&s, 4, "c 2");
	assert_int_equal(export_stats(e)->exported, 40);
	assert_int_equal(export_stats(e)->retries, 0); /* b 2 gave way to c */
	assert_int_equal(failed_points(e, "503"), 10);
	assert_int_equal(failed_points(e, "superseded"), 40);
	export_close(e);
	server_stop(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retry_after_is_kept_to),
		cmocka_unit_test(broken_connections_are_retried),
		cmocka_unit_test(no_answer_in_time_is_retried),
		cmocka_unit_test(the_newest_snapshot_supersedes_a_retry),
		cmocka_unit_test(a_request_in_flight_is_not_torn),
	};

	setenv("no_proxy", "*", 1);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
