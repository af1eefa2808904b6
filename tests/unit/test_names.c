// SPDX-License-Identifier: Apache-2.0
/* Names of containers, from files as runtimes and the kubelet leave them on a node. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/util.h"
#include "node_files.h"
#include "workload/names_impl.h"

#define CRI "io.kubernetes.cri."

static const char containerd[] =
    "{\"ociVersion\":\"1.2.0\",\"process\":{\"env\":[\"PATH=/bin\"]},\"annotations\":{"
    "\"" CRI "container-name\":\"nginx\",\"" CRI "container-type\":\"container\","
    "\"" CRI "image-name\":\"docker.io:5000/library/busybox:1.36\","
    "\"" CRI "sandbox-name\":\"web-0\",\"" CRI "sandbox-namespace\":\"shop\","
    "\"" CRI "sandbox-uid\":\"" UID "\"}}";
static const char sandbox[] =
    "{\"annotations\":{\"" CRI "container-type\":\"sandbox\","
    "\"" CRI "sandbox-name\":\"web-0\",\"" CRI "sandbox-namespace\":\"shop\"}}";
static const char crio[] =
    "{\"annotations\":{\"io.kubernetes.container.name\":\"db\","
    "\"io.kubernetes.pod.name\":\"db-1\",\"io.kubernetes.pod.namespace\":\"prod\","
    "\"io.kubernetes.cri-o.ImageName\":\"quay.io/pg@sha256:00\","
    "\"io.kubernetes.cri-o.ContainerType\":\"container\"}}";
static const char docker[] =
    "{\"ID\":\"" ID "\",\"Name\":\"/web\",\"Config\":{\"Image\":\"nginx:1.27\","
    "\"Labels\":{\"a\":\"b\"}}}";
static const char dockerd[] =
    "{\"Name\":\"/k8s_app_p_n_u_0\",\"Config\":{\"Image\":\"sha256:0123\",\"Labels\":{"
    "\"io.kubernetes.container.name\":\"app\",\"io.kubernetes.pod.name\":\"p\","
    "\"io.kubernetes.pod.namespace\":\"n\",\"io.kubernetes.docker.type\":\"container\"}}}";

static struct names *parse(enum names_source source, const char *text)
{
	struct names *n = calloc(1, sizeof(*n));

	assert_int_equal(names_parse(source, text, strlen(text), n), 0);
	return n;
}

static void each_runtime_has_its_words(void **state)
{
	struct names *n = parse(NAMES_BUNDLE, containerd);

	check_names(n, "shop", "web-0", "nginx", "docker.io:5000/library/busybox");
	assert_false(n->sandbox);
	names_free(n);
	n = parse(NAMES_BUNDLE, sandbox);
	check_names(n, "shop", "web-0", NULL, NULL);
	assert_true(n->sandbox);
	names_free(n);
	n = parse(NAMES_BUNDLE, crio);
	check_names(n, "prod", "db-1", "db", "quay.io/pg");
	names_free(n);
	n = parse(NAMES_DOCKER, docker);
	check_names(n, NULL, NULL, "web", "nginx");
	names_free(n);
	n = parse(NAMES_DOCKER, dockerd);
	check_names(n, "n", "p", "app", NULL);
	assert_false(n->sandbox);
	names_free(n);
}

static void what_is_no_name_is_none(void **state)
{
	static const char *const texts[] = {
		"",
		"{",
		"[]",
		"{}",
		"null",
		"{\"annotations\":[]}",
		"{\"annotations\":{}}",
		"{\"annotations\":{\"" CRI "container-name\":7}}",
		"{\"annotations\":{\"" CRI "container-name\":\"\"}}",
		"{\"annotations\":{\"" CRI "container-name\":\"a b\"}}",
		"{\"annotations\":{\"" CRI "container-name\":\"a\\u001b[31m\"}}",
		"{\"annotations\":{\"" CRI "container-name\":\"\\u00e4\"}}",
		"{\"annotations\":{\"" CRI "container-type\":\"sandbox\"}}",
		"{\"annotations\":{\"" CRI "container-type\":\"sandbox\","
		"\"" CRI "sandbox-name\":\"a\"}}",
	};

	for (size_t i = 0; i < COUNT(texts); i++) {
		struct names *n = calloc(1, sizeof(*n));

		print_message("%s\n", texts[i]);
		assert_int_equal(
		    names_parse(NAMES_BUNDLE, texts[i], strlen(texts[i]), n), -ENOENT);
		names_free(n);
	}
}

static void logs_are_read_from_the_right(void **state)
{
	static const struct {
		const char *target, *namespace, *pod, *container;
	} cases[] = {
		{ "/var/log/pods/shop_web-0_" UID "/nginx/0.log", "shop", "web-0",
		  "nginx" },
		{ "/mnt/a_b/logs/shop_web.x_" UID "/c//12.log", "shop", "web.x", "c" },
		{ "shop_web_u/c/3.log", "shop", "web", "c" },
		{ "/var/log/pods/shop_web-0_" UID "/nginx/0.log.20260102-030405", NULL,
		  NULL, NULL },
		{ "/var/log/pods/shop_" UID "/nginx/0.log", NULL, NULL, NULL },
		{ "/var/log/pods/shop__" UID "/nginx/0.log", NULL, NULL, NULL },
		{ "/var/log/pods/shop_web_u/nginx/x.log", NULL, NULL, NULL },
		{ "/nginx/0.log", NULL, NULL, NULL },
		{ "0.log", NULL, NULL, NULL },
		{ "", NULL, NULL, NULL },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct names *n = calloc(1, sizeof(*n));

		print_message("%s\n", cases[i].target);
		assert_int_equal(names_parse_log(cases[i].target, n),
				 cases[i].pod ? 0 : -ENOENT);
		if (cases[i].pod)
			check_names(n, cases[i].namespace, cases[i].pod,
				    cases[i].container, NULL);
		names_free(n);
	}
}

static void a_link_ends_with_the_beginning_of_the_id(void **state)
{
	assert_true(names_link_is("web-0_shop_nginx-" ID ".log", ID));
	/* cut at 251 bytes, as a long pod name makes it */
	assert_true(names_link_is("long_default_a-e3a604302db838ae5e4ffd.log", ID2));
	assert_true(names_link_is("a.log_b_c-" ID ".log", ID));
	assert_false(names_link_is("long_default_a-e3a604302db838ae5e4ffd.log", ID));
	assert_false(names_link_is("long_default_a-e3a6.log", ID2)); /* anybody's */
	assert_false(names_link_is("long_default_a-" ID2 "0.log", ID2));
	assert_false(names_link_is("web-0_shop_nginx-" ID, ID));
	assert_false(names_link_is(".log", ID));
	assert_false(names_link_is("", ID));
}

#define TASKS "containerd/io.containerd.runtime.v2.task/k8s.io/"

static void files_are_found_by_the_id(void **state)
{
	struct node *node = *state;
	struct names *n;

	assert_int_equal(find(node, POD "/cri-containerd-" ID ".scope", &n), -ENOENT);
	put(node, "run/" TASKS ID "/config.json", containerd);
	expect(node, POD "/cri-containerd-" ID ".scope", NAMES_BUNDLE,
	       "shop/web-0/nginx");
	/* the cgroupfs driver names no runtime; kind has a node around it */
	expect(node, "/kubepods/pod" UID "/" ID, NAMES_BUNDLE, "shop/web-0/nginx");
	expect(node, "/docker/" ID2 "/kubepods/pod" UID "/" ID, NAMES_BUNDLE,
	       "shop/web-0/nginx");
	/* Docker in the pod's container */
	expect(node, POD "/cri-containerd-" ID ".scope/docker/" ID2, NAMES_BUNDLE,
	       "shop/web-0/nginx");
	assert_int_equal(find(node, "/docker/" ID, &n),
			 -ENOENT); /* no bundle of Docker's */
	put(node, "run/k3s/" TASKS ID2 "/config.json", sandbox);
	expect(node, POD "/cri-containerd-" ID2 ".scope", NAMES_BUNDLE, "shop/web-0");
}

static void other_runtimes_files_are_found(void **state)
{
	struct node *node = *state;

	put(node,
	    "run/containers/storage/overlay-containers/" ID "/userdata/config.json",
	    crio);
	expect(node, POD "/crio-" ID ".scope/container", NAMES_BUNDLE, "prod/db-1/db");
	put(node, "var/lib/docker/containers/" ID2 "/config.v2.json", docker);
	expect(node, "/system.slice/docker-" ID2 ".scope", NAMES_DOCKER, "web");
}

static void what_was_found_when_it_was_made_is_kept(void **state)
{
	struct node *node = *state;
	const char *cgroup = POD "/cri-containerd-" ID ".scope";
	char path[256], other[256];
	struct names *n;

	names_note(node->reader, cgroup); /* no file yet */
	put(node, "run/" TASKS ID "/config.json", containerd);
	names_note(node->reader, POD);
	names_note(node->reader, "/");
	names_note(node->reader, cgroup);
	snprintf(path, sizeof(path), "%s/run/" TASKS ID "/config.json", node->root);
	assert_int_equal(unlink(path), 0);
	for (int i = 0; i < 2; i++)
		expect(node, cgroup, NAMES_BUNDLE, "shop/web-0/nginx");
	expect(node, POD "/cri-containerd-" ID ".scope/docker/" ID2, NAMES_BUNDLE,
	       "shop/web-0/nginx");
	/* the oldest is forgotten; there are 100 looks a second */
	for (int i = 0; i < 512; i++) {
		snprintf(other, sizeof(other), "%s/%064x/config.json", "run/" TASKS, i);
		put(node, other, containerd);
		snprintf(other, sizeof(other), "/default/%064x", i);
		names_note(node->reader, other);
		if (i % 90 == 89)
			usleep(1100000);
	}
	assert_int_equal(find(node, cgroup, &n), -ENOENT);
}

static void a_file_that_is_no_json_or_too_large_says_nothing(void **state)
{
	struct node *node = *state;
	const char *cgroup = POD "/cri-containerd-" ID ".scope";
	char *large = malloc(300 << 10);
	struct names *n;

	put(node, "run/" TASKS ID "/config.json", "{\"annotations\":");
	assert_int_equal(find(node, cgroup, &n), -ENOENT);
	memset(large, ' ', 300 << 10);
	memcpy(large, containerd, strlen(containerd));
	large[(300 << 10) - 1] = '\0';
	put(node, "run/" TASKS ID "/config.json", large);
	assert_int_equal(find(node, cgroup, &n), -ENOENT);
	free(large);
	/* then the link */
	put_link(node, "web-0_shop_nginx-" ID ".log",
		 "/var/log/pods/shop_web-0_" UID "/nginx/0.log");
	for (int i = 0; i < 50 && find(node, cgroup, &n); i++)
		usleep(100000);
	assert_int_equal(n->source, NAMES_LOG);
	names_free(n);
}

#define STORAGE "var/lib/containers/storage/overlay-containers/"

static const char podman[] =
    "[{\"id\":\"" ID2 "\",\"names\":[\"db\"]},{\"id\":\"" ID "\",\"names\":[\"web\"],"
    "\"image\":\"ab\",\"metadata\":\"{\\\"image-name\\\":\\\"docker.io/nginx:1.27\\\"}\"}]";

static void podmans_list_names_its_containers(void **state)
{
	static const char *const none[] = { "",
					    "{}",
					    "[]",
					    "[7]",
					    "[{\"id\":7}]",
					    "[{\"id\":\"" ID "\"}]",
					    "[{\"id\":\"" ID "\",\"names\":[]}]",
					    "[{\"id\":\"" ID
					    "\",\"names\":[\"a b\"]}]" };
	struct names *n = names_new();
	struct podman_names p = { 0 };

	assert_int_equal(names_podman_parse(&p, podman, strlen(podman)), 0);
	assert_int_equal(names_podman_take(&p, ID, n), 0);
	check_names(n, NULL, NULL, "web", "docker.io/nginx");
	assert_string_equal(n->tag, "1.27");
	assert_int_equal(n->source, NAMES_PODMAN);
	names_clear(n);
	assert_int_equal(names_podman_take(&p, ID2, n), 0);
	check_names(n, NULL, NULL, "db", NULL);
	for (size_t i = 0; i < COUNT(none); i++) {
		names_podman_clear(&p);
		names_clear(n);
		assert_int_equal(names_podman_parse(&p, none[i], strlen(none[i])), 0);
		assert_int_equal(names_podman_take(&p, ID, n), -ENOENT);
	}
	names_podman_clear(&p);
	names_free(n);
}

/* Root's; a user's home is nothing that a process of root looks into. */
static void containers_of_podman_are_named(void **state)
{
	struct node *node = *state;
	struct names *n;

	put(node, STORAGE "volatile-containers.json", podman);
	expect(node, "/machine.slice/libpod-" ID ".scope/container", NAMES_PODMAN,
	       "web");
	/* no list of podman's says of another runtime's */
	assert_int_equal(find(node, "/docker/" ID, &n), -ENOENT);
	put(node, STORAGE "volatile-containers.json", "[]");
	put(node, STORAGE "containers.json", podman);
	usleep(1100000); /* they are looked at once a second */
	expect(node, "/machine.slice/libpod-" ID2 ".scope", NAMES_PODMAN, "db");
	put(node, STORAGE "containers.json", "[]");
	usleep(1100000);
	assert_int_equal(find(node, "/machine.slice/libpod-" ID2 ".scope", &n),
			 -ENOENT);
}

static void podmans_lists_in_homes_are_left_alone(void **state)
{
	struct node *node = *state;
	struct names *n;

	put(node, "etc/passwd", "jo:x:1000:1000:Jo,,,:/home/jo:/bin/bash\n");
	put(node,
	    "home/jo/.local/share/containers/storage/overlay-containers/containers.json",
	    podman);
	assert_int_equal(find(node,
			      "/user.slice/user-1000.slice/user@1000.service/"
			      "user.slice/libpod-" ID2 ".scope",
			      &n),
			 -ENOENT);
}

static void an_image_is_a_name_a_tag_and_a_digest(void **state)
{
	static const char *const cases[][4] = {
		{ "nginx", "nginx" },
		{ "nginx:1.27", "nginx", "1.27" },
		{ "r:5000/a/b:2@sha256:00", "r:5000/a/b", "2", "sha256:00" },
		{ "r:5000/a/b@sha256:00", "r:5000/a/b", NULL, "sha256:00" },
		{ "sha256:0123" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct names *n = names_new();
		const char *const *want = &cases[i][1];
		const char *got[3];

		names_set_image(n, "old:1@sha256:11");
		names_set_image(n, cases[i][0]);
		got[0] = n->image;
		got[1] = n->tag;
		got[2] = n->digest;
		for (size_t k = 0; k < COUNT(got); k++) {
			assert_int_equal(!got[k], !want[k]);
			if (got[k])
				assert_string_equal(got[k], want[k]);
		}
		names_free(n);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_runtime_has_its_words),
		cmocka_unit_test(what_is_no_name_is_none),
		cmocka_unit_test(logs_are_read_from_the_right),
		cmocka_unit_test(a_link_ends_with_the_beginning_of_the_id),
		NODE_TEST(files_are_found_by_the_id),
		NODE_TEST(other_runtimes_files_are_found),
		NODE_TEST(what_was_found_when_it_was_made_is_kept),
		NODE_TEST(a_file_that_is_no_json_or_too_large_says_nothing),
		cmocka_unit_test(an_image_is_a_name_a_tag_and_a_digest),
		cmocka_unit_test(podmans_list_names_its_containers),
		NODE_TEST(containers_of_podman_are_named),
		NODE_TEST(podmans_lists_in_homes_are_left_alone),
	};

	return cmocka_run_group_tests_name("names", tests, NULL, NULL);
}
