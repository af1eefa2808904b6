// SPDX-License-Identifier: Apache-2.0
/* What is kept until it has arrived, and what becomes of it when there is too much. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "metric/metrics.h"
#include "reading/kept.h"
#include "reading/snapshot_impl.h"

#define SLOTS 4
#define MOST  (2 * SLOTS) /* as many as may be kept */
#define ALL   0, UINT64_MAX

struct fake {
	struct cells cells;
	struct snapshot s;
};

static struct workload *add(struct snapshot *s, const char *path, uint64_t count)
{
	struct workload *w = calloc(1, sizeof(*w));

	w->serial = ++s->serial;
	w->path = path ? strdup(path) : NULL;
	w->counts[0][0] = count;
	s->workloads =
	    realloc(s->workloads, (s->count + 1) * sizeof(struct workload *));
	s->workloads[s->count++] = w;
	return w;
}

static int open_fake(void **state)
{
	struct fake *f = calloc(1, sizeof(*f));

	f->s.cells = &f->cells;
	snapshot_send_culprits(&f->s, CULPRITS_SENT, 100);
	f->cells.plan.slots = SLOTS;
	for (int i = 0; i < SLOT_FIRST; i++)
		add(&f->s, NULL, 0);
	*state = f;
	return 0;
}

static int close_fake(void **state)
{
	struct fake *f = *state;

	for (size_t i = 0; i < f->s.count; i++)
		totals_free(f->s.workloads[i]);
	free(f->s.workloads);
	path_index_fini(&f->s.paths);
	free(f);
	return 0;
}

static struct workload *find(struct snapshot *s, const char *path)
{
	for (size_t i = SLOT_FIRST; i < s->count; i++)
		if (!strcmp(s->workloads[i]->path, path))
			return s->workloads[i];
	return NULL;
}

/* An export of which everything arrives, or nothing. */
static void export(struct snapshot *s, bool arrives)
{
	uint64_t n = snapshot_export(s);

	if (arrives)
		snapshot_accepted(s, n, ALL);
	snapshot_drop(s);
}

/* Workloads /PREFIX0 to 9: 10 and the fixed ones are too many. */
static void add_ten(struct snapshot *s, const char *prefix, bool gone)
{
	char path[32];

	for (int i = 0; i < 10; i++) {
		snprintf(path, sizeof(path), "/%s%d", prefix, i);
		add(s, path, 100)->gone = gone;
	}
}

static uint64_t overflow(const struct snapshot *s)
{
	return s->workloads[SLOT_OVERFLOW]->counts[0][0];
}

static void values_stay_until_they_arrive_and_then_their_end_does(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;
	struct workload *w = add(s, "/a", 7);

	export(s, true);
	w->gone = true;
	for (int i = 0; i < 5; i++) {
		export(s, false);
		assert_false(w->ending.last); /* exports still hold its values */
	}
	export(s, true);
	assert_true(w->ending.last);
	for (int i = 0; i < 5; i++) {
		export(s, false);
		assert_ptr_equal(find(s, "/a"), w);
	}
	export(s, true);
	assert_null(find(s, "/a"));
}

static void an_export_from_before_its_end_says_nothing_of_it(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;
	struct workload *w = add(s, "/a", 7);
	uint64_t before = snapshot_export(s), last, marks;

	w->gone = true;
	snapshot_accepted(s, before, ALL); /* on its way when the cgroup went */
	last = snapshot_export(s);
	assert_false(w->ending.last);
	snapshot_accepted(s, before, ALL);
	assert_false(w->ending.last);
	marks = snapshot_export(s); /* supersedes it, the values are in it again */
	snapshot_accepted(s, last, ALL);
	assert_true(w->ending.last);
	snapshot_accepted(s, marks, ALL); /* made before: it has values, no marks */
	assert_false(w->ending.over);
	snapshot_accepted(s, snapshot_export(s), ALL);
	assert_true(w->ending.over);
}

/* What the history lacks of a workload. */
static uint64_t untold(struct workload *w)
{
	struct workload made;
	uint64_t n;

	if (!w)
		return 0;
	assert_int_equal(kept_make(w, 0, &made), 0);
	n = made.counts[0][0];
	kept_free(&made);
	return n;
}

static void tell(struct workload *w)
{
	assert_int_equal(kept_skip(w), 0);
	assert_int_equal(untold(w), 0);
}

/*
 * Ten are more than may be kept, and have arrived: they go before the history has their
 * last, each of which is 1.
 */
static void who_goes_too_soon_is_told_in_the_overflow(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;

	snapshot_keep(s, UINT64_MAX);
	add_ten(s, "a", false);
	export(s, true);
	for (size_t i = SLOT_FIRST; i < s->count; i++) {
		tell(s->workloads[i]);
		s->workloads[i]->counts[0][0]++;
		s->workloads[i]->gone = true;
	}
	snapshot_accepted(s, snapshot_export(s), ALL);
	tell(find(s, "/a0")); /* that one is told in time */
	delivery_fold(s);
	assert_int_equal(s->count, MOST - MOST / 4);
	assert_int_equal(s->workloads[SLOT_OVERFLOW]->owed->counts[0][0],
			 10 + SLOT_FIRST - s->count - 1);
	assert_int_equal(overflow(s), 0);
}

static void a_batch_counts_for_those_that_are_in_it(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;
	struct workload *a = add(s, "/a", 1), *b = add(s, "/b", 1);
	uint64_t n;

	a->gone = b->gone = true;
	n = snapshot_export(s);
	snapshot_accepted(s, n, 0, a->serial);
	assert_true(a->ending.last);
	assert_false(b->ending.last || b->ending.arrived);
	snapshot_accepted(s, n, b->serial, UINT64_MAX);
	assert_true(b->ending.last);
}

/* The last batch holds the agent's own points, and its serials end at the last. */
static void a_batch_says_nothing_of_what_came_after_its_export(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;
	struct workload *old = add(s, "/old", 1), *w;
	uint64_t n = snapshot_export(s);

	w = add(s, "/new", 100);
	for (int i = 0; i < 2; i++) {
		snapshot_accepted(s, n, old->serial, UINT64_MAX);
		assert_true(old->ending.arrived);
		assert_false(w->ending.arrived);
		snapshot_export(s); /* it holds the new one, and does not arrive */
	}
	w->gone = true;
	add_ten(s, "job", true);
	snapshot_make_room(s);
	assert_null(find(s, "/new")); /* the oldest of those that never arrived */
	assert_true(overflow(s) >= 100);
	assert_ptr_equal(find(s, "/old"), old);
}

static void one_that_comes_back_lives(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;
	struct workload *w = add(s, "/a", 1);

	w->gone = true;
	export(s, true);
	assert_true(w->ending.last);
	w->gone = false;
	export(s, true);
	assert_false(w->ending.last);
	export(s, true);
	assert_ptr_equal(find(s, "/a"), w);
	w->gone = true;
	export(s, true);
	export(s, true);
	assert_null(find(s, "/a"));
}

static void without_exports_it_stays_for_an_interval(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;

	add(s, "/a", 1)->gone = true;
	for (int i = 0; i < 2; i++) {
		assert_non_null(find(s, "/a"));
		snapshot_export(s);
		snapshot_unheard(s);
		snapshot_drop(s);
	}
	assert_null(find(s, "/a"));
}

static void those_that_no_export_held_are_added_to_the_overflow(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;
	struct workload *w, *lived;

	add(s, "/lives", 1);
	w = add(s, "/arrived", 10);
	export(s, true);
	w->gone = true;
	add(s, "/sent", 1000)->gone = true;
	lived = add(s, "/lived", 1000);
	snapshot_export(s); /* it may be on its way now */
	lived->gone = true;
	add_ten(s, "job", true);
	delivery_fold(s);
	assert_int_equal(overflow(s), 1000); /* ten times 100 */
	assert_int_equal(snapshot_folded(s), 10);
	assert_int_equal(s->count, SLOT_FIRST + 4);
	assert_non_null(find(s, "/sent"));
	assert_non_null(find(s, "/lived"));
	assert_ptr_equal(find(s, "/arrived"), w); /* not twice */
}

static void before_an_export_those_that_never_arrived_go_too(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;
	struct workload *w = add(s, "/arrived", 10);

	export(s, true);
	w->gone = true;
	add_ten(s, "job", true);
	export(s, false);
	delivery_fold(s);
	assert_int_equal(overflow(s), 0);
	snapshot_make_room(s);
	assert_int_equal(overflow(s), 800); /* the oldest: room for two more is left */
	assert_int_equal(snapshot_folded(s), 8);
	assert_ptr_equal(find(s, "/arrived"), w);
	assert_null(find(s, "/job7"));
	assert_non_null(find(s, "/job8"));
	assert_int_equal(s->count, MOST - MOST / 4);
}

static void those_whose_values_arrived_are_freed_first(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;

	add_ten(s, "job", true);
	export(s, true);
	delivery_fold(s);
	assert_int_equal(s->count, MOST - MOST / 4);
	assert_int_equal(overflow(s) + snapshot_folded(s), 0);
}

/* What its files said does not go with it. */
static void usage_of_who_is_folded_is_the_overflows(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;
	struct usage *all = &s->workloads[SLOT_OVERFLOW]->usage;

	add_ten(s, "job", true);
	for (size_t i = SLOT_FIRST; i < s->count; i++)
		s->workloads[i]->usage = (struct usage){
			.value = { [USAGE_CPU_TIME] = 1000,
				   [USAGE_MAJOR_FAULTS] = 7,
				   [USAGE_MEMORY] = 1 << 20 },
			.has = 1U << USAGE_CPU_TIME | 1U << USAGE_MEMORY,
		};
	delivery_fold(s);
	assert_true(snapshot_folded(s) > 0);
	assert_int_equal(all->value[USAGE_CPU_TIME], 1000 * snapshot_folded(s));
	assert_int_equal(all->has, 1U << USAGE_CPU_TIME); /* memory is nobody's now */
	assert_int_equal(all->value[USAGE_MEMORY], 0);
}

static void who_lives_is_never_folded(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;

	add_ten(s, "job", false);
	delivery_fold(s);
	snapshot_make_room(s);
	assert_int_equal(s->count, SLOT_FIRST + 10);
}

/* A point of the workload with this value of an attribute. */
static const struct point *point_of(struct point_group *g, struct workload *w,
				    const char *value)
{
	g->count = 0;
	assert_int_equal(metrics_add(g, w, METRICS_EXPORT), 0);
	for (size_t i = 0; i < g->count; i++)
		if (g->points[i].values[0] && !strcmp(g->points[i].values[0], value))
			return &g->points[i];
	return NULL;
}

static void a_culprit_stays_as_long(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;
	struct workload *victim = add(s, "/victim", 1), *w = add(s, "/culprit", 1);
	struct point_group g = { 0 };

	totals_culprit(victim, "/culprit")->ns = 5;
	totals_culprit(victim, "idle")->ns = 5;
	export(s, true);
	w->gone = true;
	for (int i = 0; i < 3; i++) {
		export(s, false);
		assert_true(point_of(&g, victim, "/culprit")->d == 5e-9);
		assert_false(point_of(&g, victim, "/culprit")->ended);
	}
	export(s, true);
	assert_true(point_of(&g, victim, "/culprit")->ended);
	assert_false(point_of(&g, victim, "idle")->ended);
	export(s, false);
	assert_true(point_of(&g, victim, "/culprit")->ended);
	export(s, true);
	assert_null(point_of(&g, victim, "/culprit"));
	assert_non_null(point_of(&g, victim, "idle"));
	free(g.points);
}

static void an_age_goes_on_as_0_and_a_limit_that_is_lifted_ends(void **state)
{
	struct snapshot *s = &((struct fake *)*state)->s;
	struct workload *w = add(s, "/a", 1);
	struct point_group g = { 0 };
	const struct point *p;

	w->inflight_ns[INFLIGHT_WAIT] = 3000000000;
	w->inflight_seen = 1 << INFLIGHT_WAIT;
	w->usage.has = 1U << USAGE_MEMORY_LIMIT;
	w->usage.value[USAGE_MEMORY_LIMIT] = 4096;
	export(s, true);
	assert_true(point_of(&g, w, "syscall.wait") == NULL);
	assert_true(point_of(&g, w, "sched.wait")->d == 3);
	w->inflight_ns[INFLIGHT_WAIT] = 0;
	w->usage.has = 0;
	for (int i = 0; i < 3; i++) {
		export(s, i == 2);
		assert_true(point_of(&g, w, "sched.wait")->d == 0);
		assert_false(point_of(&g, w, "sched.wait")->ended);
		p = &g.points[g.count - 1];
		assert_int_equal(!strcmp(p->metric->name, "assay.cgroup.memory.limit"),
				 i < 2);
		assert_int_equal(p->ended, i < 2);
	}
	w->inflight_ns[INFLIGHT_WAIT] = INFLIGHT_UNKNOWN; /* a pass did not end */
	assert_true(point_of(&g, w, "sched.wait")->ended);
	w->gone = true;
	assert_true(point_of(&g, w, "sched.wait")->d == 0);
	assert_false(point_of(&g, w, "sched.wait")->ended);
	w->gone = false;
	g.count = 0; /* who asks over the socket hears of no ends */
	export(s, false);
	w->usage_ended = 1U << USAGE_MEMORY_LIMIT;
	w->ending.last = true;
	assert_int_equal(metrics_add(&g, w, METRICS_READ), 0);
	assert_true(g.count > 0);
	for (size_t i = 0; i < g.count; i++)
		assert_false(g.points[i].ended);
	free(g.points);
}

#define DELIVERY_TEST(name) cmocka_unit_test_setup_teardown(name, open_fake, close_fake)

int main(void)
{
	const struct CMUnitTest tests[] = {
		DELIVERY_TEST(values_stay_until_they_arrive_and_then_their_end_does),
		DELIVERY_TEST(an_export_from_before_its_end_says_nothing_of_it),
		DELIVERY_TEST(who_goes_too_soon_is_told_in_the_overflow),
		DELIVERY_TEST(a_batch_counts_for_those_that_are_in_it),
		DELIVERY_TEST(a_batch_says_nothing_of_what_came_after_its_export),
		DELIVERY_TEST(one_that_comes_back_lives),
		DELIVERY_TEST(without_exports_it_stays_for_an_interval),
		DELIVERY_TEST(those_that_no_export_held_are_added_to_the_overflow),
		DELIVERY_TEST(before_an_export_those_that_never_arrived_go_too),
		DELIVERY_TEST(those_whose_values_arrived_are_freed_first),
		DELIVERY_TEST(usage_of_who_is_folded_is_the_overflows),
		DELIVERY_TEST(who_lives_is_never_folded),
		DELIVERY_TEST(a_culprit_stays_as_long),
		DELIVERY_TEST(an_age_goes_on_as_0_and_a_limit_that_is_lifted_ends),
	};

	return cmocka_run_group_tests_name("delivery", tests, NULL, NULL);
}
