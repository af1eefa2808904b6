// SPDX-License-Identifier: Apache-2.0
/* Who is in an export, and when: names that come in time, late or never; restarts. */
#include "fake_hold.h"

static void one_with_a_name_is_in_the_next_export(void **state)
{
	struct held *h = *state;
	struct workload *w;

	begin(h, POD_NAME "/" A, 7);
	node_read(&h->n);
	w = name(h, POD_NAME "/" A, "nginx");
	assert_int_equal(settle(h), 0);
	assert_false(w->held);
	assert_int_equal(exported(h), 7);
	assert_int_equal(unknown(h), 0);
	send(h, true);
	assert_true(w->settled);
	assert_string_equal(w->id.name, "shop/web-0/nginx");
}

static void a_name_that_comes_in_time_has_all_that_was_counted(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7), start;
	struct workload *w;

	export(h);
	w = node_workload(&h->n, POD_NAME "/" A);
	start = w->start_ns;
	assert_true(w->held);
	assert_int_equal(exported(h), 0);
	more(h, id, 5);
	export(h);
	assert_true(w->held);
	name(h, POD_NAME "/" A, "nginx");
	node_read(&h->n);
	settle(h);
	assert_false(w->held);
	assert_int_equal(kills_of(w), 12);
	assert_int_equal(unknown(h), 0);
	assert_int_equal(w->start_ns, start);
}

static void a_name_that_comes_late_begins_at_zero(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7);
	struct workload *w;
	int given_up = 0;

	for (int i = 0; i < 6; i++) {
		node_read(&h->n);
		given_up += settle(h);
		assert_int_equal(exported(h), i < 5 ? 0 : 7);
		send(h, true);
	}
	assert_int_equal(given_up, 1);
	w = node_workload(&h->n, POD_NAME "/" A);
	assert_true(w->held && w->unnamed);
	/* who asks at the socket sees it all the same, and nothing in `unknown` */
	assert_int_equal(kills_of(w), 7);
	assert_int_equal(kills_of(h->n.s->workloads[SLOT_UNKNOWN]), 0);
	more(h, id, 3);
	node_read(&h->n);
	assert_int_equal(settle(h), 0); /* it was told */
	assert_int_equal(unknown(h), 10);
	send(h, true);
	more(h, id, 100);
	node_read(&h->n);
	name(h, POD_NAME "/" A, "nginx");
	settle(h);
	assert_false(w->held || w->unnamed);
	assert_int_equal(kills_of(w), 0);
	assert_int_equal(w->start_ns, h->n.s->time_ns);
	assert_int_equal(unknown(h), 110);
	send(h, true);
	more(h, id, 9);
	node_read(&h->n);
	settle(h);
	assert_int_equal(kills_of(w), 9);
	assert_int_equal(unknown(h), 110);
	send(h, true);
	end(h, id);
	for (int i = 0; i < 4; i++)
		export(h);
	assert_null(node_find(&h->n, POD_NAME "/" A));
	assert_int_equal(unknown(h), 110);
}

static void one_that_is_gone_without_a_name_is_unknown_for_good(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7);

	node_read(&h->n);
	end(h, id);
	node_read(&h->n);
	settle(h);
	assert_int_equal(unknown(h), 7);
	send(h, false); /* `unknown` says it again */
	assert_null(node_find(&h->n, POD_NAME "/" A));
	export(h);
	assert_int_equal(exported(h), 7);
}

static void the_last_export_holds_nothing_back(void **state)
{
	struct held *h = *state;

	begin(h, POD_NAME "/" A, 7);
	node_read(&h->n);
	settle(h);
	assert_int_equal(exported(h), 0);
	h->last = true;
	settle(h);
	assert_int_equal(unknown(h), 7);
	assert_int_equal(exported(h), 7);
}

static void only_who_may_yet_get_a_name_is_held_back(void **state)
{
	static const char *const paths[] = {
		"/docker/" A,	    "/system.slice/docker-" B ".scope",
		"/lxc.payload.web", "/system.slice/nginx.service",
		"/kubepods.slice",  "/job",
	};
	struct held *h = *state;

	for (size_t i = 0; i < COUNT(paths); i++)
		begin(h, paths[i], 1);
	begin(h, POD_NAME, 1);
	begin(h, POD_NAME "/" A "/inner", 1);
	node_read(&h->n);
	settle(h);
	for (size_t i = SLOT_FIRST; i < h->n.s->count; i++) {
		struct workload *w = h->n.s->workloads[i];

		assert_int_equal(w->held, w->id.pod_uid[0] != '\0');
	}
	assert_int_equal(exported(h), COUNT(paths));
}

static void
a_restarted_container_waits_for_the_last_values_of_the_one_before(void **state)
{
	struct held *h = *state;
	struct workload *old, *new;
	uint64_t id = begin(h, POD_NAME "/" A, 7);

	node_read(&h->n);
	old = name(h, POD_NAME "/" A, "nginx");
	settle(h);
	send(h, true);
	end(h, id);
	begin(h, POD_NAME "/" B, 1);
	node_read(&h->n);
	new = name(h, POD_NAME "/" B, "nginx");
	for (int i = 0; i < 3; i++) { /* nobody takes them */
		settle(h);
		assert_true(old->gone && !old->held && !old->successors);
		assert_true(new->held);
		send(h, false);
		node_read(&h->n);
	}
	settle(h);
	assert_true(new->held);
	send(h, true);
	assert_true(old->ending.last);
	node_read(&h->n);
	settle(h); /* this one has the end of the one, and the other */
	assert_false(new->held);
	assert_int_equal(old->successors, 1);
	assert_int_equal(new->successors, 0);
	assert_string_equal(new->instance, "shop.web-0.nginx");
	send(h, false);
	node_read(&h->n);
	settle(h);
	assert_false(new->held);
	assert_int_equal(old->successors, 1); /* as long as it is told of */
	send(h, true);
	assert_null(node_find(&h->n, POD_NAME "/" A));
	node_read(&h->n);
	settle(h);
	assert_false(new->held);
	assert_int_equal(exported(h), 1);
}

/* At the end of the agent all is told in its order. */
static void a_chain_of_restarts_ends_in_order(void **state)
{
	static const char *const ids[] = { A, B, PAUSE };
	struct workload *w[COUNT(ids)];
	struct held *h = *state;
	char path[200];

	for (size_t i = 0; i < COUNT(ids); i++) {
		uint64_t id;

		snprintf(path, sizeof(path), POD_NAME "/%s", ids[i]);
		id = begin(h, path, 1 + i);
		node_read(&h->n);
		w[i] = name(h, path, "nginx");
		if (i + 1 < COUNT(ids))
			end(h, id);
		node_read(&h->n);
	}
	settle(h); /* the last one is there, and waits for the values of both */
	assert_true(!w[0]->held && !w[1]->held && w[2]->held);
	assert_int_equal(w[0]->successors, 1);
	assert_int_equal(w[1]->successors, 0);
	h->last = true;
	settle(h);
	assert_int_equal(exported(h), 6);
	for (size_t i = 0; i < COUNT(ids); i++)
		assert_int_equal(w[i]->successors, COUNT(ids) - 1 - i);
}

static void two_that_are_there_at_once_are_told_apart(void **state)
{
	struct workload *old, *new, *other;
	struct held *h = *state;

	begin(h, POD_NAME "/" A, 1);
	node_read(&h->n);
	old = name(h, POD_NAME "/" A, "nginx");
	settle(h);
	send(h, true);
	begin(h, POD2_NAME "/" B, 1); /* the pod, made anew */
	begin(h, POD_NAME "/" PAUSE, 1);
	node_read(&h->n);
	new = name(h, POD2_NAME "/" B, "nginx");
	other = name(h, POD_NAME "/" PAUSE, "nginx"); /* an annotation says so */
	settle(h);
	assert_false(other->held);
	assert_string_equal(other->instance, "shop.web-0.nginx:c2c2c2c2c2c2");
	for (int i = 0; i < 4; i++) {
		assert_true(new->held); /* perhaps the other one ends */
		send(h, true);
		node_read(&h->n);
		settle(h);
	}
	send(h, true);
	node_read(&h->n);
	settle(h);
	assert_false(new->held || old->held);
	assert_string_equal(new->instance, "shop.web-0.nginx:b1b1b1b1b1b1");
	assert_string_equal(old->instance, "shop.web-0.nginx");
	assert_int_equal(exported(h), 3);
}

static void what_is_open_stays_its_own_when_it_gets_a_name(void **state)
{
	struct held *h = *state;
	uint64_t id = make(h, POD_NAME "/" A);
	uint32_t slot = node_slot(&h->n, id);
	size_t at = snapshot_index(SIGNAL_TCP_CONN, TCP_CLIENT);
	struct workload *w, *all;
	const uint64_t *lane;

	node_count(&h->n, slot, SIGNAL_TCP_CONN, TCP_CLIENT, 0, CONN_OPENED, 5);
	node_count(&h->n, slot, SIGNAL_TCP_CONN, TCP_CLIENT, 0, CONN_CLOSED, 2);
	for (int i = 0; i < 6; i++)
		export(h);
	w = name(h, POD_NAME "/" A, "nginx");
	node_count(&h->n, slot, SIGNAL_TCP_CONN, TCP_CLIENT, 0, CONN_CLOSED, 1);
	node_read(&h->n);
	lane = w->counts[at];
	assert_int_equal(lane[CONN_OPENED], 0);
	assert_int_equal(lane[CONN_EXISTING] - lane[CONN_CLOSED], 2);
	assert_int_equal(snapshot_unknown(h->n.s, &all), 0);
	lane = all->counts[at];
	assert_int_equal(lane[CONN_OPENED], 5);
	assert_int_equal(lane[CONN_OPENED] - lane[CONN_CLOSED], 0);
	snapshot_free_workload(all);
}

static void one_that_is_older_and_named_later_waits_too(void **state)
{
	struct workload *old, *new;
	struct held *h = *state;

	begin(h, POD_NAME "/" A, 1);
	begin(h, POD2_NAME "/" B, 1);
	node_read(&h->n);
	new = name(h, POD2_NAME "/" B, "nginx");
	settle(h);
	assert_false(new->held);
	send(h, true);
	node_read(&h->n);
	old = name(h, POD_NAME "/" A, "nginx");
	settle(h);
	assert_true(old->serial < new->serial);
	assert_true(old->held && !new->held);
}

/* One that no export had has not arrived, though all that was sent did. */
static void what_is_held_back_does_not_arrive(void **state)
{
	struct workload *old, *new;
	struct held *h = *state;
	uint64_t first = begin(h, POD_NAME "/" A, 1), second;

	node_read(&h->n);
	old = name(h, POD_NAME "/" A, "nginx");
	second = begin(h, POD2_NAME "/" B, 2);
	node_read(&h->n);
	new = name(h, POD2_NAME "/" B, "nginx");
	end(h, second);
	node_read(&h->n);
	settle(h);
	assert_true(!old->gone && new->gone && !old->held &&new->held);
	send(h, true);
	assert_false(new->ending.arrived || new->ending.last);
	end(h, first);
	node_read(&h->n);
	settle(h);
	assert_false(new->held);
	snapshot_export(h->n.s);
	snapshot_accepted(h->n.s, 1, 0, UINT64_MAX); /* the one before, late */
	assert_false(new->ending.arrived || new->ending.last);
	assert_int_equal(kills_of(new), 2);
	send(h, true);
	assert_true(new->ending.last);
}

static void those_it_waited_for_are_others_in_unknown(void **state)
{
	struct held *h = *state;
	struct workload *w, *all;

	begin(h, POD_NAME "/" A, 1);
	node_read(&h->n);
	w = node_workload(&h->n, POD_NAME "/" A);
	totals_culprit(w, "/a")->ns = 5;
	totals_culprit(w, "/b")->ns = 7;
	totals_culprit(h->n.s->workloads[SLOT_UNKNOWN], "kernel")->ns = 11;
	for (int i = 0; i < 6; i++) {
		node_read(&h->n);
		settle(h);
	}
	for (int i = 0; i < 2; i++) { /* before it has a name, and after */
		send(h, true);
		assert_int_equal(snapshot_unknown(h->n.s, &all), 0);
		assert_int_equal(all->other_ns, 12); /* as exports have them */
		assert_int_equal(totals_culprit(all, "kernel")->series->ns, 11);
		assert_int_equal(all->culprit_count, 2);
		assert_int_equal(totals_culprit(all, "kernel")->ns, 11);
		assert_int_equal(totals_culprit(all, CULPRIT_OTHER)->ns, 12);
		snapshot_free_workload(all);
		if (!i)
			name(h, POD_NAME "/" A, "nginx");
	}
	assert_int_equal(w->culprit_count, 0);
}

static void what_was_open_of_one_without_a_name_is_unknowns_once(void **state)
{
	size_t at = snapshot_index(SIGNAL_TCP_CONN, TCP_CLIENT);
	struct held *h = *state;
	uint64_t id = make(h, POD_NAME "/" A);
	struct workload *all;
	const uint64_t *lane;

	node_count(&h->n, node_slot(&h->n, id), SIGNAL_TCP_CONN, TCP_CLIENT, 0,
		   CONN_OPENED, 3);
	node_read(&h->n);
	end(h, id);
	export(h);
	export(h);
	assert_null(node_find(&h->n, POD_NAME "/" A));
	node_count(&h->n, node_slot(&h->n, id), SIGNAL_TCP_CONN, TCP_CLIENT, 0,
		   CONN_CLOSED, 1); /* late */
	export(h);
	assert_int_equal(snapshot_unknown(h->n.s, &all), 0);
	lane = all->counts[at];
	assert_int_equal(lane[CONN_OPENED] + lane[CONN_EXISTING], 3);
	assert_int_equal(lane[CONN_CLOSED], 1);
	snapshot_free_workload(all);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(one_with_a_name_is_in_the_next_export),
		TEST(a_name_that_comes_in_time_has_all_that_was_counted),
		TEST(a_name_that_comes_late_begins_at_zero),
		TEST(one_that_is_gone_without_a_name_is_unknown_for_good),
		TEST(the_last_export_holds_nothing_back),
		TEST(only_who_may_yet_get_a_name_is_held_back),
		TEST(a_restarted_container_waits_for_the_last_values_of_the_one_before),
		TEST(a_chain_of_restarts_ends_in_order),
		TEST(two_that_are_there_at_once_are_told_apart),
		TEST(what_is_open_stays_its_own_when_it_gets_a_name),
		TEST(one_that_is_older_and_named_later_waits_too),
		TEST(what_is_held_back_does_not_arrive),
		TEST(those_it_waited_for_are_others_in_unknown),
		TEST(what_was_open_of_one_without_a_name_is_unknowns_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
