// SPDX-License-Identifier: Apache-2.0
#include <endian.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "base/varint.h"
#include "otlp/wire.h"

#define WIRE_MIN 4096

enum wire_type { VARINT = 0, I64 = 1, LEN = 2 };

/* Room for so many bytes at the end; NULL: no memory. */
static uint8_t *grow(struct wire *w, size_t n)
{
	size_t room = w->room ? w->room : WIRE_MIN;
	uint8_t *p;

	if (w->full)
		return NULL;
	while (room - w->len < n)
		room *= 2;
	p = realloc(w->bytes, room);
	if (!p) {
		w->full = true;
		return NULL;
	}
	w->bytes = p;
	w->room = room;
	return p + w->len;
}

static inline uint8_t *reserve(struct wire *w, size_t n)
{
	if (w->room - w->len >= n && !w->full)
		return w->bytes + w->len;
	return grow(w, n);
}

static size_t put_tag(uint8_t *to, unsigned int n, enum wire_type type)
{
	return varint_put(to, n << 3 | type);
}

size_t wire_begin(struct wire *w, unsigned int n)
{
	uint8_t *to = reserve(w, VARINT_MAX + 1);

	if (to)
		w->len += put_tag(to, n, LEN) + 1; /* a byte for its length, so far */
	return w->len;
}

void wire_end(struct wire *w, size_t begin)
{
	uint8_t head[VARINT_MAX];
	size_t len = w->len - begin, n;

	if (len < 0x80 && !w->full) { /* as most are */
		w->bytes[begin - 1] = (uint8_t)len;
		return;
	}
	n = varint_put(head, len);
	if (!reserve(w, n - 1))
		return;
	if (n > 1)
		memmove(w->bytes + begin + n - 1, w->bytes + begin, len);
	memcpy(w->bytes + begin - 1, head, n);
	w->len += n - 1;
}

static uint8_t *copy_text(uint8_t *to, unsigned int n, const char *s, size_t len)
{
	to += put_tag(to, n, LEN);
	to += varint_put(to, len);
	memcpy(to, s, len);
	return to + len;
}

static void put_bytes(struct wire *w, unsigned int n, const char *s, size_t len)
{
	uint8_t *to = reserve(w, 2 * VARINT_MAX + len);

	if (!to)
		return;
	to = copy_text(to, n, s, len);
	w->len = (size_t)(to - w->bytes);
}

void wire_text(struct wire *w, unsigned int n, const char *s)
{
	if (*s)
		put_bytes(w, n, s, strlen(s));
}

void wire_name(struct wire *w, unsigned int n, const char *s, bool always)
{
	size_t begin;

	if (!*s && !always)
		return;
	if (!text_needs_escape(s)) {
		put_bytes(w, n, s, strlen(s));
		return;
	}
	begin = wire_begin(w, n);
	if (!reserve(w, strlen(s) * 4 + 1))
		return;
	text_escape((char *)w->bytes + w->len, s);
	w->len += strlen((char *)w->bytes + w->len);
	wire_end(w, begin);
}

static size_t varint_len(size_t v)
{
	size_t n = 1;

	for (; v > 0x7f; v >>= 7)
		n++;
	return n;
}

void wire_pair(struct wire *w, unsigned int n, const char *key, const char *value)
{
	size_t key_len = strlen(key), len = strlen(value),
	       inner = 1 + varint_len(len) + len, begin;
	uint8_t *to;

	if (text_needs_escape(value)) {
		begin = wire_begin(w, n);
		wire_text(w, 1, key);
		len = wire_begin(w, 2);
		wire_name(w, 1, value, true);
		wire_end(w, len);
		wire_end(w, begin);
		return;
	}
	to = reserve(w, 5 * VARINT_MAX + key_len + len);
	if (!to)
		return;
	to += put_tag(to, n, LEN);
	to += varint_put(to, 1 + varint_len(key_len) + key_len + 1 + varint_len(inner) +
				 inner);
	to = copy_text(to, 1, key, key_len);
	to += put_tag(to, 2, LEN);
	to += varint_put(to, inner);
	to = copy_text(to, 1, value, len);
	w->len = (size_t)(to - w->bytes);
}

static void put_number(struct wire *w, unsigned int n, uint64_t v)
{
	uint8_t *to = reserve(w, 2 * VARINT_MAX);

	if (!to)
		return;
	to += put_tag(to, n, VARINT);
	to += varint_put(to, v);
	w->len = (size_t)(to - w->bytes);
}

void wire_number(struct wire *w, unsigned int n, uint64_t v)
{
	if (v)
		put_number(w, n, v);
}

void wire_int(struct wire *w, unsigned int n, int64_t v)
{
	put_number(w, n, (uint64_t)v);
}

/* 0, -1, 1, -2 are 0, 1, 2, 3. */
void wire_sint(struct wire *w, unsigned int n, int32_t v)
{
	uint32_t twice = (uint32_t)v << 1;

	wire_number(w, n, v < 0 ? ~twice : twice);
}

static void put_fixed(struct wire *w, unsigned int n, uint64_t v)
{
	uint8_t *to = reserve(w, VARINT_MAX + sizeof(v));

	if (!to)
		return;
	v = htole64(v);
	to += put_tag(to, n, I64);
	memcpy(to, &v, sizeof(v));
	w->len = (size_t)(to - w->bytes) + sizeof(v);
}

void wire_fixed(struct wire *w, unsigned int n, uint64_t v)
{
	if (v)
		put_fixed(w, n, v);
}

void wire_sfixed(struct wire *w, unsigned int n, int64_t v)
{
	put_fixed(w, n, (uint64_t)v);
}

void wire_double(struct wire *w, unsigned int n, double v)
{
	uint64_t bits;

	memcpy(&bits, &v, sizeof(bits));
	put_fixed(w, n, bits);
}

void wire_packed(struct wire *w, const uint64_t *v, size_t count)
{
	uint8_t *to = reserve(w, count * VARINT_MAX);

	if (!to)
		return;
	for (size_t i = 0; i < count; i++)
		to += varint_put(to, v[i]);
	w->len = (size_t)(to - w->bytes);
}

int wire_append(struct wire *w, const uint8_t *bytes, size_t len)
{
	uint8_t *to = reserve(w, len);

	if (!to)
		return -ENOMEM;
	memcpy(to, bytes, len);
	w->len += len;
	return 0;
}
