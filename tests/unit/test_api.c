// SPDX-License-Identifier: Apache-2.0
/* The agent's socket: what clients get, whatever others do, and that nobody waits. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/util.h"
#include "fake_clock.h"
#include "sink/api.h"
#include "sink/client.h"

#define BIG	     (8 << 20) /* more than any socket holds */
#define REQUEST_LINE 254       /* the longest, without its end */

/* An agent, and what it was asked for. */
static struct {
	char dir[40], path[64];
	struct api *api;
	size_t len; /* of a snapshot */
	int error;  /* what both operations fail with */
	const char *cause;
	int snapshots, tunes;
	bool no_words;
	char words[300];
} with;

static uint8_t byte_of(size_t i)
{
	return i % 251;
}

static int make_snapshot(void *arg, uint8_t **bytes, size_t *len)
{
	assert_ptr_equal(arg, &with);
	with.snapshots++;
	if (with.error)
		return with.error;
	*bytes = malloc(with.len);
	*len = with.len;
	for (size_t i = 0; i < with.len; i++)
		(*bytes)[i] = byte_of(i);
	return 0;
}

static int change(void *arg, const char *words, uint8_t **bytes, size_t *len,
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

static const struct api_ops ops = { make_snapshot, change, &with };

static int begin(void **state)
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

static int end(void **state)
{
	char run[64];

	api_close(with.api);
	fake_step_ns = 0;
	snprintf(run, sizeof(run), "%s/run", with.dir);
	assert_int_equal(rmdir(run), 0); /* nothing is left in it */
	return rmdir(with.dir);
}

static struct sockaddr_un address(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	return addr;
}

static int dial(void)
{
	struct sockaddr_un addr = address(with.path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	return fd;
}

static void say_bytes(int fd, const char *bytes, size_t len)
{
	assert_int_equal(send(fd, bytes, len, MSG_NOSIGNAL), len);
}

static int dial_and_say(const char *text)
{
	int fd = dial();

	say_bytes(fd, text, strlen(text));
	return fd;
}

/* Whether the agent has let go of a client; what it said is thrown away. */
static bool is_over(int fd)
{
	char buf[65536];
	ssize_t n;

	while ((n = recv(fd, buf, sizeof(buf), 0)) > 0)
		;
	return n == 0 || errno == ECONNRESET;
}

/* All that a client gets until its end, which must come; it is closed. To be freed. */
static char *hear(int fd, size_t *len)
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

static void assert_hears(int fd, const char *want)
{
	char *text = hear(fd, NULL);

	assert_string_equal(text, want);
	free(text);
}

/* A snapshot of with.len bytes, whole. */
static void assert_hears_snapshot(int fd)
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

/* What a client is waited for: POLLIN, POLLOUT; how many of them. */
static unsigned int waited_for(short events)
{
	struct pollfd fds[API_CLIENTS + 1];
	unsigned int all = api_poll(with.api, fds), n = 0;

	assert_in_range(all, 0, API_CLIENTS + 1);
	for (unsigned int i = 0; i < all; i++)
		n += fds[i].events == events;
	return n;
}

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

static void who_never_reads_is_let_go(void **state)
{
	int deaf[API_CLIENTS];

	with.len = BIG;
	for (int i = 0; i < API_CLIENTS; i++)
		deaf[i] = dial_and_say("snapshot\n");
	api_serve(with.api);
	assert_int_equal(waited_for(POLLOUT), API_CLIENTS);
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

static void the_socket_is_its_users_alone(void **state)
{
	struct stat st;
	char dir[64];

	assert_int_equal(lstat(with.path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0600);
	snprintf(dir, sizeof(dir), "%s/run", with.dir);
	assert_int_equal(lstat(dir, &st), 0);
	assert_int_equal(st.st_mode, S_IFDIR | 0700);
}

/* Opens another agent's socket, which must fail; the cause. */
static const char *cannot_open(const char *path, int err)
{
	static char cause[256];
	struct api *other = NULL;

	assert_int_equal(api_open(path, &ops, &other, cause, sizeof(cause)), err);
	assert_null(other);
	assert_null(strchr(cause, '\n'));
	return cause;
}

static void another_agent_finds_it_taken(void **state)
{
	char want[128], cause[256];

	snprintf(want, sizeof(want), "another agent listens at %s (see --socket)",
		 with.path);
	assert_string_equal(cannot_open(with.path, -EADDRINUSE), want);
	/* it may end until then */
	assert_int_equal(api_check(with.path, cause, sizeof(cause)), 0);
	assert_hears_snapshot(dial_and_say("snapshot\n"));
}

static void what_is_no_dead_socket_stays(void **state)
{
	char path[64], cause[256], longest[200];
	int fd;

	snprintf(path, sizeof(path), "%s/file", with.dir);
	fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_non_null(strstr(cannot_open(path, -EEXIST), "is no socket"));
	assert_int_equal(api_check(path, cause, sizeof(cause)), -EEXIST);
	assert_int_equal(unlink(path), 0); /* it was there */
	assert_int_equal(symlink("/nowhere", path), 0);
	assert_non_null(strstr(cannot_open(path, -EEXIST), "is no socket"));
	assert_int_equal(unlink(path), 0);
	memset(longest, 'x', sizeof(longest) - 1);
	longest[0] = '/';
	longest[sizeof(longest) - 1] = '\0';
	assert_non_null(
	    strstr(cannot_open(longest, -ENAMETOOLONG), "the path is too long"));
	assert_non_null(strstr(cannot_open("/proc/none/socket", -ENOENT),
			       "cannot listen at /proc/none/socket: "));
}

static void the_socket_of_a_killed_agent_is_replaced(void **state)
{
	struct sockaddr_un addr = address(with.path);
	char cause[256];
	int dead;

	api_close(with.api);
	assert_int_equal(access(with.path, F_OK), -1);
	dead = socket(AF_UNIX, SOCK_STREAM, 0);
	assert_int_equal(bind(dead, (struct sockaddr *)&addr, sizeof(addr)), 0);
	close(dead);
	assert_int_equal(access(with.path, F_OK), 0);
	assert_int_equal(api_open(with.path, &ops, &with.api, cause, sizeof(cause)), 0);
	assert_hears_snapshot(dial_and_say("snapshot\n"));
}

static void only_its_own_socket_is_removed(void **state)
{
	struct api *first = with.api;
	char cause[256];

	assert_int_equal(unlink(with.path), 0); /* by somebody */
	assert_int_equal(api_open(with.path, &ops, &with.api, cause, sizeof(cause)), 0);
	api_close(first);
	assert_hears_snapshot(dial_and_say("snapshot\n")); /* the second's */
}

static void the_lock_of_the_directory_is_waited_for_a_second(void **state)
{
	char dir[64], want[256], other[80];
	uint64_t before;
	int fd;

	snprintf(dir, sizeof(dir), "%s/run", with.dir);
	snprintf(other, sizeof(other), "%s/other", dir);
	fd = open(dir, O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	fake_step_ns = FAKE_SECOND / 4;
	snprintf(want, sizeof(want),
		 "cannot listen at %s: %s: locked by another process", other, dir);
	before = fake_now_ns;
	assert_string_equal(cannot_open(other, -EWOULDBLOCK), want);
	assert_in_range(fake_now_ns - before, FAKE_SECOND, 2 * FAKE_SECOND);
	close(fd);
	assert_int_equal(access(other, F_OK), -1);
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

#define API_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(an_answer_is_its_length_and_its_bytes),
		API_TEST(a_request_may_come_in_pieces),
		API_TEST(half_a_line_is_waited_for_and_not_for_ever),
		API_TEST(who_does_not_read_keeps_nobody_waiting),
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
		API_TEST(the_socket_is_its_users_alone),
		API_TEST(another_agent_finds_it_taken),
		API_TEST(what_is_no_dead_socket_stays),
		API_TEST(the_socket_of_a_killed_agent_is_replaced),
		API_TEST(only_its_own_socket_is_removed),
		API_TEST(the_lock_of_the_directory_is_waited_for_a_second),
		API_TEST(without_descriptors_clients_are_turned_away_with_pauses),
	};

	return cmocka_run_group_tests_name("api", tests, NULL, NULL);
}
