// SPDX-License-Identifier: Apache-2.0
/*
 * The filter of system calls, in a child, as nothing takes it off again: what is not on
 * the list fails, and is told of once; what the agent does is let through.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <netdb.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/util.h"
#include "kernel/call_filter.h"

/* In the child: its exit status is the line that did not hold. */
#define HOLDS(condition)                             \
	do {                                         \
		if (!(condition))                    \
			_exit(__LINE__ & 0xff ?: 1); \
	} while (0)

static void in_child(void (*body)(void))
{
	int status;
	pid_t pid;

	if (!CALL_FILTER_SUITS)
		skip();
	pid = fork();
	assert_true(pid >= 0);
	if (!pid) {
		HOLDS(call_filter_install() > 60);
		body();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFSIGNALED(status))
		fail_msg("the child was killed by signal %d", WTERMSIG(status));
	if (WEXITSTATUS(status))
		fail_msg("line %d (of its lowest 8 bits) did not hold",
			 WEXITSTATUS(status));
}

static bool fails(long result)
{
	return result == -1 && errno == ENOSYS;
}

/* The next one that is told of has this name. */
static bool tells(const char *want)
{
	char *name = NULL;
	bool is = call_filter_refused(&name) >= 0 && name && !strcmp(name, want);

	free(name);
	return is;
}

static bool tells_nothing(void)
{
	char *name;

	return call_filter_refused(&name) < 0;
}

static void try_processes(void)
{
	char *argv[] = { "/bin/true", NULL };

	HOLDS(tells_nothing());
	HOLDS(fails(execve(argv[0], argv, NULL)));
	HOLDS(fails(syscall(SYS_execve, argv[0], argv, NULL)));
	HOLDS(tells("execve"));
	HOLDS(tells_nothing());
	HOLDS(fails(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
	HOLDS(tells("clone"));
	HOLDS(fails(fork()));
	HOLDS(fails(syscall(SYS_clone3, NULL, 0)));
	HOLDS(fails(syscall(SYS_ptrace, 0, 0, 0, 0)));
	HOLDS(tells("ptrace"));
	HOLDS(fails(syscall(SYS_tgkill, getppid(), getppid(), 0)));
	HOLDS(tells("tgkill"));
	HOLDS(fails(kill(getpid(), 0)));
	HOLDS(tells("kill"));
}

static void a_process_cannot_be_made_or_reached(void **state)
{
	in_child(try_processes);
}

static void try_power(void)
{
	union bpf_attr attr = { 0 };
	struct rlimit limit = { 1, 1 };

	HOLDS(fails(syscall(SYS_bpf, BPF_PROG_LOAD, &attr, sizeof(attr))));
	HOLDS(fails(syscall(SYS_bpf, BPF_MAP_CREATE, &attr, sizeof(attr))));
	HOLDS(tells("bpf"));
	HOLDS(syscall(SYS_bpf, BPF_MAP_LOOKUP_ELEM, &attr, sizeof(attr)) == -1 &&
	      errno != ENOSYS);
	HOLDS(fails(syscall(SYS_socket, AF_PACKET, SOCK_RAW, 0)));
	HOLDS(tells("socket"));
	HOLDS(fails(syscall(SYS_setuid, 0)));
	HOLDS(tells("setuid"));
	HOLDS(fails(setrlimit(RLIMIT_CORE, &limit)));
	HOLDS(tells("prlimit64"));
	HOLDS(fails(syscall(SYS_mount, "", "/", "tmpfs", 0, NULL)));
	HOLDS(tells("mount"));
	HOLDS(fails(syscall(SYS_io_uring_setup, 1, NULL)));
	HOLDS(tells("io_uring_setup"));
	HOLDS(mmap(NULL, 4096, PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0) == MAP_FAILED);
	HOLDS(tells("mmap"));
	HOLDS(tells_nothing());
}

static void nothing_is_loaded_mounted_or_made_to_run(void **state)
{
	in_child(try_power);
}

static void try_newer(void)
{
	sigset_t all;

	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL); /* a signal would be the end */
	HOLDS(fails(syscall(500)));
	HOLDS(fails(syscall(SYS_clone3, NULL, 0)));
	HOLDS(tells_nothing());
}

static void a_call_that_is_newer_than_the_list_fails_without_a_signal(void **state)
{
	in_child(try_newer);
}

static void *end_thread(void *arg)
{
	return arg;
}

static void try_needed(void)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	pthread_t thread;
	void *result;
	char byte;
	int fd;

	HOLDS(!pthread_create(&thread, NULL, end_thread, &fd));
	HOLDS(!pthread_join(thread, &result) && result == &fd);
	HOLDS(!getaddrinfo("localhost", "1", &hints, &list));
	freeaddrinfo(list);
	fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	HOLDS(fd >= 0 && read(fd, &byte, 1) == 1 && !close(fd));
	usleep(1);
	raise_descriptors(1);
	HOLDS(tells_nothing());
}

static void threads_names_and_files_are_there(void **state)
{
	in_child(try_needed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_cannot_be_made_or_reached),
		cmocka_unit_test(nothing_is_loaded_mounted_or_made_to_run),
		cmocka_unit_test(
		    a_call_that_is_newer_than_the_list_fails_without_a_signal),
		cmocka_unit_test(threads_names_and_files_are_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
