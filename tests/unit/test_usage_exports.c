// SPDX-License-Identifier: Apache-2.0
/* Files of cgroups that exports do not read, and those that they keep open. */
#include <dirent.h>
#include <sys/resource.h>
#include "usage_tree.h"

/* Puts what tells who has read which file. */
static void put_all(const struct tree *t, int us, int n)
{
	char text[64];

	put_cpu(t, "/old", 5000 + us, 10, 4, 900);
	snprintf(text, sizeof(text), "%d\n", n);
	put(t, "/old", "memory.current", text);
	put(t, "/old", "memory.max", text);
	snprintf(text, sizeof(text), "%d 1000000\n", n);
	put(t, "/old", "cpu.max", text);
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
	assert_true(has(u, USAGE_CPU_LIMIT)); /* read when the other limit is */
	assert_int_equal(u->value[USAGE_CPU_LIMIT], limit);
	assert_int_equal(u->value[USAGE_MAJOR_FAULTS], limit);
}

/* A round in which files may be left out, after it has read all of a new cgroup. */
static struct usage_round a_first_round(const struct tree *t, struct usage *u)
{
	struct usage_round round = { .now_ns = USAGE_WHOLE_NS * 9,
				     .node.some = { 7, 8, 9 } };

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
	round.node.some[USAGE_CPU]++;
	round.node.some[USAGE_IO]++;
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 1, 1, 1, 2, 1, 1);
	put_all(t, 3, 3);
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 3, 3, 1, 2, 3, 1); /* it ran */
	round.node.some[USAGE_MEM] = 0;	    /* not known */
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 3, 3, 3, 2, 3, 1);
	put_all(t, 3, 4);
	round.node.some[USAGE_MEM] = 8;
	round.now_ns += USAGE_WHOLE_NS - 1;
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 3, 3, 4, 2, 3, 1);
	round.now_ns++;
	usage_read(t->reader, &round, "/old", &u);
	assert_int_equal(u.value[USAGE_MEMORY_LIMIT], 4);
	assert_int_equal(u.value[USAGE_MEMORY], 4);
	assert_int_equal(u.value[USAGE_MAJOR_FAULTS], 1); /* nothing ran */
	put_all(t, 4, 5);
	u.whole_ns -= USAGE_WHOLE_NS;
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 4, 3, 4, 2, 5, 5); /* nobody waited */
	put_all(t, 4, 6);
	round.whole = true;
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 4, 6, 6, 6, 6, 6);
}

static const char *const files[] = { "cpu.stat", "memory.current", "cpu.pressure",
				     "memory.pressure", "io.pressure" };

/* What the kernel does with files of a cgroup that is gone: they say nothing. */
static void empty(const struct tree *t, const char *cgroup)
{
	for (size_t i = 0; i < COUNT(files); i++)
		put(t, cgroup, files[i], "");
}

/* How many of these files this process has open. */
static int descriptors(const struct tree *t)
{
	DIR *dir = opendir("/proc/self/fd");
	char target[300];
	struct dirent *e;
	int n = 0;

	while ((e = readdir(dir))) {
		ssize_t len =
		    readlinkat(dirfd(dir), e->d_name, target, sizeof(target) - 1);

		target[len > 0 ? len : 0] = '\0';
		n += !strncmp(target, t->root, strlen(t->root)) && strchr(target, '.');
	}
	closedir(dir);
	return n;
}

static void what_exports_read_is_kept_open(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };
	struct usage_round round = a_first_round(t, &u);
	char path[256];

	/* all but memory.stat and memory.max */
	assert_int_equal(descriptors(t), COUNT(files));
	put_all(t, 5, 5);
	for (size_t i = 0; i < COUNT(files); i++) {
		snprintf(path, sizeof(path), "%s/old/%s", t->root, files[i]);
		assert_int_equal(unlink(path), 0);
	}
	round.node.some[USAGE_CPU]++;
	round.node.some[USAGE_IO]++;
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 5, 5, 1, 5, 5, 1);
	usage_forget(t->reader, &u);
	assert_int_equal(descriptors(t), 0);
}

static void what_is_read_no_more_is_closed(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };
	struct usage_round round = a_first_round(t, &u);

	for (int i = 1; i <= 32; i++) {
		usage_round(t->reader, &round, false);
		round.now_ns = USAGE_WHOLE_NS * 9;
		round.node = u.above;
		round.node.some[USAGE_IO] = i; /* that one is */
		usage_read(t->reader, &round, "/old", &u);
	}
	/* and cpu.stat of a cgroup whose parent is the node, which always runs */
	assert_int_equal(descriptors(t), 2);
}

static void there_is_an_end_to_what_is_kept(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };
	struct usage_round round;
	struct rlimit limit, low;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = 512 + 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	start(t);
	round = a_first_round(t, &u);
	assert_int_equal(descriptors(t), 3);
	put_all(t, 5, 5);
	round.node.some[USAGE_CPU]++;
	round.node.some[USAGE_IO]++;
	usage_read(t->reader, &round, "/old", &u);
	check_values(&u, 5, 5, 1, 5, 5, 1);
	assert_int_equal(descriptors(t), 3);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void a_report_keeps_nothing(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };

	look(t, "/old", &u);
	look(t, "/old", &u);
	assert_int_equal(descriptors(t), 0);
}

static void another_cgroup_of_the_path_is_read_whole(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };
	struct usage_round round = a_first_round(t, &u);

	empty(t, "/old"); /* the kernel reads no file of a cgroup that is gone */
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

#define CHILDREN 9 /* enough of them for their parent to be read */

/* Puts what a cgroup has used, and for how long any of its tasks has waited. */
static void put_two(const struct tree *t, const char *cgroup, int us, int waited)
{
	char text[64];

	put_cpu(t, cgroup, us, 0, 0, 0);
	snprintf(text, sizeof(text), "some avg10=0.00 total=%d\n", waited);
	put(t, cgroup, "io.pressure", text);
}

/* Reads all children in a round of their own, in which the node has moved. */
static void look_at_children(struct tree *t, struct usage *u, uint64_t now_ns)
{
	static uint64_t waited = 1;
	struct usage_round round;
	char path[32];

	usage_round(t->reader, &round, false);
	round.now_ns = now_ns;
	for (int res = 0; res < USAGE_RESOURCES; res++)
		round.node.some[res] = ++waited;
	for (int i = 0; i < CHILDREN; i++) {
		snprintf(path, sizeof(path), "/pods/%d", i);
		usage_read(t->reader, &round, path, &u[i]);
	}
}

/* What the last child says; it is as all others. */
static void check_child(const struct usage *u, int us, int waited)
{
	assert_int_equal(u[CHILDREN - 1].value[USAGE_CPU_TIME], us);
	assert_int_equal(u[CHILDREN - 1].value[USAGE_SOME + USAGE_IO], waited);
}

static void what_has_not_moved_above_is_left_out(void **state)
{
	struct tree *t = *state;
	struct usage u[CHILDREN] = { 0 };
	uint64_t now = USAGE_WHOLE_NS * 9;
	char path[32];

	make(t, "/pods");
	put_two(t, "/pods", 70, 0); /* 0 is a value, too */
	for (int i = 0; i < CHILDREN; i++) {
		snprintf(path, sizeof(path), "/pods/%d", i);
		make(t, path);
		put_two(t, path, 1, 10);
	}
	look_at_children(t, u, now);
	for (int i = 0; i < CHILDREN; i++)
		u[i].whole_ns = now; /* whatever the cgroup's number says */
	put_two(t, "/pods/8", 2, 20);
	look_at_children(t, u, now); /* the parent is known to have many, and read */
	check_child(u, 2, 20);
	put_two(t, "/pods/8", 3, 30);
	look_at_children(t, u, now);
	check_child(u, 2, 20); /* the parent has not moved, so this cannot be */
	put_two(t, "/pods", 71, 0);
	look_at_children(t, u, now);
	check_child(u, 3, 20);
	put_two(t, "/pods", 71, 1);
	look_at_children(t, u, now);
	check_child(u, 3, 30);
}

static void few_are_read_without_their_parent(void **state)
{
	struct tree *t = *state;
	struct usage u = { 0 };
	struct usage_round round;

	make(t, "/pod");
	make(t, "/pod/c");
	put_two(t, "/pod", 5, 5);
	for (int i = 1; i <= 4; i++) {
		put_two(t, "/pod/c", i, 10 * i);
		usage_round(t->reader, &round, false);
		round.now_ns = USAGE_WHOLE_NS * 9;
		round.node.some[USAGE_IO] =
		    i; /* the node moves, the parent's files do not */
		usage_read(t->reader, &round, "/pod/c", &u);
		assert_int_equal(u.value[USAGE_CPU_TIME], i);
		assert_int_equal(u.value[USAGE_SOME + USAGE_IO], 10 * i);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(what_cannot_have_changed_is_left_out_for_a_minute),
		TREE_TEST(what_exports_read_is_kept_open),
		TREE_TEST(what_is_read_no_more_is_closed),
		TREE_TEST(there_is_an_end_to_what_is_kept),
		TREE_TEST(a_report_keeps_nothing),
		TREE_TEST(another_cgroup_of_the_path_is_read_whole),
		TREE_TEST(what_has_not_moved_above_is_left_out),
		TREE_TEST(few_are_read_without_their_parent),
	};

	return cmocka_run_group_tests_name("usage of exports", tests, NULL, NULL);
}
