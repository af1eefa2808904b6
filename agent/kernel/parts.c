// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>
#include "kernel/parts.h"

#define PART_MIN (128 << 10) /* bytes: some 5 us to map, and a mapping for each */

/* The least number of elements that fill whole pages. */
static uint32_t whole_pages(size_t element, size_t page)
{
	uint32_t n = 1;

	while (n * element % page)
		n++;
	return n;
}

static size_t bytes_of(const struct parts *p, uint32_t part)
{
	uint32_t first = part * p->of_part, n = p->count - first;
	size_t page = sysconf(_SC_PAGESIZE), bytes;

	bytes = (n < p->of_part ? n : p->of_part) * p->element;
	return (bytes + page - 1) & -page;
}

static uint32_t part_count(const struct parts *p)
{
	return (p->count + p->of_part - 1) / p->of_part;
}

/* Of all parts: the last one may be a piece of one. */
static size_t whole_bytes(const struct parts *p)
{
	uint32_t last = part_count(p) - 1;

	return last * p->of_part * p->element + bytes_of(p, last);
}

int parts_open(struct parts *p, int fd, size_t element, uint32_t count, void **base)
{
	uint32_t step = whole_pages(element, sysconf(_SC_PAGESIZE));

	*p = (struct parts){ .fd = fd, .element = element, .count = count };
	p->of_part = (PART_MIN / (step * element) + 1) * step;
	p->used = calloc(part_count(p), sizeof(*p->used));
	p->bits = calloc(count / 8 + 1, 1);
	p->base = mmap(NULL, whole_bytes(p), PROT_NONE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p->base == MAP_FAILED)
		p->base = NULL;
	*base = p->base;
	if (p->base && p->used && p->bits)
		return 0;
	parts_close(p);
	return -ENOMEM;
}

/* Maps a part, or takes it away: its addresses stay reserved. */
static int map(const struct parts *p, uint32_t part, bool there)
{
	size_t at = (size_t)part * p->of_part * p->element;
	int flags = there ? MAP_SHARED : MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
	void *m = mmap(p->base + at, bytes_of(p, part), there ? PROT_READ : PROT_NONE,
		       flags | MAP_FIXED, there ? p->fd : -1, there ? at : 0);

	return m == MAP_FAILED ? -errno : 0;
}

int parts_use(struct parts *p, uint32_t i)
{
	uint32_t part;
	int err;

	if (!p->base || p->bits[i / 8] & 1U << i % 8)
		return 0;
	part = i / p->of_part;
	err = p->used[part] ? 0 : map(p, part, true);
	if (err)
		return err;
	p->used[part]++;
	p->bits[i / 8] |= 1U << i % 8;
	return 0;
}

void parts_leave(struct parts *p, uint32_t i)
{
	uint32_t part;

	if (!p->base || !(p->bits[i / 8] & 1U << i % 8))
		return;
	part = i / p->of_part;
	p->bits[i / 8] &= ~(1U << i % 8);
	if (!--p->used[part])
		map(p, part, false); /* if not, it stays, and is mapped over */
}

void parts_close(struct parts *p)
{
	if (p->base)
		munmap(p->base, whole_bytes(p));
	free(p->used);
	free(p->bits);
	*p = (struct parts){ 0 };
}
