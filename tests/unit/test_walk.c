// SPDX-License-Identifier: Apache-2.0
/* A walk that cannot end by itself; descriptors of other kinds stand for iterators. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/util.h"
#include "kernel/walk.h"

#define S 1000000000ULL

/* Walks, and checks for how long. */
static int walk_between(int fd, uint64_t low_ns, uint64_t high_ns)
{
	uint64_t began = now_mono_ns();
	int err = walk_run(fd);

	assert_in_range(now_mono_ns() - began, low_ns, high_ns);
	return err;
}

/* A connection whose closing takes an hour; its reading ends at once, or never. */
static int open_lingering(int *peer, bool ends)
{
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	static char data[1 << 20];
	struct linger linger = { 1, 3600 };
	socklen_t len = sizeof(addr);
	int listener = socket(AF_INET, SOCK_STREAM, 0), small = 2048;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
	assert_int_equal(bind(listener, (struct sockaddr *)&addr, len), 0);
	assert_int_equal(listen(listener, 1), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&addr, &len), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&addr, len), 0);
	*peer = accept(listener, NULL, NULL);
	assert_true(*peer >= 0);
	close(listener);
	assert_true(send(fd, data, sizeof(data), MSG_DONTWAIT) > 0);
	if (ends)
		assert_int_equal(shutdown(*peer, SHUT_WR), 0);
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)),
			 0);
	return fd;
}

static void a_signal_ends_the_wait_of_a_file_that_lingers(void **state)
{
	int peer, fd = open_lingering(&peer, true);

	assert_int_equal(walk_between(fd, 0, 30 * S), 0);
	close(peer);
}

static void one_that_does_not_end_is_given_up_and_none_starts_beside_it(void **state)
{
	int stuck[2], other[2];
	char c;

	assert_int_equal(pipe(stuck), 0);
	assert_int_equal(walk_between(stuck[0], S * WALK_WAIT_MS / 1000, 30 * S),
			 -ETIMEDOUT);
	assert_int_equal(pipe(other), 0);
	close(other[1]);
	assert_int_equal(walk_run(other[0]), -EBUSY);
	assert_int_equal(read(other[0], &c, 1), -1); /* it is closed all the same */
	assert_int_equal(errno, EBADF);

	close(stuck[1]); /* the walk comes to its end: the next one may start */
	for (int i = 0, err = -EBUSY; err == -EBUSY; i++) {
		assert_in_range(i, 0, 30000); /* 30 s: its thread has to come to run */
		usleep(1000);
		assert_int_equal(pipe(other), 0);
		close(other[1]);
		err = walk_run(other[0]);
		assert_true(err == 0 || err == -EBUSY);
	}
	assert_int_equal(read(stuck[0], &c, 1), -1);
}

static void a_slice_ends_and_a_pass_goes_on_or_is_over(void **state)
{
	int fds[2];

	assert_int_equal(pipe2(fds, O_NONBLOCK), 0);
	assert_int_equal(walk_slice(fds[0]), 1); /* EAGAIN: more is to come */
	assert_int_equal(write(fds[1], "xy", 2), 2);
	assert_int_equal(walk_slice(fds[0]), 0); /* a program says: enough */
	assert_int_equal(walk_slice(fds[0]), 0); /* and only so much was read */
	assert_int_equal(walk_slice(fds[0]), 1);
	close(fds[1]);
	assert_int_equal(walk_slice(fds[0]), 0); /* there is nothing more */
	assert_int_equal(walk_slice(fds[1]), -EBADF);
	assert_int_equal(close(fds[0]), 0); /* it was left open */
}

static void what_became_of_a_pass_is_asked_for_without_waiting(void **state)
{
	int stuck[2], other[2];

	assert_int_equal(pipe(stuck), 0);
	assert_int_equal(pipe(other), 0);
	assert_int_equal(walk_start(stuck[0]), 0);
	assert_int_equal(walk_poll(), -EINPROGRESS);
	assert_true(walk_fd() >= 0);
	assert_int_equal(walk_start(other[0]), -EBUSY);
	close(stuck[1]);
	for (int i = 0; walk_poll() == -EINPROGRESS; i++) {
		struct pollfd fd = { .fd = walk_fd(), .events = POLLIN };

		assert_in_range(i, 0, 1);
		assert_int_equal(poll(&fd, 1, 30000), 1);
	}
	assert_int_equal(walk_poll(), 0);
	assert_int_equal(walk_fd(), -1);
	close(other[1]);
}

static size_t threads(void)
{
	DIR *dir = opendir("/proc/self/task");
	size_t n = 0;

	assert_non_null(dir);
	for (struct dirent *d; (d = readdir(dir));)
		n += d->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void what_was_given_up_comes_to_its_end_though_nobody_walks(void **state)
{
	int peer, fd = open_lingering(&peer, false);

	assert_int_equal(walk_run(fd), -ETIMEDOUT);   /* its reading does not end */
	assert_int_equal(shutdown(peer, SHUT_WR), 0); /* now it closes, and lingers */
	for (int i = 0; threads() > 1; i++) {
		assert_in_range(i, 0, 3000);
		usleep(10000);
		walk_nudge();
	}
	close(peer);
	walk_nudge(); /* its thread is no more */
}

static void an_error_of_the_reading_is_told(void **state)
{
	int fds[2];

	assert_int_equal(pipe(fds), 0);
	close(fds[0]);
	assert_int_equal(walk_run(fds[1]), -EBADF); /* it is for writing */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_signal_ends_the_wait_of_a_file_that_lingers),
		cmocka_unit_test(
		    one_that_does_not_end_is_given_up_and_none_starts_beside_it),
		cmocka_unit_test(
		    what_was_given_up_comes_to_its_end_though_nobody_walks),
		cmocka_unit_test(an_error_of_the_reading_is_told),
		cmocka_unit_test(a_slice_ends_and_a_pass_goes_on_or_is_over),
		cmocka_unit_test(what_became_of_a_pass_is_asked_for_without_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
