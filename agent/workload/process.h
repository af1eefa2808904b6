/* SPDX-License-Identifier: Apache-2.0 */
/* Which cgroup a process is in, for who names a workload by one of its processes. */
#ifndef PROCESS_H
#define PROCESS_H

#include <stdbool.h>
#include <stddef.h>

#define PROCESS_PATH 4096

struct process {
	bool is_kernel; /* a thread of the kernel's: whatever its cgroup, that is whose
			 */
	/* its cgroup's path, from the host's root or from that of our namespace */
	char path[PROCESS_PATH];
	/* it is from the host's: we are in no cgroup namespace of our own. Else one
	 * that begins with "/.." is of who is not below that. */
	bool is_whole;
};

/*
 * Looks at a process below proc ("/proc"). 0; -ESRCH: there is none of that number;
 * -ENOENT: it is in no cgroup of v2.
 */
int process_find(const char *proc, long pid, struct process *out);
/*
 * Finds the process in a tree of cgroups that is mounted at root: its path there, as
 * one from the host's root if the tree is the host's. False: it is not there, or its
 * cgroup is too deep, or may not be looked at.
 */
bool process_search(const char *root, long pid, char *out, size_t len);

#endif
