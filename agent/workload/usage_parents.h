/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a cgroup has come to with all those below it: CPU time and pressure. Where that
 * has not moved, the files of those below say what they said, and need not be read.
 *
 * Who runs or waits in a cgroup does so in each one above it (kernel/cgroup/rstat.c,
 * kernel/sched/psi.c: psi_task_change()).
 */
#ifndef USAGE_PARENTS_H
#define USAGE_PARENTS_H

#include "workload/usage.h"

struct usage_parents;

/* root: a descriptor of the tree's root, borrowed. NULL: no memory. */
struct usage_parents *usage_parents_new(int root);
/* Forgets the cgroups that nobody has asked about for some rounds. */
void usage_parents_round(struct usage_parents *p);
/*
 * What the cgroups above the one at path have come to: those of its parent, or, while
 * that one has few below it, of who is above. Each is read once in a round at most;
 * `round` is that of the call before of usage_parents_round().
 */
struct usage_marks usage_parents_look(struct usage_parents *p,
				      const struct usage_round *round,
				      const char *path);
void usage_parents_free(struct usage_parents *p);

#endif
