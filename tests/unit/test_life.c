// SPDX-License-Identifier: Apache-2.0
/* Registry, reader, reaping, totals and delivery together: the life of a busy node. */
#include "fake_node.h"

/*
 * Cgroups come, go and come again under a few paths, more of them than there are slots;
 * programs add to slots they knew; exports arrive or do not. In the end the receiver
 * has every event, once.
 */
#define PATHS	 60
#define LIVING	 6
#define SERIALS	 4096
#define READINGS 300 /* a second each: before the tree is walked again */

struct life {
	struct node *n;
	struct {
		uint64_t id;
		int path;
		bool gone;
		uint32_t slot; /* that programs know; 0: none */
	} groups[LIVING];
	uint64_t counted[PATHS], overflowed; /* what happened */
	uint64_t received[SERIALS];	     /* by a workload's serial */
	int path_of[SERIALS];
};

/* Also one that is in quarantine is used by programs that knew it before. */
static bool still_has(const struct node *n, uint64_t id, uint32_t slot)
{
	return slot && (n->cells.owners[slot] == id ||
			(n->s->slots[slot].state == SLOT_QUARANTINE &&
			 n->s->slots[slot].owner == id));
}

static void happen(struct life *l)
{
	int i = node_dice(LIVING);
	uint64_t more = 1 + node_dice(1000);
	char name[16];

	if (!l->groups[i].id || (l->groups[i].gone && !node_dice(4))) {
		l->groups[i].path = node_dice(PATHS);
		snprintf(name, sizeof(name), "%d", l->groups[i].path);
		l->groups[i].id = node_mkdir(l->n, name);
		l->groups[i].gone = false;
		l->groups[i].slot = 0;
	} else if (!l->groups[i].gone && !node_dice(8)) {
		node_rmdir(l->n, l->groups[i].id);
		l->groups[i].gone = true;
		return;
	}
	if (!still_has(l->n, l->groups[i].id, l->groups[i].slot))
		l->groups[i].slot = node_slot(l->n, l->groups[i].id);
	node_kills(l->n, l->groups[i].slot, more);
	if (l->groups[i].slot)
		l->counted[l->groups[i].path] += more;
	else
		l->overflowed += more;
}

static void send(struct life *l, bool arrives)
{
	for (size_t i = 0; i < l->n->s->count && arrives; i++) {
		const struct workload *w = l->n->s->workloads[i];

		assert_true(w->serial < SERIALS);
		assert_true(kills_of(w) >= l->received[w->serial]);
		l->received[w->serial] = kills_of(w);
		l->path_of[w->serial] = w->path ? atoi(w->path + 1) : -1;
	}
	node_export(l->n, arrives);
}

static void nothing_is_lost_or_counted_twice_in_a_life(void **state)
{
	struct node *n = *state;
	struct life l = { .n = n };
	uint64_t received[PATHS] = { 0 }, of_others = 0, folded = 0;

	for (int r = 0; r < READINGS; r++) {
		for (int i = node_dice(60); i > 0; i--)
			happen(&l);
		node_read_and_reap(n);
		if (!node_dice(3))
			snapshot_make_room(n->s);
		send(&l, r + 1 == READINGS || !node_dice(8));
	}
	for (int i = 1; i < SERIALS; i++)
		if (l.path_of[i] < 0 || i <= SLOT_FIRST)
			of_others += l.received[i];
		else
			received[l.path_of[i]] += l.received[i];
	print_message("# %llu workloads, %llu folded, %llu in overflow\n",
		      (unsigned long long)n->s->serial,
		      (unsigned long long)snapshot_folded(n->s),
		      (unsigned long long)of_others);
	for (int i = 0; i < PATHS; i++) {
		assert_true(received[i] <= l.counted[i]);
		folded += l.counted[i] - received[i];
	}
	assert_int_equal(of_others, l.overflowed + folded);
	assert_true(snapshot_folded(n->s) > 100 && l.overflowed > 0); /* it was one */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		NODE_TEST(nothing_is_lost_or_counted_twice_in_a_life),
	};

	return cmocka_run_group_tests_name("life", tests, NULL, NULL);
}
