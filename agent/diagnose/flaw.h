/* SPDX-License-Identifier: Apache-2.0 */
/* What can be wrong with the measuring itself, as a time of the history shows it. */
#ifndef DIAGNOSE_FLAW_H
#define DIAGNOSE_FLAW_H

#include <stdbool.h>
#include <stdint.h>
#include "otlp/frame.h"

enum flaw_kind {
	FLAW_LOST,    /* events were not counted, for a reason */
	FLAW_WINDOWS, /* a probe estimates */
	FLAW_OFF,     /* a probe was not on all the time */
};

struct flaw {
	enum flaw_kind kind;
	const char *probe, *reason; /* reason: of what was lost */
};

/* The metrics of the agent's own that it takes, NULL at the end. */
extern const char *const flaw_metrics[];

/* Does a frame of differences, of covered_s, show it? */
bool flaw_shows(const struct flaw *flaw, const struct frame *f, double covered_s);

/* Since when, by the clock. */
struct flaw_since {
	uint64_t ns;
	bool earlier; /* or before: nothing is kept of then */
};

/*
 * Steps of the history, oldest first, in which it shows or not; since when it does, the
 * last time. A new one is all 0.
 */
struct flaw_walk {
	bool shows, seen; /* in the latest step; ever */
	uint64_t since_ns, until_ns, first_ns;
};

void flaw_walk_step(struct flaw_walk *w, bool shows, uint64_t since_ns,
		    uint64_t until_ns);

#endif
