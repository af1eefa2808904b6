/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's own statistics of a process' programs (BPF_ENABLE_STATS): how often they
 * ran and how long that took. They cost each run of any program on the node some tens
 * of ns while they are on, so nobody keeps them on for long.
 */
#ifndef PROG_STATS_H
#define PROG_STATS_H

#include <stdint.h>
#include <sys/types.h>
#include "bpf/cell.h"

struct prog_stats {
	uint64_t runs[PROGRAM_COUNT], ns[PROGRAM_COUNT];
};

/* Switches them on: a descriptor, whose end switches them off; or -errno. */
int prog_stats_on(void);
/*
 * Reads those of the programs that a process holds. Needs CAP_SYS_ADMIN, and to see the
 * process' descriptors. -errno; -ENOENT: it holds none of ours.
 */
int prog_stats_read(pid_t pid, struct prog_stats *out);

#endif
