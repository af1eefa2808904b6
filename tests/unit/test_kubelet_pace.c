// SPDX-License-Identifier: Apache-2.0
/* When the kubelet is asked, and for whom. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "base/util.h"
#include "workload/kubelet_impl.h"

#define SECOND 1000000000ULL
#define MS     1000000ULL
#define ID     "22d0b2f8154dd5edd2802eb36dec5717a5277d8735b35784aa2c147e8903678e"
#define OTHER  "e3a604302db838ae5e4ffde9e9d7f3e606767cfc5da5c01aa516143741e44a0e"
#define UID    "379560a2-cb47-f9b1-3c81-0328ff2bade1"

/* One that no answer has: the pod's sandbox, or a container that was just started. */
static void whose_pod_is_whole_is_asked_for_once_more(void **state)
{
#define WHOLE                                                                   \
	"{\"items\":[{\"metadata\":{\"namespace\":\"shop\",\"name\":\"web-0\"," \
	"\"uid\":\"" UID "\"},\"spec\":{\"containers\":[{\"name\":\"a\"}]},"    \
	"\"status\":{\"containerStatuses\":[{\"name\":\"a\",\"containerID\":"   \
	"\"containerd://" ID "\"}]}}]}"
	struct kubelet_wanted *all = calloc(1, sizeof(*all));
	struct pods_keep keep = { 0 };
	struct kubelet_clock c = { 0 };
	uint64_t now = 1000 * SECOND;
	struct pods *p;

	assert_int_equal(pods_new(&keep, &p), 0);
	assert_int_equal(pods_feed(p, WHOLE, strlen(WHOLE)), 0);
	assert_int_equal(pods_end(p), 0);
	assert_true(kubelet_wanted_add(all, NULL, OTHER, UID, false, now));
	assert_false(kubelet_wanted_add(all, NULL, OTHER, UID, false, now));
	kubelet_wanted_told(all, p, now + 1, &c);
	assert_int_equal(c.wanted_ns, now + 10 * SECOND);
	c.wanted_ns = 0;
	kubelet_wanted_told(all, p, 0, &c); /* no answer */
	assert_int_equal(c.wanted_ns, now + 10 * SECOND);
	c.wanted_ns = 0;
	kubelet_wanted_told(all, p, now + 10 * SECOND, &c);
	assert_int_equal(c.wanted_ns, 0);
	assert_int_equal(c.spare_ns, 0);
	assert_int_equal(all->entries[0].first_ns, 0);
	/* what is told is not wanted; whom files name can wait */
	assert_false(kubelet_wanted_add(all, p, ID, UID, false, now));
	assert_false(kubelet_wanted_add(all, p, "", UID, false, now));
	assert_true(kubelet_wanted_add(all, p, OTHER, "", true, now));
	kubelet_wanted_told(all, p, now + 1, &c);
	assert_int_equal(c.wanted_ns, 0);
	assert_int_equal(c.spare_ns, now + 2 * SECOND);
	pods_free(p);
	free(all);
}

/* Asks when it may, as somebody always wants something; returns when it has. */
static uint64_t go(struct kubelet_clock *c, uint64_t now, bool wants)
{
	const struct kubelet_pace *p = &kubelet_pace_default;
	uint64_t next;

	if (wants)
		kubelet_clock_want(c, now, false);
	next = kubelet_clock_next(p, c);
	if (next < now)
		next = now;
	kubelet_clock_asked(p, c, next, next / MS * 7919);
	return next;
}

static void it_is_asked_at_a_pace(void **state)
{
	const struct kubelet_pace *p = &kubelet_pace_default;
	struct kubelet_clock c = { 0 };
	uint64_t now = 1000 * SECOND, at[200];

	for (size_t i = 0; i < COUNT(at); i++) {
		at[i] = now = go(&c, now, true);
		kubelet_clock_answered(p, &c, now + SECOND / 10, 0, 0, 0);
	}
	assert_int_equal(at[0], 1000 * SECOND);
	for (size_t i = 1; i < COUNT(at); i++)
		assert_true(at[i] - at[i - 1] >= SECOND + SECOND / 10);
	/* a burst, of requests that take 100 ms each */
	assert_int_equal(at[9], at[0] + 9 * (SECOND + SECOND / 10));
	for (size_t i = 11; i < COUNT(at); i++)
		assert_int_equal(at[i], at[0] + (i - 9) * 10 * SECOND);
	/* a second burst after 100 s of rest */
	now += 101 * SECOND;
	for (int i = 0; i < 10; i++)
		assert_int_equal(go(&c, now, true), now + i * SECOND);
}

/* Who can wait makes requests cost at most 0.02 % of a core. */
static void it_is_asked_by_what_it_costs(void **state)
{
	static const struct {
		uint64_t cost_ns, pause_ns;
	} cases[] = {
		{ 100000, SECOND }, /* the gap between any two */
		{ 3 * MS, 15 * SECOND },
		{ 50 * MS, 20 * SECOND }, /* exports wait for 30 s */
	};
	const struct kubelet_pace *p = &kubelet_pace_default;

	for (size_t i = 0; i < COUNT(cases); i++) {
		struct kubelet_clock c = { 0 };
		uint64_t now = 1000 * SECOND;

		kubelet_clock_asked(p, &c, now, 0);
		kubelet_clock_answered(p, &c, now, cases[i].cost_ns, 0, 0);
		kubelet_clock_want(&c, now, true);
		assert_int_equal(kubelet_clock_next(p, &c), now + cases[i].pause_ns);
		kubelet_clock_want(&c, now, false);
		assert_int_equal(kubelet_clock_next(p, &c), now + SECOND);
		kubelet_clock_asked(p, &c, now + SECOND, 0);
		assert_true(kubelet_clock_next(p, &c) > now + 100 * SECOND);
	}
}

static void it_is_asked_now_and_then(void **state)
{
	const struct kubelet_pace *p = &kubelet_pace_default;
	struct kubelet_clock c = { 0 };
	uint64_t now = 1000 * SECOND, least = UINT64_MAX, most = 0;

	now = go(&c, now, false);
	for (int i = 0; i < 500; i++) {
		uint64_t next;

		kubelet_clock_answered(p, &c, now, 0, 0, 0);
		next = go(&c, now, false);
		least = next - now < least ? next - now : least;
		most = next - now > most ? next - now : most;
		now = next;
	}
	assert_true(least >= 270 * SECOND && least < 280 * SECOND);
	assert_true(most <= 330 * SECOND && most > 320 * SECOND);
}

static void it_is_left_alone_after_failures(void **state)
{
	static const unsigned int want_s[] = { 10, 20, 40, 80, 160, 300, 300 };
	const struct kubelet_pace *p = &kubelet_pace_default;
	struct kubelet_clock c = { 0 };
	uint64_t now = 1000 * SECOND, next;

	for (size_t i = 0; i < COUNT(want_s); i++) {
		now = go(&c, now, true);
		kubelet_clock_answered(p, &c, now, 0, 1, i % 2 ? 0 : 0xffff);
		kubelet_clock_want(&c, now, false);
		next = kubelet_clock_next(p, &c);
		assert_true(next - now >= want_s[i] * SECOND / 10 * 8 - MS);
		assert_true(next - now <= want_s[i] * SECOND / 10 * 12);
		now = next;
	}
	now = go(&c, now, true);
	kubelet_clock_answered(p, &c, now, 0, 0, 0);
	assert_int_equal(go(&c, now + SECOND, true), now + SECOND);
	kubelet_clock_answered(p, &c, now + SECOND, 0, 1, 0x8000);
	next = kubelet_clock_next(p, &c); /* it heals, though nobody wants anything */
	assert_true(next > now + 10 * SECOND && next < now + 12 * SECOND);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whose_pod_is_whole_is_asked_for_once_more),
		cmocka_unit_test(it_is_asked_at_a_pace),
		cmocka_unit_test(it_is_asked_by_what_it_costs),
		cmocka_unit_test(it_is_asked_now_and_then),
		cmocka_unit_test(it_is_left_alone_after_failures),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
