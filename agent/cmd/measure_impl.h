/* SPDX-License-Identifier: Apache-2.0 */
/* What the files measure*.c have in common, and nobody else knows. */
#ifndef MEASURE_IMPL_H
#define MEASURE_IMPL_H

#include <stdbool.h>
#include <stdint.h>
#include "base/wall.h"
#include "cmd/measure.h"
#include "kernel/cells.h"
#include "kernel/probe.h"
#include "kernel/tasks.h"
#include "kernel/tune.h"
#include "kernel/wakes.h"
#include "metric/cap.h"
#include "metric/history_stats.h"
#include "metric/points_before.h"
#include "metric/resource.h"
#include "metric/self.h"
#include "reading/exact.h"
#include "reading/snapshot.h"
#include "workload/cgroup_root.h"
#include "workload/usage.h"

/* What is looked over: tasks (and what is found at once), descriptors. */
enum look_over { LOOK_TASKS, LOOK_FILES, LOOKS };

/* The pass over them. Times are of the monotonic clock. */
struct look {
	bool runs, failed;
	size_t probe; /* over files: whose iterator is read; PROBE_COUNT: all were */
	int fd;	      /* -1: none is read */
	uint64_t began_ns; /* 0: there was none yet */
	uint64_t whole_ns; /* when the latest began that came to its end */
	uint64_t nudge_ns;
};

/* What was lost until then, since the start. */
struct loss_sample {
	uint64_t ns; /* 0: there is none */
	uint64_t lost[PROBE_COUNT][SELF_LOSSES];
};

/* What the history has: measure_history.c. */
struct measure_kept {
	uint64_t time_ns;  /* boot time: the latest reading; at first: the beginning */
	uint64_t minute;   /* of the latest one with all workloads */
	uint64_t usage_ns; /* when the files of cgroups were read that it has */
	struct points_before self;
	bool on; /* there is a history */
	struct history_stats stats;
};

struct budget;
struct budget_facts;
struct status;
/* How a probe runs in windows: measure_windows.c. */
enum duty_state {
	DUTY_WHOLE, /* not at all: it is on always, or off */
	DUTY_GAP,
	DUTY_READY, /* the hooks are there, a window is about to open */
	DUTY_OPEN,
	DUTY_LAST, /* a window is open, and goes on as DUTY_WHOLE */
};

/* Times are of the monotonic clock. */
struct duty {
	enum duty_state state;
	uint64_t since_ns; /* the end of the latest window, or when they began */
	uint64_t open_ns;  /* since when the window is open */
	uint64_t due_ns;   /* when the next one opens, or this one ends */
	bool governed;	   /* switched off by measure_set_duty() */
};

/* For how long a probe's numbers stand, since the start: measure_times.c. */
struct probe_time {
	uint64_t at_ns; /* monotonic: until then it is known; 0: not begun */
	uint64_t attached_ns;
	uint64_t counted_ns; /* the same of what is counted in windows */
};

/* How a probe is to run again when nobody looks any more: measure_exact.c. */
struct resume {
	bool is_set;
	uint32_t one_in;
};

struct measure {
	struct cells cells;
	struct cgroups *cgroups;
	struct snapshot *snapshot;
	struct usage_reader *usage;
	struct names_reader *names;
	struct kubelet *kubelet; /* NULL: not asked */
	struct resource resource;
	struct self self;
	struct node_usage node;
	struct wall wall;
	int64_t first_wall_ns;
	struct probe probes[PROBE_COUNT];
	struct tasks tasks;
	struct tuner tuner;
	struct budget *budget; /* NULL: nobody looks at what probes cost */
	struct duty duties[PROBE_COUNT];
	struct probe_time times[PROBE_COUNT];
	uint64_t random; /* for when windows are */
	struct exact exact;
	struct resume look_resumes[PROBE_COUNT];
	unsigned int wanted;
	unsigned int culprits_sent; /* see snapshot_send_culprits() */
	unsigned int export_use;    /* enum metrics_use */
	struct series_cap cap;
	struct grouping grouping; /* what exports take together */
	char *labels;		  /* that the kubelet is to tell; NULL: none more */
	struct params params;	  /* of all probes */
	struct cgroup_root root;  /* read when measuring begins */
	struct look looks[LOOKS];
	uint64_t asked_ns; /* the latest reading that waits for passes, or has waited */
	uint64_t next_sweep_ns;
	uint64_t hold_ns;  /* how long exports wait for a name */
	bool said_unnamed; /* that some have none */
	struct measure_kept kept;
	struct wakes wakes;	      /* for new cgroups of containers */
	bool keeps_links;	      /* they could not be made again */
	uint64_t missed_events;	      /* runs of the programs that tell of cgroups */
	uint64_t read_ns;	      /* the latest reading of the cells; monotonic */
	uint64_t usage_ns;	      /* the same of the files of cgroups */
	struct loss_sample losses[2]; /* LOSS_SAMPLE_NS apart, the older one first */
};

/* What measure_duty() says, for those below it. */
static inline uint32_t measure_one_in(const struct measure *m, size_t i)
{
	return m->duties[i].governed ? 0 : m->probes[i].one_in;
}

/* Counts the passes that a reading which was asked for then does without. */
void measure_lose_late(struct measure *m, uint64_t since_ns);
/* Counts DNS queries that get no answer any more, and gives back their entries. */
void measure_sweep(struct measure *m);
/* After a reading: notes its time and, every LOSS_SAMPLE_NS, what was lost so far. */
void measure_note_read(struct measure *m);
/* Counts passes of a probe that did not end. */
void measure_lose_walks(struct measure *m, size_t probe, unsigned int n);

/*
 * A probe is about to be attached, and has been: what it notes from now on is under the
 * number of tune.enabled, 0: it could not be. 0 or -errno.
 */
int measure_on_begins(struct measure *m, size_t probe);
int measure_on_ends(struct measure *m, size_t probe, uint32_t number);
/*
 * Switches a probe on or off that is loaded, if it is not so already: `change` says so,
 * and may change other parameters. 0, or -errno with one line in cause.
 */
int measure_switch(struct measure *m, const struct tune_change *change, char *cause,
		   size_t len);
/*
 * At the start: bursts of calls with the hooks of the syscall probe and without, as it
 * is now. Some 2 ms.
 */
void measure_calibrate(struct measure *m, bool attached);
/*
 * A user has switched a probe on or off: what was decided about it is over. duty: has
 * said for how much of the time it is on, which stays.
 */
void measure_govern_told(struct measure *m, size_t probe, bool duty);
/* What gauges say of the budget; NULL: nothing. And what `assay status` does. */
const struct budget_facts *measure_budget_facts(const struct measure *m,
						struct budget_facts *out);
void measure_budget_status(const struct measure *m, struct status *s);
void measure_govern_close(struct budget *b);
/*
 * The probe is on all the time from now on, or is about to be switched off: no window
 * follows the one that is open.
 */
void measure_stop_windows(struct measure *m, size_t probe);
/* Whether a probe needs, and has, the hooks that it may have in windows only, now. */
bool measure_wants_hooks(const struct measure *m, size_t probe);
/* The same for the hook that one has for the other: whether any of them needs it. */
bool measure_is_shared(const struct measure *m, size_t probe);
/* Has a probe that is attached run as probe.one_in says, from now on. 0 or -errno. */
int measure_change_windows(struct measure *m, size_t probe);
/*
 * Notes for how long each probe has been on until now: before that changes, and before
 * it is told.
 */
void measure_note_times(struct measure *m);
/* Up to which age each operation under way is known, as of the latest reading: in s;
 * below 0: nothing is known. */
void measure_reach(const struct measure *m, double out[INFLIGHT_COUNT]);
/* What a change says of a probe's duty. 0, or -errno with one line in cause. */
int measure_tune_duty(struct measure *m, const struct tune_change *change, char *cause,
		      size_t len);
/* Reads the files of cgroups; whole: all of them. */
void measure_read_files(struct measure *m, bool whole);
/*
 * The same, unless that was done less than so long ago: they are read for exports; who
 * has none in a while, for the history, reads them too.
 */
void measure_usage(struct measure *m, uint64_t age_ns);
/* Adds the agent's own points to a group; number: of the export. -ENOMEM. */
int measure_self(struct measure *m, const struct export_stats *stats, uint64_t number,
		 struct point_group *g);
/* Waits for the pass over descriptors, if there is one, but not for long. */
void measure_end_files(struct measure *m);

#endif
