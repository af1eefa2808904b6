// SPDX-License-Identifier: Apache-2.0
/*
 * Late events of a container whose successor has its instance already, or waits for it:
 * an instance has one writer, and what happened is in it once.
 */
#include "fake_hold.h"

#define FIRST  POD_NAME "/" A
#define SECOND POD_NAME "/" B

static void conns(struct held *h, uint64_t id, enum conn_lane lane, uint64_t n)
{
	node_count(&h->n, node_slot(&h->n, id), SIGNAL_TCP_CONN, TCP_CLIENT, 0, lane,
		   n);
}

static uint64_t conns_of(const struct workload *w, enum conn_lane lane)
{
	return w->counts[snapshot_index(SIGNAL_TCP_CONN, TCP_CLIENT)][lane];
}

/* A container with three open connections that exports have. */
static uint64_t run_first(struct held *h)
{
	uint64_t id = begin(h, FIRST, 1);

	conns(h, id, CONN_OPENED, 3);
	node_read(&h->n);
	name(h, FIRST, "app");
	settle(h);
	send(h, true);
	return id;
}

/* Its slot is free; no export was made since. */
static void end_first(struct held *h, uint64_t id)
{
	end(h, id);
	node_read(&h->n);
	settle(h);
	node_read(&h->n);
	settle(h);
}

static struct workload *run_second(struct held *h)
{
	begin(h, SECOND, 10);
	node_read(&h->n);
	return name(h, SECOND, "app");
}

/* The second waits until the last values of the first have arrived, whose id this is.
 */
static uint64_t first_then_second(struct held *h, struct workload **first,
				  struct workload **second)
{
	uint64_t id = run_first(h);

	*first = node_workload(&h->n, FIRST);
	end_first(h, id);
	*second = run_second(h);
	settle(h);
	assert_true((*second)->held);
	return id;
}

/* Of one instance: who is in the export that would be made now, and does not end. */
static size_t writers(struct held *h, const char *instance)
{
	struct snapshot *s = h->n.s;
	size_t n = 0;

	for (size_t i = SLOT_FIRST; i < s->count; i++) {
		const struct workload *w = s->workloads[i];

		n += !w->held && !w->ending.last && w->instance &&
		     !strcmp(w->instance, instance);
	}
	return n;
}

static void who_has_the_instance_gets_what_comes_late(void **state)
{
	struct held *h = *state;
	struct workload *old, *w;
	uint64_t first = first_then_second(h, &old, &w);

	send(h, true);
	node_read(&h->n);
	settle(h);
	send(h, false); /* it says the end of the other one, too */
	assert_false(w->held);
	assert_true(w->settled && old->gone);
	conns(h, first, CONN_CLOSED, 1);
	more(h, first, 100);
	for (int i = 0; i < 3; i++) {
		node_read(&h->n);
		settle(h);
		assert_false(w->held);
		assert_string_equal(w->instance, "shop.web-0.app");
		assert_int_equal(writers(h, w->instance), 1);
		send(h, true);
	}
	assert_int_equal(kills_of(w), 110);
	assert_int_equal(conns_of(w, CONN_EXISTING), 3);
	assert_int_equal(conns_of(w, CONN_CLOSED), 1);
	assert_null(node_find(&h->n, FIRST));
	/* the others end there, too, and it is not gone with the slot that they had */
	conns(h, first, CONN_CLOSED, 2);
	node_read_and_reap(&h->n);
	node_read_and_reap(&h->n);
	node_read_and_reap(&h->n);
	assert_int_equal(conns_of(w, CONN_CLOSED), 3);
	assert_int_equal(conns_of(w, CONN_EXISTING), 3);
	assert_false(w->gone);
}

static void who_waits_for_the_instance_waits_for_what_comes_late(void **state)
{
	struct held *h = *state;
	struct workload *old, *w;
	uint64_t first = first_then_second(h, &old, &w);

	conns(h, first, CONN_CLOSED, 2);
	export(h);
	assert_int_equal(conns_of(old, CONN_CLOSED), 2);
	for (int i = 0; i < 4 && w->held; i++) {
		assert_string_equal(w->instance, "shop.web-0.app"); /* not beside it */
		assert_true(old->gone);
		export(h);
	}
	assert_false(w->held);
	assert_string_equal(w->instance, "shop.web-0.app");
	assert_int_equal(conns_of(w, CONN_CLOSED), 0);
	assert_int_equal(conns_of(w, CONN_EXISTING), 0);
}

/* It is forgotten while a slot of its is not free yet. */
static void what_comes_late_of_a_sandbox_is_its_pods(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" PAUSE, 1);
	struct workload *pod;
	uint32_t slot;

	node_read(&h->n);
	name(h, POD_NAME "/" PAUSE, NULL);
	begin(h, POD_NAME, 10); /* the pod's own cgroup stays */
	export(h);
	pod = node_workload(&h->n, POD_NAME);
	end(h, id);
	node_read(&h->n);
	settle(h);
	slot = node_slot(&h->n, id);
	node_kills(&h->n, slot, 100);
	export(h);
	assert_null(node_find(&h->n, POD_NAME "/" PAUSE));
	node_kills(&h->n, slot, 1000); /* by programs that knew it */
	for (int i = 0; i < 3; i++)
		export(h);
	assert_null(node_find(&h->n, POD_NAME "/" PAUSE));
	assert_int_equal(kills_of(pod), 1111);
	assert_false(pod->gone);
}

/* The history had no reading since: it gets all of it, by the pod's name. */
static void what_a_late_sandbox_has_is_owed_by_its_pod(void **state)
{
	struct held *h = *state;
	struct workload *pod, *w;

	snapshot_keep(h->n.s, UINT64_MAX);
	begin(h, POD_NAME "/" PAUSE, 7);
	begin(h, POD_NAME, 10);
	for (int i = 0; i < 7; i++)
		export(h);
	w = node_workload(&h->n, POD_NAME "/" PAUSE);
	assert_true(w->unnamed);
	name(h, POD_NAME "/" PAUSE, NULL);
	pod = node_workload(&h->n, POD_NAME);
	assert_ptr_equal(w->into, pod);
	assert_null(w->owed);
	assert_non_null(pod->owed);
	assert_int_equal(kills_of(pod->owed) + kills_of(pod), 17);
}

/* It had no reading for longer than one that is gone may stay. */
static void what_the_history_is_late_for_is_in_the_overflow(void **state)
{
	struct held *h = *state;
	struct workload *overflow = h->n.s->workloads[SLOT_OVERFLOW];
	uint64_t id = run_first(h);

	snapshot_keep(h->n.s, 1);
	end(h, id);
	for (int i = 0; i < 10 && node_find(&h->n, FIRST); i++) {
		assert_null(overflow->owed);
		export(h);
	}
	assert_null(node_find(&h->n, FIRST));
	assert_non_null(overflow->owed);
	assert_int_equal(kills_of(overflow->owed), 1);
	assert_int_equal(conns_of(overflow->owed, CONN_OPENED), 3);
}

/* There is no history, and nobody takes what would be owed. */
static void without_a_history_nothing_is_owed(void **state)
{
	struct held *h = *state;
	struct workload *w;

	begin(h, FIRST, 7);
	for (int i = 0; i < 7; i++)
		export(h);
	w = name(h, FIRST, "app");
	assert_int_equal(kills_of(w), 0);
	assert_null(w->owed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(who_has_the_instance_gets_what_comes_late),
		TEST(who_waits_for_the_instance_waits_for_what_comes_late),
		TEST(what_comes_late_of_a_sandbox_is_its_pods),
		TEST(what_a_late_sandbox_has_is_owed_by_its_pod),
		TEST(what_the_history_is_late_for_is_in_the_overflow),
		TEST(without_a_history_nothing_is_owed),
	};

	return cmocka_run_group_tests_name("hold_late", tests, NULL, NULL);
}
