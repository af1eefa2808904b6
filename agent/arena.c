// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "arena.h"

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

	size = (size + 15) & ~(size_t)15;
	if (!b || b->size - b->used < size) {
		size_t n = size > ARENA_BLOCK ? size : ARENA_BLOCK;

		b = malloc(sizeof(*b) + n);
		if (!b)
			return NULL;
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
}

void arena_fini(struct arena *a)
{
	arena_reset(a);
	free(a->blocks);
	a->blocks = NULL;
}

/* The length of the UTF-8 sequence at s, 0 when it is none (RFC 3629). */
static size_t utf8_length(const unsigned char *s)
{
	unsigned int low = 0x80, high = 0xbf;
	size_t n;

	if (*s < 0x80)
		return 1;
	if (*s < 0xc2 || *s > 0xf4)
		return 0;
	n = *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	if (*s == 0xe0)
		low = 0xa0; /* no overlong forms */
	else if (*s == 0xed)
		high = 0x9f; /* no surrogates */
	else if (*s == 0xf0)
		low = 0x90;
	else if (*s == 0xf4)
		high = 0x8f; /* nothing above U+10FFFF */
	for (size_t i = 1; i < n; i++) {
		if (s[i] < low || s[i] > high)
			return 0;
		low = 0x80;
		high = 0xbf;
	}
	return n;
}

char *arena_utf8(struct arena *a, const char *s)
{
	const unsigned char *from = (const unsigned char *)s;
	char *to, *copy;
	size_t n;

	while (*from && (n = utf8_length(from)))
		from += n;
	if (!*from)
		return (char *)s;
	copy = to = arena_get(a, strlen(s) * 4 + 1);
	if (!copy)
		return NULL;
	for (from = (const unsigned char *)s; *from; from += n ? n : 1) {
		n = utf8_length(from);
		if (n)
			to = mempcpy(to, from, n);
		else
			to += sprintf(to, "\\x%02x", *from);
	}
	return copy;
}
