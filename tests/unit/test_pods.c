// SPDX-License-Identifier: Apache-2.0
/* The kubelet's answer to /pods: what it says of whom, what is left out, what is none.
 */
#include "some_pods.h"

#define REAL "tests/fuzz/corpus/pods/kubelet"

static int read_pieces(const char *text, size_t len, size_t piece,
		       const struct pods_keep *keep, struct pods **out)
{
	int err = pods_new(keep, out);

	for (size_t at = 0; at < len && !err; at += piece)
		err = pods_feed(*out, text + at, len - at < piece ? len - at : piece);
	if (!err)
		err = pods_end(*out);
	if (err)
		pods_free(*out);
	return err;
}

static struct pods *read_list(const char *text)
{
	struct pods *p;

	assert_int_equal(read_pieces(text, strlen(text), 1000000, &none, &p), 0);
	return p;
}

/* Of a real kubelet: static pods, one that crashes, one with sidecars. */
static void a_real_answer(void **state)
{
	static const size_t sizes[] = { 1, 7, 4096, 1000000 };
	char *text = malloc(100000);
	int len = read_file(REAL, text, 100000);
	struct names *n;
	struct pods *p;

	assert_true(len > 5000);
	for (size_t i = 0; i < COUNT(sizes); i++) {
		assert_int_equal(read_pieces(text, len, sizes[i], &none, &p), 0);
		expect_counts(p, 7, 11, 0);
		n = find(
		    p,
		    "48f2f0a0d73a2ed7ef7be98089481a1af3d4d1fb0c33af913a727e8573342f"
		    "dd",
		    "");
		is_called(n, "shop/web-multi-node-a.example.internal/mesh-proxy");
		same(n->image, "docker.io/library/busybox");
		same(n->tag, "1.36");
		same(n->node, "node-a.example.internal");
		same(n->owner_kind, NULL);
		assert_int_equal(n->restarts, 0);
		same(names_label(n, "app.kubernetes.io/name"), "web");
		assert_int_equal(n->label_count, 1);
		names_free(n);
		/* its sandbox: by the uid in the path */
		n = find(p, ID3, "379560a2cb47f9b13c810328ff2bade1");
		is_called(n, "shop/web-multi-node-a.example.internal");
		assert_null(n->container);
		names_free(n);
		pods_free(p);
	}
	/* every beginning of it is none */
	for (int cut = 0; cut < len; cut += 97)
		assert_int_equal(read_pieces(text, cut, 512, &none, &p), -EBADMSG);
	free(text);
}

static void all_lists_of_containers(void **state)
{
	struct pods *p = read_list(LIST("{\"status\":{\"ephemeralContainerStatuses\":[" STATUS(
	    ID3,
	    ",\"image\":\"sha256:12\"") "],"
					"\"initContainerStatuses\":[{\"name\":\"init\",\"state\":{\"terminated\":{"
					"\"containerID\":\"cri-o://" ID2
					"\"}},\"restartCount\":1,\"image\":\"a:1\"}],"
					"\"containerStatuses\":[{\"name\":\"waits\",\"restartCount\":0}," STATUS(
					    ID,
					    ",\"restartCount\":3,\"image\":\"r:5/a/b:1.2@sha256:00\"") "]},"
												       "\"spec\":{\"nodeName\":\"n1\",\"ephemeralContainers\":[{\"name\":\"x\"},"
												       "{\"name\":\"app\",\"image\":\"debug:9\"}]}," META(
													   "") "}"));
	struct names *n = find(p, ID, OTHER);

	is_called(n, "shop/web-0/app");
	same(n->image, "r:5/a/b");
	same(n->tag, "1.2");
	same(n->node, "n1");
	assert_int_equal(n->restarts, 3);
	names_free(n);
	n = find(p, ID2, "");
	is_called(n, "shop/web-0/init");
	assert_int_equal(n->restarts, 1);
	names_free(n);
	n = find(p, ID3, "");
	same(n->image, "debug"); /* the spec's: its status has a digest */
	same(n->tag, "9");
	assert_int_equal(n->restarts, 0);
	names_free(n);
	assert_int_equal(pods_find(p, "", OTHER, &n), -ENOENT);
	assert_int_equal(pods_find(p, "", "", &n), -ENOENT);
	expect_counts(p, 1, 3, 0);
	pods_free(p);
}

static void the_container_before_a_restart_is_known(void **state)
{
	struct pods *p =
	    read_list(LIST("{" META("") ",\"status\":{\"containerStatuses\":[" STATUS(
		ID, ",\"restartCount\":4,\"lastState\":{\"terminated\":{"
		    "\"containerID\":\"docker://" ID2 "\"}}") "]}}"));
	struct names *n = find(p, ID2, "");

	is_called(n, "shop/web-0/app");
	assert_int_equal(n->restarts, 3);
	names_free(n);
	pods_free(p);
	/* in a crash loop both are the same one */
	p = read_list(LIST("{" META("") ",\"status\":{\"containerStatuses\":[" STATUS(
	    ID, ",\"restartCount\":4,\"lastState\":{\"terminated\":{"
		"\"containerID\":\"containerd://" ID "\"}}") "]}}"));
	expect_counts(p, 1, 1, 0);
	n = find(p, ID, "");
	assert_int_equal(n->restarts, 4);
	names_free(n);
	pods_free(p);
}

/* The answer after another one: what did not change is taken from that. */
static void what_is_as_before_is_kept(void **state)
{
	static const char first[] = LIST("{" META(
	    ",\"labels\":{\"app.kubernetes.io/name\":\"a\\nb\"}") ","
								  "\"status\":{\"containerStatuses\":[" STATUS(
								      ID,
								      ",\"image\":\"r/a:1\"") "]}},{\"metadata\":{\"namespace\":\"x\","
											      "\"name\":\"y\",\"uid\":\"" OTHER
											      "\"}}");
	/* the other way round; a value that nobody asks for, and a name, have changed
	 */
	static const char second[] = LIST(
	    "{\"metadata\":{\"namespace\":\"x\",\"name\":\"z\",\"uid\":\"" OTHER
	    "\"}},{" META(
		",\"labels\":{\"app.kubernetes.io/name\":\"a\\nb\"}") ","
								      "\"status\":{\"phase\":\"Running\",\"containerStatuses\":[" STATUS(
									  ID,
									  ",\"image\":\"r/a:1\"") "]}}");
	struct pods *a = read_list(first), *b;
	struct pods_counts counts;
	struct names *n;

	assert_int_equal(pods_new(&none, &b), 0);
	pods_follow(b, a);
	assert_int_equal(pods_feed(b, second, strlen(second)), 0);
	assert_int_equal(pods_end(b), 0);
	pods_count(b, &counts);
	assert_int_equal(counts.kept, 0); /* "phase": another text */
	pods_free(b);
	assert_int_equal(pods_new(&none, &b), 0);
	pods_follow(b, a);
	assert_int_equal(pods_feed(b, first, strlen(first)), 0);
	assert_int_equal(pods_end(b), 0);
	pods_free(a);
	assert_int_equal(pods_new(&none, &a), 0);
	pods_follow(a, b);
	assert_int_equal(pods_feed(a, first, strlen(first)), 0);
	assert_int_equal(pods_end(a), 0);
	pods_free(b);
	expect_counts(a, 2, 1, 1); /* the label, each time anew */
	pods_count(a, &counts);
	assert_int_equal(counts.kept, 2);
	n = find(a, ID, "");
	is_called(n, "shop/web-0/app");
	same(n->image, "r/a");
	same(n->tag, "1");
	names_free(n);
	n = find(a, "", OTHER);
	is_called(n, "x/y");
	names_free(n);
	n = find(a, "", UID);
	is_called(n, "shop/web-0");
	names_free(n);
	pods_free(a);
}

static void a_pod_without_status_is_known_by_its_uid(void **state)
{
	struct pods *p = read_list(LIST("{" META(
	    ",\"annotations\":{\"kubernetes.io/config.hash\":\"" HASH "\"}") "}"));
	struct names *n = find(p, ID, UID);

	is_called(n, "shop/web-0");
	assert_int_equal(n->restarts, -1);
	names_free(n);
	n = find(p, "", HASH); /* a static pod's cgroup */
	is_called(n, "shop/web-0");
	names_free(n);
	expect_counts(p, 1, 0, 0);
	pods_free(p);
}

static void owners(void **state)
{
	static const struct {
		const char *kind, *name, *hash, *want_kind, *deployment;
	} cases[] = {
		{ "ReplicaSet", "web-7d9f8b6c5", "7d9f8b6c5", "ReplicaSet", "web" },
		{ "ReplicaSet", "web-7d9f8b6c5", "8b6c5", "ReplicaSet", NULL },
		{ "ReplicaSet", "-7d9f", "7d9f", "ReplicaSet", NULL },
		{ "ReplicaSet", "hand-made", "", "ReplicaSet", NULL },
		{ "StatefulSet", "db-7d9f8b6c5", "7d9f8b6c5", "StatefulSet", NULL },
		{ "Job", "report-28812345", "", "Job", NULL },
		{ "Job", "28812345", "", "Job", NULL },
		{ "Node", "node-a", "", NULL, NULL },
		{ "Job", "", "", NULL, NULL },
	};
	char text[1024];

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct names *n;
		struct pods *p;

		print_message("%s %s\n", cases[i].kind, cases[i].name);
		snprintf(text, sizeof(text),
			 LIST("{" META(",\"labels\":{\"pod-template-hash\":\"%s\"},"
				       "\"ownerReferences\":[{\"kind\":\"X\",\"name\":"
				       "\"x\"},{\"kind\":\"%s\",\"name\":\"%s\","
				       "\"controller\":true}]") "}"),
			 cases[i].hash, cases[i].kind, cases[i].name);
		p = read_list(text);
		n = find(p, "", UID);
		same(n->owner_kind, cases[i].want_kind);
		same(n->owner, cases[i].want_kind ? cases[i].name : NULL);
		same(n->deployment, cases[i].deployment);
		assert_int_equal(n->label_count, 0);
		names_free(n);
		pods_free(p);
	}
}

static void labels_and_annotations_that_are_kept(void **state)
{
	static const char text[] = LIST("{" META(
	    ",\"labels\":{\"app.kubernetes.io/name\":\"shop\","
	    "\"app.kubernetes.io/instance\":\"\",\"app.kubernetes.io/part-of\":"
	    "\"x\",\"team\":\"a\",\"tea\":\"b\",\"teams\":\"c\",\"tier\":7},"
	    "\"annotations\":{\"resource.opentelemetry.io/service.name\":\"two "
	    "w\xc3\xb6rds\",\"note\":\"n\",\"resource.opentelemetry.io/a\":"
	    "\"a\\nb\",\"secret\":\"s\"}") "}");
	struct pods_keep keep = { "other,team,tier", "note" };
	struct names *n;
	struct pods *p;

	assert_int_equal(read_pieces(text, strlen(text), 5, &keep, &p), 0);
	n = find(p, ID, UID);
	assert_int_equal(n->label_count, 3);
	same(names_label(n, "app.kubernetes.io/name"), "shop");
	same(names_label(n, "app.kubernetes.io/instance"), "");
	same(names_label(n, "team"), "a");
	assert_int_equal(n->annotation_count, 2);
	same(names_annotation(n, "resource.opentelemetry.io/service.name"),
	     "two w\xc3\xb6rds");
	same(names_annotation(n, "note"), "n");
	names_free(n);
	expect_counts(p, 1, 0, 2); /* tier's 7, and the newline */
	pods_free(p);
}

static void what_is_no_list_of_pods_is_none(void **state)
{
	static const char *const texts[] = {
		"",
		"Unauthorized",
		"[]",
		"{}",
		"{\"items\":{}}",
		"{\"a\":{\"items\":[]}}",
		"{\"x\":\"items\"}",
		"{\"items\":[]",
		"{\"items\":[]}}",
		"{\"items\":[]}{",
		"{\"items\":[]} x",
		"{\"items\":[7]}",
		"{\"items\":[[]]}",
		"{\"items\":[{\"metadata\":}]}",
		"{\"items\":[{\"metadata\":[}}]}",
		"{\"items\":[{\"a\":\"b]}",
		"{\"items\":[],\"items\":[]}",
	};
	static const char *const empty[] = {
		"{\"items\":null}",
		" {\"kind\" : \"\\\"items\" , \"items\" :\n[ ] } \n",
		"{\"metadata\":{\"x\":[[{}]]},\"items\":[]}",
	};
	struct pods *p;

	for (size_t i = 0; i < COUNT(texts); i++) {
		print_message("%s\n", texts[i]);
		assert_int_equal(read_pieces(texts[i], strlen(texts[i]), 3, &none, &p),
				 -EBADMSG);
	}
	for (size_t i = 0; i < COUNT(empty); i++) {
		print_message("%s\n", empty[i]);
		p = read_list(empty[i]);
		expect_counts(p, 0, 0, 0);
		pods_free(p);
	}
}

static void odd_pods_are_left_out_and_counted(void **state)
{
	struct pods *p = read_list(LIST(
	    "{},{\"metadata\":{\"name\":\"a b\",\"namespace\":\"n\"}},"
	    "{\"metadata\":[],\"status\":7,\"spec\":\"\"},"
	    "{" META("") ",\"status\":{\"containerStatuses\":[7,{\"name\":\"x\","
			 "\"containerID\":\"containerd://12\"},{\"name\":\"a\\u0000\","
			 "\"containerID\":\"containerd://" ID2 "\"},{},"
			 "{\"name\":\"y\",\"containerID\":\"\"}," STATUS(
			     ID, ",\"restartCount\":-7") "]}}"));
	struct names *n = find(p, ID, "");

	assert_int_equal(n->restarts, -1);
	names_free(n);
	expect_counts(p, 1, 1, 5);
	pods_free(p);
}

/* The disk's names come first, the kubelet adds to them. */
static void names_are_filled_up(void **state)
{
	struct pods *p = read_list(LIST(
	    "{" META(",\"ownerReferences\":[{\"kind\":\"DaemonSet\",\"name\":\"d\"}]") ",\"status\":{\"containerStatuses\":[" STATUS(
		ID, ",\"restartCount\":3,\"image\":\"r/a:1\"") "]}}"));
	struct names *more = find(p, ID, ""), *n = names_new();

	n->namespace = strdup("shop");
	n->pod = strdup("web-0");
	n->image = strdup("r/b");
	n->source = NAMES_BUNDLE;
	assert_int_equal(names_fill(n, more), 0);
	is_called(n, "shop/web-0/app");
	same(n->image, "r/b");
	same(n->tag, NULL); /* another image's */
	same(n->owner, "d");
	assert_int_equal(n->restarts, 3);
	assert_int_equal(n->source, NAMES_BUNDLE);
	names_clear(n);
	n->sandbox = true;
	n->restarts = 7;
	n->image = strdup("r/a");
	assert_int_equal(names_fill(n, more), 0);
	is_called(n, "shop/web-0");
	same(n->container, NULL);
	same(n->tag, "1");
	assert_int_equal(n->restarts, 7);
	names_free(n);
	names_free(more);
	pods_free(p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_real_answer),
		cmocka_unit_test(all_lists_of_containers),
		cmocka_unit_test(the_container_before_a_restart_is_known),
		cmocka_unit_test(what_is_as_before_is_kept),
		cmocka_unit_test(a_pod_without_status_is_known_by_its_uid),
		cmocka_unit_test(owners),
		cmocka_unit_test(labels_and_annotations_that_are_kept),
		cmocka_unit_test(what_is_no_list_of_pods_is_none),
		cmocka_unit_test(odd_pods_are_left_out_and_counted),
		cmocka_unit_test(names_are_filled_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
