/* SPDX-License-Identifier: Apache-2.0 */
/* Which threads of a cgroup are in a sleep that no signal ends: now, by /proc. */
#ifndef STUCK_THREADS_H
#define STUCK_THREADS_H

#include <stddef.h>

struct stuck_threads {
	size_t count;	  /* of them */
	size_t all;	  /* threads of the cgroup */
	char call[32];	  /* the system call of the first one; "": it cannot be read */
	char wchan[48];	  /* where in the kernel that sleeps; "" as well */
	char command[32]; /* its name */
};

/*
 * Looks at those of the cgroup in this directory. 0, or -errno: its threads cannot be
 * seen from here (another pid namespace, no such cgroup).
 */
int stuck_threads_read(const char *cgroup_dir, struct stuck_threads *out);

#endif
