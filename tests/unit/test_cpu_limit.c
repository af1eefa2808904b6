// SPDX-License-Identifier: Apache-2.0
/* The CPU limit of a cgroup, and which threads are stuck in it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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
	assert_int_equal(s.count, 0);	       /* it runs */
	put("/free", "cgroup.threads", "0\n"); /* who is in another pid namespace */
	assert_int_equal(stuck_threads_read(own, &s), -ESRCH);
	assert_int_equal(stuck_threads_read("/nonexistent", &s), -ENOENT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_lowest_limit_counts),
		cmocka_unit_test(threads_are_looked_at),
	};

	return cmocka_run_group_tests(tests, make, clean);
}
