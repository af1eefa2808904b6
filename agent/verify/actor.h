/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Who makes events: processes of their own, each in a cgroup of its own that it enters
 * before anything else. They are ready before the first reading and stay until the
 * last, so that all that is counted is what they were told to do.
 */
#ifndef ACTOR_H
#define ACTOR_H

#include <stdint.h>
#include <sys/types.h>
#include "verify/stage.h"

enum actor_id {
	ACTOR_DNS,
	ACTOR_CALLS,
	ACTOR_SLEEPER,
	ACTOR_HOG,
	ACTOR_VICTIM,
	ACTOR_SERVER,
	ACTOR_CLIENT,
	ACTOR_BLOCK,
	ACTOR_COUNT,
};

/* rows.c */
extern const struct actor_row actor_rows[ACTOR_COUNT];

struct actor {
	pid_t pid;
	int to, from; /* its gate */
	int schedstat;
	bool failed;
	struct truth_sched before, after; /* at the two readings */
	uint64_t init_runs;		  /* of PID 1, while it worked */
};

struct actors {
	struct actor of[ACTOR_COUNT];
	struct truths *truths;
	struct scratch *scratch;
	int cpu;
	uint64_t init_runs; /* between the two readings */
};

/* Set by whoever handles SIGINT and SIGTERM: all waits end soon. */
extern volatile int actors_interrupted;

/*
 * Starts all of them, in groups below the scratch directory, and waits until they are
 * ready. -errno with one line in cause; actors_end_all() and actors_forget() in any
 * case.
 */
int actors_start(struct actors *a, struct scratch *s, char *cause, size_t len);
/* Has each of them come to its gate once more, to sleep there from now on. -errno. */
int actors_settle(struct actors *a);
/* The first reading is made: from now on all that happens is looked at. */
void actors_begin(struct actors *a);
/*
 * Lets all of them work, round by round. One that does not come back is skipped.
 * -EINTR.
 */
int actors_work(struct actors *a);
/* They are done, and sleep: before the last reading. */
void actors_end(struct actors *a);
/* Kills them; also fine before actors_start(), if all is 0. */
void actors_end_all(struct actors *a);
/* Drops the truth. */
void actors_forget(struct actors *a);

#endif
