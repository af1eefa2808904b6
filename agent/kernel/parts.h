/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An array map of which only the parts are mapped where an element is in use: what a
 * process has mapped of one counts as resident, whether it was looked at or not. (The
 * kernel has all of the map from the beginning on.)
 */
#ifndef PARTS_H
#define PARTS_H

#include <stddef.h>
#include <stdint.h>

/* All 0: nothing is reserved, and all calls do nothing. */
struct parts {
	int fd; /* of the map, borrowed */
	unsigned char *base;
	size_t element; /* bytes */
	uint32_t count, of_part;
	uint32_t *used;	     /* elements in use, of each part */
	unsigned char *bits; /* of each element: it is in use */
};

/*
 * Reserves the addresses of `count` elements of so many bytes each, which follow each
 * other in the map; *base is that of the first. None is in use. -errno.
 */
int parts_open(struct parts *p, int fd, size_t element, uint32_t count, void **base);
/* From now on the element may be read. -errno: it may not, and nothing has changed. */
int parts_use(struct parts *p, uint32_t i);
/* It is not read any more, until parts_use() allows it again. */
void parts_leave(struct parts *p, uint32_t i);
void parts_close(struct parts *p);

#endif
