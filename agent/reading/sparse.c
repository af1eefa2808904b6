// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include "reading/sparse.h"

/* How many bits are set, without a call: processors of 2003 have no instruction for it.
 */
static unsigned int count_bits(uint32_t v)
{
	v -= v >> 1 & 0x55555555;
	v = (v & 0x33333333) + (v >> 2 & 0x33333333);
	return ((v + (v >> 4)) & 0x0f0f0f0f) * 0x01010101 >> 24;
}

/* Where a group stands among those that are kept, in bytes. */
static size_t offset_of(const struct sparse *s, unsigned int group)
{
	uint32_t below = s->groups & ((1U << group) - 1);

	return (size_t)count_bits(below) * SPARSE_GROUP * s->width;
}

struct sparse *sparse_new(uint32_t width)
{
	struct sparse *s = calloc(1, sizeof(*s));

	if (s)
		s->width = width;
	return s;
}

struct sparse *sparse_of_groups(uint32_t width, uint32_t groups)
{
	size_t kept = (size_t)count_bits(groups) * SPARSE_GROUP * width;
	struct sparse *s = calloc(1, sizeof(*s) + kept);

	if (!s)
		return NULL;
	s->width = width;
	s->groups = groups;
	return s;
}

void *sparse_find(const struct sparse *s, unsigned int group)
{
	if (!(s->groups & 1U << group))
		return NULL;
	return (char *)s->data + offset_of(s, group);
}

void *sparse_make(struct sparse **at, unsigned int group)
{
	struct sparse *s = *at;
	size_t one = SPARSE_GROUP * s->width, kept, offset;
	char *p = sparse_find(s, group);

	if (p)
		return p;
	kept = (size_t)count_bits(s->groups) * one;
	s = realloc(s, sizeof(*s) + kept + one);
	if (!s)
		return NULL;
	*at = s;
	offset = offset_of(s, group);
	p = (char *)s->data + offset;
	memmove(p + one, p, kept - offset);
	s->groups |= 1U << group;
	return memset(p, 0, one);
}

static uint64_t bucket_at(const void *group, uint32_t width, int i)
{
	return width == sizeof(uint32_t) ? ((const uint32_t *)group)[i]
					 : ((const uint64_t *)group)[i];
}

int sparse_add(struct sparse **into, const struct sparse *h)
{
	if (!h)
		return 0;
	if (!*into)
		*into = sparse_new(sizeof(uint64_t));
	if (!*into)
		return -ENOMEM;
	for (uint32_t left = h->groups; left; left &= left - 1) {
		unsigned int g = (unsigned int)__builtin_ctz(left);
		const void *from = sparse_find(h, g);
		void *to = sparse_make(into, g);

		if (!to)
			return -ENOMEM;
		for (int i = 0; i < SPARSE_GROUP; i++)
			if ((*into)->width == sizeof(uint32_t))
				((uint32_t *)to)[i] +=
				    (uint32_t)bucket_at(from, h->width, i);
			else
				((uint64_t *)to)[i] += bucket_at(from, h->width, i);
	}
	(*into)->sum_ns += h->sum_ns;
	return 0;
}

int sparse_widen(struct sparse **at)
{
	struct sparse *s = *at, *wide;
	size_t kept = (size_t)count_bits(s->groups) * SPARSE_GROUP;

	if (s->width == sizeof(uint64_t))
		return 0;
	wide = sparse_of_groups(sizeof(uint64_t), s->groups);
	if (!wide)
		return -ENOMEM;
	wide->sum_ns = s->sum_ns;
	for (size_t i = 0; i < kept; i++)
		wide->data[i] = sparse_bucket(s, i);
	free(s);
	*at = wide;
	return 0;
}

int sparse_sum_group(struct sparse **into, unsigned int group,
		     const uint32_t more[SPARSE_GROUP])
{
	uint32_t *narrow = sparse_make(into, group);
	uint64_t *wide, most = 0;

	if (!narrow)
		return -ENOMEM;
	if ((*into)->width == sizeof(*narrow)) {
		for (int i = 0; i < SPARSE_GROUP; i++)
			most |= (uint64_t)narrow[i] + more[i];
		if (most >> 32 && sparse_widen(into))
			return -ENOMEM;
	}
	if ((*into)->width == sizeof(*narrow)) {
		for (int i = 0; i < SPARSE_GROUP; i++)
			narrow[i] += more[i];
		return 0;
	}
	wide = sparse_find(*into, group);
	for (int i = 0; i < SPARSE_GROUP; i++)
		wide[i] += more[i];
	return 0;
}

int sparse_sum(struct sparse **into, const struct sparse *h)
{
	bool fits = *into && h && h->width == sizeof(uint32_t);
	int err = 0;

	if (*into && h && !fits)
		err = sparse_widen(into);
	if (err || !fits)
		return err ?: sparse_add(into, h);
	for (uint32_t left = h->groups; left; left &= left - 1) {
		unsigned int g = (unsigned int)__builtin_ctz(left);

		if (sparse_sum_group(into, g, sparse_find(h, g)))
			err = -ENOMEM;
	}
	(*into)->sum_ns += h->sum_ns;
	return err;
}

void sparse_expand(const struct sparse *s, uint64_t buckets[BUCKET_COUNT])
{
	size_t at = 0;

	memset(buckets, 0, BUCKET_COUNT * sizeof(*buckets));
	for (uint32_t left = s->groups; left; left &= left - 1) {
		size_t first = (size_t)__builtin_ctz(left) * SPARSE_GROUP;

		for (size_t i = first; i < first + SPARSE_GROUP; i++, at++)
			if (i < BUCKET_COUNT)
				buckets[i] = sparse_bucket(s, at);
	}
}

uint64_t sparse_count(const struct sparse *s)
{
	size_t kept = (size_t)count_bits(s->groups) * SPARSE_GROUP;
	uint64_t n = 0;

	for (size_t i = 0; i < kept; i++)
		n += sparse_bucket(s, i);
	return n;
}

bool sparse_has_any(const struct sparse *s)
{
	size_t bytes = (size_t)count_bits(s->groups) * SPARSE_GROUP * s->width;
	const char *at = (const char *)s->data, *end = at + bytes;
	uint64_t word; /* of either width: a group is a number of words */

	for (; at < end; at += sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		if (word)
			return true;
	}
	return false;
}
