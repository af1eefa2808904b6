/* SPDX-License-Identifier: Apache-2.0 */
/* A node whose exports hold workloads back, and containers in it. */
#ifndef FAKE_HOLD_H
#define FAKE_HOLD_H

#include <limits.h>
#include "fake_node.h"
#include "base/util.h"
#include "workload/names_impl.h"

#define ID(c)	  c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c c
#define A	  ID("a0")
#define B	  ID("b1")
#define PAUSE	  ID("c2")
#define POD_NAME  "/kubepods/pod379560a2cb47f9b13c810328ff2bade1"
#define POD2_NAME "/kubepods/pod00000000cb47f9b13c810328ff2bade1"
#define HOLD	  (5 * FAKE_SECOND)

/* A node, and the directories that were made on it. */
struct held {
	struct node n;
	bool last; /* no export follows */
	struct {
		char path[PATH_MAX];
		uint64_t id;
	} made[256];
	size_t made_count;
};

static inline int setup(void **state)
{
	struct held *h = calloc(1, sizeof(*h));

	node_open(&h->n, 16);
	*state = h;
	return 0;
}

static inline int teardown(void **state)
{
	struct held *h = *state;

	node_close(&h->n);
	free(h);
	return 0;
}

/* As resource.c: by the names, then with the container's id behind. */
static inline int again(void *arg, struct workload *w)
{
	char *longer;

	assert_true(asprintf(&longer, "%s:%.12s", w->instance, w->id.container_id) > 0);
	free(w->instance);
	w->instance = longer;
	++*(int *)arg;
	return 0;
}

/* The first one of a group. */
static inline int first(void *arg, struct workload *w)
{
	/* a pod's is that of its cgroup, too */
	assert_true(asprintf(&w->instance, "%s.%s.", w->names->namespace,
			     w->id.kind == WORKLOAD_POD ? w->names->pod : "") > 0);
	return 0;
}

static inline void name_instances(struct node *n)
{
	for (size_t i = SLOT_FIRST; i < n->s->count; i++) {
		struct workload *w = n->s->workloads[i];
		const struct names *names = w->names;

		if (!names || w->instance)
			continue;
		assert_true(asprintf(&w->instance, "%s.%s.%s", names->namespace,
				     names->pod,
				     names->container ? names->container : "") > 0);
	}
}

/* What an export is made of. Returns how many were given up now. */
static inline int settle(struct held *h)
{
	int others = 0;
	struct hold_rules rules = { HOLD, h->last, again, &others, first };
	int given_up;

	assert_int_equal(snapshot_reap(h->n.s), 0);
	name_instances(&h->n);
	given_up = snapshot_settle(h->n.s, &rules);
	assert_true(given_up >= 0);
	return given_up;
}

/* What the export says of `unknown`. */
static inline uint64_t unknown(struct held *h)
{
	struct workload *all, *w;
	uint64_t kills;

	assert_int_equal(snapshot_unknown(h->n.s, &all), 0);
	w = all ? all : h->n.s->workloads[SLOT_UNKNOWN];
	assert_int_equal(w->id.kind, WORKLOAD_UNKNOWN);
	kills = kills_of(w);
	snapshot_free_workload(all);
	return kills;
}

/* The sum over all series that the export has. */
static inline uint64_t exported(struct held *h)
{
	struct snapshot *s = h->n.s;
	uint64_t sum = unknown(h);

	for (size_t i = 0; i < exported_count(s); i++) {
		struct workload *w = exported_at(s, i);

		if (w->sum)
			assert_int_equal(snapshot_sum_group(s, w), 0);
		if (i != SLOT_UNKNOWN && !w->held && !w->group)
			sum += kills_of(w);
	}
	return sum;
}

/* The export arrives, or does not; who is in it is settled. */
static inline void send(struct held *h, bool arrives)
{
	struct snapshot *s = h->n.s;
	uint64_t number = snapshot_export(s);

	for (size_t i = 0; i < exported_count(s); i++) {
		struct workload *w = exported_at(s, i);

		if (w->sum)
			assert_int_equal(snapshot_sum_group(s, w), 0);
		if (w->group)
			continue;
		if (!w->held && kills_of(w))
			w->settled = w->settled ? w->settled : number;
		else if (!w->held)
			w->ending.over = w->gone;
	}
	if (arrives)
		snapshot_accepted(s, number, 0, UINT64_MAX);
	snapshot_drop(s);
}

/* Reads after a second, and exports. */
static inline void export(struct held *h)
{
	node_read(&h->n);
	settle(h);
	send(h, true);
}

/* The cgroup of a path, made with all that it is in. */
static inline uint64_t make(struct held *h, const char *path)
{
	const char *last = strrchr(path, '/');
	struct cgroup_names *names = h->n.cells.names;
	char above[PATH_MAX];
	uint64_t parent, id;

	if (last == path) {
		parent = h->n.root_id;
	} else {
		snprintf(above, sizeof(above), "%.*s", (int)(last - path), path);
		parent = make(h, above);
	}
	for (size_t i = 0; i < h->made_count; i++)
		if (!strcmp(h->made[i].path, path))
			return h->made[i].id;
	id = node_mkdir(&h->n, last + 1);
	names->ring[(names->head - 1) % NAME_RING].parent = parent;
	assert_true(h->made_count < COUNT(h->made));
	snprintf(h->made[h->made_count].path, PATH_MAX, "%s", path);
	h->made[h->made_count++].id = id;
	return id;
}

/* The cgroup of a container, that has `more` events. */
static inline uint64_t begin(struct held *h, const char *path, uint64_t more)
{
	uint64_t id = make(h, path);

	node_kills(&h->n, node_slot(&h->n, id), more);
	return id;
}

static inline void more(struct held *h, uint64_t id, uint64_t events)
{
	node_kills(&h->n, node_slot(&h->n, id), events);
}

static inline void end(struct held *h, uint64_t id)
{
	node_rmdir(&h->n, id);
	cgroups_refresh(h->n.cgroups);
	snapshot_quarantine(h->n.s);
}

static inline struct names *names_like(const char *pod, const char *container)
{
	struct names *n = names_new();

	n->namespace = strdup("shop");
	n->pod = strdup(pod);
	n->container = container ? strdup(container) : NULL;
	n->image = container ? strdup("app") : NULL;
	n->sandbox = !container;
	n->restarts = 2;
	return n;
}

static inline struct workload *name(struct held *h, const char *path,
				    const char *container)
{
	struct workload *w = node_workload(&h->n, path);

	assert_int_equal(snapshot_take_names(h->n.s, w, names_like("web-0", container)),
			 0);
	return w;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
