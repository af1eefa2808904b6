/* SPDX-License-Identifier: Apache-2.0 */
/* What the files agent*.c have in common, and nobody else knows. */
#ifndef AGENT_IMPL_H
#define AGENT_IMPL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct api;
struct api_ops;
struct export;
struct history;
struct measure;
struct node_lock;
struct options;
struct status_history;

struct agent {
	const struct options *o;
	struct measure *measure;
	struct export *export;	 /* NULL: --export none */
	struct history *history; /* NULL: none */
	uint64_t kept_ns;	 /* monotonic: the latest reading in it; 0: none */
	struct api *api;
	struct api *waiting;	/* the socket of one that waits; NULL: there is none */
	struct node_lock *lock; /* NULL: --node-lock none */
	bool waited;		/* another agent held it */
	uint32_t holder;	/* its process, in the initial PID namespace */
	int signals;
	uint64_t began_ns, waited_ns, ready_ns; /* monotonic; 0: not yet */
	uint64_t next_snapshot_ns, next_export_ns;
	uint64_t tunes_ns;  /* from when on tunes are counted */
	unsigned int tunes; /* that changed something, since then */
};

/*
 * While we load, which takes seconds where there is little CPU time: nothing was
 * measured, and the kernel takes back what we have. So what ends us does so at once.
 * SIGHUP waits; nobody has a reason to send the others.
 */
void agent_expect_signals(void);
/* From now on: some end us, SIGHUP is for a new file. 0 or -errno. */
int agent_open_signals(struct agent *a);
/* Takes the signals that have come. True: one that ends us. */
bool agent_must_end(struct agent *a);
/* The same, after a wait of so many milliseconds for the next one. */
bool agent_ends_within(struct agent *a, int ms);

/* What the exports came to; NULL: nothing is exported. */
const struct export_stats *agent_stats(const struct agent *a);
/* What clients get at the socket of an agent that measures, or that waits. */
struct api_ops agent_answers(struct agent *a, bool measures);

/*
 * Waits until this node is ours to measure; `assay status` is answered meanwhile.
 * 0, 1: a signal came first, or -errno with one line in cause.
 */
int agent_take_node(struct agent *a, char *cause, size_t len);
/* Opens the socket when it is our turn. Returns as agent_take_node(). */
int agent_open_api(struct agent *a, char *cause, size_t len);

/*
 * The history: makes its directory, while we may; starts its thread, with no more
 * privileges than this one has then; and hands over what the latest reading of the
 * cells has new, at most once a second unless it is the last one.
 */
void agent_history_open(struct agent *a);
void agent_history_start(struct agent *a);
void agent_history_keep(struct agent *a, bool last);
void agent_history_status(const struct agent *a, struct status_history *s);

#endif
