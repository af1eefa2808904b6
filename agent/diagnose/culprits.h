/* SPDX-License-Identifier: Apache-2.0 */
/* Behind whom a workload waited for a CPU. */
#ifndef WHY_CULPRITS_H
#define WHY_CULPRITS_H

#include <stddef.h>
#include "diagnose/rule.h"

#define CULPRITS_TOLD 3
#define CULPRITS_OTHER \
	"_OTHER" /* those that had less of it than whom there is room for */

struct culprit_time {
	const char *path; /* as assay.sched.culprit has it, borrowed */
	double s;	  /* per s */
};

struct culprit_split {
	double self, others, kernel, idle;	/* s per s */
	struct culprit_time top[CULPRITS_TOLD]; /* of the others, the worst first */
	size_t top_count;
	double sum;
};

/* What one of them is called. */
void name_culprit(const struct frame *f, const char *path, char *out, size_t len);
void culprits_split(const struct facts *f, struct culprit_split *out);
/* Adds the worst of the others as evidence. */
void culprits_see(const struct look *l, struct finding *f,
		  const struct culprit_split *c);

#endif
