/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who wakes a sleeper (asleep.c), each time that it is asked to: when the sleeper
 * really sleeps.
 */
#ifndef ASLEEP_PARTNER_H
#define ASLEEP_PARTNER_H

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define PAGE	4096
#define LOOK_US 200 /* between two looks whether it sleeps */

/* What the partner is asked to do so many us after the sleeper is asleep in a system
 * call, or in a page fault. */
struct request {
	int kind, call;
	uint32_t us;
	uint64_t address;
};

enum { WAKE_PIPE, WAKE_SOCKET, WAKE_FUTEX, WAKE_LOCK, WAKE_FAULT };

static int ask[2], held[2], bytes[2], sockets[2], faults;
static int in_call; /* the sleeper's /proc/PID/syscall */
static uint32_t *futex_word;
static char lock_path[64];
static pid_t sleeper;

static void nap(uint32_t us)
{
	struct timespec t = { us / 1000000, us % 1000000 * 1000 };

	syscall(SYS_clock_nanosleep, CLOCK_MONOTONIC, 0, &t, NULL);
}

/* The partner cannot go on: nobody would wake the other one, if it is still there. */
static void give_up(void)
{
	if (getppid() == sleeper)
		kill(sleeper, SIGKILL);
	_exit(4);
}

static void fill_page(uint64_t address)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	struct uffdio_copy copy = { .dst = address,
				    .src = (uintptr_t)page,
				    .len = PAGE };

	if (ioctl(faults, UFFDIO_COPY, &copy))
		give_up();
}

/* Until the sleeper has given up its CPU in this call: the kernel says "running" of who
 * is only about to (task_current_syscall()), as its state alone does not. */
static void await_sleep(int call)
{
	char text[200];
	ssize_t n;

	do {
		nap(LOOK_US);
		n = pread(in_call, text, sizeof(text) - 1, 0);
		if (n <= 0)
			give_up();
		text[n] = '\0';
	} while (!strncmp(text, "running", 7) || atoi(text) != call);
}

/* The partner: wakes the other one, each time that it is asked to. */
static void serve(void)
{
	int file = open(lock_path, O_RDWR);
	struct request r;

	while (read(ask[0], &r, sizeof(r)) == sizeof(r)) {
		if (r.kind == WAKE_LOCK) {
			if (flock(file, LOCK_EX) || write(held[1], "", 1) != 1)
				give_up();
		}
		await_sleep(r.call);
		nap(r.us);
		if (r.kind == WAKE_PIPE && write(bytes[1], "", 1) != 1)
			give_up();
		if (r.kind == WAKE_SOCKET && send(sockets[1], "", 1, 0) != 1)
			give_up();
		if (r.kind == WAKE_FUTEX) {
			__atomic_store_n(futex_word, 1, __ATOMIC_SEQ_CST);
			syscall(SYS_futex, futex_word, FUTEX_WAKE, 1, NULL, NULL, 0);
		}
		if (r.kind == WAKE_LOCK)
			flock(file, LOCK_UN);
		if (r.kind == WAKE_FAULT)
			fill_page(r.address);
	}
	_exit(0);
}

static void be_partner(const char *cgroup)
{
	char path[512];
	int fd;

	snprintf(path, sizeof(path), "%s/cgroup.procs", cgroup);
	fd = open(path, O_WRONLY);
	if (fd < 0 || write(fd, "0", 1) != 1)
		_exit(4);
	close(ask[1]);
	serve();
}

#endif
