// SPDX-License-Identifier: Apache-2.0
/* Who had the CPU while others waited: who gets an entry and a name, and exact sums. */
#include "fake_node.h"
#include "base/util.h"

static struct sched_block *block_of(struct node *n, uint32_t victim, uint32_t shard)
{
	return &n->cells.sched_blocks[victim * NODE_SHARDS + shard];
}

static bool has_entry(struct node *n, uint32_t victim, uint32_t culprit)
{
	for (uint32_t i = 0; i < CULPRITS; i++)
		if (block_of(n, victim, 0)->key[i] == culprit + 1)
			return true;
	return false;
}

static const struct culprit_total *find(const struct workload *w, const char *name)
{
	for (size_t i = 0; i < w->culprit_count; i++)
		if (!strcmp(w->culprits[i].name, name))
			return &w->culprits[i];
	return NULL;
}

static uint64_t ns_of(const struct workload *w, const char *name)
{
	return find(w, name) ? find(w, name)->ns : 0;
}

static uint64_t sum_of(const struct workload *w)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < w->culprit_count; i++)
		sum += w->culprits[i].ns;
	return sum;
}

/* A cgroup with this name and number, and its slot. */
static uint32_t numbered(struct node *n, const char *name, int i, uint64_t *id)
{
	char full[24];

	snprintf(full, sizeof(full), "%s%d", name, i);
	*id = node_mkdir(n, full);
	return node_slot(n, *id);
}

static void each_is_known_by_its_name(void **state)
{
	struct node *n = *state;
	uint32_t victim = node_slot(n, node_mkdir(n, "victim")),
		 a = node_slot(n, node_mkdir(n, "a"));
	const struct workload *w;

	node_wait_behind(n, victim, 0, a, 1);
	node_wait_behind(n, victim, 1, a, 10);
	node_wait_behind(n, victim, 0, victim, 100); /* its own threads, too */
	node_wait_behind(n, victim, 0, CULPRIT_IDLE, 1000);
	node_wait_behind(n, victim, 1, SLOT_KERNEL, 10000);
	node_wait_behind(n, victim, 1, SLOT_OVERFLOW, 100000);
	block_of(n, victim, 1)->ns[CULPRITS] += 1000000;
	node_wait_behind(n, SLOT_KERNEL, 0, a, 10000000);
	for (int i = 0; i < 3; i++) /* once */
		node_read(n);
	w = node_workload(n, "/victim");
	assert_int_equal(w->culprit_count, 6);
	assert_int_equal(ns_of(w, "/a"), 11);
	assert_int_equal(ns_of(w, "/victim"), 100);
	assert_int_equal(ns_of(w, "idle"), 1000);
	assert_int_equal(ns_of(w, "kernel"), 10000);
	assert_int_equal(ns_of(w, "overflow"), 100000);
	assert_int_equal(ns_of(w, "_OTHER"), 1000000);
	assert_int_equal(ns_of(n->s->workloads[SLOT_KERNEL], "/a"), 10000000);
	assert_int_equal(node_workload(n, "/a")->culprit_count, 0);
}

/* A slot that is nobody's by now, and a number that is no slot. */
static void who_cannot_be_told_is_unknown(void **state)
{
	struct node *n = *state;
	uint32_t victim = node_slot(n, node_mkdir(n, "victim"));

	node_wait_behind(n, victim, 0, NODE_SLOTS - 1, 1);
	node_wait_behind(n, victim, 0, 12345, 10);
	node_wait_behind(n, victim, 0, node_slot(n, ++n->last_id),
			 100); /* no name yet */
	node_read(n);
	assert_int_equal(ns_of(node_workload(n, "/victim"), "unknown"), 111);
	assert_int_equal(node_workload(n, "/victim")->culprit_count, 1);
}

static void a_culprits_series_begins_at_the_reading_before_it(void **state)
{
	struct node *n = *state;
	uint32_t victim = node_slot(n, node_mkdir(n, "victim"));
	uint64_t before;

	node_wait_behind(n, victim, 0, CULPRIT_IDLE, 1);
	node_read(n);
	node_read(n);
	before = fake_now_ns;
	node_wait_behind(n, victim, 0, SLOT_KERNEL, 1);
	node_wait_behind(n, victim, 0, CULPRIT_IDLE, 1);
	node_read(n);
	node_read(n);
	assert_int_equal(find(node_workload(n, "/victim"), "idle")->start_ns,
			 before - 2 * FAKE_SECOND);
	assert_int_equal(find(node_workload(n, "/victim"), "kernel")->start_ns, before);
}

/* A node with more cgroups than a block has entries. */
static int open_many(void **state)
{
	*state = calloc(1, sizeof(struct node));
	node_open(*state, 64);
	return 0;
}

#define MANY_TEST(name) cmocka_unit_test_setup_teardown(name, open_many, node_teardown)
#define MANY		20

static void who_finds_no_entry_is_other_and_the_sum_is_exact(void **state)
{
	struct node *n = *state;
	uint32_t victim = node_slot(n, node_mkdir(n, "victim"));
	const struct workload *w;
	uint64_t id;

	for (int i = 0; i < MANY; i++)
		node_wait_behind(n, victim, 0, numbered(n, "c", i, &id), 1ULL << i);
	node_read(n);
	w = node_workload(n, "/victim");
	assert_int_equal(w->culprit_count, CULPRITS + 1);
	for (int i = 0; i < CULPRITS; i++) {
		char name[24];

		snprintf(name, sizeof(name), "/c%d", i);
		assert_int_equal(ns_of(w, name), 1ULL << i);
	}
	assert_int_equal(sum_of(w), (1ULL << MANY) - 1);
	assert_int_equal(ns_of(w, "_OTHER"), (1ULL << MANY) - (1ULL << CULPRITS));
}

static void who_begins_to_matter_gets_the_entry_of_who_does_not(void **state)
{
	struct node *n = *state;
	uint32_t victim = node_slot(n, node_mkdir(n, "victim")), slots[MANY];
	uint64_t id, all = 0;
	const struct workload *w;
	uint32_t gen;

	for (int i = 0; i < MANY; i++)
		slots[i] = numbered(n, "c", i, &id);
	for (int i = 0; i < CULPRITS; i++) { /* one of them is busy, the others not */
		node_wait_behind(n, victim, 0, slots[i], i == 4 ? 50000 : 10);
		all += i == 4 ? 50000 : 10;
	}
	node_read_and_reap(n);
	node_export(n, true);
	for (int i = 0; i < CULPRITS; i++) /* nobody asks for one: nobody loses his */
		assert_true(has_entry(n, victim, slots[i]));
	gen = n->cells.tunes.free_gen;
	node_wait_behind(n, victim, 0, slots[MANY - 1], 40000);
	all += 40000;
	node_read_and_reap(n);
	w = node_workload(n, "/victim");
	assert_int_equal(ns_of(w, "_OTHER"), 40000);
	assert_int_equal(n->cells.tunes.free_gen, gen); /* nothing changed hands */
	node_export(n, true);
	for (int i = 0; i < CULPRITS; i++)
		assert_int_equal(has_entry(n, victim, slots[i]), i == 4);
	node_read_and_reap(n);
	assert_true(n->cells.tunes.free_gen > gen); /* programs look again */
	node_wait_behind(n, victim, 0, slots[MANY - 1], 7000);
	node_wait_behind(n, victim, 0, slots[4], 600000);
	all += 607000;
	node_read_and_reap(n);
	assert_int_equal(ns_of(w, "/c19"), 7000);
	assert_int_equal(ns_of(w, "/c4"), 650000);
	assert_int_equal(ns_of(w, "/c3"), 10); /* what it had is still its own */
	assert_int_equal(ns_of(w, "_OTHER"), 40000);
	assert_int_equal(sum_of(w), all);
}

/* Who mattered once does not for ever: what was counts half at each export. */
static void who_was_busy_long_ago_gives_way(void **state)
{
	struct node *n = *state;
	uint32_t victim = node_slot(n, node_mkdir(n, "victim")), slots[MANY];
	uint64_t id, all = 0;
	int rounds = 0;

	for (int i = 0; i < MANY; i++)
		slots[i] = numbered(n, "c", i, &id);
	for (int i = 0; i < CULPRITS; i++) {
		node_wait_behind(n, victim, 0, slots[i], 1 << 20);
		all += 1 << 20;
	}
	for (; rounds < 20 && !has_entry(n, victim, slots[MANY - 1]); rounds++) {
		node_wait_behind(n, victim, 0, slots[MANY - 1], 1 << 20);
		all += 1 << 20;
		node_read_and_reap(n);
		node_export(n, true);
	}
	/* half of 2^20 less at each, against a sixteenth of up to 2^21 */
	assert_int_equal(rounds, 6);
	assert_int_equal(sum_of(node_workload(n, "/victim")), all);
}

static void the_next_owner_of_a_slot_is_not_to_blame(void **state)
{
	struct node *n = *state;
	uint64_t old, new;
	uint32_t victim = node_slot(n, node_mkdir(n, "victim")),
		 slot = numbered(n, "old", 0, &old);
	const struct workload *w;

	node_wait_behind(n, victim, 0, slot, 5);
	node_wait_behind(n, slot, 0, victim, 300); /* it is a victim as well */
	node_read_and_reap(n);
	node_rmdir(n, old);
	node_wait_behind(n, victim, 0, slot, 20);
	node_read_and_reap(n);
	node_wait_behind(n, victim, 0, slot, 100); /* on its way */
	node_read_and_reap(n);
	assert_false(has_entry(n, victim, slot));
	assert_false(has_entry(n, slot, victim));
	assert_int_equal(numbered(n, "new", 0, &new), slot);
	node_wait_behind(n, victim, 0, slot, 4000);
	node_wait_behind(n, slot, 0, SLOT_KERNEL, 60000);
	node_read_and_reap(n);
	w = node_workload(n, "/victim");
	assert_int_equal(ns_of(w, "/old0"), 125);
	assert_int_equal(ns_of(w, "/new0"), 4000);
	assert_int_equal(sum_of(w), 4125);
	assert_int_equal(ns_of(node_workload(n, "/old0"), "/victim"), 300);
	assert_int_equal(ns_of(node_workload(n, "/new0"), "kernel"), 60000);
	assert_int_equal(node_workload(n, "/new0")->culprit_count, 1);
}

static void the_33rd_name_is_other_and_names_come_free(void **state)
{
	struct node *n = *state;
	uint32_t victim = node_slot(n, node_mkdir(n, "victim"));
	uint64_t ids[40], all = 0;
	const struct workload *w;

	for (int i = 0; i < 40; i++) { /* one after the other: each gets an entry */
		uint32_t slot = numbered(n, "c", i, &ids[i]);

		node_wait_behind(n, victim, i % NODE_SHARDS, slot, 1000 + i);
		all += 1000 + i;
		node_read(n);
		memset(block_of(n, victim, i % NODE_SHARDS)->key, 0,
		       sizeof(block_of(n, victim, 0)->key));
	}
	w = node_workload(n, "/victim");
	assert_int_equal(w->culprit_count, CULPRIT_NAMES + 1);
	assert_int_equal(sum_of(w), all);
	assert_int_equal(ns_of(w, "/c31"), 1031);
	assert_null(find(w, "/c32"));
	assert_int_equal(ns_of(w, "_OTHER"), 8 * 1000 + (32 + 39) * 8 / 2);
	for (int i = 0; i < 20; i++)
		node_rmdir(n, ids[i]);
	node_read_and_reap(n);
	node_read_and_reap(n);
	node_export(n, true);
	node_export(n, true);
	assert_int_equal(w->culprit_count, CULPRIT_NAMES + 1 - 20);
	node_wait_behind(n, victim, 0, node_slot(n, ids[39]), 5);
	node_read(n);
	assert_int_equal(ns_of(w, "/c39"), 5);
}

/* Its end was reported already: then there is news of it. */
static void a_culprit_that_comes_back_has_not_ended(void **state)
{
	struct node *n = *state;
	uint64_t id;
	uint32_t victim = node_slot(n, node_mkdir(n, "victim")),
		 slot = numbered(n, "c", 0, &id);
	const struct workload *w;

	node_wait_behind(n, victim, 0, slot, 5);
	node_read_and_reap(n);
	w = node_workload(n, "/victim");
	node_rmdir(n, id);
	node_read_and_reap(n);
	node_read_and_reap(n);
	node_export(n, true);
	assert_true(find(w, "/c0")->series->ending.last);
	node_wait_behind(n, victim, 0, numbered(n, "c", 0, &id), 70);
	for (int i = 0; i < 3; i++) {
		node_read_and_reap(n);
		node_export(n, true);
		assert_false(find(w, "/c0")->series->ending.last);
		assert_int_equal(ns_of(w, "/c0"), 75);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(each_is_known_by_its_name),
		NODE_TEST(who_cannot_be_told_is_unknown),
		NODE_TEST(a_culprits_series_begins_at_the_reading_before_it),
		MANY_TEST(who_finds_no_entry_is_other_and_the_sum_is_exact),
		MANY_TEST(who_begins_to_matter_gets_the_entry_of_who_does_not),
		MANY_TEST(who_was_busy_long_ago_gives_way),
		NODE_TEST(the_next_owner_of_a_slot_is_not_to_blame),
		MANY_TEST(the_33rd_name_is_other_and_names_come_free),
		NODE_TEST(a_culprit_that_comes_back_has_not_ended),
	};

	return cmocka_run_group_tests_name("culprits", tests, NULL, NULL);
}
