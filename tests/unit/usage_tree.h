/* SPDX-License-Identifier: Apache-2.0 */
/* A tree of our own that looks like one of the kernel's, for the tests of usage.h. */
#ifndef USAGE_TREE_H
#define USAGE_TREE_H

#include <errno.h>
#include <ftw.h>
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
#include "workload/usage.h"
#include "workload/workload.h"

struct tree {
	char root[64];
	struct cells cells;
	struct cgroups *cgroups;
	struct usage_reader *reader;
};

static inline void make(const struct tree *t, const char *cgroup)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s", t->root, cgroup);
	assert_int_equal(mkdir(path, 0755), 0);
}

static inline void put(const struct tree *t, const char *cgroup, const char *file,
		       const char *text)
{
	char path[256];
	FILE *f;

	snprintf(path, sizeof(path), "%s%s/%s", t->root, cgroup, file);
	f = fopen(path, "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static inline void put_cpu(const struct tree *t, const char *cgroup, int us,
			   int periods, int throttled, int throttled_us)
{
	char text[512];

	snprintf(text, sizeof(text),
		 "usage_usec %d\nuser_usec 1\nsystem_usec 2\nnice_usec 0\n"
		 "core_sched.force_idle_usec 0\nnr_periods %d\nnr_throttled %d\n"
		 "throttled_usec %d\nnr_bursts 7\nburst_usec 8\n",
		 us, periods, throttled, throttled_us);
	put(t, cgroup, "cpu.stat", text);
}

/* Ends the agent's reading and begins it anew, as a start of the agent does. */
static inline void start(struct tree *t)
{
	usage_close(t->reader);
	cgroups_close(t->cgroups);
	assert_int_equal(cgroups_open(t->root, &t->cells, &t->cgroups), 0);
	assert_int_equal(usage_open(t->cgroups, &t->reader), 0);
}

static inline int open_tree(void **state)
{
	struct tree *t = calloc(1, sizeof(*t));

	strcpy(t->root, "/tmp/assay-usage-XXXXXX");
	assert_non_null(mkdtemp(t->root));
	t->cells.names = calloc(1, sizeof(*t->cells.names));
	make(t, "/old");
	put_cpu(t, "/old", 5000, 10, 4, 900);
	put(t, "/old", "cpu.pressure",
	    "some avg10=1.00 avg60=2.00 avg300=3.00 total=100\n"
	    "full avg10=0.00 avg60=0.00 avg300=0.00 total=50\n");
	start(t);
	*state = t;
	return 0;
}

static inline int remove_one(const char *path, const struct stat *st, int type,
			     struct FTW *ftw)
{
	return remove(path);
}

static inline int close_tree(void **state)
{
	struct tree *t = *state;

	usage_close(t->reader);
	cgroups_close(t->cgroups);
	nftw(t->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(t->cells.names);
	free(t);
	return 0;
}

static inline bool has(const struct usage *u, enum usage_value v)
{
	return u->has & 1U << v;
}

/* Reads all files of a cgroup. */
static inline void look(struct tree *t, const char *path, struct usage *u)
{
	struct usage_round round = { .now_ns = 1, .whole = true };

	usage_read(t->reader, &round, path, u);
}

static inline void move(const struct tree *t, const char *from, const char *to)
{
	char a[256], b[256];

	snprintf(a, sizeof(a), "%s%s", t->root, from);
	snprintf(b, sizeof(b), "%s%s", t->root, to);
	assert_int_equal(rename(a, b), 0);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, open_tree, close_tree)

#endif
