// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "base/util.h"
#include "base/wall.h"

#define TRIES 5

/* The best of some tries: whatever comes between two readings makes them far apart. */
static int64_t read_offset(const struct wall *w)
{
	uint64_t (*boot_ns)(void) = w->boot_ns ? w->boot_ns : now_boot_ns;
	uint64_t (*wall_ns)(void) = w->wall_ns ? w->wall_ns : now_wall_ns;
	uint64_t least = UINT64_MAX;
	int64_t offset = 0;

	for (int i = 0; i < TRIES; i++) {
		uint64_t before = boot_ns(), wall = wall_ns();
		uint64_t took = boot_ns() - before;

		if (took >= least)
			continue;
		least = took;
		offset = (int64_t)(wall - before - took / 2);
	}
	return offset;
}

/*
 * Whatever begins from now on starts by this offset; and what began when the clock said
 * it was later than it is now, which is less long ago than it was set back by.
 */
static void begin_offset(struct wall *w, uint64_t now_ns, int64_t offset)
{
	struct wall_offset next = { now_ns, offset };

	while (w->start_count) {
		const struct wall_offset *last = &w->starts[w->start_count - 1];
		int64_t back = last->offset_ns - offset;

		if (back <= 0)
			break;
		next.since_ns = now_ns > (uint64_t)back ? now_ns - back : 0;
		if (next.since_ns > last->since_ns)
			break;
		next.since_ns = last->since_ns;
		w->start_count--;
	}
	if (w->start_count < WALL_STEPS)
		w->starts[w->start_count++] = next;
	else if (offset < w->starts[WALL_STEPS - 1].offset_ns)
		w->starts[WALL_STEPS - 1].offset_ns = offset;
}

int64_t wall_measure(struct wall *w)
{
	int64_t offset = read_offset(w), step = offset - w->offset_ns;

	if (w->known && llabs(step) < WALL_STEP_NS)
		return 0;
	begin_offset(w, w->boot_ns ? w->boot_ns() : now_boot_ns(), offset);
	w->offset_ns = offset;
	if (!w->known)
		step = 0;
	w->known = true;
	return step;
}

uint64_t wall_time(int64_t offset_ns, uint64_t boot_ns)
{
	int64_t t = (int64_t)boot_ns + offset_ns;

	return t > 0 ? t : 1;
}

uint64_t wall_start(const struct wall *w, uint64_t boot_ns)
{
	unsigned int i = w->start_count;

	while (i > 1 && w->starts[i - 1].since_ns > boot_ns)
		i--;
	return wall_time(i ? w->starts[i - 1].offset_ns : w->offset_ns, boot_ns);
}
