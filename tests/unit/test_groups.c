// SPDX-License-Identifier: Apache-2.0
/* Groups in exports: members that come, go, come late, and what they count. */
#include "fake_groups.h"

static void containers_of_a_pod_are_one(void **state)
{
	struct held *h = *state;
	struct workload *a, *b, *g;

	begin(h, POD_NAME "/" A, 7);
	begin(h, POD_NAME "/" B, 30);
	begin(h, "/system.slice/x.service", 100);
	node_read(&h->n);
	a = named(h, POD_NAME "/" A, "web-0", "nginx");
	b = named(h, POD_NAME "/" B, "web-0", "log");
	settle(h);
	g = group_of(h, "shop/web-0");
	assert_ptr_equal(a->group, g);
	assert_ptr_equal(b->group, g);
	assert_int_equal(g->id.kind, WORKLOAD_POD);
	assert_string_equal(g->id.pod_uid, a->id.pod_uid);
	assert_null(g->path);
	assert_null(g->names->container);
	assert_int_equal(kills_in(h, "shop/web-0"), 37);
	assert_int_equal(kills_of(a), 7); /* as the node has it */
	assert_null(node_workload(&h->n, "/system.slice/x.service")->group);
	assert_int_equal(exported(h), 137);
}

/* Which has the instance that the pod as a whole has. */
static void a_sandbox_is_a_member_and_no_rival(void **state)
{
	struct held *h = *state;
	struct workload *pod, *g;

	begin(h, POD_NAME "/" A, 7);
	begin(h, POD_NAME "/" PAUSE, 2);
	node_read(&h->n);
	named(h, POD_NAME "/" PAUSE, "web-0", NULL);
	settle(h);
	send(h, true);
	pod = node_workload(&h->n, POD_NAME);
	g = group_of(h, "shop/web-0");
	assert_ptr_equal(pod->group, g);
	assert_string_equal(pod->instance, g->instance);
	assert_false(g->held);
	export_with(h, POD_NAME "/" A, "web-0", "nginx");
	assert_false(g->held);
	assert_int_equal(h->n.s->group_count, 1);
	assert_int_equal(kills_in(h, "shop/web-0"), 9);
}

static void counts_stay_when_a_member_is_gone(void **state)
{
	struct held *h = *state;
	uint64_t one = begin(h, POD_NAME "/" A, 7), start;
	struct workload *g;

	export_with(h, POD_NAME "/" A, "web-0", "nginx");
	g = group_of(h, "shop/web-0");
	start = g->start_ns;
	begin(h, POD_NAME "/" B, 30);
	export_with(h, POD_NAME "/" B, "web-0", "log");
	more(h, one, 2);
	end(h, one);
	for (int i = 0; i < 4; i++) {
		node_read(&h->n);
		settle(h);
		assert_int_equal(kills_in(h, "shop/web-0"), 39);
		assert_false(g->gone);
		send(h, i % 2);
	}
	assert_null(node_find(&h->n, POD_NAME "/" A)); /* it is forgotten */
	/* and started again: it has the sum of both, and goes on */
	one = begin(h, POD_NAME "/" PAUSE, 5);
	export_with(h, POD_NAME "/" PAUSE, "web-0", "nginx");
	assert_ptr_equal(group_of(h, "shop/web-0"), g);
	assert_int_equal(kills_in(h, "shop/web-0"), 44);
	assert_int_equal(g->start_ns, start);
	assert_int_equal(exported(h), 44);
}

static void what_comes_late_of_a_member_that_is_forgotten_counts(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7);
	uint32_t slot = node_slot(&h->n, id);

	begin(h, POD_NAME "/" B, 30);
	node_count(&h->n, slot, SIGNAL_TCP_CONN, 0, 0, CONN_OPENED, 1);
	node_read(&h->n);
	named(h, POD_NAME "/" A, "web-0", "nginx");
	named(h, POD_NAME "/" B, "web-0", "log");
	settle(h);
	send(h, true);
	end(h, id);
	for (int i = 0; i < 4; i++)
		export(h);
	assert_null(node_find(&h->n, POD_NAME "/" A));
	more(h, id, 3); /* its connection ends */
	node_count(&h->n, node_slot(&h->n, id), SIGNAL_TCP_CONN, 0, 0, CONN_CLOSED, 1);
	node_read(&h->n);
	settle(h);
	assert_int_equal(kills_in(h, "shop/web-0"), 40);
	assert_int_equal(exported(h), 40);
	send(h, true);
	for (int i = 0; i < 4; i++)
		export(h);
	assert_int_equal(exported(h), 40);
}

static void a_member_that_has_its_name_late_brings_what_it_has(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7), start;
	struct workload *g;

	export(h);
	begin(h, POD_NAME "/" B, 30);
	export_with(h, POD_NAME "/" B, "web-0", "log");
	g = group_of(h, "shop/web-0");
	assert_int_equal(kills_in(h, "shop/web-0"), 30);
	/* it may have to hold what began before its first member */
	start = g->start_ns;
	assert_int_equal(start, node_workload(&h->n, POD_NAME "/" A)->start_ns);
	more(h, id, 1);
	export_with(h, POD_NAME "/" A, "web-0", "nginx");
	assert_int_equal(kills_in(h, "shop/web-0"), 38);
	assert_int_equal(g->start_ns, start);
}

static void without_a_name_it_counts_in_unknown(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7);

	for (int i = 0; i < 6; i++)
		export(h);
	assert_int_equal(unknown(h), 7);
	assert_int_equal(h->n.s->group_count, 0);
	more(h, id, 2);
	node_read(&h->n);
	named(h, POD_NAME "/" A, "web-0", "nginx"); /* what was, stays there */
	settle(h);
	assert_int_equal(unknown(h), 9);
	assert_int_equal(kills_in(h, "shop/web-0"), 0);
	send(h, true);
	more(h, id, 4);
	node_read(&h->n);
	settle(h);
	assert_int_equal(kills_in(h, "shop/web-0"), 4);
	assert_int_equal(exported(h), 13);
}

/* Of one name, one after the other. */
static void a_pod_that_is_made_anew_waits_for_the_end_of_the_one_before(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7);
	struct workload *old, *new;

	export_with(h, POD_NAME "/" A, "web-0", "nginx");
	old = h->n.s->groups[0];
	end(h, id);
	begin(h, OTHER_POD "/" B, 1);
	node_read(&h->n);
	named(h, OTHER_POD "/" B, "web-0", "nginx");
	settle(h);
	assert_int_equal(h->n.s->group_count, 2);
	new = h->n.s->groups[1];
	assert_string_equal(old->instance, new->instance);
	assert_true(old->gone && new->held);
	send(h, true);
	node_read(&h->n);
	settle(h);
	assert_false(new->held);
	assert_int_equal(old->successors, 1);
	assert_true(old->ending.last);
	send(h, true);
	node_read(&h->n);
	settle(h);
	send(h, true);
	assert_int_equal(h->n.s->group_count, 1);
	assert_int_equal(exported(h), 1);
}

static void a_group_that_comes_again_begins_when_the_one_before_ended(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7), ended;

	export_with(h, POD_NAME "/" A, "web-0", "nginx");
	end(h, id);
	node_read(&h->n);
	settle(h);
	ended = group_of(h, "namespace/shop")->sum->end_ns;
	send(h, true);
	for (int i = 0; i < 3; i++)
		export(h);
	assert_int_equal(h->n.s->group_count, 0);
	begin(h, OTHER_POD "/" B, 1);
	node_read(&h->n);
	/* it was there when the agent began, and quiet */
	named(h, OTHER_POD "/" B, "db-0", "sql")->start_ns = h->n.s->open_ns;
	settle(h);
	assert_int_equal(group_of(h, "namespace/shop")->start_ns, ended);
	assert_int_equal(kills_in(h, "namespace/shop"), 1);
}

/* What one has that is held back may be from before its end. */
static void a_group_is_not_forgotten_while_one_may_join_it(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7), start;

	export_with(h, POD_NAME "/" A, "web-0", "nginx");
	start = group_of(h, "namespace/shop")->start_ns;
	begin(h, OTHER_POD "/" B, 30);
	export(h);
	end(h, id);
	for (int i = 0; i < 3; i++)
		export(h);
	assert_true(node_workload(&h->n, OTHER_POD "/" B)->held);
	assert_true(group_of(h, "namespace/shop")->ending.over);
	export_with(h, OTHER_POD "/" B, "db-0", "sql");
	assert_int_equal(kills_in(h, "namespace/shop"), 37);
	assert_int_equal(group_of(h, "namespace/shop")->start_ns, start);
	assert_false(group_of(h, "namespace/shop")->ending.over);
}

static void many_that_come_and_go_unheard_are_bounded(void **state)
{
	struct held *h = *state;
	uint64_t sum = 0;
	char path[200], pod[20];

	for (int i = 0; i < 300; i++) {
		uint64_t id;

		h->made_count = 0;
		snprintf(path, sizeof(path),
			 "/kubepods/pod%08x-cb47-f9b1-3c81-%012x/%s", i, i, A);
		snprintf(pod, sizeof(pod), "web-%d", i);
		id = begin(h, path, i);
		sum += i;
		node_read(&h->n);
		named(h, path, pod, "nginx");
		settle(h);
		send(h, false);
		end(h, id);
		snapshot_make_room(h->n.s);
		assert_true(exported_count(h->n.s) <= 2 * h->n.s->cells->plan.slots);
	}
	node_read(&h->n);
	settle(h);
	assert_int_equal(exported(h), sum);
	assert_true(snapshot_folded(h->n.s) > 200);
}

/* Rules without groups: all that is not chosen is one. */
static void what_is_excluded_is_in_the_sum(void **state)
{
	struct held *h = *state;
	struct grouping *g = (struct grouping *)h->n.s->grouping;
	struct workload *all;

	assert_int_equal(select_parse("name=/system.slice/*,kind=unit", &g->exclude),
			 0);
	g->by = GROUP_CONTAINER;
	begin(h, POD_NAME "/" A, 7);
	begin(h, "/system.slice/x.service", 100);
	begin(h, "/system.slice/y.service", 1000);
	node_read(&h->n);
	named(h, POD_NAME "/" A, "web-0", "nginx");
	settle(h);
	all = group_of(h, "excluded");
	assert_int_equal(all->id.kind, WORKLOAD_EXCLUDED);
	assert_null(all->names);
	assert_int_equal(kills_in(h, "excluded"), 1100);
	assert_null(node_workload(&h->n, POD_NAME "/" A)->group);
	assert_int_equal(h->n.s->group_count, 1);
	assert_int_equal(exported(h), 1107);
	select_free(g->exclude);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GROUPS(containers_of_a_pod_are_one, setup_pods),
		GROUPS(a_sandbox_is_a_member_and_no_rival, setup_pods),
		GROUPS(counts_stay_when_a_member_is_gone, setup_pods),
		GROUPS(what_comes_late_of_a_member_that_is_forgotten_counts,
		       setup_pods),
		GROUPS(a_member_that_has_its_name_late_brings_what_it_has, setup_pods),
		GROUPS(without_a_name_it_counts_in_unknown, setup_pods),
		GROUPS(a_pod_that_is_made_anew_waits_for_the_end_of_the_one_before,
		       setup_pods),
		GROUPS(a_group_that_comes_again_begins_when_the_one_before_ended,
		       setup_namespaces),
		GROUPS(a_group_is_not_forgotten_while_one_may_join_it,
		       setup_namespaces),
		GROUPS(many_that_come_and_go_unheard_are_bounded, setup_pods),
		GROUPS(what_is_excluded_is_in_the_sum, setup_pods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
