/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Histograms and counts of a workload as the history has them: all of them are there
 * for each workload, all the time, and are looked at once in a reading. So they are
 * packed: numbers of seven bits a byte, in a third of the memory. Buckets are modulo
 * 2^32, as only differences of a reading are made of them.
 */
#ifndef KEPT_PACKED_H
#define KEPT_PACKED_H

#include <stdint.h>
#include "reading/snapshot.h"

/* Reads them in order: all histograms, then all counts. */
struct kept_reader {
	const uint8_t *at; /* at first: what kept_pack() made; NULL: all are 0 */
};

/* A histogram of any size. */
union kept_hist {
	struct sparse head;
	char room[sizeof(struct sparse) +
		  SPARSE_GROUPS * SPARSE_GROUP * sizeof(uint32_t)];
};

/* The next histogram, of width 4, in *out; NULL: it has no event. */
const struct sparse *kept_next_hist(struct kept_reader *r, union kept_hist *out);
/* The next count. */
uint64_t kept_next_count(struct kept_reader *r);
/*
 * Packs them; histograms of any width, NULL: without an event. *packed, which is to be
 * freed, is replaced. -ENOMEM: it is as it was.
 */
int kept_pack(struct sparse *const *hists, const uint64_t (*counts)[LANES],
	      uint8_t **packed);

#endif
