// SPDX-License-Identifier: Apache-2.0
/* Names by the kubelet's directories: links to logs, and logs of pods. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "node_files.h"
#include "workload/names_impl.h"

#define SCOPE POD "/cri-containerd-" ID ".scope"
#define LOGS  "var/log/pods/"

static void links_are_read_again_when_they_change(void **state)
{
	struct node *node = *state;
	const char *cgroup = POD "/cri-containerd-" ID2 ".scope";
	struct names *n;

	put_link(node, "web-0_shop_nginx-" ID ".log",
		 "/var/log/pods/shop_web-0_" UID "/nginx/0.log");
	assert_int_equal(find(node, cgroup, &n), -ENOENT);
	expect(node, POD "/cri-containerd-" ID ".scope", NAMES_LOG, "shop/web-0/nginx");
	put_link(node, "long_default_a-e3a604302db838ae5e4ffd.log",
		 "/var/log/pods/default_long_" UID "/a/2.log");
	for (int i = 0; i < 50 && find(node, cgroup, &n); i++)
		usleep(100000); /* once a second */
	check_names(n, "default", "long", "a", NULL);
	names_free(n);
	/* what is in no pod has no log of the kubelet's */
	assert_int_equal(find(node, "/docker/" ID, &n), -ENOENT);
}

/* The same time as before, as of a change in the same tick of the clock. */
static void keep_time(const struct node *node, const char *path, struct timespec *times)
{
	char whole[256];
	struct stat st;

	snprintf(whole, sizeof(whole), "%s/%s", node->root, path);
	if (times[1].tv_sec) {
		assert_int_equal(utimensat(AT_FDCWD, whole, times, 0), 0);
		return;
	}
	assert_int_equal(stat(whole, &st), 0);
	times[0] = st.st_atim;
	times[1] = st.st_mtim;
}

static void a_change_in_the_same_tick_is_seen(void **state)
{
	struct node *node = *state;
	struct timespec times[2] = { 0 };
	struct names_dir d = { 0 };

	put(node, LOGS "shop_a_u1/c/0.log", "");
	keep_time(node, LOGS, times);
	assert_int_equal(names_dir_read(&d, node->root, NAMES_POD_LOGS), 0);
	assert_int_equal(d.count, 1);
	put(node, LOGS "shop_b_u2/c/0.log", "");
	keep_time(node, LOGS, times);
	usleep(1100000);
	assert_int_equal(names_dir_read(&d, node->root, NAMES_POD_LOGS), 0);
	assert_int_equal(d.count, 2);
	names_dir_clear(&d);
}

/* It is looked at once a second, and read only if it has changed then. */
static void a_directory_is_read_as_seldom_as_it_may(void **state)
{
	struct node *node = *state;
	struct names_dir d = { 0 };
	uint64_t looked;
	char **names;

	assert_int_equal(names_dir_read(&d, node->root, NAMES_POD_LOGS), -ENOENT);
	put(node, LOGS "shop_a_u1/c/0.log", "");
	assert_int_equal(names_dir_read(&d, node->root, NAMES_POD_LOGS), 0);
	assert_int_equal(d.count, 0); /* not within a second of the look before */
	usleep(1100000);
	assert_int_equal(names_dir_read(&d, node->root, NAMES_POD_LOGS), 0);
	assert_int_equal(d.count, 1);
	looked = d.read_ns;
	assert_int_equal(names_dir_read(&d, node->root, NAMES_POD_LOGS), 0);
	assert_int_equal(d.read_ns, looked);
	/* one that has not changed keeps what was read */
	names = d.names;
	free(names[0]);
	names[0] = strdup("read before");
	usleep(1100000);
	assert_int_equal(names_dir_read(&d, node->root, NAMES_POD_LOGS), 0);
	assert_true(d.read_ns > looked);
	assert_string_equal(d.names[0], "read before");
	names_dir_clear(&d);
}

static void pod_logs_are_named_by_the_pod(void **state)
{
	static const struct {
		const char *dir, *namespace, *pod;
	} cases[] = {
		{ "shop_web-0_" UID, "shop", "web-0" },
		{ "kube-system_etcd-n.example.org_" UID, "kube-system",
		  "etcd-n.example.org" },
		{ "shop_web-0_" UID "0", NULL, NULL }, /* another pod's */
		{ "shop_web-0_0" UID, NULL, NULL },
		{ "shop_" UID, NULL, NULL },
		{ "shop__" UID, NULL, NULL },
		{ "_web-0_" UID, NULL, NULL },
		{ "sh op_web-0_" UID, NULL, NULL },
		{ UID, NULL, NULL },
		{ "", NULL, NULL },
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct names *n = names_new();

		print_message("%s\n", cases[i].dir);
		assert_int_equal(names_parse_pod_logs(cases[i].dir, UID, n),
				 cases[i].pod ? 0 : -ENOENT);
		if (cases[i].pod)
			check_names(n, cases[i].namespace, cases[i].pod, NULL, NULL);
		names_free(n);
	}
}

static void a_pod_is_named_by_its_logs_where_nothing_else_names_it(void **state)
{
	struct node *node = *state;
	struct names *n;

	put(node, LOGS "shop_web-0_" UID "/nginx/0.log", "");
	/* which container it is, or whether the sandbox, may be told yet */
	assert_int_equal(find(node, SCOPE, &n), 0);
	check_names(n, "shop", "web-0", NULL, NULL);
	assert_int_equal(n->source, NAMES_POD_LOG);
	assert_true(n->awaited);
	assert_false(n->sandbox);
	names_free(n);
	/* a pod has no more of a name */
	assert_int_equal(find(node, POD, &n), 0);
	assert_false(n->awaited);
	names_free(n);
	expect(node, "/kubepods/besteffort/pod" UID "/" ID2, NAMES_POD_LOG,
	       "shop/web-0");
	assert_int_equal(find(node, "/kubepods/besteffort/pod0" UID "/" ID2, &n),
			 -ENOENT);
	assert_int_equal(find(node, "/docker/" ID, &n), -ENOENT);
	assert_string_equal(names_source_name(NAMES_POD_LOG), "pod-log");
}

/* What was found when the cgroup was made would be kept, and the link comes later. */
static void a_link_that_comes_later_tells_more(void **state)
{
	struct node *node = *state;

	put(node, LOGS "shop_web-0_" UID "/nginx/0.log", "");
	names_note(node->reader, SCOPE);
	expect(node, SCOPE, NAMES_POD_LOG, "shop/web-0");
	put_link(node, "web-0_shop_nginx-" ID ".log",
		 "/var/log/pods/shop_web-0_" UID "/nginx/0.log");
	usleep(1100000);
	expect(node, SCOPE, NAMES_LOG, "shop/web-0/nginx");
	/* the other one of the pod is none of that link's */
	expect(node, POD "/cri-containerd-" ID2 ".scope", NAMES_POD_LOG, "shop/web-0");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(links_are_read_again_when_they_change),
		NODE_TEST(a_change_in_the_same_tick_is_seen),
		NODE_TEST(a_directory_is_read_as_seldom_as_it_may),
		cmocka_unit_test(pod_logs_are_named_by_the_pod),
		NODE_TEST(a_pod_is_named_by_its_logs_where_nothing_else_names_it),
		NODE_TEST(a_link_that_comes_later_tells_more),
	};

	return cmocka_run_group_tests_name("names_dir", tests, NULL, NULL);
}
