/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of their cgroups say, for all workloads that are there. */
#ifndef WORKLOAD_USAGE_H
#define WORKLOAD_USAGE_H

#include <stddef.h>

struct snapshot;
struct usage_reader;

/* Reads all files: exact, and of this moment. */
void workload_usage_files(struct snapshot *s, struct usage_reader *r);
/*
 * All in one pass of the kernel's iterator over cgroups, where it has one: cheap, but
 * pressure may be 2 s old, and major faults some calls. *next: which workload's faults
 * are read first; 0 at the beginning.
 */
void workload_usage_pass(struct snapshot *s, struct usage_reader *r, size_t *next);

#endif
