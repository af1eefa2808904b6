// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "otlp/wire.h"

#define WIRE_MIN 4096

uint8_t *wire_grow(struct wire *w, size_t n)
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

void wire_end_long(struct wire *w, size_t begin)
{
	uint8_t head[VARINT_MAX];
	size_t len = w->len - begin, n = varint_put(head, len);

	if (!wire_reserve(w, n - 1))
		return;
	memmove(w->bytes + begin + n - 1, w->bytes + begin, len);
	memcpy(w->bytes + begin - 1, head, n);
	w->len += n - 1;
}

static uint8_t *copy_text(uint8_t *to, unsigned int n, const char *s, size_t len)
{
	to = wire_tag(to, n, WIRE_LEN);
	to += varint_put(to, len);
	memcpy(to, s, len);
	return to + len;
}

static void put_bytes(struct wire *w, unsigned int n, const char *s, size_t len)
{
	uint8_t *to = wire_reserve(w, 2 * VARINT_MAX + len);

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
	if (!wire_reserve(w, strlen(s) * 4 + 1))
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
	to = wire_reserve(w, 5 * VARINT_MAX + key_len + len);
	if (!to)
		return;
	to = wire_tag(to, n, WIRE_LEN);
	to += varint_put(to, 1 + varint_len(key_len) + key_len + 1 + varint_len(inner) +
				 inner);
	to = copy_text(to, 1, key, key_len);
	to = wire_tag(to, 2, WIRE_LEN);
	to += varint_put(to, inner);
	to = copy_text(to, 1, value, len);
	w->len = (size_t)(to - w->bytes);
}

void wire_packed(struct wire *w, const uint64_t *v, size_t count)
{
	uint8_t *to = wire_reserve(w, count * VARINT_MAX);

	if (!to)
		return;
	for (size_t i = 0; i < count; i++)
		to += varint_put(to, v[i]);
	w->len = (size_t)(to - w->bytes);
}

int wire_append(struct wire *w, const uint8_t *bytes, size_t len)
{
	uint8_t *to = wire_reserve(w, len);

	if (!to)
		return -ENOMEM;
	memcpy(to, bytes, len);
	w->len += len;
	return 0;
}
