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

#define PROBE_LINKS 12
#define PROBE_FDS   48

/* The reason of a probe that lockdown keeps out. */
#define PROBE_LOCKED "lockdown: confidentiality forbids BPF to read the kernel's memory"

/* Off: attached, but told to do nothing (tune.c). */
enum probe_state {
	PROBE_DISABLED,
	PROBE_LOADED, /* not attached yet */
	PROBE_ATTACHED,
	PROBE_UNAVAILABLE,
	PROBE_OFF,
};

/* What finds what is under way, at every export: one of them, or neither. */
struct probe_walk {
	struct bpf_link *link; /* an iterator over files, see walk.h */
	int fd;		       /* a program that the agent runs; 0: there is none */
};

struct probe {
	const struct probe_desc *desc;
	enum probe_state state;
	char reason[200];	/* why it is not attached */
	bool locked;		/* that is lockdown */
	bool covered;		/* another probe does the work of desc->cover.program */
	struct bpf_object *obj; /* until it is attached */
	/* from then on: its programs, and behind them the maps that are its own */
	int fds[PROBE_FDS];
	size_t prog_count, fd_count;
	struct bpf_link *links[PROBE_LINKS];
	size_t link_count;
	struct probe_walk walk;
	unsigned int interrupted; /* iterators of the start that did not end (walk.h) */
};

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
 * Attaches what is loaded. Programs are attached in the order of their file; an
 * iterator is run once, to its end, at its place; but what is named *_walk is kept for
 * probe_walk_open() and probe_walk_run(). Over tasks there is one such for all probes:
 * tasks.h. Afterwards p->state (attached or unavailable) and p->reason tell.
 */
void probe_attach(struct probe *p);

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
