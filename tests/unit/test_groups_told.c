// SPDX-License-Identifier: Apache-2.0
/* What groups are told by differences: usage of cgroups, whom members waited for. */
#include "fake_groups.h"
#include "metric/metrics.h"

static void sets_usage(struct workload *w, uint64_t cpu, uint64_t memory,
		       uint64_t limit)
{
	w->usage.value[USAGE_CPU_TIME] = cpu;
	w->usage.value[USAGE_MEMORY] = memory;
	w->usage.value[USAGE_MEMORY_LIMIT] = limit;
	w->usage.value[USAGE_CPU_LIMIT] = 3 * limit;
	w->usage.has = 1U << USAGE_CPU_TIME | 1U << USAGE_MEMORY |
		       (limit ? 1U << USAGE_MEMORY_LIMIT | 1U << USAGE_CPU_LIMIT : 0);
}

static void has_usage(struct held *h, uint64_t cpu, uint64_t memory, uint64_t limit)
{
	const struct usage *u;

	settle(h);
	send(h, true);
	u = &h->n.s->groups[0]->usage;
	assert_int_equal(u->value[USAGE_CPU_TIME], cpu);
	assert_int_equal(u->has & 1U << USAGE_MEMORY ? u->value[USAGE_MEMORY] : 0,
			 memory);
	assert_int_equal(
	    u->has & 1U << USAGE_MEMORY_LIMIT ? u->value[USAGE_MEMORY_LIMIT] : 0,
	    limit);
	assert_int_equal(u->has & 1U << USAGE_CPU_LIMIT ? u->value[USAGE_CPU_LIMIT] : 0,
			 3 * limit);
}

static void usage_is_added_up_and_never_goes_down(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 7);
	struct workload *a, *b;

	begin(h, POD_NAME "/" B, 1);
	node_read(&h->n);
	a = named(h, POD_NAME "/" A, "web-0", "nginx");
	b = named(h, POD_NAME "/" B, "web-0", "log");
	sets_usage(a, 100, 10, 50);
	sets_usage(b, 1000, 20, 70);
	has_usage(h, 1100, 30, 120);
	sets_usage(a, 150, 11, 50);
	sets_usage(b, 1000, 20, 0);
	has_usage(h, 1150, 31, 0); /* b may have all */
	end(h, id);
	sets_usage(a, 160, 11, 50);
	for (int i = 0; i < 4; i++) {
		node_read(&h->n);
		has_usage(h, 1160, 20, 0);
	}
	assert_null(node_find(&h->n, POD_NAME "/" A));
}

/* The files of a cgroup speak for all below it. */
static void usage_of_what_a_container_made_counts_once(void **state)
{
	struct held *h = *state;
	struct workload *own, *inner;
	uint64_t id;

	id = begin(h, POD_NAME "/" A "/inner", 1);
	node_read(&h->n);
	inner = named(h, POD_NAME "/" A "/inner", "web-0", "nginx");
	sets_usage(inner, 100, 10, 0);
	has_usage(h, 100, 10, 0);
	/* its own cgroup shows itself later, and has all of it, from before, too */
	begin(h, POD_NAME "/" A, 1);
	node_read(&h->n);
	own = named(h, POD_NAME "/" A, "web-0", "nginx");
	sets_usage(inner, 110, 10, 0);
	sets_usage(own, 130, 15, 0);
	settle(h);
	send(h, true);
	sets_usage(inner, 150, 10, 0);
	sets_usage(own, 180, 15, 0);
	has_usage(h, 150, 15, 0);
	end(h, id);
	sets_usage(inner, 170, 10, 0);
	sets_usage(own, 200, 15, 0);
	node_read(&h->n);
	has_usage(h, 170, 15, 0);
	node_read(&h->n);
	has_usage(h, 170, 15, 0);
}

/* A slice's files have all of its units', and perhaps what is not excluded. */
static void usage_of_slices_is_that_of_their_units(void **state)
{
	struct held *h = *state;
	struct grouping *g = (struct grouping *)h->n.s->grouping;
	struct workload *slice, *unit, *later;

	assert_int_equal(select_parse("kind=unit", &g->exclude), 0);
	begin(h, "/a.slice", 1);
	begin(h, "/a.slice/x.service", 1);
	begin(h, "/y.service", 1);
	node_read(&h->n);
	slice = node_workload(&h->n, "/a.slice");
	unit = node_workload(&h->n, "/a.slice/x.service");
	later = node_workload(&h->n, "/y.service");
	sets_usage(slice, 1000, 100, 0);
	sets_usage(unit, 10, 1, 0);
	sets_usage(later, 20, 2, 0);
	has_usage(h, 30, 3, 0);
	/* what a unit makes below it is in its own */
	begin(h, "/y.service/z.service", 1);
	node_read(&h->n);
	sets_usage(slice, 2000, 100, 0);
	sets_usage(later, 25, 5, 0);
	sets_usage(node_workload(&h->n, "/y.service/z.service"), 7, 4, 0);
	has_usage(h, 35, 6, 0);
	sets_usage(later, 45, 5, 0);
	sets_usage(unit, 11, 1, 0);
	has_usage(h, 56, 6, 0);
	select_free(g->exclude);
}

static struct culprit_total *culprit_in(struct workload *w, const char *name)
{
	for (size_t i = 0; i < w->culprit_count; i++)
		if (!strcmp(w->culprits[i].name, name) && w->culprits[i].series)
			return &w->culprits[i];
	fail_msg("%s has no culprit %s", w->id.name, name);
	return NULL;
}

/* All that exports ever said somebody waited. */
static uint64_t waited(const struct workload *w)
{
	uint64_t ns = w->other_ns;

	for (size_t i = 0; i < w->culprit_count; i++)
		ns += w->culprits[i].series ? w->culprits[i].series->ns : 0;
	return ns;
}

/* Who asks on the node, and who has the counts after it, knows of no groups. */
static void reports_have_paths(struct workload *w, uint64_t ns)
{
	struct workload *into = calloc(1, sizeof(*into));
	struct points p = { 0 };
	struct point_group *g = points_group(&p);
	uint64_t sum = 0;

	assert_int_equal(metrics_add(g, w, METRICS_READ), 0);
	for (size_t i = 0; i < g->count; i++)
		if (!strcmp(g->points[i].metric->attrs[0] ?: "", "assay.sched.culprit"))
			assert_int_equal(g->points[i].values[0][0], '/');
	points_fini(&p);
	assert_int_equal(totals_fold(into, w, true), 0);
	for (size_t i = 0; i < into->culprit_count; i++)
		sum += into->culprits[i].ns;
	assert_int_equal(sum, ns);
	totals_free(into);
}

static void culprits_have_the_names_of_groups(void **state)
{
	struct held *h = *state;
	uint32_t a = node_slot(&h->n, begin(h, POD_NAME "/" A, 1));
	uint32_t b = node_slot(&h->n, begin(h, POD_NAME "/" B, 1));
	uint32_t c = node_slot(&h->n, begin(h, OTHER_POD "/" PAUSE, 1));
	uint32_t d = node_slot(&h->n, begin(h, "/x.service", 1));
	struct workload *unit, *web, *of_node;

	node_wait_behind(&h->n, a, 0, c, 100);
	node_wait_behind(&h->n, a, 0, d, 10);
	node_wait_behind(&h->n, b, 0, c, 1000);
	node_wait_behind(&h->n, b, 0, a, 5);
	node_wait_behind(&h->n, d, 0, a, 20);
	node_wait_behind(&h->n, d, 0, b, 300);
	node_read(&h->n);
	named(h, POD_NAME "/" A, "web-0", "nginx");
	named(h, POD_NAME "/" B, "web-0", "log");
	named(h, OTHER_POD "/" PAUSE, "db-0", "sql");
	settle(h);
	send(h, true);
	web = group_of(h, "shop/web-0");
	unit = node_workload(&h->n, "/x.service");
	assert_int_equal(culprit_in(web, "shop/db-0")->series->ns, 1100);
	assert_int_equal(culprit_in(web, "/x.service")->series->ns, 10);
	assert_int_equal(culprit_in(web, "shop/web-0")->series->ns, 5);
	assert_int_equal(culprit_in(unit, "shop/web-0")->series->ns, 320);
	assert_int_equal(waited(web), 1115);
	assert_int_equal(waited(unit), 320);
	reports_have_paths(unit, 320);
	/* the node's own list has them by their paths */
	of_node = node_workload(&h->n, POD_NAME "/" B);
	assert_int_equal(of_node->culprit_count, 2);
	assert_false(of_node->culprits[0].export_only);
}

static void what_was_waited_before_the_name_came_is_told(void **state)
{
	struct held *h = *state;
	uint32_t a = node_slot(&h->n, begin(h, POD_NAME "/" A, 1));
	uint32_t d = node_slot(&h->n, begin(h, "/x.service", 1));

	node_wait_behind(&h->n, a, 0, d, 100);
	export(h);
	node_wait_behind(&h->n, a, 0, d, 20);
	export_with(h, POD_NAME "/" A, "web-0", "nginx");
	assert_int_equal(waited(group_of(h, "shop/web-0")), 120);
	assert_int_equal(group_of(h, "shop/web-0")->other_ns, 100);
}

static void time_that_was_waited_is_told_once(void **state)
{
	struct held *h = *state;
	uint64_t id = begin(h, POD_NAME "/" A, 1), gone;
	uint32_t a = node_slot(&h->n, id), c, d;
	struct workload *web, *unit;

	node_read(&h->n);
	named(h, POD_NAME "/" A, "web-0", "nginx");
	gone = begin(h, OTHER_POD "/" PAUSE, 1);
	d = node_slot(&h->n, begin(h, "/x.service", 1));
	c = node_slot(&h->n, gone);
	node_wait_behind(&h->n, a, 0, c, 100); /* who has no name yet */
	node_wait_behind(&h->n, d, 0, c, 7);
	export(h);
	web = group_of(h, "shop/web-0");
	unit = node_workload(&h->n, "/x.service");
	assert_int_equal(web->other_ns, 100);
	assert_int_equal(unit->other_ns, 7);
	named(h, OTHER_POD "/" PAUSE, "db-0", "sql");
	node_wait_behind(&h->n, a, 0, c, 50);
	node_wait_behind(&h->n, d, 0, c, 3);
	export(h);
	assert_int_equal(culprit_in(web, "shop/db-0")->series->ns, 50);
	assert_int_equal(culprit_in(unit, "shop/db-0")->series->ns, 3);
	node_wait_behind(&h->n, a, 0, c, 1);
	end(h, gone);
	end(h, id);
	node_read(&h->n);
	settle(h);
	send(h, false);
	assert_int_equal(waited(web), 151);
	assert_true(culprit_in(unit, "shop/db-0")->gone);
	for (int i = 0; i < 3; i++) {
		node_read(&h->n);
		settle(h);
		assert_int_equal(waited(web), 151);
		assert_int_equal(waited(unit), 10);
		send(h, false);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GROUPS(usage_is_added_up_and_never_goes_down, setup_pods),
		GROUPS(usage_of_what_a_container_made_counts_once, setup_pods),
		GROUPS(usage_of_slices_is_that_of_their_units, setup_pods),
		GROUPS(culprits_have_the_names_of_groups, setup_pods),
		GROUPS(what_was_waited_before_the_name_came_is_told, setup_pods),
		GROUPS(time_that_was_waited_is_told_once, setup_pods),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
