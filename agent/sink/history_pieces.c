// SPDX-License-Identifier: Apache-2.0
/*
 * What a batch says of each workload, without decoding it: a piece is a field
 * resource_metrics of the batch, and its first field is the resource.
 */
#include <errno.h>
#include <stdlib.h>
#include "sink/history_impl.h"

#define TAG_1 0x0a /* field 1, length-delimited: of a request, and of a piece */

/* A field 1 at *at: its content, and *at moves behind it. -EINVAL. */
static int next_field(const uint8_t *bytes, size_t len, size_t *at, const uint8_t **out,
		      size_t *out_len)
{
	uint64_t n = 0;
	unsigned int shift = 0;

	if (*at >= len || bytes[(*at)++] != TAG_1)
		return -EINVAL;
	do {
		if (*at >= len || shift > 35)
			return -EINVAL;
		n |= (uint64_t)(bytes[*at] & 0x7f) << shift;
		shift += 7;
	} while (bytes[(*at)++] & 0x80);
	if (n > len - *at)
		return -EINVAL;
	*out = bytes + *at;
	*out_len = (size_t)n;
	*at += (size_t)n;
	return 0;
}

int history_pieces_add(struct history_pieces *p, const uint8_t *bytes, size_t len)
{
	for (size_t at = 0; at < len;) {
		const uint8_t *content;
		size_t begin = at, content_len, in = 0;
		struct history_piece *piece;

		if (next_field(bytes, len, &at, &content, &content_len))
			return -EINVAL;
		if (p->count == p->room) {
			size_t room = p->room ? 2 * p->room : 256;

			piece = reallocarray(p->list, room, sizeof(*piece));
			if (!piece)
				return -ENOMEM;
			p->list = piece;
			p->room = room;
		}
		piece = &p->list[p->count];
		*piece = (struct history_piece){ .bytes = bytes + begin,
						 .len = at - begin,
						 .number = p->count };
		p->count++;
		if (next_field(content, content_len, &in, &piece->resource,
			       &piece->resource_len))
			return -EINVAL;
	}
	return 0;
}

void history_pieces_fini(struct history_pieces *p)
{
	free(p->list);
	*p = (struct history_pieces){ 0 };
}
