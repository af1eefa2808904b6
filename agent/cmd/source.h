/* SPDX-License-Identifier: Apache-2.0 */
/* Where a command's numbers come from: the running agent, or its own measuring. */
#ifndef SOURCE_H
#define SOURCE_H

#include <stdbool.h>
#include <stddef.h>
#include "otlp/frame.h"

struct measure;
struct options;
struct status;

struct source {
	const struct options *o;
	bool from_agent; /* known after the first read */
	struct measure *measure;
};

/*
 * Reads all counts of this moment; the frame is the caller's. The first read looks for
 * an agent and, when none runs and `alone` is true, loads the probes itself: what
 * happens from then on is measured. Returns 0 or -errno with one line in cause.
 */
int source_read(struct source *s, bool alone, struct frame **out, char *cause,
		size_t len);
/*
 * How the agent is that answered. NULL: it does not say, or none runs; else to be
 * freed.
 */
struct status *source_status(const struct source *s);
/* Stops measuring; also fine when there was no read. */
void source_close(struct source *s);

#endif
