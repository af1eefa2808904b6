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

/* All files of each cgroup are read so often; some are in between, see usage_read(). */
#define USAGE_WHOLE_NS 60000000000ULL

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
	uint64_t ran_us;		/* what cpu.stat said last */
	uint64_t whole_ns;		/* when all files were read */
	uint64_t node[USAGE_RESOURCES]; /* as in struct usage_round, at that time */
	uint32_t has;			/* a bit for each value that may be reported */
};

/* One time that the files of all cgroups are read. */
struct usage_round {
	uint64_t now_ns; /* monotonic */
	bool whole;	 /* all files: what is read now is the last */
	/* of the node: for how long any task of it has waited, in us; 0: not known */
	uint64_t node[USAGE_RESOURCES];
};

struct usage_reader;

/*
 * Reads all cgroups that are there: counting begins now. The cgroups are borrowed.
 * -ENOMEM, or -errno when the tree cannot be opened.
 */
int usage_open(struct cgroups *g, struct usage_reader **out);
/* Begins a round: reads the clock and /proc/pressure. */
void usage_round(struct usage_round *round, bool whole);
/*
 * Reads the files of the cgroup at path and moves the workload's values on. Counters
 * never go down. When the cgroup is gone they stay, and what was now is no more.
 *
 * A file is left out when what it says cannot have changed, or hardly: pressure when
 * the node's is what it was (Documentation/accounting/psi.rst: who waits in a cgroup
 * waits in the system); that of the CPU, and the use of memory, when nothing of the
 * cgroup has run since; the limit of memory and its major faults (memory.stat makes the
 * kernel add up what all CPUs hold of it) are up to USAGE_WHOLE_NS old.
 */
void usage_read(struct usage_reader *r, const struct usage_round *round,
		const char *path, struct usage *u);
void usage_close(struct usage_reader *r);

/* The files of a cgroup, each a bit. */
enum usage_file {
	USAGE_FILE_CPU_STAT,
	USAGE_FILE_MEMORY_STAT,
	USAGE_FILE_MEMORY,
	USAGE_FILE_MEMORY_MAX,
	USAGE_FILE_PRESSURE, /* + enum usage_resource */
	USAGE_FILES = USAGE_FILE_PRESSURE + USAGE_RESOURCES,
};
#define USAGE_ALL ((1U << USAGE_FILES) - 1)

/*
 * Reads those of these files of a cgroup that there are, and adds what they say to
 * `now`; dir: a descriptor of its directory.
 */
void usage_read_dir(int dir, uint32_t files, struct usage_reading *now);

#endif
