/* SPDX-License-Identifier: Apache-2.0 */
/* What the agent's own programs cost, as its exports report: for `probes` and `doctor`.
 */
#ifndef COST_H
#define COST_H

#include "otlp/frame.h"

struct cost {
	double runs, seconds; /* of its programs */
	double since_s;	      /* in so long */
};

/* Of a probe, or of one of its programs (NULL: all of them). */
void cost_get(const struct frame *f, const char *probe, const char *program,
	      struct cost *out);
#define COST_LEN 96
/* "1.2M runs of 38ns: 0.12 % of one CPU". Returns out. */
const char *cost_text(char out[COST_LEN], const struct cost *c);

#endif
