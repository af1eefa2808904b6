// SPDX-License-Identifier: Apache-2.0
/* Clients that want too much of the agent's socket: its readings come first. */
#include <poll.h>
#include "fake_api.h"

/* The descriptor at which clients are waited for: the first. */
static int waited_fd(void)
{
	struct pollfd fds[API_CLIENTS + 1];

	assert_true(api_poll(with.api, fds) > 0);
	return fds[0].fd;
}

/* Whatever one process does, others are served. */
static void one_process_has_half_of_the_places(void **state)
{
	const char *too_many =
	    "error 4 clients of this process are served already: try again\n";
	int fds[API_PROCESS_CLIENTS];

	with.pid = 4711;
	for (int i = 0; i < API_PROCESS_CLIENTS; i++)
		fds[i] = dial();
	api_serve(with.api);
	for (int i = 0; i < 100; i++)
		assert_hears(dial_and_say("snapshot\n"), too_many);
	assert_int_equal(with.snapshots, 0);
	with.pid = 0;
	assert_hears_snapshot(dial_and_say("snapshot\n"));
	with.pid = 4711;
	close(fds[0]);
	api_serve(with.api);
	assert_hears_snapshot(dial_and_say("snapshot\n"));
	for (int i = 1; i < API_PROCESS_CLIENTS; i++)
		close(fds[i]);
}

/* Of many at once some are looked at in a turn, whether they are served or refused. */
static void a_flood_of_clients_is_no_long_turn(void **state)
{
	unsigned int refused, before = 0;
	int fds[200], n = 0;

	with.pid = 4711;
	listen(waited_fd(), COUNT(fds)); /* as many as connect at once elsewhere */
	for (n = 0; n < (int)COUNT(fds); n++)
		fds[n] = dial();
	for (int turn = 1; before < COUNT(fds) - API_PROCESS_CLIENTS; turn++) {
		assert_in_range(turn, 1, COUNT(fds));
		api_serve(with.api);
		refused = 0;
		for (int i = 0; i < n; i++)
			refused += is_over(fds[i]);
		assert_in_range(refused - before, 1, 32);
		before = refused;
	}
	for (int i = 0; i < n; i++)
		close(fds[i]);
}

/* The agent has its readings to make: three quarters of the time are its own. */
static void who_asks_for_much_is_served_in_turns_with_rests(void **state)
{
	const uint64_t ms = FAKE_SECOND / 1000;
	int fds[API_CLIENTS], made = 0;

	with.takes_ns = 9 * ms;
	for (int i = 0; i < API_CLIENTS; i++)
		fds[i] = dial_and_say("snapshot\n");
	assert_int_equal(api_rest_ms(with.api), 0);
	for (int turn = 0; made < API_CLIENTS; turn++) {
		uint64_t began = fake_now_ns, took;

		api_serve(with.api);
		took = fake_now_ns - began;
		assert_in_range(with.snapshots - made, 1, 3);
		made = with.snapshots;
		assert_int_equal(took, turn < 2 ? 27 * ms : 18 * ms);
		assert_int_equal(api_rest_ms(with.api), 3 * took / ms + 1);
		assert_int_equal(waited_for(POLLIN) + waited_for(POLLOUT), 0);
		fake_now_ns += 3 * took - 1;
		api_serve(with.api); /* too early */
		assert_int_equal(with.snapshots, made);
		fake_now_ns += 1;
		assert_int_equal(api_rest_ms(with.api), 0);
	}
	for (int i = 0; i < API_CLIENTS; i++)
		assert_hears_snapshot(fds[i]);
	with.takes_ns = 20 * FAKE_SECOND;
	fds[0] = dial_and_say("snapshot\n");
	api_serve(with.api);
	assert_int_equal(api_rest_ms(with.api), 1001);
	close(fds[0]);
}

/* Whoever comes again and again, the others have their turn. */
static void who_was_not_served_is_first(void **state)
{
	int first[API_CLIENTS], more[4 * 3], n = 0;

	with.takes_ns = FAKE_SECOND / 100;
	for (int i = 0; i < API_CLIENTS; i++)
		first[i] = dial_and_say("snapshot\n");
	for (int turn = 0; turn < 4; turn++) {
		int made = with.snapshots;

		api_serve(with.api);
		fake_now_ns += FAKE_SECOND;
		while (made++ < with.snapshots) /* as many as have got theirs */
			more[n++] = dial_and_say("snapshot\n");
	}
	for (int i = 0; i < API_CLIENTS; i++) {
		assert_true(is_over(first[i]));
		close(first[i]);
	}
	while (n)
		close(more[--n]);
}

/* All of them read whatever comes, until each has been let go. */
static void read_all(int *fds, size_t count)
{
	size_t left = count;

	for (int turn = 0; left; turn++) {
		assert_in_range(turn, 0, 10000);
		api_serve(with.api);
		for (size_t i = 0; i < count; i++)
			if (fds[i] >= 0 && is_over(fds[i])) {
				close(fds[i]);
				fds[i] = -1;
				left--;
			}
	}
}

/* What all answers take is bounded: in bytes, or by two of them. */
static void answers_wait_until_there_is_memory_for_them(void **state)
{
	static const struct {
		size_t len;
		int at_once;
	} cases[] = { { 5 << 20, 2 }, { 1280 << 10, 3 }, { 1000 << 10, 4 } };
	int fds[API_CLIENTS - 1];

	for (size_t k = 0; k < COUNT(cases); k++) {
		with.len = cases[k].len;
		with.snapshots = 0;
		for (int i = 0; i < (int)COUNT(fds); i++)
			fds[i] = dial_and_say("snapshot\n");
		for (int turn = 0; turn < 5; turn++)
			api_serve(with.api);
		assert_int_equal(with.snapshots, cases[k].at_once);
		assert_hears(dial_and_say("status\n"), "ok 2\n{}");
		read_all(fds, COUNT(fds));
		assert_int_equal(with.snapshots, COUNT(fds));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		API_TEST(one_process_has_half_of_the_places),
		API_TEST(a_flood_of_clients_is_no_long_turn),
		API_TEST(who_asks_for_much_is_served_in_turns_with_rests),
		API_TEST(who_was_not_served_is_first),
		API_TEST(answers_wait_until_there_is_memory_for_them),
	};

	return cmocka_run_group_tests_name("api_hostile", tests, NULL, NULL);
}
