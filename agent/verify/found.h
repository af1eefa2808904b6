/* SPDX-License-Identifier: Apache-2.0 */
/* What a frame says of the groups that events were made in. */
#ifndef FOUND_H
#define FOUND_H

#include <stdbool.h>
#include <stdint.h>
#include "otlp/frame.h"

/* Which series: of a workload, a metric, and some value of an attribute. */
struct found_key {
	const char *suffix; /* of the cgroup's path; NULL: of any workload */
	const char *metric;
	const char *key, *value; /* NULL: of any; value NULL: without the attribute */
	const char *also, *also_value; /* a second one, or NULL */
};

/* All such series as one. */
struct found {
	unsigned int series;
	bool estimated;
	double count, sum_s; /* of a sum: its value, twice */
	bool is_hist;
	struct hist hist;
};

void found_get(const struct frame *f, const struct found_key *key, struct found *out);
/* Could the buckets of a histogram hold values of that sum? */
bool found_buckets_fit(const struct hist *h);
/* What a probe did not count, of the reasons in a list that NULL ends. */
double found_lost(const struct frame *f, const char *probe, const char *const *reasons);
/* Whether a probe measures; else why not: its state, and a reason or "". */
bool found_probe(const struct frame *f, const char *probe, const char **state,
		 const char **reason);

#endif
