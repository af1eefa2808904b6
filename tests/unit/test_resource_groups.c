// SPDX-License-Identifier: Apache-2.0
/* What several workloads that are one in exports are called. */
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
#include "metric/resource.h"
#include "otlp/frame.h"
#include "reading/snapshot_impl.h"
#include "resource_frame.h"

#define UID  "379560a2-cb47-f9b1-3c81-0328ff2bade1"
#define OTEL "resource.opentelemetry.io/"

static struct name_pair labels[] = { { "app.kubernetes.io/instance", "web-prod" },
				     { "team", "a" } };
static struct name_pair wishes[] = { { OTEL "service.name", "front" },
				     { OTEL "service.namespace", "store" },
				     { OTEL "zone", "the pod's" } };

/* What is known of the first pod. */
static struct names web(void)
{
	return (struct names){ .namespace = "shop",
			       .pod = "web-5d8f-abcde",
			       .owner_kind = "ReplicaSet",
			       .owner = "web-5d8f",
			       .deployment = "web",
			       .node = "n2",
			       .labels = labels,
			       .label_count = COUNT(labels),
			       .restarts = -1 };
}

static struct workload group(enum workload_kind kind, char *name, struct names *n)
{
	struct workload w = { .id = { .kind = kind, .role = ROLE_POD, .name = name },
			      .names = n };

	if (kind == WORKLOAD_POD)
		strcpy(w.id.pod_uid, UID);
	return w;
}

struct want {
	const char *key, *value; /* NULL: absent */
};

static void has(struct options o, struct workload w, const struct want *want,
		size_t count)
{
	struct frame *f = resource_frame_on(o, w);

	for (size_t i = 0; i < count; i++) {
		const char *got = frame_attr(f->series->resource, want[i].key);

		if (want[i].value ? !got || strcmp(got, want[i].value) : got != NULL)
			fail_msg("%s is %s, not %s", want[i].key, got, want[i].value);
	}
	frame_free(f);
}

static void a_deployment_has_no_attributes_of_one_pod(void **state)
{
	struct options o = { .pod_labels = "team", .labels_as_service = false };
	struct names n = web();
	static const struct want want[] = {
		{ "service.name", "web" },
		{ "service.namespace", "shop" },
		{ "service.version", NULL },
		{ "service.instance.id", "shop.deployment.web:n2" },
		{ "assay.workload.kind", "owner" },
		{ "assay.workload.name", "shop/deployment/web" },
		{ "process.linux.cgroup", NULL },
		{ "k8s.namespace.name", "shop" },
		{ "k8s.deployment.name", "web" },
		{ "k8s.replicaset.name", NULL },
		{ "k8s.pod.name", NULL },
		{ "k8s.pod.uid", NULL },
		{ "k8s.pod.label.team", NULL },
		{ "k8s.container.name", NULL },
		{ "container.id", NULL },
		{ "k8s.node.name", "n2" },
		{ "host.id", "h1" },
	};

	has(o, group(WORKLOAD_OWNER, "shop/deployment/web", &n), want, COUNT(want));
}

static void a_service_of_an_owner_is_called_as_is_wished(void **state)
{
	struct names n = web();

	has((struct options){ .labels_as_service = true },
	    group(WORKLOAD_OWNER, "shop/deployment/web", &n),
	    &(struct want){ "service.name", "web-prod" }, 1);
	n.annotations = wishes;
	n.annotation_count = COUNT(wishes);
	has((struct options){ .labels_as_service = true },
	    group(WORKLOAD_OWNER, "shop/deployment/web", &n),
	    (struct want[]){ { "service.name", "front" },
			     { "service.namespace", "store" },
			     { "zone", NULL } },
	    3);
}

static void each_kind_of_owner_has_its_attribute(void **state)
{
	static const struct {
		char *kind, *owner, *name;
		struct want want;
	} cases[] = {
		{ "StatefulSet",
		  "db",
		  "shop/statefulset/db",
		  { "k8s.statefulset.name", "db" } },
		{ "DaemonSet",
		  "log",
		  "shop/daemonset/log",
		  { "k8s.daemonset.name", "log" } },
		{ "Job", "once", "shop/job/once", { "k8s.job.name", "once" } },
		{ "Job",
		  "night-29391840",
		  "shop/cronjob/night",
		  { "k8s.cronjob.name", "night" } },
		{ "Job",
		  "night-29391840",
		  "shop/cronjob/night",
		  { "k8s.job.name", NULL } },
		{ "Rollout", "web", "shop/rollout/web", { "service.name", "web" } },
	};

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct names n = web();

		n.deployment = NULL;
		n.owner_kind = cases[i].kind;
		n.owner = cases[i].owner;
		has((struct options){ 0 }, group(WORKLOAD_OWNER, cases[i].name, &n),
		    &cases[i].want, 1);
	}
}

static void a_namespace_is_a_service_of_its_node(void **state)
{
	struct names n = web();

	n.node = NULL;
	has((struct options){ 0 }, group(WORKLOAD_NAMESPACE, "namespace/shop", &n),
	    (struct want[]){ { "service.name", "shop" },
			     { "service.namespace", "shop" },
			     { "service.instance.id", "shop:h1" },
			     { "k8s.deployment.name", NULL },
			     { "k8s.pod.name", NULL },
			     { "k8s.namespace.name", "shop" } },
	    6);
	has((struct options){ .node_name = "n1" },
	    group(WORKLOAD_NAMESPACE, "namespace/shop", &n),
	    &(struct want){ "service.instance.id", "shop:n1" }, 1);
}

static void a_pod_is_what_its_sandbox_would_be(void **state)
{
	struct names n = web();

	has((struct options){ .pod_labels = "team" },
	    group(WORKLOAD_POD, "shop/web-5d8f-abcde", &n),
	    (struct want[]){ { "service.name", "web" },
			     { "service.instance.id", "shop.web-5d8f-abcde" },
			     { "k8s.pod.name", "web-5d8f-abcde" },
			     { "k8s.pod.uid", UID },
			     { "k8s.pod.label.team", "a" },
			     { "k8s.replicaset.name", "web-5d8f" },
			     { "k8s.container.name", NULL },
			     { "container.id", NULL },
			     { "container.image.name", NULL } },
	    9);
	has((struct options){ 0 }, group(WORKLOAD_EXCLUDED, "excluded", NULL),
	    (struct want[]){ { "service.name", "excluded" },
			     { "service.instance.id", "h1:excluded" },
			     { "assay.workload.kind", "excluded" } },
	    3);
}

static void an_instance_that_is_taken_has_a_next_best(void **state)
{
	struct resource r = { .host = { .id = "h1" } };
	struct group_sum sum = { 0 };
	struct names n = web();
	struct workload w = group(WORKLOAD_POD, "shop/web-5d8f-abcde", &n);

	w.sum = &sum;
	assert_int_equal(resource_instance(&r, &w), 0);
	assert_int_equal(resource_instance_again(&r, &w), 0);
	assert_string_equal(w.instance, "shop.web-5d8f-abcde:379560a2-cb4");
	assert_int_equal(resource_instance_again(&r, &w), 0);
	assert_string_equal(w.instance, "h1:pod" UID);
	assert_int_equal(resource_instance_again(&r, &w), 1);
	free(w.instance);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_deployment_has_no_attributes_of_one_pod),
		cmocka_unit_test(a_service_of_an_owner_is_called_as_is_wished),
		cmocka_unit_test(each_kind_of_owner_has_its_attribute),
		cmocka_unit_test(a_namespace_is_a_service_of_its_node),
		cmocka_unit_test(a_pod_is_what_its_sandbox_would_be),
		cmocka_unit_test(an_instance_that_is_taken_has_a_next_best),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
