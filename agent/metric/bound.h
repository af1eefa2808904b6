/* SPDX-License-Identifier: Apache-2.0 */
/*
 * How many series exports have: at most, by the tables of metrics and what bounds the
 * numbers of workloads and sets; and of a busy workload, as it was measured.
 */
#ifndef BOUND_H
#define BOUND_H

#include <stdbool.h>
#include <stdint.h>

struct series_rules {
	bool basic;	       /* --series */
	unsigned int culprits; /* --export-culprits */
	uint64_t per_metric;   /* --max-series-per-metric */
};

/*
 * Series of so many workloads in one export, those among them that have ended; the
 * agent's own (SELF_SERIES_MOST) are not in it.
 */
uint64_t series_bound(const struct series_rules *r, uint64_t workloads);
/* Series of one busy workload: a server or a client, as docs/metrics.md says. */
unsigned int series_typical(const struct series_rules *r);

/*
 * Bytes of a series in a request, with its part of the resource and of descriptions:
 * the mean of an export of 300 busy workloads (9,401 series of 304 resources, 134 bytes
 * each with --series basic; 124 with all) and of one of seven (141). Compressed 12 and
 * 44: the first were much alike, the seven not.
 */
#define SERIES_RAW_BYTES  140
#define SERIES_GZIP_BYTES 25

#endif
