/* SPDX-License-Identifier: Apache-2.0 */
/*
 * CPU quota, memory use and pressure of a workload, from the files of its cgroup. They
 * need no BPF; what this kernel, or this tree, has no file for is simply not reported.
 */
#ifndef USAGE_H
#define USAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cgroups;

enum usage_value {
	USAGE_CPU_TIME,	      /* us */
	USAGE_THROTTLED_TIME, /* us */
	USAGE_PERIODS_FREE,   /* in which the quota sufficed */
	USAGE_PERIODS_THROTTLED,
	USAGE_MAJOR_FAULTS,
	USAGE_SOME,		     /* us; + enum usage_resource */
	USAGE_FULL = USAGE_SOME + 3, /* us; the same */
	USAGE_COUNTERS = USAGE_FULL + 3,
	/* what is now; not cumulative */
	USAGE_MEMORY = USAGE_COUNTERS, /* bytes */
	USAGE_MEMORY_LIMIT,
	USAGE_COUNT,
};

enum usage_resource { USAGE_CPU, USAGE_MEM, USAGE_IO, USAGE_RESOURCES };

/* What was read of one cgroup; has: a bit for each value that there is. */
struct usage_reading {
	uint64_t value[USAGE_COUNT];
	uint32_t has;
};

/* The usage of one workload; zeroed is none. */
struct usage {
	uint64_t id;			 /* the cgroup read last */
	uint64_t base[USAGE_COUNTERS];	 /* what its counters were when we began */
	uint64_t before[USAGE_COUNTERS]; /* of earlier cgroups of this path */
	uint64_t value[USAGE_COUNT];
	uint32_t has; /* a bit for each value that may be reported */
};

struct usage_reader;

/*
 * Reads all cgroups that are there: counting begins now. The cgroups are borrowed.
 * -ENOMEM, or -errno when the tree cannot be opened.
 */
int usage_open(struct cgroups *g, struct usage_reader **out);
/*
 * Reads the files of the cgroup at path and moves the workload's values on. Counters
 * never go down. When the cgroup is gone they stay, and what was now is no more.
 */
void usage_read(struct usage_reader *r, const char *path, struct usage *u);
void usage_close(struct usage_reader *r);

/* Reads the files of one cgroup; dir: a descriptor of its directory. */
void usage_read_dir(int dir, struct usage_reading *now);

#endif
