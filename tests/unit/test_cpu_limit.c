// SPDX-License-Identifier: Apache-2.0
/* The CPU limit of a cgroup, and which threads are stuck in it. */
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>
#include "workload/cpu_limit.h"
#include "workload/stuck_threads.h"

static char top[] = "/tmp/assay-limit-XXXXXX";

static void put(const char *path, const char *name, const char *text)
{
	char file[512];
	FILE *f;

	snprintf(file, sizeof(file), "%s%s", top, path);
	mkdir(file, 0700);
	snprintf(file, sizeof(file), "%s%s/%s", top, path, name);
	f = fopen(file, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int make(void **state)
{
	assert_non_null(mkdtemp(top));
	put("/pod", "cpu.max", "50000 100000\n");
	put("/pod/app", "cpu.max", "max 100000\n");
	put("/pod/app/worker", "cpu.max", "200000 100000\n");
	put("/free", "cpu.max", "max 100000\n");
	return 0;
}

static int clean(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", top);
	return system(command);
}

static void the_lowest_limit_counts(void **state)
{
	struct cpu_limit l;

	assert_int_equal(cpu_limit_read(top, "/pod/app/worker", &l), 0);
	assert_true(l.cpus == 0.5);
	assert_string_equal(l.path, "/pod");
	assert_int_equal(cpu_limit_read(top, "/pod", &l), 0);
	assert_int_equal(cpu_limit_read(top, "/free", &l), -ENOENT);
	assert_int_equal(cpu_limit_read(top, "/gone", &l), -ENOENT);
	assert_int_equal(cpu_limit_read(top, "/", &l), -ENOENT);
	assert_int_equal(cpu_limit_read(top, "", &l), -ENOENT);
	assert_true(cpu_limit_parse("10000 0") == 0);
	assert_true(cpu_limit_parse("") == 0);
}

static void threads_are_looked_at(void **state)
{
	struct stuck_threads s;
	char own[32];

	snprintf(own, sizeof(own), "%d\n", getpid());
	put("/free", "cgroup.threads", own);
	snprintf(own, sizeof(own), "%s/free", top);
	assert_int_equal(stuck_threads_read(own, &s), 0);
	assert_int_equal(s.all, 1);
	assert_int_equal(s.asleep.count, 0);   /* it runs */
	put("/free", "cgroup.threads", "0\n"); /* who is in another pid namespace */
	assert_int_equal(stuck_threads_read(own, &s), -ESRCH);
	assert_int_equal(stuck_threads_read("/nonexistent", &s), -ENOENT);
}

static void wait_for_lock(const char *path)
{
	flock(open(path, O_RDWR), LOCK_EX);
}

static void wait_for_child(const char *path)
{
	(void)path;
	/* the parent of a vfork sleeps until its child has ended, and no signal but one
	 * that kills ends that */
	if (!vfork())
		for (;;)
			pause();
}

static void wait_for_nothing(const char *path)
{
	(void)path;
	pause();
}

/* A process that does this, in a group of its own, which ends with its leader. */
static pid_t start(void (*wait)(const char *), const char *path)
{
	pid_t pid = fork();

	assert_return_code(pid, errno);
	if (pid)
		return pid;
	setpgid(0, 0);
	prctl(PR_SET_NAME, "sleeper (D) ");
	wait(path);
	_exit(0);
}

/* In which call each sleeps, and whether a signal would wake it. */
static void sleepers_are_told_by_their_calls(void **state)
{
	char path[4200], dir[4200], pids[64];
	struct stuck_threads s;
	const struct sleepers *file = &s.of[CALL_FILE], *process = &s.of[CALL_PROCESS];
	pid_t pid[3];
	int lock;

	snprintf(path, sizeof(path), "%s/lock", top);
	lock = open(path, O_RDWR | O_CREAT, 0600);
	assert_return_code(lock, errno);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	pid[0] = start(wait_for_lock, path);
	pid[1] = start(wait_for_child, path);
	pid[2] = start(wait_for_nothing, path);
	snprintf(pids, sizeof(pids), "%d\n%d\n%d\n", pid[0], pid[1], pid[2]);
	put("/free", "cgroup.threads", pids);
	snprintf(dir, sizeof(dir), "%s/free", top);
	for (int i = 0; i < 500; i++) { /* until all of them sleep */
		assert_int_equal(stuck_threads_read(dir, &s), 0);
		if (file->count && process->uninterruptible && s.asleep.count == 3)
			break;
		usleep(10000);
	}
	for (int i = 0; i < 3; i++)
		kill(-pid[i], SIGKILL);
	for (int i = 0; i < 3; i++)
		waitpid(pid[i], NULL, 0);
	close(lock);
	unlink(path);
	assert_int_equal(s.all, 3);
	assert_int_equal(s.asleep.count, 3);
	assert_int_equal(s.asleep.uninterruptible, 1);
	assert_int_equal(file->count, 1);
	assert_int_equal(file->uninterruptible, 0);
	assert_string_equal(file->call, "flock");
	assert_int_equal(file->locks, 1);
	assert_int_equal(process->locks, 0);
	assert_int_equal(process->count, 1);
	assert_int_equal(process->uninterruptible, 1);
	assert_non_null(strstr("vfork clone", process->call));
	assert_string_equal(process->command, "sleeper (D) ");
	/* whom no signal wakes is the example */
	assert_string_equal(s.asleep.call, process->call);
	assert_int_equal(s.of[CALL_MEMORY].count, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_limit_counts),
		cmocka_unit_test(threads_are_looked_at),
		cmocka_unit_test(sleepers_are_told_by_their_calls),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
