// SPDX-License-Identifier: Apache-2.0
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/arena.h"
#include "base/text.h"

#define ARENA_BLOCK 32768

struct block {
	struct block *next;
	size_t used, size;
	_Alignas(16) char data[];
};

void *arena_get(struct arena *a, size_t size)
{
	struct block *b = a->blocks;
	void *p;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + 15) & ~(size_t)15;
	if (!b || b->size - b->used < size) {
		size_t n = size > ARENA_BLOCK ? size : ARENA_BLOCK;

		if (a->limit && n > a->limit - a->taken) {
			a->full = true;
			return NULL;
		}
		b = malloc(sizeof(*b) + n);
		if (!b)
			return NULL;
		a->taken += n;
		*b = (struct block){ .next = a->blocks, .size = n };
		a->blocks = b;
	}
	p = b->data + b->used;
	b->used += size;
	return memset(p, 0, size);
}

void arena_reset(struct arena *a)
{
	struct block *b = a->blocks;

	while (b && b->next) {
		a->blocks = b->next;
		free(b);
		b = a->blocks;
	}
	if (b)
		b->used = 0;
	a->taken = b ? b->size : 0;
}

void arena_fini(struct arena *a)
{
	arena_reset(a);
	free(a->blocks);
	a->blocks = NULL;
	a->taken = 0;
}

void arena_adopt(struct arena *a, struct arena *from)
{
	struct block **end = &a->blocks;

	while (*end)
		end = &(*end)->next;
	*end = from->blocks;
	a->taken += from->taken;
	a->limit = from->limit;
	*from = (struct arena){ 0 };
}

char *arena_utf8(struct arena *a, const char *s)
{
	char *copy;

	if (!text_needs_escape(s))
		return (char *)s;
	copy = arena_get(a, strlen(s) * 4 + 1);
	if (copy)
		text_escape(copy, s);
	return copy;
}
