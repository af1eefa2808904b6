/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How a running agent is: what it says at its socket to the request "status", as JSON,
 * and what a command makes of that. docs/status.schema.json describes it.
 */
#ifndef STATUS_H
#define STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <jansson.h>

#define STATUS_NEVER	(-1.0) /* an age of what has not happened; JSON: null */
#define STATUS_NO_CPU	(-1)
#define STATUS_PROBES	16
#define STATUS_LOSSES	64 /* more kinds of them are not told */
#define STATUS_PROBLEMS 96
#define STATUS_TEXT	256

struct status_probe {
	char name[16], state[16]; /* probe_state_name() */
	char reason[STATUS_TEXT]; /* why it is not attached; "" */
	/* if governed: how much of the time it is on; shares of a CPU's busy time: what
	 * it takes of the worst one's, and would if it were always on, or did before it
	 * was off; and what it takes of the node */
	double duty, cost, full_cost, node_cost;
	double run_ns;	/* what a run of its programs costs, with the way there, */
	double hook_ns; /* and the way alone */
};

struct status_loss {
	char probe[16], reason[24];
	uint64_t count, lately; /* since the start; in lost_window_s */
};

struct status_export {
	bool on;	      /* false: nothing is exported */
	char to[STATUS_TEXT]; /* without secrets */
	double interval_s;
	double arrived_s; /* age of the last one that arrived; STATUS_NEVER */
	double failing_s; /* since the first failure; STATUS_NEVER: all is well */
	char error[STATUS_TEXT]; /* the latest failure */
	uint64_t points, failed_points;
};

struct status_history {
	bool on;		     /* false: none is kept */
	bool is_kept;		     /* the latest reading is in it */
	char path[STATUS_TEXT];	     /* as the agent sees it */
	char error[STATUS_TEXT - 2]; /* no gap follows: a status is compared whole */
	double back_s; /* how old the oldest of it is; STATUS_NEVER: there is nothing */
	uint64_t bytes, limit;
	uint64_t kept, late, lost; /* readings, since the start */
};

struct status_memory { /* bytes */
	uint64_t limit, planned, kernel, agent, agent_used;
};

/* Ages and times in seconds. */
struct status {
	char version[32];
	int pid;    /* in the agent's PID namespace */
	bool waits; /* for another agent, whose process in the initial namespace is: */
	uint32_t holder;
	double uptime_s, state_s; /* since the start; since it waits, or measures */
	double read_s; /* the latest reading of the kernel's counts; STATUS_NEVER */
	double snapshot_interval_s;
	struct status_probe probes[STATUS_PROBES];
	size_t probe_count;
	bool governed; /* what probes cost is measured */
	double budget; /* a share; 0: none */
	int worst_cpu; /* the busy one on which they take most, or STATUS_NO_CPU */
	struct status_export export;
	struct status_history history;
	double lost_window_s;
	struct status_loss lost[STATUS_LOSSES];
	size_t lost_count;
	struct status_memory memory;
};

/* A JSON document, to be freed. Text that is no UTF-8 is escaped. -ENOMEM. */
int status_encode(const struct status *s, uint8_t **bytes, size_t *len);
/* The same as a value, for who adds to it; NULL: no memory. */
json_t *status_json(const struct status *s);
/*
 * Reads one, of any peer: members that nobody knows are passed by, text that is too
 * long is cut, and all of it is made visible (text_copy). -EINVAL: it is none; -ENOMEM.
 */
int status_decode(const uint8_t *bytes, size_t len, struct status *s);

/* What is wrong, the gravest first. */
enum status_level {
	STATUS_NOT_READY, /* it measures nothing */
	STATUS_STRICT,	  /* a part of it does not work: for --strict */
	STATUS_NOTE,	  /* to be known */
};

struct status_problem {
	enum status_level level;
	char text[2 * STATUS_TEXT];
};

struct status_verdict {
	struct status_problem problems[STATUS_PROBLEMS];
	size_t count;
};

void status_judge(const struct status *s, struct status_verdict *v);
/* "not_ready", "strict" or "note". */
const char *status_level_name(enum status_level level);
/* What it does, in a line without its end: "measuring for 3d4h, 7 of 7 probes ...". */
void status_summary(const struct status *s, char *out, size_t len);
/* What a probe costs, and why it is on as much as it is; "": nobody has measured it. */
void status_cost(const struct status *s, const struct status_probe *p, char *out,
		 size_t len);
/* All of it, and what is wrong, in lines for people. */
void status_print(const struct status *s, const struct status_verdict *v, FILE *f);

#endif
