// SPDX-License-Identifier: Apache-2.0
/*
 * Containers of pods that come, have a name at once, late or never, count, and go, in
 * an order by dice, while exports arrive or not: at any moment all that was counted is
 * in what exports have and what is held back, once; and no series goes down.
 */
#include "fake_groups.h"

#define STEPS	   4000
#define CONTAINERS 10 /* at a time */
#define PODS	   4
#define SERIALS	   20000

/* One that is there. */
struct one {
	uint64_t id; /* 0: none */
	char path[200];
	char pod[20];
	bool named;
};

struct life {
	struct held *h;
	struct one ones[CONTAINERS];
	unsigned int made;
	uint64_t counted;
	struct {
		uint64_t value, start;
		bool there, arrived; /* its last values have */
	} noted[SERIALS];	     /* what exports have, by its serial */
	uint64_t forgotten;	     /* what those had that are no more */
};

static void begin_one(struct life *l, struct one *o)
{
	unsigned int pod = node_dice(PODS), age = l->made / 64;

	if (l->h->made_count > 200)
		l->h->made_count = 0;
	*o = (struct one){ .named = false };
	/* now and then the pods are made anew, under the same names */
	snprintf(o->path, sizeof(o->path),
		 "/kubepods/pod%08x-cb47-f9b1-3c81-%012x/%064x", pod, age, ++l->made);
	snprintf(o->pod, sizeof(o->pod), "web-%u", pod);
	o->id = begin(l->h, o->path, 1);
	l->counted++;
}

static void name_one(struct life *l, struct one *o)
{
	if (o->named || !node_find(&l->h->n, o->path))
		return;
	named(l->h, o->path, o->pod, "nginx");
	o->named = true;
}

static void change(struct life *l)
{
	struct one *o = &l->ones[node_dice(CONTAINERS)];
	uint32_t events = node_dice(100);

	if (!o->id) {
		begin_one(l, o);
	} else if (node_dice(4)) {
		more(l->h, o->id, events);
		l->counted += events;
		if (!node_dice(3))
			name_one(l, o);
	} else {
		if (node_dice(2))
			name_one(l, o);
		end(l->h, o->id);
		o->id = 0;
	}
}

/* What is in no export yet. */
static uint64_t held_back(struct snapshot *s)
{
	uint64_t sum = 0;

	for (size_t i = SLOT_FIRST; i < exported_count(s); i++) {
		struct workload *w = exported_at(s, i);

		if (w->sum)
			assert_int_equal(snapshot_sum_group(s, w), 0);
		if (w->held && !w->into && !w->unnamed)
			sum += kills_of(w);
	}
	return sum;
}

/* Notes what exports have now; what they had before must not have been more. */
static void note(struct life *l)
{
	struct snapshot *s = l->h->n.s;

	for (size_t i = SLOT_FIRST; i < exported_count(s); i++) {
		struct workload *w = exported_at(s, i);

		if (w->group || w->held || w->into)
			continue;
		if (w->sum)
			assert_int_equal(snapshot_sum_group(s, w), 0);
		assert_true(w->serial < SERIALS);
		assert_true(kills_of(w) >= l->noted[w->serial].value);
		if (l->noted[w->serial].start)
			assert_int_equal(w->start_ns, l->noted[w->serial].start);
		assert_in_range(w->start_ns, s->open_ns, s->time_ns);
		l->noted[w->serial].value = kills_of(w);
		l->noted[w->serial].start = w->start_ns;
		l->noted[w->serial].there = true;
		l->noted[w->serial].arrived = w->ending.last;
	}
}

/* Those that are no more, and are in no other's counts. */
static void note_forgotten(struct life *l)
{
	struct snapshot *s = l->h->n.s;
	bool *there = calloc(SERIALS, sizeof(*there));

	for (size_t i = SLOT_FIRST; i < exported_count(s); i++)
		there[exported_at(s, i)->serial] = true;
	for (size_t i = 0; i < SERIALS; i++) {
		if (!l->noted[i].there || there[i])
			continue;
		if (l->noted[i].arrived)
			l->forgotten += l->noted[i].value;
		l->noted[i].there = false;
	}
	free(there);
}

static void nothing_is_lost_or_counted_twice(void **state)
{
	struct life *l = calloc(1, sizeof(*l));
	size_t most = 0;

	l->h = *state;
	for (int step = 0; step < STEPS; step++) {
		bool heard = step / 200 % 3; /* an outage now and then */

		change(l);
		if (node_dice(3))
			continue;
		node_read(&l->h->n);
		settle(l->h);
		note_forgotten(l);
		assert_int_equal(exported(l->h) + held_back(l->h->n.s) + l->forgotten,
				 l->counted);
		note(l);
		if (heard || node_dice(2))
			send(l->h, heard);
		else
			snapshot_make_room(l->h->n.s);
		note(l);
		note_forgotten(l);
		if (exported_count(l->h->n.s) > most)
			most = exported_count(l->h->n.s);
	}
	assert_in_range(most, 8, 4 * l->h->n.s->cells->plan.slots);
	free(l);
}

static int setup_containers(void **state)
{
	return setup_by(state, GROUP_CONTAINER);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		GROUPS(nothing_is_lost_or_counted_twice, setup_containers),
		GROUPS(nothing_is_lost_or_counted_twice, setup_pods),
		GROUPS(nothing_is_lost_or_counted_twice, setup_namespaces),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
