// SPDX-License-Identifier: Apache-2.0
#include <stdlib.h>
#include "base/util.h"
#include "base/wall.h"

#define TRIES 5

/*
 * The best of some tries: whatever comes between two readings makes them far apart. It
 * is off by error_ns at most.
 */
static int64_t read_offset(const struct wall *w, int64_t *error_ns)
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
	*error_ns = (int64_t)(least / 2);
	return offset;
}

int64_t wall_measure(struct wall *w)
{
	int64_t error, offset = read_offset(w, &error), step = offset - w->offset_ns;

	/* what we are not sure of would be a reset of all series for nothing */
	if (w->known && (llabs(step) < WALL_STEP_NS || error > WALL_STEP_NS / 2))
		return 0;
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
