/* SPDX-License-Identifier: Apache-2.0 */
/* What the threads of a cgroup sleep in: now, by /proc. */
#ifndef STUCK_THREADS_H
#define STUCK_THREADS_H

#include <stddef.h>
#include "bpf/syscall.h"

/* Threads that sleep in the same, and one of them; rather one that no signal wakes. */
struct sleepers {
	size_t count;
	size_t uninterruptible; /* of them: no signal wakes them */
	size_t locks;		/* of the others: in flock(2), until another lets go */
	char call[32];		/* the system call; "": none, or it cannot be read */
	char wchan[48];		/* where in the kernel it sleeps; "" as well */
	char command[32];	/* its name */
};

struct stuck_threads {
	size_t all;		/* threads of the cgroup */
	struct sleepers asleep; /* in whatever */
	/* in a call of a class; native calls, of those on descriptors only on files */
	struct sleepers of[CALL_CLASSES];
};

/*
 * Looks at those of the cgroup in this directory (proc(5): stat, syscall, wchan). 0, or
 * -errno: its threads cannot be seen from here (another pid namespace, no such cgroup).
 */
int stuck_threads_read(const char *cgroup_dir, struct stuck_threads *out);

#endif
