/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU time, quota, memory and pressure of all cgroups at once, by an iterator of the
 * kernel's over them (6.1 and later; bpf/usage.bpf.c).
 */
#ifndef CGROUP_STATS_H
#define CGROUP_STATS_H

#include <stddef.h>
#include <stdint.h>
#include "bpf/usage.h"

struct cgroup_stats;

/*
 * root: a descriptor of the directory whose cgroups are meant, with itself. rows: for
 * so many at most. -errno: this kernel has no such iterator, or does not let us; or
 * -ENOMEM.
 */
int cgroup_stats_open(int root, uint32_t rows, struct cgroup_stats **out);
/*
 * Reads them all. The kernel's CPU times are as of its latest flush: reading cpu.stat
 * of a cgroup flushes what is below it. -errno.
 */
int cgroup_stats_read(struct cgroup_stats *s);
/* What was read: count rows; as many as fit means that some may be missing. */
const struct usage_row *cgroup_stats_rows(const struct cgroup_stats *s, size_t *count);
void cgroup_stats_close(struct cgroup_stats *s);

#endif
