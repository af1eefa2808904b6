// SPDX-License-Identifier: Apache-2.0
/* Files of cgroups, in a tree of our own that looks like one of the kernel's. */
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
#include "metric/metrics.h"
#include "workload/usage.h"
#include "workload/workload.h"

struct tree {
	char root[64];
	struct cells cells;
	struct cgroups *cgroups;
	struct usage_reader *reader;
};

static void make(const struct tree *t, const char *cgroup)
{
	char path[256];

	snprintf(path, sizeof(path), "%s%s", t->root, cgroup);
	assert_int_equal(mkdir(path, 0755), 0);
}

static void put(const struct tree *t, const char *cgroup, const char *file,
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

static void put_cpu(const struct tree *t, const char *cgroup, int us, int periods,
		    int throttled, int throttled_us)
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
static void start(struct tree *t)
{
	usage_close(t->reader);
	cgroups_close(t->cgroups);
	assert_int_equal(cgroups_open(t->root, &t->cells, &t->cgroups), 0);
	assert_int_equal(usage_open(t->cgroups, &t->reader), 0);
}

static int open_tree(void **state)
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

static int remove_one(const char *path, const struct stat *st, int type,
		      struct FTW *ftw)
{
	return remove(path);
}

static int close_tree(void **state)
{
	struct tree *t = *state;

	usage_close(t->reader);
	cgroups_close(t->cgroups);
	nftw(t->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	free(t->cells.names);
	free(t);
	return 0;
}

static bool has(const struct usage *u, enum usage_value v)
{
	return u->has & 1U << v;
}

/* Reads all files of a cgroup. */
static void look(struct tree *t, const char *path, struct usage *u)
{
	struct usage_round round = { .now_ns = 1, .whole = true };

	usage_read(t->reader, &round, path, u);
}

static void a_cgroup_that_was_there_counts_from_the_start(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };

	/* nobody looked at it before, but the agent ran: all of this is new */
	put_cpu(t, "/old", 5700, 14, 6, 1000);
	put(t, "/old", "cpu.pressure", "some avg10=1.00 total=130\n");
	look(t, "/old", &u);
	assert_int_equal(u.value[USAGE_CPU_TIME], 700);
	assert_int_equal(u.value[USAGE_PERIODS_FREE], 2);
	assert_int_equal(u.value[USAGE_PERIODS_THROTTLED], 2);
	assert_int_equal(u.value[USAGE_THROTTLED_TIME], 100);
	assert_int_equal(u.value[USAGE_SOME + USAGE_CPU], 30);
	assert_false(has(&u, USAGE_FULL + USAGE_CPU)); /* no such line */
	put(t, "/old", "cpu.pressure",
	    "some avg10=1.00 total=130\nfull avg10=0.00 total=57\n");
	look(t, "/old", &u);
	assert_int_equal(u.value[USAGE_FULL + USAGE_CPU], 7);
}

static void a_cgroup_that_is_born_later_counts_from_zero(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };

	make(t, "/new");
	put_cpu(t, "/new", 3000, 5, 0, 0);
	look(t, "/new", &u);
	assert_int_equal(u.value[USAGE_CPU_TIME], 3000);
	assert_int_equal(u.value[USAGE_PERIODS_FREE], 5);
	start(t);
	memset(&u, 0, sizeof(u));
	look(t, "/new", &u);
	assert_int_equal(u.value[USAGE_CPU_TIME], 0); /* now it was there */
}

static void what_has_no_file_is_not_told(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };

	look(t, "/old", &u);
	assert_true(has(&u, USAGE_CPU_TIME) && has(&u, USAGE_SOME + USAGE_CPU));
	for (int v = USAGE_COUNTERS; v < USAGE_COUNT; v++)
		assert_false(has(&u, v));
	assert_false(has(&u, USAGE_MAJOR_FAULTS));
	assert_false(has(&u, USAGE_SOME + USAGE_MEM));
	assert_false(has(&u, USAGE_FULL + USAGE_IO));
}

static void memory_is_what_is_now_and_max_is_no_limit(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };

	put(t, "/old", "memory.current", "4096\n");
	put(t, "/old", "memory.max", "max\n");
	put(t, "/old", "memory.stat", "anon 1\npgfault 77\npgmajfault 3\nx 9\n");
	look(t, "/old", &u);
	assert_int_equal(u.value[USAGE_MEMORY], 4096);
	assert_false(has(&u, USAGE_MEMORY_LIMIT));
	assert_int_equal(u.value[USAGE_MAJOR_FAULTS], 3);
	put(t, "/old", "memory.current", "2048\n");
	put(t, "/old", "memory.max", "8589934592\n");
	look(t, "/old", &u);
	assert_int_equal(u.value[USAGE_MEMORY], 2048);
	assert_true(u.value[USAGE_MEMORY_LIMIT] == 8589934592ULL);
}

static void move(const struct tree *t, const char *from, const char *to)
{
	char a[256], b[256];

	snprintf(a, sizeof(a), "%s%s", t->root, from);
	snprintf(b, sizeof(b), "%s%s", t->root, to);
	assert_int_equal(rename(a, b), 0);
}

static void
counters_outlive_the_cgroup_and_go_on_with_the_next_of_its_path(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };

	put(t, "/old", "memory.current", "4096\n");
	put_cpu(t, "/old", 5600, 10, 4, 900);
	look(t, "/old", &u);
	move(t, "/old", "/gone"); /* its inode number cannot be taken again */
	look(t, "/old", &u);
	assert_int_equal(u.value[USAGE_CPU_TIME], 600);
	assert_true(has(&u, USAGE_CPU_TIME));
	assert_false(has(&u, USAGE_MEMORY)); /* nobody uses it now */
	make(t, "/old");
	put_cpu(t, "/old", 40, 0, 0, 0);
	look(t, "/old", &u);
	assert_int_equal(u.value[USAGE_CPU_TIME], 640);
	put_cpu(t, "/old", 50, 0, 0, 0);
	look(t, "/old", &u);
	assert_int_equal(u.value[USAGE_CPU_TIME], 650);
}

static void counters_never_go_down(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };

	put_cpu(t, "/old", 6000, 20, 4, 900);
	look(t, "/old", &u);
	put_cpu(t, "/old", 5900, 20, 5,
		900); /* the two of a period are read one by one */
	look(t, "/old", &u);
	assert_int_equal(u.value[USAGE_CPU_TIME], 1000);
	assert_int_equal(u.value[USAGE_PERIODS_FREE], 10);
	put_cpu(t, "/old", 10, 0, 0, 0);
	look(t, "/old", &u);
	assert_int_equal(u.value[USAGE_CPU_TIME], 1000);
	put_cpu(t, "/old", 7000, 21, 5, 900);
	look(t, "/old", &u);
	assert_int_equal(u.value[USAGE_CPU_TIME], 2000);
}

static void the_root_is_a_cgroup_too(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };

	put_cpu(t, "", 1000, 0, 0, 0);
	start(t);
	put_cpu(t, "", 1500, 0, 0, 0);
	look(t, "/", &u);
	assert_int_equal(u.value[USAGE_CPU_TIME], 500);
	assert_true(cgroups_was_there(t->cgroups, OWNER_ROOT));
	assert_false(cgroups_was_there(t->cgroups, 12345678901234ULL));
}

/* Puts what tells who has read which file. */
static void put_all(const struct tree *t, int us, int n)
{
	char text[64];

	put_cpu(t, "/old", 5000 + us, 10, 4, 900);
	snprintf(text, sizeof(text), "%d\n", n);
	put(t, "/old", "memory.current", text);
	put(t, "/old", "memory.max", text);
	snprintf(text, sizeof(text), "pgmajfault %d\n", n);
	put(t, "/old", "memory.stat", text);
	snprintf(text, sizeof(text), "some avg10=0.00 total=%d\n", 100 + n);
	put(t, "/old", "cpu.pressure", text);
	put(t, "/old", "memory.pressure", text);
	put(t, "/old", "io.pressure", text);
}

static void check_values(const struct usage *u, int us, int cpu, int mem, int io,
			 int memory, int limit)
{
	assert_int_equal(u->value[USAGE_CPU_TIME], us);
	assert_int_equal(u->value[USAGE_SOME + USAGE_CPU], cpu);
	assert_int_equal(u->value[USAGE_SOME + USAGE_MEM], 100 + mem);
	assert_int_equal(u->value[USAGE_SOME + USAGE_IO], 100 + io);
	assert_true(has(u, USAGE_MEMORY) && has(u, USAGE_MEMORY_LIMIT));
	assert_int_equal(u->value[USAGE_MEMORY], memory);
	assert_int_equal(u->value[USAGE_MEMORY_LIMIT], limit);
	assert_int_equal(u->value[USAGE_MAJOR_FAULTS], limit);
}

/* A round in which files may be left out, after it has read all of a new cgroup. */
static struct usage_round a_first_round(const struct tree *t, struct usage *u)
{
	struct usage_round round = { .now_ns = USAGE_WHOLE_NS * 9,
				     .node = { 7, 8, 9 } };

	put_all(t, 1, 1);
	usage_read(t->reader, &round, "/old", u);
	return round;
}

static void what_cannot_have_changed_is_left_out_for_a_minute(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };
	struct usage_round round = a_first_round(t, &u);

	check_values(&u, 1, 1, 1, 1, 1, 1);
	u.whole_ns = round.now_ns; /* whatever the cgroup's number says */
	put_all(t, 1, 2);
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 1, 1, 1, 1, 1, 1); /* nobody waited, nothing ran */
	round.node[USAGE_CPU]++;
	round.node[USAGE_IO]++;
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 1, 1, 1, 2, 1, 1);
	put_all(t, 3, 3);
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 3, 3, 1, 2, 3, 1); /* it ran */
	round.node[USAGE_MEM] = 0;	    /* not known */
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 3, 3, 3, 2, 3, 1);
	put_all(t, 3, 4);
	round.node[USAGE_MEM] = 8;
	round.now_ns += USAGE_WHOLE_NS - 1;
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 3, 3, 4, 2, 3, 1);
	round.now_ns++;
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 3, 4, 4, 4, 4, 4);
	put_all(t, 3, 5);
	round.whole = true;
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 3, 5, 5, 5, 5, 5);
}

static void another_cgroup_of_the_path_is_read_whole(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };
	struct usage_round round = a_first_round(t, &u);

	move(t, "/old", "/gone");
	make(t, "/old");
	put_all(t, -4999, 3); /* the same CPU time as when it was read first */
	usage_read(t->reader, &round, "/old", &u);
	assert_int_equal(u.value[USAGE_CPU_TIME], 2);
	assert_int_equal(u.value[USAGE_SOME + USAGE_CPU], 1 + 103);
	assert_int_equal(u.value[USAGE_SOME + USAGE_IO], 101 + 103);
	assert_int_equal(u.value[USAGE_MAJOR_FAULTS], 1 + 3);
	assert_int_equal(u.value[USAGE_MEMORY], 3);
}

static const struct point *find(const struct point_group *g, const char *name,
				const char *value)
{
	for (size_t i = 0; i < g->count; i++)
		if (!strcmp(g->points[i].metric->name, name) &&
		    (!value || !strcmp(g->points[i].values[0], value)))
			return &g->points[i];
	return NULL;
}

static void points_are_seconds_periods_and_bytes(void **state)
{
	struct tree *t = *state;
	struct workload w = { .start_ns = 42 };
	struct point_group g = { 0 };

	put_cpu(t, "/old", 1505000, 17, 7, 250900);
	put(t, "/old", "memory.current", "0\n");
	put(t, "/old", "io.pressure", "some avg10=0.00 total=2500000\n");
	look(t, "/old", &w.usage);
	assert_int_equal(metrics_add(&g, &w, false), 0);
	assert_int_equal(g.count, 0); /* nothing happened there that we measure */
	w.inflight_seen = 1 << INFLIGHT_WAIT;
	assert_int_equal(metrics_add(&g, &w, false), 0);
	assert_true(find(&g, "assay.cgroup.cpu.time", NULL)->d == 1.5);
	assert_int_equal(find(&g, "assay.cgroup.cpu.time", NULL)->start_ns, 42);
	assert_true(find(&g, "assay.cgroup.cpu.throttled.time", NULL)->d == 0.25);
	assert_int_equal(find(&g, "assay.cgroup.cpu.periods", "true")->u, 3);
	assert_int_equal(find(&g, "assay.cgroup.cpu.periods", "false")->u, 4);
	assert_true(find(&g, "assay.pressure.some.time", "io")->d == 2.5);
	assert_null(find(&g, "assay.pressure.some.time", "cpu")); /* nothing since */
	assert_int_equal(find(&g, "assay.cgroup.memory.usage", NULL)->u, 0);
	assert_null(find(&g, "assay.cgroup.memory.limit", NULL));
	free(g.points);
}

#define TREE_TEST(name) cmocka_unit_test_setup_teardown(name, open_tree, close_tree)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(a_cgroup_that_was_there_counts_from_the_start),
		TREE_TEST(a_cgroup_that_is_born_later_counts_from_zero),
		TREE_TEST(what_has_no_file_is_not_told),
		TREE_TEST(memory_is_what_is_now_and_max_is_no_limit),
		TREE_TEST(
		    counters_outlive_the_cgroup_and_go_on_with_the_next_of_its_path),
		TREE_TEST(counters_never_go_down),
		TREE_TEST(the_root_is_a_cgroup_too),
		TREE_TEST(what_cannot_have_changed_is_left_out_for_a_minute),
		TREE_TEST(another_cgroup_of_the_path_is_read_whole),
		TREE_TEST(points_are_seconds_periods_and_bytes),
	};

	return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
