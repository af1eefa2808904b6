/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads one probe: open, parameters, shared maps, verify, attach. Each stands alone:
 * one that cannot be had is reported, and the others go on. Nothing is pinned; when
 * the process ends in whatever way, the kernel detaches.
 */
#ifndef PROBE_H
#define PROBE_H

#include <stdbool.h>
#include <stdint.h>
#include "kernel/cells.h"
#include "kernel/probes.h"

#define PROBE_WINDOW_NS 500000000ULL
#define PROBE_PROGRAMS	16
#define PROBE_MAPS	40

/* The reason of a probe that lockdown keeps out. */
#define PROBE_LOCKED "lockdown: confidentiality forbids BPF to read the kernel's memory"

/*
 * Off: loaded, and nothing of it is attached; or where links cannot be made again
 * (probe_may_link()), attached, but told to do nothing.
 */
enum probe_state {
	PROBE_DISABLED,
	PROBE_LOADED, /* not attached yet */
	PROBE_ATTACHED,
	PROBE_UNAVAILABLE,
	PROBE_OFF,
};

/* What a program of a probe is for. */
enum program_use {
	USE_HOOK,	/* it hangs on a hook of the kernel */
	USE_SHARED,	/* the same, and does another probe's work, too: desc->cover */
	USE_ITER,	/* an iterator that is run once, at its place */
	USE_ITER_FILES, /* the same over files, which can be made to wait: walk.h */
	/* what finds what is under way, at every export: one of them, or neither */
	USE_WALK, /* an iterator over files */
	USE_RUN,  /* a program that the agent runs */
	/* what the agent runs to forget all that was noted */
	USE_FORGET,
};

struct probe_program {
	int fd, link; /* link: -1, or what it is attached by */
	enum program_use use;
	bool windowed; /* desc->windowed has it */
};

#define PROBE_ONE_IN_MAX 64 /* in windows it is attached so seldom at most */

struct probe {
	const struct probe_desc *desc;
	enum probe_state state;
	char reason[200];	/* why it is not attached */
	bool locked;		/* that is lockdown */
	bool covered;		/* another probe does the work of desc->cover.program */
	struct bpf_object *obj; /* until probe_keep() */
	/* from then on: its programs, in the order of their file, and its own maps */
	struct probe_program programs[PROBE_PROGRAMS];
	size_t program_count;
	int maps[PROBE_MAPS];
	size_t map_count;
	uint32_t one_in;    /* it is attached for 1/one_in of the time, in windows */
	uint64_t window_ns; /* of this length; 0: as usual */
	unsigned int interrupted; /* iterators that did not end when it was attached */
};

/* How long its windows are: what was asked for, or the default. */
static inline uint64_t probe_window_ns(const struct probe *p)
{
	return p->window_ns ? p->window_ns : PROBE_WINDOW_NS;
}

/* "loaded", "attached", "unavailable", "disabled" or "off". */
const char *probe_state_name(enum probe_state state);

struct needs;

/* Whether this kernel takes the object desc->plain. */
bool probe_is_plain(const struct probe_desc *desc);

/* What a probe needs of this kernel: as needs_find(), of the object that it takes. */
int probe_needs(const struct probe_desc *desc, struct needs *needs);

/* Before the first use of libbpf: its words are for debugging only. */
void probe_init(void);

/*
 * Fills the parameters that are the same for every probe: our process id in the
 * initial pid namespace (apart), the arguments of sched_switch, sizes. -errno on
 * failure.
 */
int probe_params(const struct cells_plan *plan, struct params *params,
		 uint32_t *self_tgid);

/* Gives the parameters to an object that is not loaded yet. -ENOENT: it has none. */
int probe_set_params(struct bpf_object *obj, const struct params *params);

/*
 * Loads; covered: another probe does the work of the program desc->cover, which is left
 * out. Afterwards p->state (loaded or unavailable) and p->reason tell.
 */
void probe_load(struct probe *p, const struct probe_desc *desc, const struct cells *c,
		const struct params *params, bool covered);

/*
 * Attaches what is loaded: probe_link(). Afterwards p->state (attached or unavailable)
 * and p->reason tell.
 */
void probe_attach(struct probe *p);

/*
 * Lets libbpf's object go: programs and maps are descriptors from then on. It has all
 * instructions and types once more, which is more than some hundred workloads take. 0
 * or -errno.
 */
int probe_keep(struct probe *p);
/*
 * Makes the links that a probe does not have, in the order of its file; an iterator is
 * run once, to its end, at its place. But what is named *_walk is kept for
 * probe_walk_open() and probe_walk_run(), and what is named *_forget for
 * probe_forget(). Over tasks there is one walk for all probes: tasks.h. 0 or -errno:
 * then it has no more links than before.
 */
int probe_link(struct probe *p);
/* The same with the one that another probe needs: USE_SHARED. */
int probe_link_shared(struct probe *p);
/*
 * The same with what runs in windows only (desc->windowed): makes these links, or takes
 * them away.
 */
int probe_link_windowed(struct probe *p);
void probe_unlink_windowed(struct probe *p, bool shared);
/* Takes its links away, that one only when nobody needs it. */
void probe_unlink(struct probe *p, bool shared);
/* Whether this process may make links now: of a probe that is attached. */
bool probe_may_link(const struct probe *p);
/*
 * Forgets what a probe has noted, when none of its programs is attached or running.
 * While it is on, a last look at what it follows (tcp). 0: also where there is nothing
 * to forget; or -errno.
 */
int probe_forget(const struct probe *p);

/*
 * Opens the iterator over files that notes what is under way (struct inflight_row), and
 * what only it can see: a descriptor for walk.h. -ENOENT: the probe has none, or is off
 * (and not desc->walk_off); or -errno.
 */
int probe_walk_open(const struct probe *p);

/* Runs the program that notes the same without an iterator. 0, or as above. */
int probe_walk_run(const struct probe *p);

/* Runs of our programs that the kernel skipped, because they were already running on
 * that CPU (bpf_prog_info.recursion_misses). */
uint64_t probe_recursion_misses(const struct probe *p);

void probe_close(struct probe *p);

#endif
