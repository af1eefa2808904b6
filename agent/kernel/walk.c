// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <bpf/bpf.h>
#include "base/util.h"
#include "kernel/privileges.h"
#include "kernel/walk.h"

#define STACK_BYTES (64 * 1024)

static struct {
	pthread_t thread;
	bool out;    /* it has not come back from its walk */
	int back;    /* eventfd: it comes back */
	int iter_fd; /* of the walk, and what came of it */
	int result;
} walker = { .back = -1 };

/* What is done is that a system call of the thread ends. */
static void on_nudge(int signal_number)
{
}

int walk_slice(int iter_fd)
{
	char byte;

	if (read(iter_fd, &byte, 1) >= 0)
		return 0; /* the last object was shown, or a program says: enough */
	return errno == EAGAIN || errno == EINTR ? 1 : -errno;
}

int walk_read(int iter_fd)
{
	int err;

	while ((err = walk_slice(iter_fd)) > 0)
		;
	close(iter_fd);
	return err;
}

static void *run(void *arg)
{
	sigset_t set;

	privileges_drop_thread();
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	walker.result = walk_read(walker.iter_fd);
	eventfd_write(walker.back, 1);
	return NULL;
}

static int start(int iter_fd)
{
	struct sigaction action = { .sa_handler = on_nudge }; /* no SA_RESTART */
	pthread_attr_t attr;
	int err;

	if (walker.back < 0)
		walker.back = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (walker.back < 0 || sigaction(SIGUSR1, &action, NULL))
		return -errno;
	err = -pthread_attr_init(&attr);
	if (err)
		return err;
	walker.iter_fd = iter_fd;
	pthread_attr_setstacksize(
	    &attr, STACK_BYTES > PTHREAD_STACK_MIN ? STACK_BYTES : PTHREAD_STACK_MIN);
	err = -pthread_create(&walker.thread, &attr, run, NULL);
	pthread_attr_destroy(&attr);
	walker.out = !err;
	return err;
}

int walk_poll(void)
{
	eventfd_t count;

	if (!walker.out)
		return walker.result;
	if (eventfd_read(walker.back, &count))
		return -EINPROGRESS;
	pthread_join(walker.thread, NULL);
	walker.out = false;
	return walker.result;
}

int walk_start(int iter_fd)
{
	int err = walk_poll() == -EINPROGRESS ? -EBUSY : start(iter_fd);

	if (err)
		close(iter_fd);
	return err;
}

int walk_fd(void)
{
	return walker.out ? walker.back : -1;
}

void walk_nudge(void)
{
	if (walker.out) /* not joined: the handle is good, also after its end */
		pthread_kill(walker.thread, SIGUSR1);
}

int walk_run(int iter_fd)
{
	uint64_t end = now_mono_ns() + WALK_WAIT_MS * 1000000ULL;
	struct pollfd fd = { .events = POLLIN };
	int err = walk_start(iter_fd);

	if (err)
		return err;
	fd.fd = walker.back;
	while ((err = walk_poll()) == -EINPROGRESS) {
		if (poll(&fd, 1, WALK_NUDGE_MS) > 0)
			continue;
		walk_nudge();
		if (now_mono_ns() >= end)
			return -ETIMEDOUT;
	}
	return err;
}

int walk_program(int program, int (*walk)(int iter_fd))
{
	int link = bpf_link_create(program, 0, BPF_TRACE_ITER, NULL), fd, err;

	if (link < 0)
		return -errno;
	fd = bpf_iter_create(link);
	err = fd < 0 ? -errno : walk(fd);
	close(link);
	return err;
}
