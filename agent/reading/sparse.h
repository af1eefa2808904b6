/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The buckets of a histogram (bpf/buckets.h) in memory, without those that never
 * counted: durations of one kind lie in a few octaves. They are kept in groups of eight
 * (all but the zero bucket's group are as wide as an octave). What a node with hundreds
 * of workloads takes is mostly this.
 */
#ifndef SPARSE_H
#define SPARSE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include "bpf/buckets.h"

#define SPARSE_GROUP  8
#define SPARSE_GROUPS ((BUCKET_COUNT + SPARSE_GROUP - 1) / SPARSE_GROUP)
_Static_assert(SPARSE_GROUPS <= 32, "a bit for each group");

struct sparse {
	uint64_t sum_ns;
	uint32_t groups; /* a bit for each that is kept */
	uint32_t width;	 /* bytes of a bucket: 4 or 8 */
	uint64_t data[]; /* the groups that are kept, in order */
};

/* A histogram without any bucket; to be freed by free(). NULL: no memory. */
struct sparse *sparse_new(uint32_t width);
/* The same with these groups, all of zeros. */
struct sparse *sparse_of_groups(uint32_t width, uint32_t groups);
/* The eight buckets of a group, of the histogram's width; NULL: none counted yet. */
void *sparse_find(const struct sparse *s, unsigned int group);
/*
 * The same, made with zeros when it is not there; *s may move. NULL: no memory, and
 * nothing has changed.
 */
void *sparse_make(struct sparse **s, unsigned int group);
/*
 * Adds a histogram to another, each of its own width; *into may move, and is made, of
 * width 8, when it is NULL. h may be NULL. -ENOMEM: a part may be missing.
 */
int sparse_add(struct sparse **into, const struct sparse *h);
/*
 * The same of one whose buckets never wrap: a total's, which begins with width 4, and
 * gets 8 when a bucket needs it. -ENOMEM: as sparse_add().
 */
int sparse_sum(struct sparse **into, const struct sparse *h);
/* The same of one group. -ENOMEM: nothing has changed. */
int sparse_sum_group(struct sparse **into, unsigned int group,
		     const uint32_t more[SPARSE_GROUP]);
/* Makes it one of width 8. -ENOMEM: nothing has changed. */
int sparse_widen(struct sparse **s);
/* The i-th of the buckets that are kept. */
static inline uint64_t sparse_bucket(const struct sparse *s, size_t i)
{
	return s->width == sizeof(uint32_t) ? ((const uint32_t *)s->data)[i]
					    : s->data[i];
}

/* The eight buckets of the n-th group that is kept. */
static inline void sparse_group(const struct sparse *s, size_t n,
				uint64_t out[SPARSE_GROUP])
{
	const uint32_t *narrow = (const uint32_t *)s->data + n * SPARSE_GROUP;

	if (s->width == sizeof(*narrow))
		for (int i = 0; i < SPARSE_GROUP; i++)
			out[i] = narrow[i];
	else
		memcpy(out, s->data + n * SPARSE_GROUP, SPARSE_GROUP * sizeof(*out));
}

/* All buckets. */
void sparse_expand(const struct sparse *s, uint64_t buckets[BUCKET_COUNT]);
/* The sum of all buckets. */
uint64_t sparse_count(const struct sparse *s);
/* Is any bucket above 0? */
bool sparse_has_any(const struct sparse *s);

#endif
