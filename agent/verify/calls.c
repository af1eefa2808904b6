// SPDX-License-Identifier: Apache-2.0
/*
 * System calls that do not sleep, so many of each class, and errors. The time of a call
 * is not above what the caller's clock says, which has more in it than the call.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>
#include "base/util.h"
#include "verify/stage.h"

#define CALLS	   500
#define ERRORS	   300
#define GATE_CALLS 2 /* the reading and writing at the gate are in class pipe */
#define PAGE	   4096

static int file = -1, directory = -1, null_device = -1, sockets[2] = { -1, -1 };
static void *page;

static bool call_file(void)
{
	char byte;

	return syscall(SYS_pread64, file, &byte, 1, 0) == 1;
}

/* Two calls: nobody sleeps, as what is read is there. */
static bool call_socket(void)
{
	char byte = 0;

	return syscall(SYS_sendto, sockets[0], &byte, 1, 0, NULL, 0) == 1 &&
	       syscall(SYS_recvfrom, sockets[1], &byte, 1, 0, NULL, NULL) == 1;
}

static bool call_pipe(void)
{
	return syscall(SYS_write, null_device, "", 1) == 1;
}

static bool call_memory(void)
{
	return !syscall(SYS_mprotect, page, PAGE, PROT_READ | PROT_WRITE);
}

static bool call_process(void)
{
	return syscall(SYS_getppid) >= 0;
}

static bool call_sync(void)
{
	return syscall(SYS_futex, page, FUTEX_WAKE, 1, NULL, NULL, 0) == 0;
}

static bool call_wait(void)
{
	struct timespec none = { 0 };

	return syscall(SYS_ppoll, NULL, 0, &none, NULL, 0) == 0;
}

static bool fail_open(void)
{
	return syscall(SYS_openat, AT_FDCWD, "/nonexistent/assay-verify", O_RDONLY) <
		   0 &&
	       errno == ENOENT;
}

static bool fail_read(void)
{
	char byte;

	return syscall(SYS_read, directory, &byte, 1) < 0 && errno == EISDIR;
}

/* Is none: nothing waits to be received. */
static bool fail_not(void)
{
	char byte;

	return syscall(SYS_recvfrom, sockets[0], &byte, 1, MSG_DONTWAIT, NULL, NULL) <
		   0 &&
	       errno == EAGAIN;
}

static const struct {
	enum truth_id class, error; /* error: class, if it is none */
	bool (*call)(void);
	unsigned int times, calls; /* calls each time */
} kinds[] = {
	{ TRUTH_CALLS_FILE, TRUTH_CALLS_FILE, call_file, CALLS, 1 },
	{ TRUTH_CALLS_SOCKET, TRUTH_CALLS_SOCKET, call_socket, CALLS, 2 },
	{ TRUTH_CALLS_PIPE, TRUTH_CALLS_PIPE, call_pipe, CALLS, 1 },
	{ TRUTH_CALLS_MEMORY, TRUTH_CALLS_MEMORY, call_memory, CALLS, 1 },
	{ TRUTH_CALLS_PROCESS, TRUTH_CALLS_PROCESS, call_process, CALLS, 1 },
	{ TRUTH_CALLS_SYNC, TRUTH_CALLS_SYNC, call_sync, CALLS, 1 },
	{ TRUTH_CALLS_WAIT, TRUTH_CALLS_WAIT, call_wait, CALLS, 1 },
	{ TRUTH_CALLS_FILE, TRUTH_CALLS_ENOENT, fail_open, ERRORS, 1 },
	{ TRUTH_CALLS_FILE, TRUTH_CALLS_EISDIR, fail_read, ERRORS - 100, 1 },
	{ TRUTH_CALLS_SOCKET, TRUTH_CALLS_SOCKET, fail_not, CALLS, 1 },
};

void calls_prepare(const struct actor_stage *s)
{
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		    0);
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	directory = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	null_device = open("/dev/null", O_WRONLY | O_CLOEXEC);
	if (page == MAP_FAILED || file < 0 || directory < 0 || null_device < 0 ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets)) {
		stage_skip(s, "what is called cannot be opened", -errno);
		return;
	}
	*(char *)page = 0;
	for (size_t k = 0; k < COUNT(kinds); k++)
		if (!kinds[k].call())
			truth_skip(&s->truths->of[kinds[k].class],
				   "a call did not do what it should", -errno);
}

void calls_work(const struct actor_stage *s)
{
	struct truth *of = s->truths->of;

	for (size_t k = 0; k < COUNT(kinds); k++) {
		uint64_t n = kinds[k].times, began = now_mono_ns();

		for (unsigned int i = 0; i < n; i++)
			if (!kinds[k].call())
				truth_skip(&of[kinds[k].class],
					   "a call did not do what it should", -errno);
		truth_count(&of[kinds[k].class], n * kinds[k].calls,
			    now_mono_ns() - began);
		if (kinds[k].error == kinds[k].class)
			continue;
		truth_count(&of[kinds[k].error], n, 0);
		truth_count(&of[TRUTH_CALLS_ERRORS], n, 0);
	}
	truth_count(&of[TRUTH_CALLS_PIPE], GATE_CALLS, 0);
	of[TRUTH_CALLS_PIPE].most_ns = 0; /* the gate's read is as long as it is */
}
