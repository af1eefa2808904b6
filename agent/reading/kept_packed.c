// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/varint.h"
#include "reading/kept_packed.h"

#define U32_MOST  5 /* bytes of a number */
#define HIST_MOST (U32_MOST + VARINT_MAX + SPARSE_GROUPS * SPARSE_GROUP * U32_MOST)
#define SPARE	  sizeof(uint64_t) /* behind all, see get_group() */
#define LARGE \
	0x8080808080808080ULL /* of eight bytes one is not the last of its number */
#define ALL_MOST \
	(SNAPSHOT_HISTS * HIST_MOST + SNAPSHOT_COUNTS * LANES * VARINT_MAX + SPARE)

static uint8_t *put(uint8_t *to, uint64_t v)
{
	return to + varint_put(to, v);
}

static uint64_t get(struct kept_reader *r)
{
	uint64_t v = *r->at & 0x7f;

	for (unsigned int shift = 7; *r->at++ & 0x80; shift += 7)
		v |= (uint64_t)(*r->at & 0x7f) << shift;
	return v;
}

/*
 * Eight buckets, of which most are small: then they are a byte each. Behind what is
 * packed are bytes to look at.
 */
static void get_group(struct kept_reader *r, uint32_t to[SPARSE_GROUP])
{
	uint64_t word;

	memcpy(&word, r->at, sizeof(word));
	if (word & LARGE) {
		for (int i = 0; i < SPARSE_GROUP; i++)
			to[i] = (uint32_t)get(r);
		return;
	}
	for (int i = 0; i < SPARSE_GROUP; i++)
		to[i] = r->at[i];
	r->at += SPARSE_GROUP;
}

static uint8_t *put_group(uint8_t *to, const uint64_t buckets[SPARSE_GROUP])
{
	uint32_t any = 0;

	for (int i = 0; i < SPARSE_GROUP; i++)
		any |= (uint32_t)buckets[i];
	for (int i = 0; i < SPARSE_GROUP && any > 0x7f; i++)
		to = put(to, (uint32_t)buckets[i]);
	if (any > 0x7f)
		return to;
	for (int i = 0; i < SPARSE_GROUP; i++)
		to[i] = (uint8_t)buckets[i];
	return to + SPARSE_GROUP;
}

const struct sparse *kept_next_hist(struct kept_reader *r, union kept_hist *out)
{
	struct sparse *h = &out->head;
	uint32_t *bucket = (uint32_t *)h->data;

	if (!r->at)
		return NULL;
	h->groups = (uint32_t)get(r);
	if (!h->groups)
		return NULL;
	h->width = sizeof(*bucket);
	h->sum_ns = get(r);
	for (uint32_t left = h->groups; left; left &= left - 1) {
		get_group(r, bucket);
		bucket += SPARSE_GROUP;
	}
	return h;
}

uint64_t kept_next_count(struct kept_reader *r)
{
	return r->at ? get(r) : 0;
}

static uint8_t *put_hist(uint8_t *to, const struct sparse *h)
{
	uint64_t buckets[SPARSE_GROUP];
	size_t n = 0;

	to = put(to, h ? h->groups : 0);
	if (!h || !h->groups)
		return to;
	to = put(to, h->sum_ns);
	for (uint32_t left = h->groups; left; left &= left - 1) {
		sparse_group(h, n++, buckets);
		to = put_group(to, buckets);
	}
	return to;
}

int kept_pack(struct sparse *const *hists, const uint64_t (*counts)[LANES],
	      uint8_t **packed)
{
	uint8_t all[ALL_MOST], *to = all, *fits;

	for (size_t i = 0; i < SNAPSHOT_HISTS; i++)
		to = put_hist(to, hists[i]);
	for (size_t i = 0; i < SNAPSHOT_COUNTS; i++)
		for (size_t lane = 0; lane < LANES; lane++)
			to = put(to, counts[i][lane]);
	memset(to, 0, SPARE);
	to += SPARE;
	fits = realloc(*packed, (size_t)(to - all));
	if (!fits)
		return -ENOMEM;
	memcpy(fits, all, (size_t)(to - all));
	*packed = fits;
	return 0;
}
