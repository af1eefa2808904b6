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
struct kept_files;
struct usage_kept;

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
	USAGE_CPU_LIMIT, /* millionths of a CPU */
	USAGE_COUNT,
};

enum usage_resource { USAGE_CPU, USAGE_MEM, USAGE_IO, USAGE_RESOURCES };

/* The files of a cgroup, each a bit. */
enum usage_file {
	USAGE_FILE_CPU_STAT,
	USAGE_FILE_MEMORY_STAT,
	USAGE_FILE_MEMORY,
	USAGE_FILE_MEMORY_MAX,
	USAGE_FILE_CPU_MAX,
	USAGE_FILE_PRESSURE, /* + enum usage_resource */
	USAGE_FILES = USAGE_FILE_PRESSURE + USAGE_RESOURCES,
};
#define USAGE_ALL ((1U << USAGE_FILES) - 1)

/* What was read of one cgroup; has: a bit for each value that there is. */
struct usage_reading {
	uint64_t value[USAGE_COUNT];
	uint32_t has;
};

/* By what it is known whether files may say something else than before; 0: not known.
 */
struct usage_marks {
	uint64_t cpu_us;		/* CPU time */
	uint64_t some[USAGE_RESOURCES]; /* for how long any task has waited, in us */
};

/* The usage of one workload; zeroed is none. */
struct usage {
	uint64_t id;			 /* the cgroup read last */
	uint64_t base[USAGE_COUNTERS];	 /* what its counters were when we began */
	uint64_t before[USAGE_COUNTERS]; /* of earlier cgroups of this path */
	uint64_t value[USAGE_COUNT];
	uint64_t ran_us;	  /* what cpu.stat said last */
	uint64_t whole_ns;	  /* when its limits were read */
	struct usage_marks above; /* of who is above it, when its files were read */
	uint32_t kept;		  /* where its descriptors are: usage_kept.h */
	uint32_t has;		  /* a bit for each value that may be reported */
};

/* One time that the files of all cgroups are read. */
struct usage_round {
	uint64_t now_ns;	 /* monotonic */
	bool whole;		 /* all files: what is read now is the last */
	struct usage_marks node; /* of the node; it always runs */
};

struct usage_reader;

/*
 * Reads all cgroups that are there: counting begins now. The cgroups are borrowed.
 * -ENOMEM, or -errno when the tree cannot be opened.
 */
int usage_open(struct cgroups *g, struct usage_reader **out);
/* Begins a round: reads the clock and /proc/pressure. */
void usage_round(struct usage_reader *r, struct usage_round *round, bool whole);
/*
 * Reads the files of the cgroup at path and moves the workload's values on. Counters
 * never go down. When the cgroup is gone they stay, and what was now is no more.
 *
 * A file is left out when what it says cannot have changed, or hardly: CPU time and
 * pressure when they are what they were above it (usage_parents.h; of the node:
 * Documentation/accounting/psi.rst); pressure of the CPU, and the use of memory, when
 * nothing of the cgroup has run since; limits of memory and CPU and major faults
 * (memory.stat makes the kernel add up what all CPUs hold of it) are up to
 * USAGE_WHOLE_NS old.
 */
void usage_read(struct usage_reader *r, const struct usage_round *round,
		const char *path, struct usage *u);
/* From now on its counters count from 0. */
void usage_restart(struct usage *u);
/* The workload's cgroup is gone: closes what is kept of it. */
void usage_forget(struct usage_reader *r, const struct usage *u);
void usage_close(struct usage_reader *r);

uint64_t usage_mark(const struct usage_reading *r, enum usage_value v);
/* The files of CPU time and pressure that may say something else, by what is above now,
 * and was before. */
uint32_t usage_moved(const struct usage_marks *now, const struct usage_marks *before);

/* Where the files of one cgroup are read from. */
struct usage_source {
	int dir;		 /* its directory; -1: only what is kept is read */
	struct usage_kept *all;	 /* NULL: none is kept, as below */
	struct kept_files *kept; /* this cgroup's; NULL: none */
	bool keeps;		 /* descriptors that are opened may be kept */
	bool stale;		 /* a descriptor was of a cgroup that is gone */
};

/*
 * Reads those of these files of a cgroup that there are, and adds what they say to
 * `now`.
 */
void usage_read_files(struct usage_source *from, uint32_t files,
		      struct usage_reading *now);
/* The same of the pressure that the node has of a resource. */
void usage_read_node(enum usage_resource res, struct usage_reading *now);

#endif
