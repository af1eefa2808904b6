// SPDX-License-Identifier: Apache-2.0
/* What a container of Kubernetes is called, by OpenTelemetry's rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/options.h"
#include "base/util.h"
#include "metric/resource_k8s.h"
#include "otlp/frame.h"
#include "resource_frame.h"

#define ID    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define INNER "ff9276e1ccee70b8f3e5b5e1a8a1b3f0d8a2c4e6f8091a2b3c4d5e6f708192a3"
#define UID   "379560a2cb47f9b13c810328ff2bade1"
#define POD   "/kubepods/pod" UID
#define OTEL  "resource.opentelemetry.io/"
#define APP   "app.kubernetes.io/"

static struct name_pair labels[] = {
	{ APP "instance", "web-prod" },
	{ APP "name", "web" },
	{ APP "version", "7.1" },
	{ "team", "a" },
};
static struct name_pair annotations[] = {
	{ OTEL "service.name", "front" },
	{ OTEL "service.namespace", "store" },
	{ OTEL "service.version", "9" },
	{ OTEL "service.instance.id", "front-0" },
	{ OTEL "deployment.environment.name", "prod" },
	{ OTEL "k8s.pod.name", "a lie" },
	{ OTEL "host.id", "a lie" },
	{ OTEL "k8s.pod.label.team", "a lie" },
	{ OTEL "zone", "the pod's" },
	{ OTEL, "no key" },
	{ "note", "n" },
};

/* All that files say, and what the test changes of it. */
static struct names web(void)
{
	return (struct names){ .namespace = "shop",
			       .pod = "web-0",
			       .container = "nginx",
			       .image = "quay.io/app",
			       .tag = "1.2",
			       .restarts = 3,
			       .source = NAMES_LOG };
}

/* What a receiver reads of a workload of this path, exported with these options. */
static struct frame *export(struct options o, const char *path, struct names *n)
{
	struct workload w = { .path = (char *)path, .names = n };
	struct frame *f;

	assert_int_equal(workload_identify(path, &w.id), 0);
	f = resource_frame_on(o, w);
	workload_id_fini(&w.id);
	return f;
}

/* NULL: the attribute must be absent. */
static void check(const struct frame *f, const char *key, const char *want)
{
	const char *got = frame_attr(f->series->resource, key);
	const struct frame_attrs *all = f->series->resource;

	if (want ? !got || strcmp(got, want) : got != NULL)
		fail_msg("%s is %s, not %s", key, got, want);
	for (size_t i = 1; i < all->count; i++) /* they are sorted */
		assert_string_not_equal(all->list[i - 1].key, all->list[i].key);
}

/* The attribute of a workload whose names are n. */
static void check_of(struct options o, struct names *n, const char *key,
		     const char *want)
{
	struct frame *f = export(o, POD "/" ID, n);

	check(f, key, want);
	frame_free(f);
}

static void names_are_attributes(void **state)
{
	struct names n = web();
	struct options o = { .cluster_name = "c1", .node_name = "n1" };
	struct frame *f = export(o, POD "/" ID, &n);
	static const char *const want[][2] = {
		{ "service.name", "web-0" },
		{ "service.namespace", "shop" },
		{ "service.version", "1.2" },
		{ "service.instance.id", "shop.web-0.nginx" },
		{ "k8s.cluster.name", "c1" },
		{ "k8s.node.name", "n1" },
		{ "k8s.namespace.name", "shop" },
		{ "k8s.pod.name", "web-0" },
		{ "k8s.pod.uid", UID },
		{ "k8s.container.name", "nginx" },
		{ "k8s.container.restart_count", "3" },
		{ "container.id", ID },
		{ "container.image.name", "quay.io/app" },
		{ "container.image.tags", "1.2" },
		{ "assay.identity.source", NULL },
		{ "k8s.deployment.name", NULL },
		{ "host.name", "node1" },
	};

	for (size_t i = 0; i < COUNT(want); i++)
		check(f, want[i][0], want[i][1]);
	frame_free(f);
	n.restarts = -1;
	n.node = "n2"; /* who schedules knows it better */
	check_of(o, &n, "k8s.container.restart_count", NULL);
	check_of(o, &n, "k8s.node.name", "n2");
	n.restarts = 0;
	check_of(o, &n, "k8s.container.restart_count", "0");
}

static void the_node_and_the_cluster_may_be_among_the_attributes(void **state)
{
	struct names n = web();
	struct options o = { .resource_attributes =
				 "k8s.node.name=n3,k8s.cluster.name=c3,k8s.pod.uid=x" };

	check_of(o, &n, "k8s.node.name", "n3");
	check_of(o, &n, "k8s.cluster.name", "c3");
	check_of(o, &n, "k8s.pod.uid", UID);
	o.node_name = "n1";
	o.cluster_name = "c1";
	check_of(o, &n, "k8s.node.name", "n1");
	check_of(o, &n, "k8s.cluster.name", "c1");
}

static void a_service_is_called_as_its_owner(void **state)
{
	static const struct {
		const char *kind, *owner, *deployment, *attr, *service, *cronjob;
	} cases[] = {
		{ "ReplicaSet", "web-5d8f", "web", "k8s.replicaset.name", "web" },
		{ "ReplicaSet", "lone", NULL, "k8s.replicaset.name", "lone" },
		{ "StatefulSet", "db", NULL, "k8s.statefulset.name", "db" },
		{ "DaemonSet", "agent", NULL, "k8s.daemonset.name", "agent" },
		{ "Job", "once", NULL, "k8s.job.name", "once" },
		{ "Job", "nightly-29000000", NULL, "k8s.job.name", "nightly",
		  "nightly" },
		{ "Job", "run-2024", NULL, "k8s.job.name", "run-2024" },
		{ "Job", "a-b2900000", NULL, "k8s.job.name", "a-b2900000" },
		{ "Job", "-29000000", NULL, "k8s.job.name", "-29000000" },
		{ "Node", "n1", NULL, "k8s.job.name", "web-0" },
		{ NULL, NULL, NULL, "k8s.job.name", "web-0" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct names n = web();
		bool known = cases[i].kind && strcmp(cases[i].kind, "Node");

		n.owner_kind = (char *)cases[i].kind;
		n.owner = (char *)cases[i].owner;
		n.deployment = (char *)cases[i].deployment;
		check_of((struct options){ 0 }, &n, "service.name", cases[i].service);
		check_of((struct options){ 0 }, &n, cases[i].attr,
			 known ? cases[i].owner : NULL);
		check_of((struct options){ 0 }, &n, "k8s.deployment.name",
			 cases[i].deployment);
		check_of((struct options){ 0 }, &n, "k8s.cronjob.name",
			 cases[i].cronjob);
	}
}

static void labels_name_a_service_only_if_that_is_asked_for(void **state)
{
	struct options off = { 0 }, on = { .labels_as_service = true };
	struct names n = web();

	n.deployment = "web";
	n.labels = labels;
	n.label_count = COUNT(labels);
	check_of(off, &n, "service.name", "web");
	check_of(off, &n, "service.version", "1.2");
	check_of(on, &n, "service.name", "web-prod");
	check_of(on, &n, "service.version", "7.1");
	n.labels = labels + 1; /* no instance */
	n.label_count = COUNT(labels) - 1;
	check_of(on, &n, "service.name", "web");
	n.labels = labels + 3;
	n.label_count = 1;
	n.deployment = "other";
	check_of(on, &n, "service.name", "other");
	check_of(on, &n, "service.version", "1.2");
}

static void annotations_come_first_and_do_not_lie(void **state)
{
	struct options o = { .labels_as_service = true,
			     .resource_attributes = "zone=ours" };
	static const char *const want[][2] = {
		{ "service.name", "front" },
		{ "service.namespace", "store" },
		{ "service.version", "9" },
		{ "service.instance.id", "front-0" },
		{ "deployment.environment.name", "prod" },
		{ "k8s.pod.name", "web-0" },
		{ "k8s.namespace.name", "shop" },
		{ "k8s.pod.label.team", NULL },
		{ "host.id", "h1" },
		{ "zone", "ours" },
		{ "note", NULL },
		{ "", NULL },
	};
	struct names n = web();

	n.labels = labels;
	n.label_count = COUNT(labels);
	n.annotations = annotations;
	n.annotation_count = COUNT(annotations);
	for (size_t i = 0; i < COUNT(want); i++)
		check_of(o, &n, want[i][0], want[i][1]);
}

static void labels_that_were_chosen_are_attributes(void **state)
{
	struct options o = { .pod_labels = "team,missing,team," APP "name",
			     .pod_annotations = "note" };
	struct names n = web();

	n.labels = labels;
	n.label_count = COUNT(labels);
	n.annotations = annotations;
	n.annotation_count = COUNT(annotations);
	check_of(o, &n, "k8s.pod.label.team", "a");
	check_of(o, &n, "k8s.pod.label." APP "name", "web");
	check_of(o, &n, "k8s.pod.label." APP "version", NULL);
	check_of(o, &n, "k8s.pod.label.missing", NULL);
	check_of(o, &n, "k8s.pod.annotation.note", "n");
}

static void a_version_is_the_tag_and_the_digest(void **state)
{
	struct options o = { 0 };
	struct names n = web();

	n.digest = "sha256:77";
	check_of(o, &n, "service.version", "1.2@sha256:77");
	n.tag = NULL;
	check_of(o, &n, "service.version", "sha256:77");
	check_of(o, &n, "container.image.tags", NULL);
	n.digest = NULL;
	check_of(o, &n, "service.version", NULL);
}

static void each_cgroup_of_a_pod_is_an_instance(void **state)
{
	static const struct {
		const char *path, *instance;
		bool sandbox;
	} cases[] = {
		{ POD "/" ID, "shop.web-0.nginx" },
		{ POD "/crio-" ID ".scope/container", "shop.web-0.nginx" },
		{ POD "/" ID "/a/b.service", "shop.web-0.nginx/a/b.service" },
		{ POD "/" ID "/docker/" INNER, "shop.web-0.nginx/docker/" INNER },
		{ POD "/" ID "/docker/" INNER "/x",
		  "shop.web-0.nginx/docker/" INNER "/x" },
		{ POD "/" ID, "shop.web-0", true },
		{ POD "/" ID "/x", "shop.web-0/x", true },
		{ POD, "shop.web-0" },
		{ "/k8s.io/" ID, "shop.web-0.nginx" },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct names n = web();
		struct frame *f;

		n.sandbox = cases[i].sandbox;
		f = export((struct options){ 0 }, cases[i].path, &n);
		check(f, "service.instance.id", cases[i].instance);
		frame_free(f);
	}
}

static void one_without_a_pod_is_its_path(void **state)
{
	struct options o = { .identity_source = true };
	struct names n = { .container = "web",
			   .image = "nginx",
			   .restarts = -1,
			   .source = NAMES_DOCKER };
	struct frame *f = export(o, "/docker/" ID, &n);

	check(f, "service.instance.id", "h1:/docker/" ID);
	check(f, "k8s.container.name", NULL);
	check(f, "service.namespace", NULL);
	check(f, "container.image.name", "nginx");
	check(f, "assay.identity.source", "docker");
	frame_free(f);
	f = export(o, "/system.slice/a.service", NULL);
	check(f, "service.instance.id", "h1:/system.slice/a.service");
	check(f, "service.name", "a.service");
	check(f, "assay.identity.source", "path");
	frame_free(f);
	n = web();
	check_of(o, &n, "assay.identity.source", "log");
	n.source = NAMES_BUNDLE;
	check_of(o, &n, "assay.identity.source", "bundle");
	n.source = NAMES_KUBELET;
	check_of(o, &n, "assay.identity.source", "kubelet");
}

static void an_instance_that_is_taken_has_a_next_best(void **state)
{
	struct names n = web();
	struct workload w = { .path = POD "/" ID, .names = &n };
	struct resource r = { .host = { .id = "h1" } };

	n.annotations = annotations;
	n.annotation_count = COUNT(annotations);
	assert_int_equal(workload_identify(w.path, &w.id), 0);
	assert_int_equal(resource_instance(&r, &w), 0);
	assert_string_equal(w.instance, "front-0");
	assert_int_equal(resource_instance_again(&r, &w), 0);
	assert_string_equal(w.instance, "shop.web-0.nginx");
	assert_int_equal(resource_instance_again(&r, &w), 0);
	assert_string_equal(w.instance, "shop.web-0.nginx:0123456789ab");
	assert_int_equal(resource_instance(&r, &w), 0); /* it has one */
	assert_string_equal(w.instance, "shop.web-0.nginx:0123456789ab");
	assert_int_equal(resource_instance_again(&r, &w), 0);
	assert_string_equal(w.instance, "h1:" POD "/" ID);
	assert_int_equal(resource_instance_again(&r, &w), 1); /* that is the last one */
	assert_string_equal(w.instance, "h1:" POD "/" ID);
	free(w.instance);
	/* nobody may wish for what others have by their paths */
	w.instance = NULL;
	w.names->annotations =
	    (struct name_pair[]){ { OTEL "service.instance.id", "h1:/other" } };
	w.names->annotation_count = 1;
	assert_int_equal(resource_instance(&r, &w), 0);
	assert_string_equal(w.instance, "shop.web-0.nginx");
	free(w.instance);
	workload_id_fini(&w.id);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_attributes),
		cmocka_unit_test(the_node_and_the_cluster_may_be_among_the_attributes),
		cmocka_unit_test(a_service_is_called_as_its_owner),
		cmocka_unit_test(labels_name_a_service_only_if_that_is_asked_for),
		cmocka_unit_test(annotations_come_first_and_do_not_lie),
		cmocka_unit_test(labels_that_were_chosen_are_attributes),
		cmocka_unit_test(a_version_is_the_tag_and_the_digest),
		cmocka_unit_test(each_cgroup_of_a_pod_is_an_instance),
		cmocka_unit_test(one_without_a_pod_is_its_path),
		cmocka_unit_test(an_instance_that_is_taken_has_a_next_best),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
