/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all CPUs of the node did, and its memory: by /proc/stat and /proc/meminfo. Times
 * are since the first reading.
 */
#ifndef NODE_USAGE_H
#define NODE_USAGE_H

#include <stddef.h>
#include <stdint.h>

/* The columns of /proc/stat. */
enum cpu_mode {
	CPU_USER,
	CPU_NICE,
	CPU_SYSTEM,
	CPU_IDLE,
	CPU_IOWAIT,
	CPU_INTERRUPT, /* hard and soft */
	CPU_STEAL,
	CPU_MODES,
};

struct node_usage {
	uint64_t ns[CPU_MODES]; /* of all CPUs together */
	uint64_t *stolen_ns;	/* of each CPU that ever was; `room` of them */
	uint32_t room, cpus;	/* cpus: those that are online */
	uint64_t memory, memory_available;		/* bytes; 0: not known */
	uint64_t first_ns[CPU_MODES], *first_stolen_ns; /* at the first reading */
	uint32_t known; /* entries of the above that there are */
};

/* Reads both files. 0, -errno, or -EINVAL: they are not what Linux has there. */
int node_usage_read(struct node_usage *u);
/* The same from their texts. */
int node_usage_parse(struct node_usage *u, const char *stat, const char *meminfo);
void node_usage_fini(struct node_usage *u);

#endif
