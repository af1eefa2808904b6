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

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct wire {
	uint8_t *bytes; /* len of them; to be freed */
	size_t len, room;
	bool full; /* there was no memory: something is missing */
};

/* Begins a message in field n; wire_end() takes what it returns. */
size_t wire_begin(struct wire *w, unsigned int n);
void wire_end(struct wire *w, size_t begin);
/* A text as it is; and made UTF-8 by text_escape(). `always`: even an empty one. */
void wire_text(struct wire *w, unsigned int n, const char *s);
void wire_name(struct wire *w, unsigned int n, const char *s, bool always);
/*
 * In field n a message of two fields: a text, and in field 2 a message whose only field
 * is a text, even an empty one, made UTF-8. Key and value are as most of a batch is.
 */
void wire_pair(struct wire *w, unsigned int n, const char *key, const char *value);
/* Of the types uint32, uint64, bool and enum; and int64, always. */
void wire_number(struct wire *w, unsigned int n, uint64_t v);
void wire_int(struct wire *w, unsigned int n, int64_t v);
void wire_sint(struct wire *w, unsigned int n, int32_t v);
void wire_fixed(struct wire *w, unsigned int n, uint64_t v);
/* Of the types sfixed64 and double, always. */
void wire_sfixed(struct wire *w, unsigned int n, int64_t v);
void wire_double(struct wire *w, unsigned int n, double v);
/* Bytes as they are: fields that were written before. 0 or -ENOMEM. */
int wire_append(struct wire *w, const uint8_t *bytes, size_t len);
/* Numbers of a packed field, which begins and ends as a message does. */
void wire_packed(struct wire *w, const uint64_t *v, size_t count);

#endif
