// SPDX-License-Identifier: Apache-2.0
/*
 * Containers of a few pods come, are named or not, early or late, go and are started
 * again under the same names; exports arrive or do not. At each of them what they say,
 * what has arrived of who is gone and what is held back is all that has happened, and a
 * receiver that knows instances only has one writer for each.
 */
#include "fake_hold.h"
#include "reading/kept.h"

#define LIVING	 5
#define NAMES	 4 /* instances */
#define SERIALS	 8192
#define READINGS 280 /* a second each: before the tree is walked again */

struct life {
	struct held *h;
	struct {
		uint64_t id;
		char path[256];
		int name;  /* what it is called */
		int after; /* named after so many seconds; negative: never */
	} groups[LIVING];
	uint64_t counted, received[SERIALS], writer[NAMES];
	uint64_t kept; /* in all readings of the history */
	bool there[SERIALS];
	int restarts, late, chains;
};

/* One whose names are in use is not started beside the other one. */
static bool is_used(const struct life *l, int name)
{
	for (int i = 0; i < LIVING; i++)
		if (l->groups[i].id && l->groups[i].name == name)
			return true;
	return false;
}

static void start(struct life *l, int i)
{
	static int number;
	int name = node_dice(NAMES);

	if (is_used(l, name))
		return;
	l->groups[i].name = name;
	l->groups[i].after = !node_dice(8) ? -1 : node_dice(3) ? 0 : (int)node_dice(14);
	snprintf(l->groups[i].path, sizeof(l->groups[i].path), POD_NAME "/%064x",
		 ++number);
	l->h->made_count = 0; /* parents are made anew: nobody looks at them */
	l->groups[i].id = make(l->h, l->groups[i].path);
}

static void happen(struct life *l, int i)
{
	uint64_t some = 1 + node_dice(100);

	if (!l->groups[i].id) {
		start(l, i);
		if (!l->groups[i].id)
			return;
	} else if (!node_dice(4)) {
		end(l->h, l->groups[i].id);
		l->groups[i].id = 0;
		return;
	}
	more(l->h, l->groups[i].id, some);
	l->counted += some;
}

/* Names come, also of those that are gone but are kept yet. */
static void find(struct life *l)
{
	for (int i = 0; i < LIVING; i++) {
		struct workload *w =
		    l->groups[i].id ? node_find(&l->h->n, l->groups[i].path) : NULL;
		struct names *n;
		char pod[16];

		if (!w || w->names || l->groups[i].after < 0 ||
		    l->groups[i].after-- > 0)
			continue;
		l->late += w->unnamed;
		snprintf(pod, sizeof(pod), "%d", l->groups[i].name);
		n = names_like(pod, "c");
		assert_int_equal(snapshot_take_names(l->h->n.s, w, n), 0);
	}
}

/* All that has happened is somewhere, once. */
static void check_sum(struct life *l)
{
	struct snapshot *s = l->h->n.s;
	bool here[SERIALS] = { false };
	uint64_t sum = exported(l->h);

	for (size_t i = 0; i < s->count; i++) {
		const struct workload *w = s->workloads[i];

		here[w->serial] = true;
		if (w->held && !w->unnamed)
			sum += kills_of(w);
	}
	for (size_t i = 0; i < SERIALS; i++)
		if (!here[i])
			sum += l->received[i];
	assert_int_equal(sum, l->counted);
}

/* Of one instance: the newest that has values in the export that arrives. */
static void check_writers(struct life *l)
{
	struct snapshot *s = l->h->n.s;
	uint64_t newest[NAMES] = { 0 };
	uint32_t left[NAMES];

	for (size_t i = SLOT_FIRST; i < s->count; i++) {
		struct workload *w = s->workloads[i];
		int name;

		if (w->held || !w->names || !kills_of(w) || w->ending.last ||
		    strchr(w->instance, ':'))
			continue;
		name = atoi(w->names->pod);
		/* whoever wrote before it writes no more, or a moment earlier */
		assert_true(w->serial >= l->writer[name]);
		if (newest[name]) {
			assert_true(left[name] > w->successors);
			l->chains++;
		}
		left[name] = w->successors;
		newest[name] = w->serial;
	}
	for (int i = 0; i < NAMES; i++)
		if (newest[i] > l->writer[i]) {
			l->restarts += l->writer[i] != 0;
			l->writer[i] = newest[i];
		}
}

/* A reading for the history: all that has happened is in one of them, once. */
static void keep(struct life *l)
{
	struct snapshot *s = l->h->n.s;

	for (size_t i = 0; i < s->count; i++) {
		struct workload *w = s->workloads[i], made;

		if (w->into || kept_is_whole(w) || !kept_has_any(w))
			continue;
		assert_int_equal(kept_make(w, 0, &made), 0);
		l->kept += kills_of(&made) + (w->owed ? kills_of(w->owed) : 0);
		assert_int_equal(kept_note(w, &made), 0);
		kept_free(&made);
		kept_drop_owed(w);
	}
	assert_int_equal(l->kept, l->counted);
}

static void arrive(struct life *l)
{
	struct snapshot *s = l->h->n.s;

	check_writers(l);
	for (size_t i = SLOT_FIRST; i < s->count; i++)
		if (!s->workloads[i]->held)
			l->received[s->workloads[i]->serial] =
			    kills_of(s->workloads[i]);
}

static void every_event_is_told_once_by_one_writer(void **state)
{
	struct life *l = calloc(1, sizeof(*l));

	l->h = *state;
	snapshot_keep(l->h->n.s, UINT64_MAX);
	for (int i = 0; i < READINGS; i++) {
		for (int k = 0; k < LIVING; k++)
			happen(l, k);
		node_read(&l->h->n);
		find(l);
		if (i % 4 == 1)
			keep(l);
		if (!node_dice(3)) {
			bool arrives = node_dice(4) != 0;

			settle(l->h);
			check_sum(l);
			if (arrives)
				arrive(l);
			send(l->h, arrives);
		}
	}
	l->h->last = true;
	node_read(&l->h->n);
	settle(l->h);
	check_sum(l);
	keep(l);
	assert_int_equal(snapshot_folded(l->h->n.s), 0);
	print_message("# %d events, %d restarts, %d late names, %d in chains\n",
		      (int)l->counted, l->restarts, l->late, l->chains);
	assert_true(l->restarts > 10 && l->late > 2 && l->chains > 3);
	free(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(every_event_is_told_once_by_one_writer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
