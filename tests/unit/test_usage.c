// SPDX-License-Identifier: Apache-2.0
/* Files of cgroups, in a tree of our own that looks like one of the kernel's. */
#include "usage_tree.h"
#include "metric/metrics.h"

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

static void a_limit_of_cpus_is_quota_by_period(void **state)
{
	static const struct {
		const char *text;
		uint64_t want; /* millionths; 0: none */
	} cases[] = {
		{ "max 100000\n", 0 },	    { "20000 100000\n", 200000 },
		{ "max 100000\n", 0 },	    { "250000 100000\n", 2500000 },
		{ "1000 1000000\n", 1000 }, { "33333 100000\n", 333330 },
		{ "100000 0\n", 0 },	    { "\n", 0 },
	};
	struct tree *t = *state;
	struct usage u = { 0 };

	for (size_t i = 0; i < COUNT(cases); i++) {
		put(t, "/old", "cpu.max", cases[i].text);
		look(t, "/old", &u);
		assert_int_equal(has(&u, USAGE_CPU_LIMIT), cases[i].want > 0);
		if (cases[i].want)
			assert_int_equal(u.value[USAGE_CPU_LIMIT], cases[i].want);
	}
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
	assert_int_equal(metrics_add(&g, &w, METRICS_READ), 0);
	assert_int_equal(g.count, 0); /* nothing happened there that we measure */
	w.inflight_seen = 1 << INFLIGHT_WAIT;
	assert_int_equal(metrics_add(&g, &w, METRICS_READ), 0);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TREE_TEST(a_cgroup_that_was_there_counts_from_the_start),
		TREE_TEST(a_cgroup_that_is_born_later_counts_from_zero),
		TREE_TEST(what_has_no_file_is_not_told),
		TREE_TEST(memory_is_what_is_now_and_max_is_no_limit),
		TREE_TEST(a_limit_of_cpus_is_quota_by_period),
		TREE_TEST(
		    counters_outlive_the_cgroup_and_go_on_with_the_next_of_its_path),
		TREE_TEST(counters_never_go_down),
		TREE_TEST(the_root_is_a_cgroup_too),
		TREE_TEST(points_are_seconds_periods_and_bytes),
	};

	return cmocka_run_group_tests_name("usage", tests, NULL, NULL);
}
