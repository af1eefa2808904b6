// SPDX-License-Identifier: Apache-2.0
/* Who is one with whom in exports, and rules that choose workloads. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/util.h"
#include "workload/group.h"
#include "workload/select.h"

/* Strings are constants: these are not freed. */
static struct name_pair labels[] = { { "app", "web" }, { "team.example/tier", "" } };

static struct names web(void)
{
	return (struct names){
		.namespace = "shop",
		.pod = "web-5d8f-abcde",
		.container = "nginx",
		.owner_kind = "ReplicaSet",
		.owner = "web-5d8f",
		.deployment = "web",
		.labels = labels,
		.label_count = COUNT(labels),
	};
}

static struct workload_id container(void)
{
	return (struct workload_id){
		.kind = WORKLOAD_CONTAINER,
		.name = "shop/web-5d8f-abcde/nginx",
		.container_id = "c0ffee",
		.pod_uid = "379560a2-cb47-f9b1-3c81-0328ff2bade1",
	};
}

static struct workload_id unit(void)
{
	return (struct workload_id){ .kind = WORKLOAD_UNIT, .name = "nginx.service" };
}

/* Its group's name; "": none. To be freed. */
static char *group(const struct grouping *g, const struct workload_id *id,
		   const struct names *n, enum workload_kind kind)
{
	struct group_id found;
	int got = group_find(g, id, n, &found);

	if (!got)
		return strdup("");
	assert_int_equal(got, 1);
	assert_int_equal(found.kind, kind);
	free(found.key);
	return found.name;
}

static void is_in(enum group_by by, const struct names *n, enum workload_kind kind,
		  const char *name)
{
	struct grouping g = { .by = by };
	struct workload_id id = container();
	char *found = group(&g, &id, n, kind);

	assert_string_equal(found, name);
	free(found);
}

static void a_container_is_in_its_pod_owner_or_namespace(void **state)
{
	struct names n = web();

	is_in(GROUP_CONTAINER, &n, 0, "");
	is_in(GROUP_POD, &n, WORKLOAD_POD, "shop/web-5d8f-abcde");
	is_in(GROUP_OWNER, &n, WORKLOAD_OWNER, "shop/deployment/web");
	is_in(GROUP_NAMESPACE, &n, WORKLOAD_NAMESPACE, "namespace/shop");
	n.deployment = NULL;
	is_in(GROUP_OWNER, &n, WORKLOAD_OWNER, "shop/replicaset/web-5d8f");
	n.owner_kind = "Job";
	n.owner = "backup-29391840";
	is_in(GROUP_OWNER, &n, WORKLOAD_OWNER, "shop/cronjob/backup");
	n.owner = "migrate";
	is_in(GROUP_OWNER, &n, WORKLOAD_OWNER, "shop/job/migrate");
}

static void a_pod_without_an_owner_is_itself(void **state)
{
	struct names n = web();

	n.deployment = n.owner = n.owner_kind = NULL;
	is_in(GROUP_OWNER, &n, WORKLOAD_POD, "shop/web-5d8f-abcde");
	n.owner_kind = "Node"; /* a static pod */
	n.owner = "node-1";
	is_in(GROUP_OWNER, &n, WORKLOAD_POD, "shop/web-5d8f-abcde");
}

static void who_has_no_name_of_kubernetes_stays_as_it_is(void **state)
{
	struct names n = { .container = "redis" };

	for (enum group_by by = GROUP_CONTAINER; by <= GROUP_NAMESPACE; by++) {
		is_in(by, NULL, 0, "");
		is_in(by, &n, 0, "");
	}
}

/* Of the same name, and yet others. */
static void keys_tell_groups_apart(void **state)
{
	struct grouping g = { .by = GROUP_POD };
	struct workload_id id = container(), again = container();
	struct names n = web();
	struct group_id a, b, c;

	again.pod_uid[0] = '0';
	assert_int_equal(group_find(&g, &id, &n, &a), 1);
	assert_int_equal(group_find(&g, &again, &n, &b), 1);
	g.by = GROUP_OWNER;
	assert_int_equal(group_find(&g, &again, &n, &c), 1);
	assert_string_equal(a.name, b.name);
	assert_string_not_equal(a.key, b.key);
	group_id_fini(&a);
	assert_int_equal(group_find(&g, &id, &n, &a), 1);
	assert_string_equal(a.key, c.key); /* the owner's, of whatever pod */
	group_id_fini(&a);
	group_id_fini(&b);
	group_id_fini(&c);
}

static bool chosen(const char *rules, const struct workload_id *id,
		   const struct names *n)
{
	struct select *s;
	bool yes;

	if (select_parse(rules, &s))
		fail_msg("%s", rules);
	yes = select_matches(s, id, n);
	select_free(s);
	return yes;
}

static void rules_choose_by_what_they_say(void **state)
{
	static const char *const yes[] = {
		"namespace=shop",
		"namespace=sh*",
		"namespace=*",
		"pod=web-*-abcde",
		"container=nginx",
		"owner=web",
		"kind=container",
		"kind=*tain*",
		"name=shop/*/nginx",
		"label:app=web",
		"label:app=*",
		"label:team.example/tier=",
		"label:team.example/tier=*",
		"namespace=no,pod=no,kind=container",
	};
	static const char *const no[] = {
		"namespace=shop2",    "namespace=sho",	   "namespace=hop",
		"namespace=*p2",      "pod=web-*-abcd",	   "owner=web-5d8f",
		"kind=pod",	      "name=nginx",	   "label:app=we",
		"label:tier=*",	      "label:app=",	   "label:APP=web",
		"namespace=a*,pod=b", "pod=*-*-*-*-abcde",
	};
	struct workload_id id = container(), other = unit();
	struct names n = web();

	for (size_t i = 0; i < COUNT(yes); i++)
		if (!chosen(yes[i], &id, &n))
			fail_msg("%s does not choose it", yes[i]);
	for (size_t i = 0; i < COUNT(no); i++)
		if (chosen(no[i], &id, &n))
			fail_msg("%s chooses it", no[i]);
	assert_true(chosen("name=nginx.service", &other, NULL));
	assert_true(chosen("kind=unit", &other, NULL));
	assert_false(chosen("namespace=*", &other, NULL));
	assert_false(chosen("label:app=*", &other, NULL));
}

static void a_pattern_of_many_stars_is_quick(void **state)
{
	char name[4001], rule[4100] = "name=";
	struct workload_id id = { .kind = WORKLOAD_CGROUP, .name = name };

	memset(name, 'a', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	for (int i = 0; i < 1000; i++)
		strcat(rule, "*a");
	assert_true(chosen(rule, &id, NULL));
	strcat(rule, "*b");
	assert_false(chosen(rule, &id, NULL));
}

static void what_is_no_rule_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		",",
		"shop",
		"namespace",
		"namespace=",
		"namespaces=shop",
		"Namespace=shop",
		"namespace=shop,",
		"namespace=a b",
		"namespace=a\n",
		"=shop",
		"label:=x",
		"label=x",
		"label:a b=x",
		"kind=host",
		"kind=kernel",
		"kind=cont",
	};

	for (size_t i = 0; i < COUNT(bad); i++)
		if (select_check(bad[i]) != -EINVAL)
			fail_msg("'%s' is taken", bad[i]);
}

static void rules_say_which_labels_they_need(void **state)
{
	struct select *s;
	char *keys;

	assert_int_equal(select_parse("label:app=a,pod=b,label:x/y=*", &s), 0);
	keys = select_labels(s);
	assert_string_equal(keys, "app,x/y");
	assert_true(select_needs_kubelet(s));
	free(keys);
	select_free(s);
	assert_int_equal(select_parse("pod=b", &s), 0);
	assert_null(select_labels(s));
	assert_false(select_needs_kubelet(s));
	select_free(s);
	assert_int_equal(select_parse("owner=b", &s), 0);
	assert_true(select_needs_kubelet(s));
	select_free(s);
}

static void is_excluded(const char *include, const char *exclude,
			const struct workload_id *id, const struct names *n,
			bool wanted)
{
	struct grouping g = { .by = GROUP_POD };
	char *name;

	if (include)
		assert_int_equal(select_parse(include, &g.include), 0);
	if (exclude)
		assert_int_equal(select_parse(exclude, &g.exclude), 0);
	assert_true(grouping_is_on(&g));
	name = group(&g, id, n, wanted ? WORKLOAD_EXCLUDED : WORKLOAD_POD);
	assert_int_equal(!strcmp(name, "excluded"), wanted);
	free(name);
	grouping_fini(&g);
}

static void what_is_not_included_or_excluded_is_in_one_group(void **state)
{
	struct workload_id id = container(), other = unit();
	struct names n = web();

	is_excluded("namespace=shop", NULL, &id, &n, false);
	is_excluded("namespace=shop", NULL, &other, NULL, true);
	is_excluded("namespace=shop,kind=unit", NULL, &other, NULL, false);
	is_excluded("namespace=x", NULL, &id, &n, true);
	is_excluded(NULL, "namespace=shop", &id, &n, true);
	is_excluded(NULL, "namespace=shop", &other, NULL, false);
	is_excluded("namespace=shop", "pod=web-*", &id, &n, true);
	is_excluded("namespace=shop", "pod=db-*", &id, &n, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_container_is_in_its_pod_owner_or_namespace),
		cmocka_unit_test(a_pod_without_an_owner_is_itself),
		cmocka_unit_test(who_has_no_name_of_kubernetes_stays_as_it_is),
		cmocka_unit_test(keys_tell_groups_apart),
		cmocka_unit_test(rules_choose_by_what_they_say),
		cmocka_unit_test(a_pattern_of_many_stars_is_quick),
		cmocka_unit_test(what_is_no_rule_is_refused),
		cmocka_unit_test(rules_say_which_labels_they_need),
		cmocka_unit_test(what_is_not_included_or_excluded_is_in_one_group),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
