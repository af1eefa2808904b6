// SPDX-License-Identifier: Apache-2.0
/* What passes note of operations that are under way, and what readings make of it. */
#include "fake_node.h"

#define ALL ((1U << INFLIGHT_COUNT) - 1)

/* A pass notes what has been under way for so long. */
static void note_age(struct node *n, uint32_t slot, enum inflight kind, uint64_t age)
{
	n->cells.inflights[slot].began[kind] = fake_now_ns - age;
}

static void read_now(struct node *n)
{
	assert_int_equal(snapshot_read(n->s), 0);
}

static void the_oldest_under_way_is_of_the_latest_pass(void **state)
{
	struct node *n = *state;
	uint64_t id = node_mkdir(n, "a");
	uint32_t one = node_slot(n, id), two = one + 1;
	const uint64_t *ages;

	n->cells.owners[two] = id;
	snapshot_clear_inflight(n->s, ALL);
	note_age(n, one, INFLIGHT_WAIT, 50);
	note_age(n, two, INFLIGHT_WAIT, 70);
	note_age(n, one, INFLIGHT_DNS, 9);
	note_age(n, two, INFLIGHT_DNS, 4);
	snapshot_know_inflight(n->s, ALL);
	read_now(n);
	ages = node_workload(n, "/a")->inflight_ns;
	assert_int_equal(ages[INFLIGHT_WAIT], 70);
	assert_int_equal(ages[INFLIGHT_DNS], 9);
	assert_int_equal(ages[INFLIGHT_BLOCK], 0);
	assert_int_equal(node_workload(n, "/a")->inflight_seen,
			 1U << INFLIGHT_WAIT | 1U << INFLIGHT_DNS);
	snapshot_clear_inflight(n->s, ALL);
	note_age(n, one, INFLIGHT_WAIT, 30);
	snapshot_know_inflight(n->s, ALL);
	read_now(n);
	assert_int_equal(ages[INFLIGHT_WAIT], 30);
	assert_int_equal(ages[INFLIGHT_DNS], 0); /* it has ended */
	assert_int_equal(node_workload(n, "/a")->inflight_seen,
			 1U << INFLIGHT_WAIT | 1U << INFLIGHT_DNS);
}

/* Half of a pass says nothing: neither who has not been met yet nor who has ended. */
static void ages_are_those_of_the_latest_whole_pass(void **state)
{
	struct node *n = *state;
	uint32_t slot = node_slot(n, node_mkdir(n, "a"));
	const uint64_t *ages;

	snapshot_clear_inflight(n->s, ALL);
	note_age(n, slot, INFLIGHT_WAIT, FAKE_SECOND);
	note_age(n, slot, INFLIGHT_CONNECT, FAKE_SECOND);
	snapshot_know_inflight(n->s, ALL);
	read_now(n);
	ages = node_workload(n, "/a")->inflight_ns;
	fake_now_ns += 2 * FAKE_SECOND;
	snapshot_clear_inflight(n->s, ALL); /* the next one begins */
	note_age(n, slot, INFLIGHT_DNS, FAKE_SECOND);
	read_now(n);
	assert_int_equal(ages[INFLIGHT_WAIT], FAKE_SECOND);
	assert_int_equal(ages[INFLIGHT_CONNECT], FAKE_SECOND);
	assert_int_equal(ages[INFLIGHT_DNS], 0);
	snapshot_know_inflight(n->s,
			       ALL & ~INFLIGHT_OF_FILES); /* that over tasks ends */
	fake_now_ns += FAKE_SECOND;
	read_now(n);
	assert_int_equal(ages[INFLIGHT_WAIT], 0);
	assert_int_equal(ages[INFLIGHT_CONNECT], FAKE_SECOND);
	assert_int_equal(ages[INFLIGHT_DNS], FAKE_SECOND);
}

static void an_age_is_unknown_when_no_pass_has_ended_for_long(void **state)
{
	struct node *n = *state;
	uint32_t slot = node_slot(n, node_mkdir(n, "a"));
	const uint64_t *ages;

	read_now(n);
	ages = node_workload(n, "/a")->inflight_ns;
	assert_true(ages[INFLIGHT_WAIT] == INFLIGHT_UNKNOWN); /* there was none yet */
	snapshot_clear_inflight(n->s, ALL);
	note_age(n, slot, INFLIGHT_WAIT, FAKE_SECOND);
	snapshot_know_inflight(n->s, ALL);
	fake_now_ns += 4 * FAKE_SECOND; /* it may have ended when it is read */
	read_now(n);
	snapshot_clear_inflight(n->s, ALL);
	fake_now_ns += INFLIGHT_KEPT_NS - 4 * FAKE_SECOND;
	read_now(n);
	assert_int_equal(ages[INFLIGHT_WAIT], FAKE_SECOND);
	fake_now_ns += 1;
	read_now(n);
	assert_true(ages[INFLIGHT_WAIT] == INFLIGHT_UNKNOWN);
	assert_true(ages[INFLIGHT_DNS] == INFLIGHT_UNKNOWN);
	snapshot_know_inflight(n->s, ALL);
	read_now(n);
	assert_int_equal(ages[INFLIGHT_WAIT], 0);
}

/* A pass that nobody read before the next one began: what it noted is gone. */
static void a_pass_that_was_not_read_says_nothing(void **state)
{
	struct node *n = *state;
	uint32_t slot = node_slot(n, node_mkdir(n, "a"));
	const uint64_t *ages;

	snapshot_clear_inflight(n->s, ALL);
	note_age(n, slot, INFLIGHT_WAIT, FAKE_SECOND);
	snapshot_know_inflight(n->s, ALL);
	read_now(n);
	ages = node_workload(n, "/a")->inflight_ns;
	fake_now_ns += INFLIGHT_KEPT_NS;
	snapshot_know_inflight(n->s, ALL);
	snapshot_clear_inflight(n->s, ALL);
	read_now(n);
	assert_int_equal(ages[INFLIGHT_WAIT], FAKE_SECOND);
	fake_now_ns += 1;
	read_now(n);
	assert_true(ages[INFLIGHT_WAIT] == INFLIGHT_UNKNOWN);
}

static void what_a_pass_noted_is_not_the_next_owners(void **state)
{
	struct node *n = *state;
	uint64_t id = node_mkdir(n, "a");
	uint32_t slot = node_slot(n, id);

	read_now(n);
	snapshot_clear_inflight(n->s, ALL);
	note_age(n, slot, INFLIGHT_WAIT, FAKE_SECOND);
	node_rmdir(n, id);
	node_read_and_reap(n);
	node_read_and_reap(n);
	assert_int_equal(node_slot(n, node_mkdir(n, "b")), slot);
	snapshot_know_inflight(n->s, ALL);
	read_now(n);
	assert_int_equal(node_workload(n, "/b")->inflight_ns[INFLIGHT_WAIT], 0);
}

static void of_a_probe_that_is_off_nothing_is_known(void **state)
{
	struct node *n = *state;
	uint32_t slot = node_slot(n, node_mkdir(n, "a"));
	const uint64_t *ages;

	snapshot_clear_inflight(n->s, ALL);
	note_age(n, slot, INFLIGHT_WAIT, FAKE_SECOND);
	note_age(n, slot, INFLIGHT_DNS, FAKE_SECOND);
	snapshot_know_inflight(n->s, ALL);
	read_now(n);
	assert_int_equal(snapshot_known_inflight(n->s), ALL);
	snapshot_forget_inflight(n->s, 1U << INFLIGHT_WAIT);
	read_now(n);
	ages = node_workload(n, "/a")->inflight_ns;
	assert_true(ages[INFLIGHT_WAIT] == INFLIGHT_UNKNOWN);
	assert_int_equal(ages[INFLIGHT_DNS], FAKE_SECOND);
	assert_int_equal(snapshot_known_inflight(n->s), ALL & ~(1U << INFLIGHT_WAIT));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(the_oldest_under_way_is_of_the_latest_pass),
		NODE_TEST(ages_are_those_of_the_latest_whole_pass),
		NODE_TEST(an_age_is_unknown_when_no_pass_has_ended_for_long),
		NODE_TEST(a_pass_that_was_not_read_says_nothing),
		NODE_TEST(what_a_pass_noted_is_not_the_next_owners),
		NODE_TEST(of_a_probe_that_is_off_nothing_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
