// SPDX-License-Identifier: Apache-2.0
/*
 * Cgroups that come and go, below the directory of the first argument: each gets a
 * process that is born in it, makes CALLS calls of mprotect that fail, and ends.
 *
 * churn N    N of them in a row, each removed before the next is made
 * fill N     N of them that stay
 * spread N   the same, and each makes a call of all other classes, too, on each CPU
 * drop       removes those
 */
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "gate.h"

#define CALLS 10

static struct {
	const char *base;
	void *page;
	long filled;
	bool spread;
} with;

static void path_of(char *path, size_t len, long i)
{
	snprintf(path, len, "%s/c%ld", with.base, i);
}

/* A call of each class, on each CPU that there is. */
static void spread(void)
{
	cpu_set_t one;

	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		CPU_ZERO(&one);
		CPU_SET(cpu, &one);
		if (sched_setaffinity(0, sizeof(one), &one))
			continue;
		syscall(SYS_faccessat, AT_FDCWD, "/", F_OK);
		syscall(SYS_getsockname, 0, NULL, NULL);
		syscall(SYS_pipe2, NULL, 0);
		syscall(SYS_getppid);
		syscall(SYS_futex, NULL, -1, 0, NULL, NULL, 0);
		syscall(SYS_ppoll, NULL, 0, &(struct timespec){ 0 }, NULL, 0);
		syscall(SYS_mprotect, (char *)with.page + 1, 4096, PROT_READ);
	}
}

/*
 * Everything that a container does here: calls of class memory which fail as nobody
 * else's do (EINVAL), and its end.
 */
static void live(void)
{
	if (with.spread)
		spread();
	for (int i = 0; i < CALLS; i++)
		syscall(SYS_mprotect, (char *)with.page + 1, 4096, PROT_READ);
	syscall(SYS_exit_group, 0);
}

static void run_in(const char *path)
{
	int dir = open(path, O_DIRECTORY | O_RDONLY), status;
	struct clone_args args = {
		.flags = CLONE_INTO_CGROUP,
		.exit_signal = SIGCHLD,
		.cgroup = dir,
	};
	long pid;

	if (dir < 0)
		gate_die("open");
	pid = syscall(SYS_clone3, &args, sizeof(args));
	if (!pid)
		live();
	if (pid < 0 || waitpid(pid, &status, 0) != pid || status)
		gate_die("clone3");
	close(dir);
}

static void make(long i)
{
	char path[512];

	path_of(path, sizeof(path), i);
	if (mkdir(path, 0755))
		gate_die("mkdir");
	run_in(path);
}

static void destroy(long i)
{
	char path[512];

	path_of(path, sizeof(path), i);
	for (int tries = 0; rmdir(path); tries++) {
		if (errno != EBUSY || tries == 10000)
			gate_die("rmdir");
		usleep(1000);
	}
}

static void run_churn(const struct gate_command *self, const long *args)
{
	uint64_t began = gate_clock(CLOCK_MONOTONIC);

	for (long i = 0; i < args[0]; i++) {
		make(i);
		destroy(i);
	}
	gate_say("cgroups=%ld calls=%ld ms=%ld", args[0], args[0] * CALLS,
		 (long)((gate_clock(CLOCK_MONOTONIC) - began) / 1000000));
}

static void run_fill(const struct gate_command *self, const long *args)
{
	for (with.filled = 0; with.filled < args[0]; with.filled++)
		make(with.filled);
	gate_say("cgroups=%ld calls=%ld", with.filled, with.filled * CALLS);
}

static void run_spread(const struct gate_command *self, const long *args)
{
	with.spread = true;
	run_fill(self, args);
	with.spread = false;
}

static void run_drop(const struct gate_command *self, const long *args)
{
	while (with.filled > 0)
		destroy(--with.filled);
	gate_say("cgroups=0");
}

static const struct gate_command commands[] = {
	{ "churn", run_churn },
	{ "fill", run_fill },
	{ "spread", run_spread },
	{ "drop", run_drop },
};

int main(int argc, char **argv)
{
	if (argc != 2)
		return 2;
	with.base = argv[1];
	with.page = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (with.page == MAP_FAILED)
		gate_die("mmap");
	return gate_loop(commands, COUNT(commands));
}
