/* SPDX-License-Identifier: Apache-2.0 */
/* A histogram with all its buckets, as points take it. */
#ifndef FULL_HIST_H
#define FULL_HIST_H

#include <string.h>
#include "metric/metric.h"
#include "reading/sparse.h"

/* The copy is good for the next 63 calls. */
static inline const struct sparse *sparse_of(const struct hist *h)
{
	static _Alignas(struct sparse)
	    uint64_t room[64][sizeof(struct sparse) / 8 + SPARSE_GROUPS * SPARSE_GROUP];
	static unsigned int calls;
	struct sparse *s = (struct sparse *)room[calls++ % 64];

	memset(s, 0, sizeof(room[0]));
	s->sum_ns = h->sum_ns;
	s->groups = (1U << SPARSE_GROUPS) - 1;
	s->width = sizeof(uint64_t);
	memcpy(s->data, h->buckets, sizeof(h->buckets));
	return s;
}

#endif
