// SPDX-License-Identifier: Apache-2.0
/* Which cgroup a process is in: by files of /proc, and by those of a tree. */
#include <errno.h>
#include <limits.h>
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
#include "base/util.h"
#include "workload/process.h"

#define STAT "(a) b (c) S 1 7 7 0 -1 %s 105 0\n"

static char top[] = "/tmp/test_process.XXXXXX";

/* A file below top; its directories are made. */
static void put_file(const char *name, const char *format, const char *arg)
{
	char path[PATH_MAX];
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", top, name);
	for (char *at = path + sizeof(top); (at = strchr(at, '/')); *at++ = '/') {
		*at = '\0';
		mkdir(path, 0700);
	}
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, format, arg);
	fclose(f);
}

static void a_process_is_in_a_cgroup_of_v2(void **state)
{
	struct process p;

	put_file("7/stat", "7 " STAT, "4194560");
	put_file("7/cgroup", "4:memory:/v1\n0::%s\n", "/shop/web");
	assert_int_equal(process_find(top, 7, &p), 0);
	assert_string_equal(p.path, "/shop/web");
	assert_false(p.is_kernel);
	put_file("7/cgroup", "4:memory:/v1%s\n", "");
	assert_int_equal(process_find(top, 7, &p), -ENOENT);
	assert_int_equal(process_find(top, 8, &p), -ESRCH);
}

static void a_thread_of_the_kernel_is_the_kernels(void **state)
{
	struct process p;

	put_file("9/stat", "9 " STAT, "2129984"); /* PF_KTHREAD and others */
	put_file("9/cgroup", "0::%s\n", "/");
	assert_int_equal(process_find(top, 9, &p), 0);
	assert_true(p.is_kernel);
}

static void our_own_is_none(void **state)
{
	struct process p;

	assert_int_equal(process_find("/proc", getpid(), &p), 0);
	assert_false(p.is_kernel);
	assert_int_equal(*p.path, '/');
}

/* Where /proc only knows the end of a path, or its beginning is another one's. */
static void a_process_is_found_in_the_tree(void **state)
{
	char path[64], tree[PATH_MAX];

	put_file("tree/cgroup.procs", "%s", "1\n2\n");
	put_file("tree/a/cgroup.procs", "%s", "");
	put_file("tree/a/b/cgroup.procs", "%s", "77\n17\n");
	put_file("tree/c/cgroup.procs", "%s", "7\n");
	snprintf(tree, sizeof(tree), "%s/tree", top);
	assert_true(process_search(tree, 7, path, sizeof(path)));
	assert_string_equal(path, "/c");
	assert_true(process_search(tree, 17, path, sizeof(path)));
	assert_string_equal(path, "/a/b");
	assert_true(process_search(tree, 1, path, sizeof(path)));
	assert_string_equal(path, "/");
	assert_false(process_search(tree, 177, path, sizeof(path)));
	assert_false(process_search("/nowhere", 7, path, sizeof(path)));
}

static int begin(void **state)
{
	return mkdtemp(top) ? 0 : -1;
}

static int end(void **state)
{
	char command[64];

	snprintf(command, sizeof(command), "rm -r %s", top);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_process_is_in_a_cgroup_of_v2),
		cmocka_unit_test(a_thread_of_the_kernel_is_the_kernels),
		cmocka_unit_test(our_own_is_none),
		cmocka_unit_test(a_process_is_found_in_the_tree),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
