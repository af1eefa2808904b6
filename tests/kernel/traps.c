// SPDX-License-Identifier: Apache-2.0
/*
 * System calls that do not come in pairs of enter and exit: interrupted ones,
 * restarted ones, ones that never return, ones that return twice. The driver sends
 * the signals.
 */
#include <pthread.h>
#include <sched.h>
#include <sys/quota.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>

#include "gate.h"

static char *self_path;
static volatile sig_atomic_t signals;

static void on_signal(int number)
{
	(void)number;
	signals++;
}

static void catch_signal(int number, int flags)
{
	struct sigaction action = { .sa_handler = on_signal, .sa_flags = flags };

	signals = 0;
	if (sigaction(number, &action, NULL))
		gate_die("sigaction");
}

/* CLOCK_MONOTONIC by a call: where it is none depends on the machine. */
static uint64_t clock_by_call(void)
{
	struct timespec t;

	syscall(SYS_clock_gettime, CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

/*
 * "sleep MS": one nanosleep; it says how long it really took, by the clock before and
 * after it: two calls more.
 */
static void run_sleep(const struct gate_command *self, const long *args)
{
	struct timespec t = { args[0] / 1000, args[0] % 1000 * 1000000 };
	uint64_t start = clock_by_call();
	long ret = syscall(SYS_nanosleep, &t, NULL);

	(void)self;
	gate_say("ret=%ld ns=%llu", ret, (unsigned long long)(clock_by_call() - start));
}

/* "sleep_caught MS": the same, with a handler for SIGUSR1. */
static void run_sleep_caught(const struct gate_command *self, const long *args)
{
	catch_signal(SIGUSR1, 0);
	run_sleep(self, args);
	signal(SIGUSR1, SIG_DFL);
}

/*
 * "read RESTART": reads a line, with a handler for SIGUSR1 that restarts the call
 * (1) or does not (0). reads is the number of calls that this program made.
 */
static void run_read(const struct gate_command *self, const long *args)
{
	int reads = 0, interrupted = 0;
	ssize_t n;
	char c;

	(void)self;
	catch_signal(SIGUSR1, args[0] ? SA_RESTART : 0);
	do {
		reads++;
		n = read(STDIN_FILENO, &c, 1);
		interrupted += n < 0 && errno == EINTR;
	} while (n < 0 && errno == EINTR);
	signal(SIGUSR1, SIG_DFL);
	gate_say("reads=%d interrupted=%d signals=%d", reads, interrupted,
		 (int)signals);
}

/* Has -2 in the register of the return value until a signal has come; what is in it
 * then. */
static long wait_with_result(void)
{
#if defined(__x86_64__)
	long ax;

	asm volatile("mov $-2, %0\n"
		     "1: pause\n"
		     "cmpl $0, %1\n"
		     "je 1b\n"
		     : "=&a"(ax)
		     : "m"(signals)
		     : "cc", "memory");
	return ax;
#elif defined(__aarch64__)
	register long x0 asm("x0") = -2;

	asm volatile("1: yield\n"
		     "ldr w1, %1\n"
		     "cbz w1, 1b\n"
		     : "+r"(x0)
		     : "m"(signals)
		     : "x1", "cc", "memory");
	return x0;
#elif defined(__arm__)
	register long r0 asm("r0") = -2;

	asm volatile("1: yield\n"
		     "ldr r1, %1\n"
		     "cmp r1, #0\n"
		     "beq 1b\n"
		     : "+r"(r0)
		     : "m"(signals)
		     : "r1", "cc", "memory");
	return r0;
#endif
}

/*
 * "sigreturn N": N times a signal hits user code that has -2 in the register of
 * the return value. rt_sigreturn then "returns" -2 and nothing has failed.
 */
static void run_sigreturn(const struct gate_command *self, const long *args)
{
	struct itimerval soon = { .it_value.tv_usec = 1000 };
	long ax = 0;

	(void)self;
	catch_signal(SIGALRM, 0);
	for (long i = 0; i < args[0]; i++) {
		signals = 0;
		if (setitimer(ITIMER_REAL, &soon, NULL))
			gate_die("setitimer");
		ax = wait_with_result();
	}
	gate_say("signals=%ld ax=%ld", args[0], ax);
}

static volatile int in_pause;

/* exec of ourselves; "ready=1" is then the answer. */
static void *exec_self(void *arg)
{
	(void)arg;
	execl("/proc/self/exe", self_path, NULL);
	gate_die("execl");
	return NULL;
}

static void *sleep_for_ever(void *arg)
{
	(void)arg;
	in_pause = 1; /* all calls that a thread begins with are behind it */
	for (;;)
		pause();
	return NULL;
}

/* Without a call: on a busy machine a thread may take long to begin. */
static void wait_for_pause(void)
{
	while (!in_pause)
		;
}

static void *exec_after_pause(void *arg)
{
	wait_for_pause();
	return exec_self(arg);
}

/* "exec_leader": the first thread calls execve, while another is in pause(). */
static void run_exec_leader(const struct gate_command *self, const long *args)
{
	pthread_t thread;

	(void)self;
	(void)args;
	if (pthread_create(&thread, NULL, sleep_for_ever, NULL))
		gate_die("pthread_create");
	usleep(20000);
	wait_for_pause();
	exec_self(NULL);
}

/* "exec_thread": another thread does, while the first is in pause(). */
static void run_exec_thread(const struct gate_command *self, const long *args)
{
	pthread_t thread;

	(void)self;
	(void)args;
	usleep(20000);
	if (pthread_create(&thread, NULL, exec_after_pause, NULL))
		gate_die("pthread_create");
	sleep_for_ever(NULL);
}

/* What a child does: one call that counts and one that never returns. */
static void __attribute__((noreturn)) child(void)
{
	syscall(SYS_getppid);
	syscall(SYS_exit_group, 0);
	__builtin_unreachable();
}

static long __attribute__((noinline)) make_child(bool share)
{
	long pid = share ? vfork() : syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (pid == 0)
		child();
	return pid;
}

/*
 * "fork N" and "vfork N": N children, one getppid each. The call returns in the
 * child too, where nobody has made it.
 */
static void make_children(long n, bool share)
{
	for (long i = 0; i < n; i++) {
		long pid = make_child(share);

		if (pid < 0 || syscall(SYS_wait4, pid, NULL, 0, NULL) != pid)
			gate_die("fork");
	}
	gate_say("children=%ld", n);
}

static void run_fork(const struct gate_command *self, const long *args)
{
	(void)self;
	make_children(args[0], false);
}

static void run_vfork(const struct gate_command *self, const long *args)
{
	(void)self;
	make_children(args[0], true);
}

/* "getppid N": to see that the trap has not spoilt what comes after it. */
static void run_getppid(const struct gate_command *self, const long *args)
{
	(void)self;
	for (long i = 0; i < args[0]; i++)
		syscall(SYS_getppid);
	gate_say("calls=%ld", args[0]);
}

/*
 * "enotblk N": calls that fail with an errno that nobody else on the machine has: one
 * may know them again in counts that have those of others, too.
 */
static void run_enotblk(const struct gate_command *self, const long *args)
{
	long failed = 0;

	(void)self;
	for (long i = 0; i < args[0]; i++)
		failed += syscall(SYS_quotactl, QCMD(Q_GETFMT, USRQUOTA), "/dev/null",
				  0, &failed) &&
			  errno == ENOTBLK;
	if (failed != args[0])
		gate_die("quotactl");
	gate_say("calls=%ld", args[0]);
}

/* "receive ID": waits for a message until somebody removes the queue: EIDRM. */
static void run_receive(const struct gate_command *self, const long *args)
{
	char message[64];
	long ret = syscall(SYS_msgrcv, args[0], message, sizeof(message) - 8, 0, 0);

	(void)self;
	gate_say("ret=%ld removed=%d", ret, errno == EIDRM);
}

static const struct gate_command commands[] = {
	{ "receive", run_receive, NULL, 0 },
	{ "sleep", run_sleep, NULL, 0 },
	{ "sleep_caught", run_sleep_caught, NULL, 0 },
	{ "read", run_read, NULL, 0 },
	{ "sigreturn", run_sigreturn, NULL, 0 },
	{ "exec_leader", run_exec_leader, NULL, 0 },
	{ "exec_thread", run_exec_thread, NULL, 0 },
	{ "fork", run_fork, NULL, 0 },
	{ "vfork", run_vfork, NULL, 0 },
	{ "getppid", run_getppid, NULL, 0 },
	{ "enotblk", run_enotblk, NULL, 0 },
};

int main(int argc, char **argv)
{
	(void)argc;
	self_path = argv[0];
	return gate_loop(commands, COUNT(commands));
}
