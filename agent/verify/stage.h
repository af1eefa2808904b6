/* SPDX-License-Identifier: Apache-2.0 */
/* What an actor is, and what it has to work with: for the files that make events. */
#ifndef STAGE_H
#define STAGE_H

#include "verify/scratch.h"
#include "verify/truth.h"

struct actor_row;

/* What an actor works with. */
struct actor_stage {
	const struct actor_row *row;
	struct truths *truths;
	const struct scratch *scratch;
	int cpu; /* to be on, for who has to stay on one */
};

struct actor_row {
	const char *name;   /* of its cgroup, too */
	unsigned int round; /* those of one round work at the same time */
	/* its truths, or those of who needs it: the first, and the one behind the last
	 */
	enum truth_id first, end;
	/* Before the first reading. What cannot be made it says by truth_skip(). */
	void (*prepare)(const struct actor_stage *s);
	/* Makes its events. */
	void (*work)(const struct actor_stage *s);
	/* NULL, or told of its sleep in the gate's read(2) before work(). */
	void (*waited)(const struct actor_stage *s, const struct truth_look *before,
		       const struct truth_look *after);
};

/* Skips all of an actor's truths: what failed, and -errno or 0. */
void stage_skip(const struct actor_stage *s, const char *what, int err);

/* What each file makes. */
void calls_prepare(const struct actor_stage *s);
void calls_work(const struct actor_stage *s);
void sleeps_prepare(const struct actor_stage *s);
void sleeps_work(const struct actor_stage *s);
void sleeps_waited(const struct actor_stage *s, const struct truth_look *before,
		   const struct truth_look *after);
void waits_prepare(const struct actor_stage *s);
void waits_work(const struct actor_stage *s);
void waits_hog(const struct actor_stage *s);
void tcp_prepare_server(const struct actor_stage *s);
void tcp_prepare_client(const struct actor_stage *s);
void tcp_serve(const struct actor_stage *s);
void tcp_ask(const struct actor_stage *s);
void dns_prepare(const struct actor_stage *s);
void dns_work(const struct actor_stage *s);
void block_prepare(const struct actor_stage *s);
void block_work(const struct actor_stage *s);

#endif
