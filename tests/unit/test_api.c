// SPDX-License-Identifier: Apache-2.0
/* The agent's socket: what clients get, whatever others do, and that nobody waits. */
#include <poll.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "fake_api.h"
#include "sink/client.h"

#define REQUEST_LINE 254 /* the longest, without its end */

static void an_answer_is_its_length_and_its_bytes(void **state)
{
	const size_t lens[] = { 0, 1, 5, 70000, BIG };

	for (size_t i = 0; i < COUNT(lens); i++) {
		with.len = lens[i];
		assert_hears_snapshot(dial_and_say("snapshot\n"));
	}
	assert_int_equal(with.snapshots, COUNT(lens));
	assert_hears(dial_and_say("tune\n"), "ok 6\ntuned\n");
	assert_int_equal(with.tunes, 1);
	assert_int_equal(waited_for(POLLIN), 1); /* nobody is left: who comes next */
	assert_int_equal(waited_for(POLLOUT), 0);
}

static void a_request_may_come_in_pieces(void **state)
{
	const char *request = "snapshot\n";
	int fd = dial();

	for (const char *at = request; *at; at++) {
		assert_int_equal(with.snapshots, 0);
		api_serve(with.api);
		say_bytes(fd, at, 1);
		api_serve(with.api);
		fake_now_ns += FAKE_SECOND;
	}
	assert_hears_snapshot(fd);
	assert_int_equal(with.snapshots, 1);
}

static void half_a_line_is_waited_for_and_not_for_ever(void **state)
{
	int half = dial_and_say("snap"), none = dial();

	api_serve(with.api);
	assert_int_equal(waited_for(POLLIN), 3);
	assert_hears_snapshot(dial_and_say("snapshot\n"));
	fake_now_ns += 10 * FAKE_SECOND;
	api_serve(with.api);
	assert_false(is_over(half) || is_over(none));
	fake_now_ns += 1;
	assert_hears(half, "error no whole request came within 10 s\n");
	assert_hears(none, "error no whole request came within 10 s\n");
	assert_int_equal(waited_for(POLLIN), 1);
	assert_int_equal(with.snapshots, 1);
}

static void who_does_not_read_keeps_nobody_waiting(void **state)
{
	int deaf;

	with.len = BIG;
	deaf = dial_and_say("snapshot\n");
	for (int i = 0; i < 3; i++)
		api_serve(with.api); /* returns, and makes the answer once */
	assert_int_equal(with.snapshots, 1);
	assert_int_equal(waited_for(POLLOUT), 1);
	assert_hears_snapshot(dial_and_say("snapshot\n"));
	assert_hears(dial_and_say("tune\n"), "ok 6\ntuned\n");
	fake_now_ns += 9 * FAKE_SECOND;
	assert_hears_snapshot(deaf); /* it reads after all: nothing is missing */
}

static void who_has_to_wait_is_asked_for_again_while_others_are_served(void **state)
{
	uint64_t asked = fake_now_ns;
	int fd = dial_and_say("snapshot\n");

	with.not_yet = 1000; /* more than this test serves */
	api_serve(with.api);
	assert_int_equal(with.snapshots, 1);
	assert_int_equal(waited_for(POLLIN), 1); /* who comes next: it has said all */
	assert_int_equal(waited_for(POLLOUT), 0);
	fake_now_ns += FAKE_SECOND;
	api_serve(with.api);
	assert_int_equal(with.snapshots, 2);
	assert_int_equal(with.asked_ns, asked); /* as before */
	assert_hears(dial_and_say("tune\n"), "ok 6\ntuned\n");
	assert_true(with.not_yet);
	with.not_yet = 0;
	assert_hears_snapshot(fd);
	assert_int_equal(with.asked_ns, asked);
}

static void who_waits_for_too_long_hears_why(void **state)
{
	int fd = dial_and_say("snapshot\n");

	with.not_yet = 1000;
	api_serve(with.api);
	fake_now_ns += 10 * FAKE_SECOND + 1;
	assert_hears(fd, "error no answer was ready within 10 s: try again\n");
	assert_int_equal(with.snapshots, 2);
}

static void who_never_reads_is_let_go(void **state)
{
	int deaf[API_CLIENTS];

	with.len = BIG;
	for (int i = 0; i < API_CLIENTS; i++)
		deaf[i] = dial_and_say("snapshot\n");
	api_serve(with.api);
	assert_int_equal(with.snapshots, 2); /* for more there is no memory */
	assert_int_equal(waited_for(POLLOUT), 2);
	fake_now_ns += 10 * FAKE_SECOND + 1;
	api_serve(with.api);
	assert_int_equal(waited_for(POLLOUT), 0);
	assert_hears_snapshot(dial_and_say("snapshot\n"));
	for (int i = 0; i < API_CLIENTS; i++) {
		assert_true(is_over(deaf[i]));
		close(deaf[i]);
	}
}

static void one_client_too_many_is_refused_and_the_others_are_served(void **state)
{
	const char *too_many = "error 8 clients are served already: try again\n";
	int fds[API_CLIENTS];

	for (int i = 0; i < API_CLIENTS; i++)
		fds[i] = dial();
	api_serve(with.api);
	assert_int_equal(waited_for(POLLIN), API_CLIENTS + 1);
	assert_hears(dial_and_say("snapshot\n"), too_many);
	assert_hears(dial(), too_many);
	assert_int_equal(with.snapshots, 0);
	say_bytes(fds[3], "snapshot\n", 9);
	assert_hears_snapshot(fds[3]);
	assert_hears_snapshot(dial_and_say("snapshot\n")); /* there is room again */
	for (int i = 0; i < API_CLIENTS; i++)
		if (i != 3) {
			say_bytes(fds[i], "tune\n", 5);
			assert_hears(fds[i], "ok 6\ntuned\n");
		}
}

/* What a command says when the agent refuses it; it runs beside us. */
static void assert_command_says(const char *want)
{
	int status = -1;
	pid_t child = fork();

	assert_true(child >= 0);
	if (!child) {
		char cause[256];
		uint8_t *bytes;
		size_t len;
		int err;

		alarm(60);
		err = client_snapshot(with.path, &bytes, &len, cause, sizeof(cause));
		if (err != -EREMOTEIO || strcmp(cause, want))
			printf("# %d: %s\n", err, err ? cause : "no error");
		fflush(stdout);
		_exit(err != -EREMOTEIO || strcmp(cause, want));
	}
	while (waitpid(child, &status, WNOHANG) == 0) {
		api_serve(with.api);
		usleep(100);
	}
	assert_int_equal(status, 0);
}

/* Whoever comes first, the request or its refusal. */
static void a_command_that_is_refused_says_why(void **state)
{
	int fds[API_CLIENTS];

	for (int i = 0; i < API_CLIENTS; i++)
		fds[i] = dial();
	api_serve(with.api);
	for (int i = 0; i < 50; i++)
		assert_command_says(
		    "the agent says: 8 clients are served already: try again");
	for (int i = 0; i < API_CLIENTS; i++)
		close(fds[i]);
}

static void the_longest_request_is_whole(void **state)
{
	char line[REQUEST_LINE + 2];

	memset(line, 'x', sizeof(line));
	memcpy(line, "tune ", 5);
	line[REQUEST_LINE] = '\n';
	line[REQUEST_LINE + 1] = '\0';
	assert_hears(dial_and_say(line), "ok 6\ntuned\n");
	assert_int_equal(strlen(with.words), REQUEST_LINE - 5);
}

static void a_request_without_an_end_is_not_read_for_ever(void **state)
{
	char line[4 * REQUEST_LINE + 1];
	int fd;

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	fd = dial_and_say(line);
	assert_hears(fd, "error the request is too long\n");
	assert_hears_snapshot(dial_and_say("snapshot\n"));
	assert_int_equal(with.tunes, 0);
}

static void who_closes_takes_nobody_along(void **state)
{
	int half, fd;

	with.len = BIG;
	close(dial());
	close(dial_and_say("snap"));
	api_serve(with.api);
	assert_int_equal(with.snapshots, 0);
	close(dial_and_say("snapshot\n")); /* a whole request, and nobody to answer */
	fd = dial_and_say("snapshot\n");
	api_serve(with.api);
	assert_int_equal(waited_for(POLLOUT), 1);
	close(fd); /* in the middle of the answer: no signal ends us */
	api_serve(with.api);
	assert_int_equal(waited_for(POLLOUT), 0);
	assert_int_equal(waited_for(POLLIN), 1);
	half = dial_and_say("snapshot\n");
	shutdown(half, SHUT_WR); /* it has said all it has to say */
	assert_hears_snapshot(half);
}

static void only_the_first_of_several_requests_is_answered(void **state)
{
	int fd = dial_and_say("tune sched enabled=true\nsnapshot\n");

	assert_hears(fd, "ok 6\ntuned\n");
	assert_string_equal(with.words, "sched enabled=true");
	assert_int_equal(with.snapshots, 0);
	with.len = BIG;
	fd = dial_and_say("snapshot\n");
	api_serve(with.api);
	say_bytes(fd, "tune sched enabled=false\n", 25); /* while it is answered */
	assert_hears_snapshot(fd);
	assert_int_equal(with.tunes, 1);
}

static void what_is_no_request_does_nothing(void **state)
{
	static const struct {
		const char *line;
		size_t len;
	} lines[] = {
#define LINE(text) { text "\n", sizeof(text "\n") - 1 }
		LINE(""),
		LINE(" "),
		LINE("snap"),
		LINE("snapshots"),
		LINE("snapshot "),
		LINE(" snapshot"),
		LINE("Snapshot"),
		LINE("tuned"),
		LINE("tune\tsched"),
		LINE("snapshot\0"),
		LINE("snapshot\0x"),
		LINE("tune\0"),
		LINE("tune sched\0"),
		LINE("\0snapshot"),
		LINE("\r"),
		LINE("GET / HTTP"),
		LINE("snapshot\0tune"),
	};

	for (size_t i = 0; i < COUNT(lines); i++) {
		int fd = dial();

		say_bytes(fd, lines[i].line, lines[i].len);
		assert_hears(fd, "error unknown request\n");
	}
	assert_int_equal(with.snapshots + with.tunes, 0);
}

static void words_stand_behind_the_command(void **state)
{
	static const struct {
		const char *line, *words; /* NULL: none */
	} lines[] = {
		{ "tune\n", NULL },
		{ "tune\r\n", NULL },
		{ "tune \n", "" },
		{ "tune sched\n", "sched" },
		{ "tune tcp enabled=false sample=4\r\n", "tcp enabled=false sample=4" },
		{ "tune  tcp \n", " tcp " },
	};

	for (size_t i = 0; i < COUNT(lines); i++) {
		assert_hears(dial_and_say(lines[i].line), "ok 6\ntuned\n");
		assert_int_equal(with.no_words, !lines[i].words);
		assert_string_equal(with.words, lines[i].words ? lines[i].words : "");
	}
	assert_int_equal(with.tunes, COUNT(lines));
}

static void a_failure_is_told_in_one_line(void **state)
{
	with.error = -ENOMEM;
	assert_hears(dial_and_say("snapshot\n"), "error Cannot allocate memory\n");
	assert_hears(dial_and_say("tune\n"), "error Cannot allocate memory\n");
	with.error = -EINVAL;
	with.cause = "'disk' is no probe";
	assert_hears(dial_and_say("tune disk\n"), "error 'disk' is no probe\n");
	with.error = 0;
	assert_hears_snapshot(dial_and_say("snapshot\n"));
}

/* Until its time from the moment that it was asked for, however often it is not yet. */
static void exact_numbers_are_for_so_long(void **state)
{
	uint64_t until;

	with.not_yet = 2;
	assert_hears(dial_and_say("exact 2500\n"), "ok 3\n17\n");
	assert_int_equal(with.exacts, 3);
	assert_in_range(with.until_ns, 2500000000, fake_now_ns + 2500000000);
	until = with.until_ns;
	assert_hears(dial_and_say("exact 99999999999999999999\n"), "ok 3\n17\n");
	assert_in_range(with.until_ns, until, fake_now_ns + 86400000000000); /* a day */
	with.exacts = 0;
	for (size_t i = 0; i < 7; i++) {
		static const char *const lines[] = { "exact\n",	   "exact \n",
						     "exact x\n",  "exact 1x\n",
						     "exact -1\n", "exact 1 2\n",
						     "exactly 1\n" };

		assert_hears(dial_and_say(lines[i]), "error unknown request\n");
	}
	assert_int_equal(with.exacts, 0);
}

static void a_status_costs_no_snapshot(void **state)
{
	with.not_yet = 1000;
	assert_hears(dial_and_say("status\n"), "ok 2\n{}");
	assert_hears(dial_and_say("status\r\n"), "ok 2\n{}");
	assert_int_equal(with.statuses, 2);
	assert_int_equal(with.snapshots + with.tunes, 0);
	assert_hears(dial_and_say("status now\n"), "error unknown request\n");
	with.error = -ENOMEM;
	assert_hears(dial_and_say("status\n"), "error Cannot allocate memory\n");
}

static void one_that_waits_for_its_node_tells_its_status_alone(void **state)
{
	const struct api_ops waits = { .status = tell, .arg = &with };
	char cause[256] = "";

	api_close(with.api);
	assert_int_equal(api_open(with.path, &waits, &with.api, cause, sizeof(cause)),
			 0);
	assert_hears(dial_and_say("status\n"), "ok 2\n{}");
	assert_hears(dial_and_say("snapshot\n"),
		     "error this agent waits for its node\n");
	assert_hears(dial_and_say("tune sched\n"),
		     "error this agent waits for its node\n");
	assert_hears(dial_and_say("snapshots\n"), "error unknown request\n");
	assert_int_equal(with.snapshots + with.tunes, 0);
}

/* Without a descriptor for it a client would be waiting for ever, and poll() never. */
static void without_descriptors_clients_are_turned_away_with_pauses(void **state)
{
	struct rlimit old, none;
	int fd = dial_and_say("snapshot\n"), second = dial_and_say("snapshot\n"), next;

	next = dup(fd); /* the first that is free */
	close(next);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = (struct rlimit){ next, old.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_hears(fd, "error the agent has no descriptor left: try again\n");
	assert_int_equal(waited_for(POLLIN), 0); /* not even for clients */
	api_serve(with.api);
	assert_false(is_over(second));
	fake_now_ns += FAKE_SECOND;
	assert_int_equal(waited_for(POLLIN), 1);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_hears_snapshot(second);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(an_answer_is_its_length_and_its_bytes),
		API_TEST(a_request_may_come_in_pieces),
		API_TEST(half_a_line_is_waited_for_and_not_for_ever),
		API_TEST(who_does_not_read_keeps_nobody_waiting),
		API_TEST(who_has_to_wait_is_asked_for_again_while_others_are_served),
		API_TEST(who_waits_for_too_long_hears_why),
		API_TEST(who_never_reads_is_let_go),
		API_TEST(one_client_too_many_is_refused_and_the_others_are_served),
		API_TEST(a_command_that_is_refused_says_why),
		API_TEST(the_longest_request_is_whole),
		API_TEST(a_request_without_an_end_is_not_read_for_ever),
		API_TEST(who_closes_takes_nobody_along),
		API_TEST(only_the_first_of_several_requests_is_answered),
		API_TEST(what_is_no_request_does_nothing),
		API_TEST(words_stand_behind_the_command),
		API_TEST(a_failure_is_told_in_one_line),
		API_TEST(exact_numbers_are_for_so_long),
		API_TEST(a_status_costs_no_snapshot),
		API_TEST(one_that_waits_for_its_node_tells_its_status_alone),
		API_TEST(without_descriptors_clients_are_turned_away_with_pauses),
	};

	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
