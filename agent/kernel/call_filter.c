// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <linux/bpf.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/util.h"
#include "kernel/call_filter.h"
#include "kernel/refused_call.h"

/*
 * Calls from this number on came after the list was made: they fail like those that
 * the kernel does not have, without a signal, as a library may try one where it has
 * blocked all signals.
 */
#define FIRST_NEWER 453
#define LAST_NEWER  600
#define NUMBERS	    FIRST_NEWER
#define SYS_SECCOMP 1 /* si_code; glibc has no name for it */

#define ANY(name)                       \
	{                               \
		name, NO_ARGUMENT, 0, 0 \
	}
#define EQUAL(name, arg, value)                \
	{                                      \
		name, arg, ~(uint64_t)0, value \
	}
#define MASKED(name, arg, mask, value) \
	{                              \
		name, arg, mask, value \
	}

enum { NO_ARGUMENT = -1 };

/*
 * Let through: those that strace shows of an agent in all suites (reports, tune,
 * exports to files and over HTTP and HTTPS, names, the kubelet, rotation, signals, the
 * end), and what glibc and musl do instead on another kernel or architecture. Rows of
 * one name: any may hold.
 */
static const struct allowed {
	const char *name;
	int arg; /* argument that has to be so, when masked; or NO_ARGUMENT */
	uint64_t mask, value;
} allowed[] = {
	/* descriptors and files: exports, files of cgroups, certificates, names */
	ANY("read"),
	ANY("pread64"),
	ANY("readv"),
	ANY("write"),
	ANY("writev"),
	ANY("open"),
	ANY("openat"),
	ANY("openat2"),
	ANY("close"),
	ANY("close_range"),
	ANY("stat"),
	ANY("lstat"),
	ANY("fstat"),
	ANY("newfstatat"),
	ANY("statx"),
	ANY("access"),
	ANY("faccessat"),
	ANY("faccessat2"),
	ANY("readlink"),
	ANY("readlinkat"),
	ANY("getdents64"),
	ANY("lseek"),
	ANY("fcntl"),
	ANY("dup"),
	ANY("dup3"),
	ANY("ftruncate"),
	ANY("flock"),
	ANY("unlink"), /* the socket, at the end */
	ANY("unlinkat"),
	/* the history (SQLite): a file beside it is mapped, with its locks in it */
	ANY("pwrite64"),
	ANY("fsync"),
	ANY("fdatasync"),
	ANY("rename"),
	ANY("renameat"),
	ANY("renameat2"),
	ANY("fchmod"),
	ANY("fchown"),
	ANY("getcwd"),
	EQUAL("ioctl", 1, FIONREAD),
	EQUAL("ioctl", 1, FIONBIO),
	/* memory; never to be written and run */
	MASKED("mmap", 2, PROT_EXEC, 0), /* libraries for names: nsswitch.conf */
	MASKED("mmap", 2, PROT_WRITE, 0),
	MASKED("mprotect", 2, PROT_EXEC, 0),
	MASKED("mprotect", 2, PROT_WRITE, 0),
	ANY("munmap"),
	ANY("mremap"),
	ANY("madvise"),
	ANY("brk"),
	/* threads: of the pass over files, of libcurl's names. No process: clone3 hides
	   its flags and is refused, which makes libraries take clone */
	MASKED("clone", 0, CLONE_THREAD, CLONE_THREAD),
	ANY("set_robust_list"),
	ANY("set_tid_address"),
	ANY("rseq"),
	ANY("map_shadow_stack"),
	ANY("futex"),
	ANY("sched_yield"),
	ANY("sched_getaffinity"),
	ANY("gettid"),
	ANY("getpid"),
	ANY("exit"),
	ANY("exit_group"),
	ANY("membarrier"), /* rings_wait() */
	EQUAL("prctl", 0, PR_SET_NAME),
	EQUAL("prctl", 0, 0x53564d41), /* PR_SET_VMA: names of mappings */
	/* signals */
	ANY("rt_sigaction"),
	ANY("rt_sigprocmask"),
	ANY("rt_sigreturn"),
	ANY("sigaltstack"),
	ANY("restart_syscall"),
	/* time and waiting */
	ANY("clock_gettime"),
	ANY("clock_getres"),
	ANY("clock_nanosleep"),
	ANY("nanosleep"),
	ANY("gettimeofday"),
	ANY("time"),
	ANY("poll"),
	ANY("ppoll"),
	ANY("select"),
	ANY("pselect6"),
	ANY("epoll_create1"),
	ANY("epoll_ctl"),
	ANY("epoll_wait"),
	ANY("epoll_pwait"),
	ANY("epoll_pwait2"),
	ANY("eventfd2"),
	ANY("pipe2"),
	/* sockets: the agent's own, the collector's, those that tell names */
	EQUAL("socket", 0, AF_UNIX),
	EQUAL("socket", 0, AF_INET),
	EQUAL("socket", 0, AF_INET6),
	EQUAL("socket", 0, AF_NETLINK), /* which addresses there are: getaddrinfo() */
	EQUAL("socketpair", 0, AF_UNIX),
	ANY("bind"), /* netlink; the agent's own, when somebody removed that */
	ANY("listen"),
	ANY("mkdir"),
	ANY("mkdirat"),
	ANY("connect"),
	ANY("accept4"),
	ANY("shutdown"),
	ANY("getsockopt"),
	ANY("setsockopt"),
	ANY("getsockname"),
	ANY("getpeername"),
	ANY("sendto"),
	ANY("recvfrom"),
	ANY("sendmsg"),
	ANY("sendmmsg"),
	ANY("recvmsg"),
	ANY("recvmmsg"),
	/* what a library asks */
	ANY("getrandom"),
	ANY("getuid"),
	ANY("geteuid"),
	ANY("getgid"),
	ANY("getegid"),
	ANY("getppid"),
	ANY("getrusage"),
	ANY("getrlimit"),
	EQUAL("prlimit64", 2, 0), /* no new limit */
	ANY("sysinfo"),
	ANY("uname"),
	ANY("getcpu"),
	/* maps, programs and iterators that are there: no map or program is made */
	EQUAL("bpf", 0, BPF_MAP_LOOKUP_ELEM),
	EQUAL("bpf", 0, BPF_MAP_UPDATE_ELEM),
	EQUAL("bpf", 0, BPF_MAP_DELETE_ELEM),
	EQUAL("bpf", 0, BPF_MAP_GET_NEXT_KEY),
	EQUAL("bpf", 0, BPF_PROG_TEST_RUN),
	EQUAL("bpf", 0, BPF_OBJ_GET_INFO_BY_FD),
	EQUAL("bpf", 0, BPF_ITER_CREATE),
	/* links of programs that it has: a probe is switched on again. The second one
	   where the first does not know these hooks (before 5.19) */
	EQUAL("bpf", 0, BPF_LINK_CREATE),
	EQUAL("bpf", 0, BPF_RAW_TRACEPOINT_OPEN),
};

/* Written by whoever is refused something, in SIGSYS; read by the loop. */
static unsigned char seen[NUMBERS]; /* 1: refused, 2: told of, too */
static unsigned int refused;	    /* numbers */

/* The call fails, and its thread goes on. */
static void on_refused(int signal_number, siginfo_t *info, void *context)
{
	unsigned int number = info->si_syscall;

	if (info->si_code != SYS_SECCOMP)
		return; /* somebody sent it */
	refused_call_return(context, -ENOSYS);
	if (number < NUMBERS && !seen[number]) {
		seen[number] = 1;
		__atomic_fetch_add(&refused, 1, __ATOMIC_RELEASE);
	}
}

static int allow(scmp_filter_ctx ctx, const struct allowed *a, int number)
{
	struct scmp_arg_cmp cmp = { a->arg, SCMP_CMP_MASKED_EQ, a->mask, a->value };

	if (a->arg == NO_ARGUMENT)
		return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, number, 0, NULL);
	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, number, 1, &cmp);
}

/* A handle is for this process: signals go to its own threads only. */
static int allow_own_signals(scmp_filter_ctx ctx)
{
	struct scmp_arg_cmp own = { 0, SCMP_CMP_EQ, getpid(), 0 };

	return seccomp_rule_add_array(ctx, SCMP_ACT_ALLOW, SCMP_SYS(tgkill), 1, &own);
}

/* Those that fail as on a kernel that does not have them, and are not told of. */
static int add_newer(scmp_filter_ctx ctx)
{
	uint32_t action = SCMP_ACT_ERRNO(ENOSYS);
	int err = seccomp_rule_add(ctx, action, SCMP_SYS(clone3), 0);

	for (int n = FIRST_NEWER; n <= LAST_NEWER && !err; n++)
		err = seccomp_rule_add(ctx, action, n, 0);
	return err;
}

/* Returns how many calls are let through. */
static int add_all(scmp_filter_ctx ctx)
{
	int err = allow_own_signals(ctx), count = 1;

	for (size_t i = 0; i < COUNT(allowed) && !err; i++) {
		int number = seccomp_syscall_resolve_name(allowed[i].name);

		if (number < 0) /* this architecture, or this library, has it not */
			continue;
		err = allow(ctx, &allowed[i], number);
		count += !i || strcmp(allowed[i].name, allowed[i - 1].name);
	}
	if (!err)
		err = add_newer(ctx);
	return err ? err : count;
}

static int load(scmp_filter_ctx ctx)
{
	struct sigaction action = { .sa_sigaction = on_refused,
				    .sa_flags = SA_SIGINFO | SA_RESTART };
	int count, err;

	if (sigaction(SIGSYS, &action, NULL))
		return -errno;
	/* calls by another architecture's numbers (32-bit ones, x32) */
	seccomp_attr_set(ctx, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_TSYNC, 1);
	seccomp_attr_set(ctx, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, no list */
	count = add_all(ctx);
	err = count < 0 ? count : seccomp_load(ctx);
	return err ? err : count;
}

int call_filter_install(void)
{
	scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_TRAP);
	int result;

	if (!ctx)
		return -ENOMEM;
	result = load(ctx);
	seccomp_release(ctx);
	return result;
}

int call_filter_refused(char **name)
{
	static unsigned int told;

	if (__atomic_load_n(&refused, __ATOMIC_ACQUIRE) == told)
		return -1;
	told++;
	for (int n = 0; n < NUMBERS; n++) {
		if (seen[n] != 1)
			continue;
		seen[n] = 2;
		*name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, n);
		return n;
	}
	return -1;
}
