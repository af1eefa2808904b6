// SPDX-License-Identifier: Apache-2.0
/* Whom a person means who writes a name. */
#include "fake_frame.h"
#include "base/util.h"
#include "view/pick.h"

static const struct metric open_now = { "assay.tcp.connection.count", "{connection}",
					"", METRIC_UPDOWN };

static struct frame *some_workloads(void)
{
	static const char *const names[][2] = {
		{ "shop/web-7d9f-abcde/nginx", "/kubepods/pod1/c1" },
		{ "shop/web-7d9f-abcde/sidecar", "/kubepods/pod1/c2" },
		{ "cron.service", "/system.slice/cron.service" },
		{ "cron.service.old", "/system.slice/cron.service.old" },
		{ "odd\x1b[2J", "/odd\x1b[2J" },
	};
	struct points p = { 0 };
	struct point_group *g = points_group(&p);

	points_attr(g, "service.name", "assay");
	add_sum(g, &open_now, NULL, NULL, NULL, 1);
	for (size_t i = 0; i < COUNT(names); i++) {
		g = add_workload(&p, names[i][0], names[i][1]);
		if (strstr(names[i][0], "web"))
			points_attr(g, "k8s.pod.name", "web-7d9f-abcde");
		add_sum(g, &open_now, NULL, NULL, NULL, 1);
	}
	return to_frame(&p);
}

static void assert_picks(const char *text, size_t count, const char *name)
{
	struct frame *f = some_workloads();
	const struct frame_attrs *out[8];

	assert_int_equal(pick_workloads(f, text, out, COUNT(out)), count);
	for (size_t i = 0; name && i < count; i++)
		assert_non_null(strstr(frame_name(out[i]), name));
	frame_free(f);
}

static void test_whole_name_hides_parts(void **state)
{
	assert_picks("cron.service", 1, "cron.service");
	assert_picks("/system.slice/cron.service", 1, "cron.service");
	assert_picks("cron", 2, "cron");
}

static void test_pod_is_all_its_containers(void **state)
{
	assert_picks("web-7d9f-abcde", 2, "shop/web");
	assert_picks("web-7d9f-abcde/side", 1, "sidecar");
}

/* Neither those below it nor those that only begin like it. */
static void test_a_cgroup_is_itself(void **state)
{
	struct frame *f = some_workloads();

	assert_string_equal(frame_name(pick_cgroup(f, "/kubepods/pod1/c2")),
			    "shop/web-7d9f-abcde/sidecar");
	assert_null(pick_cgroup(f, "/kubepods/pod1"));
	assert_null(pick_cgroup(f, "/kubepods/pod1/c"));
	assert_null(pick_cgroup(f, ""));
	frame_free(f);
}

/* As it is, and as tables show it. */
static void test_a_name_that_is_not_visible(void **state)
{
	struct frame *f = some_workloads();

	assert_picks("odd\x1b[2J", 1, "odd");
	assert_picks("odd\\x1b[2J", 1, "odd");
	assert_picks("d\\x1b[", 1, "odd");
	assert_non_null(pick_cgroup(f, "/odd\x1b[2J"));
	assert_non_null(pick_cgroup(f, "/odd\\x1b[2J"));
	frame_free(f);
}

static void test_the_end_of_a_path_is_one(void **state)
{
	struct frame *f = some_workloads();

	assert_string_equal(frame_name(pick_end(f, "/c2")),
			    "shop/web-7d9f-abcde/sidecar");
	assert_non_null(pick_end(f, "/pod1/c1"));
	assert_null(pick_end(f, "2/kubepods/pod1/c2"));
	assert_null(pick_end(f, ""));
	frame_free(f);
}

static void test_patterns(void **state)
{
	assert_picks("shop/*/nginx", 1, "nginx");
	assert_picks("c?on", 2, "cron");
	assert_picks("c?ron", 0, NULL);
}

static void test_all_are_workloads(void **state)
{
	assert_picks(NULL, 5, NULL);
	assert_picks("nobody", 0, NULL);
}

static void test_more_than_fit(void **state)
{
	struct frame *f = some_workloads();
	const struct frame_attrs *out[2] = { NULL, NULL };

	assert_int_equal(pick_workloads(f, NULL, out, 1), 5);
	assert_non_null(out[0]);
	assert_null(out[1]);
	frame_free(f);
}

static void test_the_kernel_is_no_name(void **state)
{
	struct frame *f = some_workloads();
	struct points p = { 0 };
	struct point_group *g;

	assert_null(pick_kernel(f));
	frame_free(f);
	add_sum(add_workload(&p, "kernel", "/kernel"), &open_now, NULL, NULL, NULL, 1);
	g = points_group(&p);
	points_attr(g, "assay.workload.kind", "kernel");
	points_attr(g, "assay.workload.name", "kernel");
	add_sum(g, &open_now, NULL, NULL, NULL, 1);
	f = to_frame(&p);
	assert_string_equal(frame_kind(pick_kernel(f)), "kernel");
	assert_string_equal(frame_cgroup(pick_kernel(f)), "");
	frame_free(f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole_name_hides_parts),
		cmocka_unit_test(test_pod_is_all_its_containers),
		cmocka_unit_test(test_a_cgroup_is_itself),
		cmocka_unit_test(test_a_name_that_is_not_visible),
		cmocka_unit_test(test_the_end_of_a_path_is_one),
		cmocka_unit_test(test_the_kernel_is_no_name),
		cmocka_unit_test(test_patterns),
		cmocka_unit_test(test_all_are_workloads),
		cmocka_unit_test(test_more_than_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
