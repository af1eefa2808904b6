// SPDX-License-Identifier: Apache-2.0
/*
 * System calls that a seccomp filter answers: the kernel tells of their exits and of no
 * enters. "deny N" makes N of each of the filter's calls, as a container with a profile
 * does, and says how many of them came out as the filter wants it. "deny_32 N": N
 * 32-bit ones.
 */
#include <fcntl.h>
#include <linux/audit.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include "filter.h"

#define ENOTSUPP      524 /* include/linux/errno.h */
#define NO_ERRNO      600
#define NO_ERRNO_2    601
#define GETPID_32     20
#define RETURN(value) BPF_STMT(BPF_RET | BPF_K, value)
#define DENY(nr, how) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), RETURN(how)

static struct sock_filter filter[] = {
#if defined(__x86_64__)
	LOAD(arch),
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_I386, 0, 4),
	LOAD(nr),
	DENY(GETPID_32, FAIL(EPERM)),
	RETURN(SECCOMP_RET_ALLOW),
#endif
	LOAD(nr),
#if defined(__arm__)
	DENY(GETPID_32, FAIL(EPERM)),
#endif
	DENY(SYS_umount2, FAIL(EPERM)),
	DENY(SYS_getsid, FAIL(EACCES)),
	DENY(SYS_madvise, FAIL(ENOSYS)),
	DENY(SYS_fsync, FAIL(EROFS)),
	DENY(SYS_listen, FAIL(ENOBUFS)),
	DENY(SYS_mlock, FAIL(ENOTSUPP)),
	DENY(SYS_munlock, FAIL(NO_ERRNO)),
	DENY(SYS_mlockall, FAIL(NO_ERRNO_2)),
	DENY(SYS_getpgid, FAIL(0)), /* it seems to succeed */
	DENY(SYS_getppid, FAIL(EAGAIN)),
	DENY(SYS_sched_yield, SECCOMP_RET_TRAP),
	RETURN(SECCOMP_RET_ALLOW),
};

static int file, sock;
static volatile sig_atomic_t traps;

static void on_trap(int number)
{
	(void)number;
	traps++;
}

/* Whether a call came out as it should. */
static bool fails(long ret, int err)
{
	return ret == -1 && errno == err;
}

static void run_deny(const struct gate_command *self, const long *args)
{
	long good = 0;

	(void)self;
	for (long i = 0; i < args[0]; i++) {
		bool all = fails(syscall(SYS_umount2, "/nowhere", 2), EPERM);

		all &= fails(syscall(SYS_getsid, 0), EACCES);
		all &= fails(syscall(SYS_madvise, 0, 0, 0), ENOSYS);
		all &= fails(syscall(SYS_fsync, file), EROFS);
		all &= fails(syscall(SYS_fsync, sock), EROFS);
		all &= fails(syscall(SYS_listen, sock, 1), ENOBUFS);
		all &= fails(syscall(SYS_mlock, 0, 0), ENOTSUPP);
		all &= fails(syscall(SYS_munlock, 0, 0), NO_ERRNO);
		all &= fails(syscall(SYS_mlockall, 0), NO_ERRNO_2);
		all &= syscall(SYS_getpgid, 0) == 0;
		all &= fails(syscall(SYS_getppid), EAGAIN);
		syscall(SYS_sched_yield);
		good += all;
	}
	gate_say("good=%ld traps=%ld", good, (long)traps);
}

static void run_deny_32(const struct gate_command *self, const long *args)
{
	long good = 0, ret = 0;

	(void)self;
	for (long i = 0; i < args[0]; i++) {
#if defined(__x86_64__)
		asm volatile("int $0x80" : "=a"(ret) : "0"(GETPID_32) : "memory");
#elif defined(__arm__)
		ret = syscall(GETPID_32) == -1 ? -errno : 0;
#endif
		good += (int)ret == -EPERM;
	}
	gate_say("good=%ld", good);
}

static const struct gate_command commands[] = {
	{ "deny", run_deny, NULL, 0 },
	{ "deny_32", run_deny_32, NULL, 0 },
};

int main(void)
{
	file = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	sock = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (file < 0 || sock < 0 || signal(SIGSYS, on_trap) == SIG_ERR)
		gate_die("open");
	filter_install(filter, COUNT(filter));
	return gate_loop(commands, COUNT(commands));
}
