// SPDX-License-Identifier: Apache-2.0
/*
 * Sleeps of each class, of known length. Most end by themselves, by a timer; for a lock
 * and for page faults there is a waker, a process in a cgroup of its own. A sleep is
 * what the call took by the clock, less what it had of a CPU, less what the kernel says
 * that it then waited for one.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#include "base/util.h"
#include "verify/stage.h"

#define PAGE	 4096
#define TIMES	 8
#define USUAL_US 4000

enum { WAKER_NOTHING, WAKER_LOCK, WAKER_PAGE };

static int timer = -1, sockets[2] = { -1, -1 }, lock_file = -1, faults = -1,
	   schedstat = -1;
static struct truths *shared;
static char *faulty;
static uint32_t futex_word;

static long futex(uint32_t *word, int op, uint32_t value, const struct timespec *t)
{
	return syscall(SYS_futex, word, op, value, t, NULL, 0);
}

/* --- the waker --- */

static void fill_page(uint64_t address)
{
	static char page[PAGE] __attribute__((aligned(PAGE)));
	struct uffdio_copy copy = { .dst = address,
				    .src = (uintptr_t)page,
				    .len = PAGE };

	ioctl(faults, UFFDIO_COPY, &copy);
}

static void wake(int file)
{
	for (;;) {
		uint32_t what = __atomic_load_n(&shared->waker, __ATOMIC_ACQUIRE);

		if (what == WAKER_NOTHING) {
			futex(&shared->waker, FUTEX_WAIT, WAKER_NOTHING, NULL);
			continue;
		}
		__atomic_store_n(&shared->waker, WAKER_NOTHING, __ATOMIC_RELEASE);
		if (what == WAKER_LOCK) {
			flock(file, LOCK_EX);
			__atomic_store_n(&shared->waker_held, 1, __ATOMIC_RELEASE);
		}
		truth_nap(shared->waker_us * 1000ULL);
		if (what == WAKER_LOCK)
			flock(file, LOCK_UN);
		else
			fill_page(shared->waker_page);
	}
}

static void ask_waker(uint32_t what, uint64_t us)
{
	shared->waker_us = us;
	shared->waker_held = 0;
	shared->waker_page = (uintptr_t)faulty;
	__atomic_store_n(&shared->waker, what, __ATOMIC_RELEASE);
	futex(&shared->waker, FUTEX_WAKE, 1, NULL);
}

/* Another description of the file, so that its lock is another's. */
static int start_waker(const struct actor_stage *s)
{
	char path[64];
	pid_t pid;
	int file;

	lock_file = memfd_create("assay-verify", MFD_CLOEXEC);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", lock_file);
	file = lock_file < 0 ? -1 : open(path, O_RDWR | O_CLOEXEC);
	if (file < 0)
		return -errno;
	pid = fork();
	if (pid < 0)
		return -errno;
	if (pid)
		return 0;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (scratch_enter(s->scratch, "waker"))
		_exit(1);
	wake(file);
	_exit(0);
}

/* --- the sleeper --- */

static void no_preparation(uint64_t us)
{
}

static void take_lock(uint64_t us)
{
	ask_waker(WAKER_LOCK, us);
	while (!__atomic_load_n(&shared->waker_held, __ATOMIC_ACQUIRE))
		sched_yield();
}

static void drop_page(uint64_t us)
{
	madvise(faulty, PAGE, MADV_DONTNEED);
	ask_waker(WAKER_PAGE, us);
}

static void set_timer(uint64_t us)
{
	struct itimerspec t = { .it_value = { 0, us * 1000 } };

	timerfd_settime(timer, 0, &t, NULL);
}

static void sleep_file(uint64_t us)
{
	flock(lock_file, LOCK_EX);
	flock(lock_file, LOCK_UN);
}

static void sleep_socket(uint64_t us)
{
	char byte;

	recv(sockets[0], &byte, 1, 0); /* its timeout was set: USUAL_US */
}

static void sleep_pipe(uint64_t us)
{
	uint64_t times;

	if (read(timer, &times, sizeof(times)) < 0)
		truth_skip(&shared->of[TRUTH_SLEEPS_PIPE], "a timer", -errno);
}

/* The kernel writes to the page that is not there. */
static void sleep_memory(uint64_t us)
{
	syscall(SYS_mincore, shared, PAGE, faulty);
}

static void sleep_other(uint64_t us)
{
	syscall(SYS_uname, faulty);
}

static void sleep_fault(uint64_t us)
{
	*(volatile char *)faulty = 1;
}

/* The child has a CPU all the time: sleeps are counted here. */
static void sleep_process(uint64_t us)
{
	static volatile uint64_t end;

	end = now_mono_ns() + us * 1000;
	if (!vfork()) {
		while (now_mono_ns() < end)
			;
		_exit(0);
	}
}

static void sleep_sync(uint64_t us)
{
	struct timespec t = { 0, us * 1000 };

	futex(&futex_word, FUTEX_WAIT, 0, &t);
}

static void sleep_wait(uint64_t us)
{
	truth_nap(us * 1000);
}

static const struct sleep {
	enum truth_id truth;
	void (*prepare)(uint64_t us);
	void (*sleep)(uint64_t us);
	unsigned int times;
	uint64_t us;
} sleeps[] = {
	{ TRUTH_SLEEPS_FILE, take_lock, sleep_file, TIMES, USUAL_US },
	{ TRUTH_SLEEPS_SOCKET, no_preparation, sleep_socket, TIMES, USUAL_US },
	{ TRUTH_SLEEPS_PIPE, set_timer, sleep_pipe, TIMES, USUAL_US },
	{ TRUTH_SLEEPS_MEMORY, drop_page, sleep_memory, TIMES, USUAL_US },
	{ TRUTH_SLEEPS_PROCESS, no_preparation, sleep_process, TIMES, USUAL_US },
	{ TRUTH_SLEEPS_SYNC, no_preparation, sleep_sync, TIMES, USUAL_US },
	{ TRUTH_SLEEPS_WAIT, no_preparation, sleep_wait, 40, 700 },
	{ TRUTH_SLEEPS_WAIT, no_preparation, sleep_wait, 3, 60000 },
	{ TRUTH_SLEEPS_OTHER, drop_page, sleep_other, TIMES, USUAL_US },
	{ TRUTH_SLEEPS_FAULT, drop_page, sleep_fault, TIMES, USUAL_US },
};

static void sleep_once(const struct sleep *s, struct truth *t)
{
	struct truth_look before, after;

	s->prepare(s->us);
	truth_look_before(&before, schedstat);
	s->sleep(s->us);
	truth_look_after(&after, schedstat);
	truth_add_sleep(t, &before, &after);
}

void sleeps_work(const struct actor_stage *s)
{
	for (size_t k = 0; k < COUNT(sleeps); k++) {
		struct truth *t = &s->truths->of[sleeps[k].truth];

		for (unsigned int i = 0; i < sleeps[k].times && !*t->why; i++) {
			sleep_once(&sleeps[k], t);
			while (sleeps[k].truth == TRUTH_SLEEPS_PROCESS &&
			       waitpid(-1, NULL, WNOHANG) > 0)
				;
		}
	}
	/* pages of our own that have to be read again are sleeps, too */
	s->truths->of[TRUTH_SLEEPS_FAULT].more = 3;
}

/* The gate is a pipe. */
void sleeps_waited(const struct actor_stage *s, const struct truth_look *before,
		   const struct truth_look *after)
{
	truth_add_sleep(&s->truths->of[TRUTH_SLEEPS_PIPE], before, after);
}

static int make_faulty(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	faulty = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	reg.range.start = (uintptr_t)faulty;
	reg.range.len = PAGE;
	if (faulty == MAP_FAILED || faults < 0 || ioctl(faults, UFFDIO_API, &api) ||
	    ioctl(faults, UFFDIO_REGISTER, &reg))
		return -errno;
	return 0;
}

void sleeps_prepare(const struct actor_stage *s)
{
	struct timeval timeout = { 0, USUAL_US };
	struct truth *of = s->truths->of;
	cpu_set_t set;
	int err;

	shared = s->truths;
	CPU_ZERO(&set);
	CPU_SET(s->cpu, &set); /* nobody moves it: the kernel's own counts are right */
	sched_setaffinity(0, sizeof(set), &set);
	schedstat = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (schedstat < 0 || timer < 0 ||
	    socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sockets) ||
	    setsockopt(sockets[0], SOL_SOCKET, SO_RCVTIMEO, &timeout,
		       sizeof(timeout))) {
		stage_skip(s, "what it sleeps in cannot be opened", -errno);
		return;
	}
	err = make_faulty();
	if (err)
		for (int i = 0; i < 3; i++)
			truth_skip(&of[(int[]){ TRUTH_SLEEPS_MEMORY, TRUTH_SLEEPS_OTHER,
						TRUTH_SLEEPS_FAULT }[i]],
				   "userfaultfd(2)", err);
	err = start_waker(s);
	if (err)
		truth_skip(&of[TRUTH_SLEEPS_FILE], "a file to lock", err);
}
