// SPDX-License-Identifier: Apache-2.0
/*
 * What exports say of culprits: few of them by name, and a receiver that adds up all
 * series which it has ever seen has the truth.
 */
#include "fake_node.h"
#include "base/util.h"
#include "metric/metrics.h"

/* A receiver: what it has of each series of one workload. */
struct received {
	char name[32];
	uint64_t start_ns;
	double s;
	bool ended;
};

struct receiver {
	struct received series[4096];
	size_t count;
};

static struct receiver got;

static const struct metric_row *culprit_row(void)
{
	for (size_t i = 0; i < metric_table_count; i++)
		for (size_t k = 0; k < metric_tables[i]->count; k++)
			if (metric_tables[i]->rows[k].source == FROM_CULPRITS)
				return &metric_tables[i]->rows[k];
	fail_msg("no metric of culprits");
	return NULL;
}

static struct received *find(const char *name, uint64_t start_ns)
{
	for (size_t i = 0; i < got.count; i++)
		if (!strcmp(got.series[i].name, name) &&
		    got.series[i].start_ns == start_ns)
			return &got.series[i];
	return NULL;
}

static void take(const struct point *p)
{
	struct received *r = find(p->values[0], p->start_ns);

	if (!r) {
		assert_false(p->ended); /* its last value was never heard of */
		assert_true(got.count < COUNT(got.series));
		r = &got.series[got.count++];
		*r = (struct received){ .start_ns = p->start_ns };
		snprintf(r->name, sizeof(r->name), "%s", p->values[0]);
	}
	r->ended = p->ended;
	if (p->ended)
		return;
	assert_true(p->d >= r->s - 1e-9); /* no series goes down */
	r->s = p->d;
}

/* An export of the victim: how many series it has. */
static size_t export(struct node *n, struct workload *w, bool arrives)
{
	struct point_group g = { 0 };
	uint64_t number = snapshot_export(n->s);
	size_t count = 0;

	assert_int_equal(metrics_add(&g, w, METRICS_EXPORT), 0);
	for (size_t i = 0; i < g.count; i++) {
		if (g.points[i].metric != &culprit_row()->metric)
			continue;
		for (size_t k = 0; k < i; k++) /* each is there once */
			assert_false(
			    g.points[k].metric == g.points[i].metric &&
			    !strcmp(g.points[k].values[0], g.points[i].values[0]));
		count++;
		if (arrives)
			take(&g.points[i]);
	}
	free(g.points);
	if (arrives)
		snapshot_accepted(n->s, number, 0, UINT64_MAX);
	snapshot_drop(n->s);
	return count;
}

static double received(void)
{
	double s = 0;

	for (size_t i = 0; i < got.count; i++)
		s += got.series[i].s;
	return s;
}

/* Of all series of this name, or of that which has not ended. */
static double received_of(const char *name, bool now)
{
	double s = 0;

	for (size_t i = 0; i < got.count; i++)
		if (!strcmp(got.series[i].name, name) && !(now && got.series[i].ended))
			s += got.series[i].s;
	return s;
}

#define assert_seconds(a, b) assert_true((a) > (b)-1e-6 && (a) < (b) + 1e-6)

static void wait_behind(struct node *n, uint32_t victim, uint32_t culprit, uint64_t ms)
{
	node_wait_behind(n, victim, 0, culprit, ms * 1000000);
}

#define MANY 12

struct scene {
	struct node n;
	uint32_t victim, slot[MANY];
	uint64_t id[MANY];
	struct workload *w;
};

static void come(struct scene *c, int i)
{
	char name[24];

	snprintf(name, sizeof(name), "c%d", i);
	c->id[i] = node_mkdir(&c->n, name);
	c->slot[i] = node_slot(&c->n, c->id[i]);
}

static int open_scene(void **state)
{
	struct scene *c = calloc(1, sizeof(*c));

	memset(&got, 0, sizeof(got));
	node_open(&c->n, 64);
	c->victim = node_slot(&c->n, node_mkdir(&c->n, "victim"));
	node_read(&c->n);
	c->w = node_workload(&c->n, "/victim");
	for (int i = 0; i < MANY; i++)
		come(c, i);
	*state = c;
	return 0;
}

static int close_scene(void **state)
{
	struct scene *c = *state;

	node_close(&c->n);
	free(c);
	return 0;
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, open_scene, close_scene)

/* All of them at once: i has so many ms more than the one before. */
static void all_wait(struct scene *c, uint64_t ms, uint64_t more)
{
	for (int i = 0; i < MANY; i++)
		wait_behind(&c->n, c->victim, c->slot[i], ms + i * more);
	node_read_and_reap(&c->n);
}

static void the_greatest_five_are_named_and_the_rest_is_other(void **state)
{
	struct scene *c = *state;

	all_wait(c, 100, 10);
	assert_int_equal(c->w->culprit_count, MANY); /* on the node all are told */
	assert_int_equal(export(&c->n, c->w, true), CULPRITS_SENT + 1);
	for (int i = MANY - CULPRITS_SENT; i < MANY; i++) {
		char name[24];

		snprintf(name, sizeof(name), "/c%d", i);
		assert_seconds(received_of(name, true), 0.1 + i * 0.01);
	}
	assert_seconds(received_of("_OTHER", true), 7 * 0.1 + 21 * 0.01);
	assert_int_equal(export(&c->n, c->w, true), CULPRITS_SENT + 1); /* they stay */
}

static void as_many_are_named_as_is_asked_for(void **state)
{
	struct scene *c = *state;

	snapshot_send_culprits(c->n.s, 0, 100);
	all_wait(c, 100, 0);
	assert_int_equal(export(&c->n, c->w, true), 1);
	assert_seconds(received_of("_OTHER", true), 1.2);
	snapshot_send_culprits(c->n.s, CULPRIT_NAMES, 100);
	all_wait(c, 100, 0);
	assert_int_equal(export(&c->n, c->w, true), MANY + 1);
	assert_seconds(received_of("_OTHER", true), 1.2);
	assert_seconds(received_of("/c3", true), 0.1);
	assert_seconds(received(), 2.4);
}

/* What it had before stays in _OTHER, also if that never arrived. */
static void who_becomes_great_begins_with_what_is_new(void **state)
{
	struct scene *c = *state;
	uint64_t before;

	all_wait(c, 100, 10);
	export(&c->n, c->w, false);
	before = fake_now_ns;
	wait_behind(&c->n, c->victim, c->slot[0], 3000);
	node_read_and_reap(&c->n);
	export(&c->n, c->w, true);
	assert_non_null(find("/c0", before));
	assert_seconds(find("/c0", before)->s, 3);
	assert_seconds(received_of("_OTHER", true), 7 * 0.1 + 21 * 0.01);
	assert_seconds(received_of("/c7", true),
		       0.17); /* the least, whose place it has */
	wait_behind(&c->n, c->victim, c->slot[7], 50);
	node_read_and_reap(&c->n);
	export(&c->n, c->w, true);
	assert_seconds(received_of("/c7", true), 0); /* it has ended */
	assert_seconds(received_of("/c7", false), 0.17);
	assert_seconds(received_of("_OTHER", true), 7 * 0.1 + 21 * 0.01 + 0.05);
	assert_int_equal(export(&c->n, c->w, true), CULPRITS_SENT + 1);
	assert_seconds(received(), 12 * 0.1 + 66 * 0.01 + 3.05);
}

/* It has a series again, and a new one: the old has ended. */
static void who_comes_back_begins_anew(void **state)
{
	struct scene *c = *state;
	uint64_t first;
	size_t series;

	all_wait(c, 100, 10);
	export(&c->n, c->w, true);
	first = got.series[0].start_ns;
	wait_behind(&c->n, c->victim, c->slot[0], 3000);
	node_read_and_reap(&c->n);
	for (int i = 0; i < 4; i++)
		export(&c->n, c->w, true);
	assert_true(find("/c7", first)->ended);
	series = got.count;
	wait_behind(&c->n, c->victim, c->slot[7], 20000);
	node_read_and_reap(&c->n);
	export(&c->n, c->w, true);
	assert_int_equal(got.count, series + 1);
	assert_seconds(received_of("/c7", true), 20);
	assert_seconds(received_of("/c7", false), 20.17);
}

static void equals_do_not_take_turns(void **state)
{
	struct scene *c = *state;
	size_t series;

	all_wait(c, 100, 0);
	export(&c->n, c->w, true);
	series = got.count;
	for (int i = 0; i < 100; i++) { /* now these have more, now those */
		for (int k = 0; k < MANY; k++)
			wait_behind(&c->n, c->victim, c->slot[k],
				    (k + i) % 4 ? 100 : 180);
		node_read_and_reap(&c->n);
		assert_int_equal(export(&c->n, c->w, true), CULPRITS_SENT + 1);
	}
	assert_int_equal(got.count, series);
}

static void who_is_gone_before_the_first_export_is_named(void **state)
{
	struct scene *c = *state;

	wait_behind(&c->n, c->victim, c->slot[2], 700);
	node_read_and_reap(&c->n);
	node_rmdir(&c->n, c->id[2]);
	for (int i = 0; i < 3; i++)
		node_read_and_reap(&c->n);
	assert_int_equal(export(&c->n, c->w, true), 1);
	assert_seconds(received_of("/c2", true), 0.7);
	export(&c->n, c->w, true);
	assert_seconds(received_of("/c2", true), 0);
	assert_int_equal(export(&c->n, c->w, true), 0);
	assert_int_equal(c->w->culprit_count, 0);
}

static unsigned int rnd(unsigned int *seed, unsigned int below)
{
	*seed = *seed * 1103515245 + 12345;
	return (*seed >> 16) % below;
}

/* Loads and ends by chance, exports that do not arrive. */
static void by_chance(struct scene *c, unsigned int seed)
{
	unsigned int changes = 0;
	uint64_t all_ms = 0;

	/* the registry walks its tree, which is empty here, after ten minutes */
	for (int round = 0; round < 200; round++) {
		bool arrives = rnd(&seed, 4);

		for (int k = rnd(&seed, 8); k > 0; k--) {
			uint64_t ms = 1ULL << rnd(&seed, 14);

			wait_behind(&c->n, c->victim, c->slot[rnd(&seed, MANY)], ms);
			all_ms += ms;
		}
		node_read_and_reap(&c->n);
		if (rnd(&seed, 6) == 0) {
			int i = rnd(&seed, MANY);

			node_rmdir(&c->n, c->id[i]);
			for (int k = rnd(&seed, 2); k >= 0; k--)
				node_read_and_reap(&c->n);
			come(c, i); /* its name has another slot, or the old one */
			changes++;
		}
		assert_true(export(&c->n, c->w, arrives) <=
			    CULPRITS_SENT + CULPRITS_ENDING + 1);
		if (arrives)
			assert_seconds(received(), all_ms * 1e-3);
	}
	assert_true(changes > 15 && got.count > 15);
}

/*
 * What arrived is each time all that was counted, no series goes down, and there are no
 * more than the bound.
 */
static void whatever_happens_the_sum_is_the_truth(void **state)
{
	for (unsigned int seed = 1; seed <= 20; seed++) {
		open_scene(state);
		by_chance(*state, seed);
		close_scene(state);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		SCENE_TEST(the_greatest_five_are_named_and_the_rest_is_other),
		SCENE_TEST(as_many_are_named_as_is_asked_for),
		SCENE_TEST(who_becomes_great_begins_with_what_is_new),
		SCENE_TEST(who_comes_back_begins_anew),
		SCENE_TEST(equals_do_not_take_turns),
		SCENE_TEST(who_is_gone_before_the_first_export_is_named),
		cmocka_unit_test(whatever_happens_the_sum_is_the_truth),
	};

	return cmocka_run_group_tests_name("culprit series", tests, NULL, NULL);
}
