// SPDX-License-Identifier: Apache-2.0
/*
 * A known number of sleeps of a known length: "NAME N US" sleeps N times in one kind of
 * call and answers with what its own clocks say. Who wakes it is a partner, in the
 * cgroup whose directory is the argument; on CPUs of their own, if there are two. It
 * waits until the sleeper really sleeps, so that each call does, however little CPU the
 * machine has. A second argument is a file or drive, for those that wait for one.
 *
 * The answer: slept, ns that the calls took; ran, those of the CPU in them; waited, the
 * kernel's run_delay in them; p50, the median of what a call took less those two;
 * switches, how often it gave up the CPU by itself meanwhile; idle, ns that it took to
 * be told; and from then on: wall, cpu.
 */
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "asleep_partner.h"
#include "gate.h"

#define APART	65536 /* no page of a file comes with another */
#define SLEEPS	4096
#define NO_CALL -1 /* as /proc/PID/syscall says of who sleeps in a page fault */
#ifdef SYS_poll	   /* as glibc has it */
#define CALL_POLL  SYS_poll
#define CALL_EPOLL SYS_epoll_wait
#else
#define CALL_POLL  SYS_ppoll
#define CALL_EPOLL SYS_epoll_pwait
#endif

static int epoll, lock_file, schedstat;
static char *faulty;
static uint64_t told_ns, idle_ns, idle_cpu_ns;
static volatile sig_atomic_t enough;

static void request(int kind, int call, uint32_t us, void *address)
{
	struct request r = { kind, call, us, (uintptr_t)address };

	if (write(ask[1], &r, sizeof(r)) != sizeof(r))
		gate_die("write");
}

/* One sleep of each kind; the times that are taken begin in it. */
static uint64_t began, began_cpu, began_waited;

/* What they came to. */
static struct sleeps {
	uint64_t slept, ran, waited, each[SLEEPS];
	size_t count;
} sleeps;

static uint64_t run_delay_ns(void)
{
	unsigned long long ran, waited = 0;
	char text[100] = "";

	if (pread(schedstat, text, sizeof(text) - 1, 0) <= 0 ||
	    sscanf(text, "%llu %llu", &ran, &waited) != 2)
		gate_die("schedstat");
	return waited;
}

static void start(void)
{
	began_waited = run_delay_ns();
	began_cpu = gate_clock(CLOCK_THREAD_CPUTIME_ID);
	began = gate_clock(CLOCK_MONOTONIC);
}

static void sleep_pipe(uint32_t us)
{
	char c;

	request(WAKE_PIPE, SYS_read, us, NULL);
	start();
	if (read(bytes[0], &c, 1) != 1)
		gate_die("read");
}

static void sleep_recv(uint32_t us)
{
	char c;

	request(WAKE_SOCKET, SYS_recvfrom, us, NULL);
	start();
	if (recv(sockets[0], &c, 1, 0) != 1)
		gate_die("recv");
}

static void sleep_read_socket(uint32_t us)
{
	char c;

	request(WAKE_SOCKET, SYS_read, us, NULL);
	start();
	if (read(sockets[0], &c, 1) != 1)
		gate_die("read");
}

/* A sleep is over: adds the ns that it took, with the CPU and waiting for it, too. */
static void stop(void)
{
	/* in the order of start(): what a reading takes is in neither */
	uint64_t ran = gate_clock(CLOCK_THREAD_CPUTIME_ID) - began_cpu;
	uint64_t slept = gate_clock(CLOCK_MONOTONIC) - began;
	uint64_t waited = run_delay_ns() - began_waited;

	sleeps.slept += slept;
	sleeps.ran += ran;
	sleeps.waited += waited;
	if (sleeps.count < SLEEPS)
		sleeps.each[sleeps.count++] =
		    slept > ran + waited ? slept - ran - waited : 0;
}

static void sleep_poll(uint32_t us)
{
	struct pollfd p = { bytes[0], POLLIN, 0 };

	request(WAKE_PIPE, CALL_POLL, us, NULL);
	start();
	if (poll(&p, 1, -1) != 1)
		gate_die("poll");
}

static void sleep_epoll(uint32_t us)
{
	struct epoll_event e;

	request(WAKE_PIPE, CALL_EPOLL, us, NULL);
	start();
	if (epoll_wait(epoll, &e, 1, -1) != 1)
		gate_die("epoll_wait");
}

static void sleep_futex(uint32_t us)
{
	__atomic_store_n(futex_word, 0, __ATOMIC_SEQ_CST);
	request(WAKE_FUTEX, SYS_futex, us, NULL);
	start();
	syscall(SYS_futex, futex_word, FUTEX_WAIT, 0, NULL, NULL, 0);
}

static void sleep_nanosleep(uint32_t us)
{
	start();
	nap(us);
}

/* Until the partner has the lock this one looks, and does not sleep. */
static void sleep_flock(uint32_t us)
{
	char c;

	request(WAKE_LOCK, SYS_flock, us, NULL);
	while (read(held[0], &c, 1) != 1)
		relax();
	start();
	if (flock(lock_file, LOCK_EX))
		gate_die("flock");
}

static void sleep_fault(uint32_t us)
{
	request(WAKE_FAULT, NO_CALL, us, faulty);
	start();
	*(volatile char *)faulty = 1;
}

static void sleep_vfork(uint32_t us)
{
	static volatile uint32_t child_us;
	pid_t child;

	child_us = us;
	start();
	child = vfork();
	if (!child) {
		nap(child_us);
		_exit(0);
	}
}

/* The file, how far one is in it, and what "chill" has mapped of it. */
static int slow = -1;
static off_t slow_at;
static volatile char *cold;

static void sleep_fsync(uint32_t us)
{
	static char page[PAGE];

	page[0]++;
	start();
	if (pwrite(slow, page, PAGE, slow_at) != PAGE || fsync(slow))
		gate_die("fsync");
	slow_at += APART;
}

static void sleep_cold(uint32_t us)
{
	start();
	(void)cold[slow_at];
	slow_at += APART;
}

/* "chill N": the first N pages that are APART are there, and not in memory. */
static void run_chill(const struct gate_command *self, const long *args)
{
	static char block[APART];
	off_t size = args[0] * APART;
	unsigned char in_memory = 0;

	for (slow_at = 0; slow_at < size; slow_at += APART)
		if (pwrite(slow, block, APART, slow_at) != APART)
			gate_die("pwrite");
	slow_at = 0;
	if (fsync(slow) || posix_fadvise(slow, 0, 0, POSIX_FADV_DONTNEED))
		gate_die("fsync");
	cold = mmap(NULL, size, PROT_READ, MAP_SHARED, slow, 0);
	if (cold == MAP_FAILED || madvise((void *)cold, size, MADV_RANDOM) ||
	    mincore((void *)cold, PAGE, &in_memory))
		gate_die("mmap");
	gate_say("warm=%d", in_memory & 1);
}

/* What is left of one, so that the next one sleeps, too. */
static void clean_up(void)
{
	struct pollfd p = { bytes[0], POLLIN, 0 };
	char c;

	while (poll(&p, 1, 0) == 1 && read(bytes[0], &c, 1) == 1)
		;
	flock(lock_file, LOCK_UN);
	madvise(faulty, PAGE, MADV_DONTNEED);
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static unsigned long long switches(void)
{
	struct rusage r;

	getrusage(RUSAGE_THREAD, &r);
	return r.ru_nvcsw;
}

static void answer(unsigned long long switched)
{
	struct sleeps *s = &sleeps;

	qsort(s->each, s->count, sizeof(s->each[0]), compare);
	gate_say(
	    "slept=%llu ran=%llu waited=%llu p50=%llu switches=%llu idle=%llu wall=%llu "
	    "cpu=%llu",
	    (unsigned long long)s->slept, (unsigned long long)s->ran,
	    (unsigned long long)s->waited, (unsigned long long)s->each[s->count / 2],
	    switched, (unsigned long long)idle_ns,
	    (unsigned long long)(gate_clock(CLOCK_MONOTONIC) - told_ns),
	    (unsigned long long)(gate_clock(CLOCK_THREAD_CPUTIME_ID) - idle_cpu_ns));
}

/* "NAME N US" */
static void run_sleeps(const struct gate_command *self, const long *args);

static void on_enough(int signal_number)
{
	enough = 1;
}

/* "spin MS": wants the CPU for so long, or until SIGUSR1, and does not sleep. */
static void run_spin(const struct gate_command *self, const long *args)
{
	uint64_t end = gate_clock(CLOCK_MONOTONIC) + args[0] * 1000000;

	while (!enough && gate_clock(CLOCK_MONOTONIC) < end)
		relax();
	enough = 0;
	answer(0);
}

/* "work N US": sleeps of US, and between them as long with the CPU. */
static void run_work(const struct gate_command *self, const long *args)
{
	for (long i = 0; i < args[0]; i++) {
		uint64_t end = gate_clock(CLOCK_THREAD_CPUTIME_ID) + args[1] * 1000;

		while (gate_clock(CLOCK_THREAD_CPUTIME_ID) < end)
			relax();
		start();
		nap(args[1]);
		stop();
	}
	answer(0);
}

/* "pin CPU" */
static void run_pin(const struct gate_command *self, const long *args)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(args[0], &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		gate_die("sched_setaffinity");
	answer(0);
}

static const struct {
	const char *name;
	void (*sleep)(uint32_t us);
} kinds[] = {
	{ "pipe", sleep_pipe },		  { "recv", sleep_recv },
	{ "socket", sleep_read_socket },  { "poll", sleep_poll },
	{ "epoll", sleep_epoll },	  { "futex", sleep_futex },
	{ "nanosleep", sleep_nanosleep }, { "flock", sleep_flock },
	{ "fault", sleep_fault },	  { "vfork", sleep_vfork },
	{ "fsync", sleep_fsync },	  { "cold", sleep_cold },
};

static const struct gate_command commands[] = {
	{ "pipe", run_sleeps, NULL, 0 },      { "recv", run_sleeps, NULL, 0 },
	{ "socket", run_sleeps, NULL, 0 },    { "poll", run_sleeps, NULL, 0 },
	{ "epoll", run_sleeps, NULL, 0 },     { "futex", run_sleeps, NULL, 0 },
	{ "nanosleep", run_sleeps, NULL, 0 }, { "flock", run_sleeps, NULL, 0 },
	{ "fault", run_sleeps, NULL, 0 },     { "vfork", run_sleeps, NULL, 0 },
	{ "spin", run_spin, NULL, 0 },	      { "work", run_work, NULL, 0 },
	{ "pin", run_pin, NULL, 0 },	      { "fsync", run_sleeps, NULL, 0 },
	{ "cold", run_sleeps, NULL, 0 },      { "chill", run_chill, NULL, 0 },
};

static void run_sleeps(const struct gate_command *self, const long *args)
{
	unsigned long long before = switches();

	for (long i = 0; i < args[0]; i++) {
		for (size_t k = 0; k < COUNT(kinds); k++)
			if (!strcmp(kinds[k].name, self->name))
				kinds[k].sleep(args[1]);
		stop();
		clean_up();
	}
	answer(switches() - before);
}

static void make_faulty(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };

	faulty = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		      -1, 0);
	faults = syscall(SYS_userfaultfd, O_CLOEXEC);
	reg.range.start = (uintptr_t)faulty;
	reg.range.len = PAGE;
	if (faults < 0 || ioctl(faults, UFFDIO_API, &api) ||
	    ioctl(faults, UFFDIO_REGISTER, &reg))
		gate_die("userfaultfd");
}

static void make_all(void)
{
	struct epoll_event e = { .events = EPOLLIN };

	snprintf(lock_path, sizeof(lock_path), "/tmp/assay-asleep-XXXXXX");
	lock_file = mkstemp(lock_path);
	schedstat = open("/proc/self/schedstat", O_RDONLY);
	in_call = open("/proc/self/syscall", O_RDONLY);
	futex_word =
	    mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	epoll = epoll_create1(0);
	if (pipe(ask) || pipe2(held, O_NONBLOCK) || pipe(bytes) ||
	    socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) || lock_file < 0 ||
	    schedstat < 0 || in_call < 0 || futex_word == MAP_FAILED ||
	    epoll_ctl(epoll, EPOLL_CTL_ADD, bytes[0], &e))
		gate_die("set-up");
	make_faulty();
}

/* asleep PARTNER_CGROUP_DIR [FILE] */
int main(int argc, char **argv)
{
	char line[256];

	make_all();
	if (argc < 2)
		gate_die("argument");
	if (argc > 2 && (slow = open(argv[2], O_RDWR)) < 0)
		gate_die("open");
	signal(SIGUSR1, on_enough);
	sleeper = getpid();
	if (!fork())
		be_partner(argv[1]);
	close(ask[0]);
	usleep(50000); /* until it is where it belongs */
	unlink(lock_path);
	gate_say("ready=1");
	for (;;) {
		uint64_t from = gate_clock(CLOCK_MONOTONIC);

		idle_cpu_ns = gate_clock(CLOCK_THREAD_CPUTIME_ID);
		if (!gate_line(line, sizeof(line)))
			return 0;
		told_ns = gate_clock(CLOCK_MONOTONIC);
		sleeps = (struct sleeps){ 0 };
		idle_ns = told_ns - from;
		gate_run(commands, COUNT(commands), line);
	}
}
