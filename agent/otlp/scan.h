/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Protobuf's wire format, looked through from front to back without making anything of
 * it (https://protobuf.dev/programming-guides/encoding/).
 */
#ifndef SCAN_H
#define SCAN_H

#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Bytes that are not looked at yet; borrowed. */
struct scan {
	const uint8_t *at, *end;
};

/* An empty message may be at NULL. */
static inline struct scan scan_of(const uint8_t *bytes, size_t len)
{
	return (struct scan){ bytes, len ? bytes + len : bytes };
}

static inline size_t scan_length(struct scan s)
{
	return (size_t)(s.end - s.at);
}

enum scan_type { SCAN_VARINT = 0, SCAN_64 = 1, SCAN_BYTES = 2, SCAN_32 = 5 };

/* A field's number and type as one number, for switch. */
#define SCAN_TAG(number, type) ((number) << 3 | (type))

struct scan_field {
	uint64_t tag;
	uint64_t value; /* of SCAN_VARINT and SCAN_64 */
	struct scan in; /* of SCAN_BYTES */
};

/* A number of seven bits a byte. 0 or -EINVAL: it has no end, or more than 64 bits. */
static inline int scan_varint(struct scan *s, uint64_t *out)
{
	uint64_t v = 0;

	if (s->at < s->end && !(*s->at & 0x80)) {
		*out = *s->at++;
		return 0;
	}
	for (unsigned int shift = 0; shift < 64 && s->at < s->end; shift += 7) {
		uint8_t byte = *s->at++;

		v |= (uint64_t)(byte & 0x7f) << shift;
		if (byte & 0x80)
			continue;
		*out = v;
		return 0;
	}
	return -EINVAL;
}

/* The next field: 1; the end: 0; -EINVAL: these bytes are no message. */
static inline int scan_next(struct scan *s, struct scan_field *f)
{
	if (s->at == s->end)
		return 0;
	if (scan_varint(s, &f->tag))
		return -EINVAL;
	switch (f->tag & 7) {
	case SCAN_VARINT:
		return scan_varint(s, &f->value) ? -EINVAL : 1;
	case SCAN_64:
		if (s->end - s->at < 8)
			return -EINVAL;
		memcpy(&f->value, s->at, 8);
		f->value = le64toh(f->value);
		s->at += 8;
		return 1;
	case SCAN_BYTES:
		if (scan_varint(s, &f->value) || f->value > (uint64_t)(s->end - s->at))
			return -EINVAL;
		f->in = (struct scan){ s->at, s->at + f->value };
		s->at = f->in.end;
		return 1;
	case SCAN_32:
		if (s->end - s->at < 4)
			return -EINVAL;
		s->at += 4;
		return 1;
	default:
		return -EINVAL;
	}
}

/* 0, 1, 2, 3 are 0, -1, 1, -2. */
static inline int64_t scan_sint(uint64_t v)
{
	return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

static inline double scan_double(uint64_t bits)
{
	double d;

	memcpy(&d, &bits, sizeof(d));
	return d;
}

#endif
