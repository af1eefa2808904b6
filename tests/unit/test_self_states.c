// SPDX-License-Identifier: Apache-2.0
/* The states of probes: why one does not measure, and how long a state lives. */
#include "fake_self.h"

#define ATTACHED "assay.probe.attached"

static void a_probe_says_its_state_and_why(void **state)
{
	const char *why = "kernel 5.10: no tp_btf";
	const struct point *p;

	with.probes[PROBE_DNS].state = PROBE_UNAVAILABLE;
	snprintf(with.probes[PROBE_DNS].reason, sizeof(with.probes[0].reason), "%s",
		 why);
	with.probes[PROBE_TCP].state = PROBE_DISABLED;
	with.probes[PROBE_BLOCK].state = PROBE_OFF;
	strcpy(with.probes[PROBE_BLOCK].reason, "switched off");
	for (uint64_t number = 0; number < 3; number++) {
		look(number);
		assert_int_equal(points_of(ATTACHED), PROBE_COUNT);
		p = find(ATTACHED, "sched", "attached", NULL);
		assert_true(p && p->u == 1 && !p->start_ns && !p->ended);
		p = find(ATTACHED, "dns", "unavailable", why);
		assert_true(p && p->u == 0 && !p->start_ns && !p->ended);
		p = find(ATTACHED, "tcp", "disabled", NULL);
		assert_true(p && p->u == 0 && !p->ended);
		p = find(ATTACHED, "block", "off", "switched off");
		assert_true(p && p->u == 0 && !p->ended);
	}
}

static void set_off(bool off)
{
	struct probe *p = &with.probes[PROBE_TCP];

	p->state = off ? PROBE_OFF : PROBE_ATTACHED;
	snprintf(p->reason, sizeof(p->reason), "%s", off ? "by tune" : "");
}

static const struct point *when_attached(void)
{
	return find(ATTACHED, "tcp", "attached", NULL);
}

static const struct point *when_off(void)
{
	return find(ATTACHED, "tcp", "off", "by tune");
}

static void the_state_before_ends_until_that_has_arrived(void **state)
{
	look(1);
	self_accepted(&with.self, 1);
	set_off(true);
	look(0); /* who asks at the socket gets what is now */
	assert_null(when_attached());
	for (uint64_t number = 2; number < 5; number++) {
		look(number);
		assert_int_equal(points_of(ATTACHED), PROBE_COUNT + 1);
		assert_true(when_off() && !when_off()->ended);
		assert_true(when_attached() && when_attached()->ended);
		self_accepted(&with.self, 1); /* says nothing of what came later */
	}
	look(0);
	assert_null(when_attached());
	self_accepted(&with.self, 4);
	look(5);
	assert_int_equal(points_of(ATTACHED), PROBE_COUNT);
	assert_true(when_off() && !when_off()->ended);
}

static void a_state_that_is_back_has_not_ended(void **state)
{
	look(1);
	self_accepted(&with.self, 1);
	set_off(true);
	look(2);
	set_off(false);
	look(3);
	assert_true(when_attached() && when_attached()->u == 1);
	assert_false(when_attached()->ended);
	self_accepted(&with.self, 3);
	look(4);
	assert_int_equal(points_of(ATTACHED), PROBE_COUNT);
	assert_false(when_attached()->ended);
}

/* A request in flight comes to its end, also when a newer export was made meanwhile. */
static void a_state_that_may_have_arrived_ends(void **state)
{
	look(1);
	self_accepted(&with.self, 1);
	set_off(true);
	look(2); /* in flight */
	set_off(false);
	look(3);
	self_accepted(&with.self, 2); /* the receiver has "off" as the newest state */
	look(4);
	assert_true(when_attached() && !when_attached()->ended);
	assert_true(when_off() && when_off()->ended);
	self_accepted(&with.self, 4);
	look(5);
	assert_null(when_off());
	assert_false(when_attached()->ended);
}

/* More than any probe has. */
static void of_many_states_the_latest_end(void **state)
{
	struct probe *p = &with.probes[PROBE_TCP];
	size_t ended = 0;

	for (uint64_t number = 1; number < 10; number++) {
		snprintf(p->reason, sizeof(p->reason), "%d", (int)number);
		look(number);
		assert_false(find(ATTACHED, "tcp", "attached", p->reason)->ended);
	}
	for (size_t i = 0; i < with.group->count; i++)
		ended += with.group->points[i].ended;
	assert_int_equal(ended, SELF_ENDED);
	assert_true(find(ATTACHED, "tcp", "attached", "8")->ended);
	assert_true(find(ATTACHED, "tcp", "attached", "6")->ended);
	self_accepted(&with.self, 8); /* ends all but the one before this */
	look(10);
	assert_null(find(ATTACHED, "tcp", "attached", "7"));
	assert_true(find(ATTACHED, "tcp", "attached", "8")->ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SELF_TEST(a_probe_says_its_state_and_why),
		SELF_TEST(the_state_before_ends_until_that_has_arrived),
		SELF_TEST(a_state_that_is_back_has_not_ended),
		SELF_TEST(a_state_that_may_have_arrived_ends),
		SELF_TEST(of_many_states_the_latest_end),
	};

	return cmocka_run_group_tests_name("self_states", tests, NULL, NULL);
}
