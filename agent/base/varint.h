/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of seven bits a byte, the lowest first, as protobuf has them. */
#ifndef VARINT_H
#define VARINT_H

#include <stddef.h>
#include <stdint.h>

#define VARINT_MAX 10 /* bytes, of 64 bits; of 32 it is 5 */

/* Writes v; returns how many bytes that took, VARINT_MAX at most. */
static inline size_t varint_put(uint8_t *to, uint64_t v)
{
	size_t n = 0;

	for (; v > 0x7f; v >>= 7)
		to[n++] = (uint8_t)(v | 0x80);
	to[n++] = (uint8_t)v;
	return n;
}

#endif
