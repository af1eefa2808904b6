/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU quota that a cgroup has now, of its own or of one above it (cpu.max). */
#ifndef CPU_LIMIT_H
#define CPU_LIMIT_H

#include <stddef.h>

struct cpu_limit {
	double cpus;	/* the lowest of them */
	char path[512]; /* whose it is, from the tree's root */
};

/*
 * Looks from the cgroup of this path up to the root. 0; -ENOENT: there is no limit, or
 * the controller is not there.
 */
int cpu_limit_read(const char *root, const char *path, struct cpu_limit *out);
/* The text of cpu.max in CPUs: 0: no limit. */
double cpu_limit_parse(const char *text);

#endif
