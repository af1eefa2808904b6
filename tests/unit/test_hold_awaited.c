// SPDX-License-Identifier: Apache-2.0
/* Who is in an export: what the kubelet says is waited for, and when it is not;
 * instances and culprits of those that are held back. */
#include "fake_hold.h"

/* Files have named it, and the kubelet, who knows more, has not told of it yet. */
static void the_kubelet_is_waited_for_as_long_as_a_name(void **state)
{
	struct held *h = *state;
	struct workload *first, *second;

	begin(h, POD_NAME "/" A, 7);
	begin(h, POD2_NAME "/" B, 5);
	node_read(&h->n);
	first = name(h, POD_NAME "/" A, "nginx");
	second = name(h, POD2_NAME "/" B, "db");
	first->names->awaited = second->names->awaited = true;
	settle(h);
	assert_true(first->held && second->held);
	assert_int_equal(exported(h), 0);
	send(h, true);
	first->names->awaited = false; /* it has told */
	node_read(&h->n);
	settle(h);
	assert_true(!first->held && second->held);
	assert_int_equal(exported(h), 7);
	send(h, true);
	for (int i = 0; i < 5; i++)
		node_read(&h->n);
	settle(h);
	assert_false(second->held);
	assert_int_equal(exported(h), 12);
	assert_int_equal(unknown(h), 0);
	assert_string_equal(second->id.name, "shop/web-0/db");
}

/* It will tell nobody of one that is gone; and no export follows the last one. */
static void the_kubelet_is_not_waited_for_at_an_end(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7);
	struct workload *w;

	node_read(&h->n);
	w = name(h, POD_NAME "/" A, "nginx");
	w->names->awaited = true;
	settle(h);
	assert_true(w->held);
	h->last = true;
	settle(h);
	assert_false(w->held);
	h->last = false;
	settle(h);
	assert_true(w->held);
	end(h, id);
	for (int i = 0; i < 3 && !w->gone; i++) {
		node_read(&h->n);
		settle(h);
	}
	assert_true(w->gone);
	assert_false(w->held);
	assert_int_equal(exported(h), 7);
}

static int no_other(void *arg, struct workload *w)
{
	++*(int *)arg;
	return 1;
}

static void one_that_has_no_other_instance_is_not_asked_again(void **state)
{
	struct held *h = *state;
	int asked = 0;
	struct hold_rules rules = { HOLD, true, no_other, &asked };

	begin(h, POD_NAME "/" A, 7);
	begin(h, POD2_NAME "/" B, 5);
	node_read(&h->n);
	name(h, POD_NAME "/" A, "nginx");
	name(h, POD2_NAME "/" B, "nginx");
	name_instances(&h->n);
	assert_int_equal(snapshot_settle(h->n.s, &rules), 0);
	assert_int_equal(asked, 1);
	assert_int_equal(exported(h), 12);
}

/* They are forgotten one after the other, and what they had stays in _OTHER. */
static void culprits_that_went_stay_in_unknown(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7);
	struct workload *w, *all;

	for (int i = 0; i < 6; i++)
		export(h);
	w = node_workload(&h->n, POD_NAME "/" A);
	assert_true(w->unnamed);
	for (char c = 'a'; c < 'a' + 8; c++)
		totals_culprit(w, (char[]){ '/', c, '\0' })->ns = 1000;
	for (int i = 0; i < 8; i++) {
		export(h);
		assert_int_equal(snapshot_unknown(h->n.s, &all), 0);
		assert_int_equal(all->other_ns, 8000);
		snapshot_free_workload(all);
	}
	assert_int_equal(w->culprit_count, 0);
	end(h, id);
	for (int i = 0; i < 4; i++) {
		export(h);
		assert_int_equal(snapshot_unknown(h->n.s, &all), 0);
		assert_int_equal(all->other_ns, 8000);
		snapshot_free_workload(all);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_kubelet_is_waited_for_as_long_as_a_name),
		TEST(the_kubelet_is_not_waited_for_at_an_end),
		TEST(one_that_has_no_other_instance_is_not_asked_again),
		TEST(culprits_that_went_stay_in_unknown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
