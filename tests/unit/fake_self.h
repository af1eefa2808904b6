/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent says of itself, of a state that the test knows. */
#ifndef FAKE_SELF_H
#define FAKE_SELF_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/util.h"
#include "fake_clock.h"
#include "fake_maps.h"
#include "metric/export_stats.h"
#include "metric/self.h"

#define CPUS 2

/* An agent's state, and what it says of itself. */
static struct {
	struct cells cells;
	struct control control;
	struct probe probes[PROBE_COUNT];
	struct export_stats stats;
	struct self self;
	struct self_facts facts;
	struct points points;
	struct point_group *group;
	uint64_t misses; /* of each program */
} with;

/* What the kernel knows of a program. */
int bpf_obj_get_info_by_fd(int fd, void *info, __u32 *len)
{
	assert_int_equal(*len, sizeof(struct bpf_prog_info));
	((struct bpf_prog_info *)info)->recursion_misses = with.misses;
	return 0;
}

static inline int begin(void **state)
{
	static const struct cpu_state cpu;
	static const struct call_ring calls;
	static const struct dns_gate gate;
	static struct series_row rows[1024];
	struct cells *c = &with.cells;

	memset(&with, 0, sizeof(with));
	c->plan = (struct cells_plan){ .cpus = CPUS,
				       .slots = 1024,
				       .total = 6000000,
				       .bytes = { [PART_AGENT] = 1000000 } };
	c->rows = rows;
	c->control = &with.control;
	c->fds[MAP_CPUS] = fake_map_make(MAP_CPUS, sizeof(uint32_t), sizeof(cpu));
	c->fds[MAP_CALL_RINGS] =
	    fake_map_make(MAP_CALL_RINGS, sizeof(uint32_t), sizeof(calls));
	c->fds[MAP_DNS_GATES] =
	    fake_map_make(MAP_DNS_GATES, sizeof(uint32_t), sizeof(gate));
	for (uint32_t i = 0; i <= CPUS; i++) {
		if (i < CPUS) {
			bpf_map_update_elem(c->fds[MAP_CPUS], &i, &cpu, 0);
			bpf_map_update_elem(c->fds[MAP_CALL_RINGS], &i, &calls, 0);
		}
		bpf_map_update_elem(c->fds[MAP_DNS_GATES], &i, &gate, 0);
	}
	for (int i = 0; i < PROBE_COUNT; i++)
		with.probes[i] =
		    (struct probe){ .desc = &probe_descs[i], .state = PROBE_ATTACHED };
	with.facts = (struct self_facts){ .probes = with.probes,
					  .cells = c,
					  .slots_used = 17,
					  .stats = &with.stats };
	self_init(&with.self);
	fake_now_ns += FAKE_SECOND;
	return 0;
}

static inline int end(void **state)
{
	points_fini(&with.points);
	for (int m = 0; m < MAPS_SHARED; m++)
		fake_map_make(m, 0, 0);
	return 0;
}

/* Takes all points anew. Number: of the export, 0: somebody asks at the socket. */
static inline void look(uint64_t number)
{
	size_t count;

	points_fini(&with.points);
	with.points = (struct points){ .number = number };
	with.facts.number = number;
	with.group = points_group(&with.points);
	assert_int_equal(self_add(&with.self, with.group, &with.facts), 0);
	count = with.group->count;
	assert_int_equal(points_merge(with.group), 0);
	assert_int_equal(with.group->count, count); /* no two have the same name */
}

static inline bool same_value(const char *has, const char *want)
{
	return has && want ? !strcmp(has, want) : has == want;
}

/* The point of a metric with these attributes, or NULL. */
static inline const struct point *find(const char *metric, const char *a, const char *b,
				       const char *c)
{
	for (size_t i = 0; i < with.group->count; i++) {
		const struct point *p = &with.group->points[i];

		if (!strcmp(p->metric->name, metric) && same_value(p->values[0], a) &&
		    same_value(p->values[1], b) && same_value(p->values[2], c))
			return p;
	}
	return NULL;
}

static inline size_t points_of(const char *metric)
{
	size_t n = 0;

	for (size_t i = 0; i < with.group->count; i++)
		n += !strcmp(with.group->points[i].metric->name, metric);
	return n;
}

#define SELF_TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

#endif
