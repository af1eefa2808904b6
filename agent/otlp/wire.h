/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf's wire format, written from front to back into one growing piece of memory
 * (https://protobuf.dev/programming-guides/encoding/). A batch has tens of thousands of
 * messages, so nothing is built of them first: that took three times as long.
 *
 * As proto3 has it: a number of 0 and an empty text are not written, except where they
 * are one of several (oneof), see each function. Fields are to be written in the order
 * of their numbers, as all libraries do.
 */
#ifndef WIRE_H
#define WIRE_H

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "base/varint.h"

struct wire {
	uint8_t *bytes; /* len of them; to be freed */
	size_t len, room;
	bool full; /* there was no memory: something is missing, and nothing is added */
};

enum wire_type { WIRE_VARINT = 0, WIRE_I64 = 1, WIRE_LEN = 2 };

/* Makes room for so many bytes at the end; NULL: no memory. */
uint8_t *wire_grow(struct wire *w, size_t n);

/* The same, which mostly is there. */
static inline uint8_t *wire_reserve(struct wire *w, size_t n)
{
	if (w->room - w->len >= n && !w->full)
		return w->bytes + w->len;
	return wire_grow(w, n);
}

/* What comes first in a field: in here, as its number is known where it is written. */
static inline uint8_t *wire_tag(uint8_t *to, unsigned int n, enum wire_type type)
{
	return to + varint_put(to, n << 3 | type);
}

/* Begins a message in field n; wire_end() takes what it returns. */
static inline size_t wire_begin(struct wire *w, unsigned int n)
{
	uint8_t *to = wire_reserve(w, VARINT_MAX + 1);

	if (to) /* a byte for its length, so far */
		w->len = (size_t)(wire_tag(to, n, WIRE_LEN) - w->bytes) + 1;
	return w->len;
}

/* Ends one that is longer than a byte tells. */
void wire_end_long(struct wire *w, size_t begin);

static inline void wire_end(struct wire *w, size_t begin)
{
	size_t len = w->len - begin;

	if (len < 0x80 && !w->full) /* as most are */
		w->bytes[begin - 1] = (uint8_t)len;
	else
		wire_end_long(w, begin);
}

/* A text as it is; and made UTF-8 by text_escape(). `always`: even an empty one. */
void wire_text(struct wire *w, unsigned int n, const char *s);
void wire_name(struct wire *w, unsigned int n, const char *s, bool always);
/*
 * In field n a message of two fields: a text, and in field 2 a message whose only field
 * is a text, even an empty one, made UTF-8. Key and value are as most of a batch is.
 */
void wire_pair(struct wire *w, unsigned int n, const char *key, const char *value);

/* Of the type int64, always. */
static inline void wire_int(struct wire *w, unsigned int n, int64_t v)
{
	uint8_t *to = wire_reserve(w, 2 * VARINT_MAX);

	if (!to)
		return;
	to = wire_tag(to, n, WIRE_VARINT);
	to += varint_put(to, (uint64_t)v);
	w->len = (size_t)(to - w->bytes);
}

/* Of the types uint32, uint64, bool and enum. */
static inline void wire_number(struct wire *w, unsigned int n, uint64_t v)
{
	if (v)
		wire_int(w, n, (int64_t)v);
}

/* 0, -1, 1, -2 are 0, 1, 2, 3. */
static inline void wire_sint(struct wire *w, unsigned int n, int32_t v)
{
	uint32_t twice = (uint32_t)v << 1;

	wire_number(w, n, v < 0 ? ~twice : twice);
}

/* Of the types sfixed64 and double, always. */
static inline void wire_sfixed(struct wire *w, unsigned int n, int64_t v)
{
	uint8_t *to = wire_reserve(w, VARINT_MAX + sizeof(v));
	uint64_t little = htole64((uint64_t)v);

	if (!to)
		return;
	to = wire_tag(to, n, WIRE_I64);
	memcpy(to, &little, sizeof(little));
	w->len = (size_t)(to - w->bytes) + sizeof(little);
}

static inline void wire_double(struct wire *w, unsigned int n, double v)
{
	int64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	wire_sfixed(w, n, bits);
}

/* Of the type fixed64. */
static inline void wire_fixed(struct wire *w, unsigned int n, uint64_t v)
{
	if (v)
		wire_sfixed(w, n, (int64_t)v);
}

/* Bytes as they are: fields that were written before. 0 or -ENOMEM. */
int wire_append(struct wire *w, const uint8_t *bytes, size_t len);
/* Numbers of a packed field, which begins and ends as a message does. */
void wire_packed(struct wire *w, const uint64_t *v, size_t count);

#endif
