/* SPDX-License-Identifier: Apache-2.0 */
/* What the exports came to: counted by sink/export.c, shown by self.c. */
#ifndef EXPORT_STATS_H
#define EXPORT_STATS_H

#include <stdint.h>

/* Points that did not arrive, by the value of error.type. */
struct export_failure {
	char type[24]; /* "503", "timeout", "rejected", ..., at last "_OTHER" */
	uint64_t points;
};

#define EXPORT_FAILURES 16

struct export_stats {
	uint64_t exported;   /* points that arrived */
	uint64_t rejected;   /* points refused by a partial success; also in failed */
	uint64_t superseded; /* snapshots replaced by a newer one before all was sent */
	uint64_t requests, retries, failures; /* attempts */
	uint64_t bytes_raw;		      /* of what arrived, before compression */
	uint64_t bytes_sent;		      /* bodies of all attempts */
	struct export_failure failed[EXPORT_FAILURES];
	unsigned int failed_count;
	char status[256]; /* how the last attempt ended, for people; "" before it */
	/* monotonic clock; 0: never */
	uint64_t arrived_ns; /* the last success */
	uint64_t
	    failing_ns;	 /* the first failure since then; 0: the last one was none */
	char error[256]; /* of the last failure */
};

#endif
