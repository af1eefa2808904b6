/* SPDX-License-Identifier: Apache-2.0 */
/* A node whose exports take workloads together. */
#ifndef FAKE_GROUPS_H
#define FAKE_GROUPS_H

#include "fake_hold.h"
#include "workload/select.h"

#define OTHER_POD POD2_NAME

static struct grouping *fake_grouping; /* of the test that runs */

static inline int setup_by(void **state, enum group_by by)
{
	int err = setup(state);
	struct held *h = *state;

	fake_grouping = calloc(1, sizeof(*fake_grouping));
	fake_grouping->by = by;
	snapshot_group(h->n.s, fake_grouping);
	return err;
}

static inline int setup_pods(void **state)
{
	return setup_by(state, GROUP_POD);
}

static inline int setup_namespaces(void **state)
{
	return setup_by(state, GROUP_NAMESPACE);
}

static inline int teardown_groups(void **state)
{
	free(fake_grouping);
	return teardown(state);
}

/* The only group of this name, that is not forgotten. */
static inline struct workload *group_of(struct held *h, const char *name)
{
	struct workload *found = NULL;

	for (size_t i = 0; i < h->n.s->group_count; i++)
		if (!strcmp(h->n.s->groups[i]->id.name, name)) {
			assert_null(found);
			found = h->n.s->groups[i];
		}
	if (!found)
		fail_msg("there is no group %s", name);
	return found;
}

static inline uint64_t kills_in(struct held *h, const char *name)
{
	struct workload *g = group_of(h, name);
	uint64_t kills;

	assert_int_equal(snapshot_sum_group(h->n.s, g), 0);
	kills = kills_of(g);
	snapshot_clear_group(g);
	return kills;
}

static inline struct workload *named(struct held *h, const char *path, const char *pod,
				     const char *container)
{
	struct workload *w = node_workload(&h->n, path);

	assert_int_equal(snapshot_take_names(h->n.s, w, names_like(pod, container)), 0);
	return w;
}

/* Reads; who has this path is called so; exports. */
static inline void export_with(struct held *h, const char *path, const char *pod,
			       const char *container)
{
	node_read(&h->n);
	named(h, path, pod, container);
	settle(h);
	send(h, true);
}

#define GROUPS(name, how) cmocka_unit_test_setup_teardown(name, how, teardown_groups)

#endif
