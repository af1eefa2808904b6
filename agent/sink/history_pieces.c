// SPDX-License-Identifier: Apache-2.0
/*
 * What a batch says of each workload, without decoding it: a piece is a field
 * resource_metrics of the batch, and its first field is the resource.
 */
#include <errno.h>
#include <stdlib.h>
#include "otlp/scan.h"
#include "sink/history_impl.h"

#define TAG_1 SCAN_TAG(1, SCAN_BYTES) /* of a request, and of a piece */

/* The field 1 that comes next. -EINVAL: it is another one. */
static int next_field(struct scan *s, struct scan *content)
{
	struct scan_field f = { 0 };

	if (scan_next(s, &f) != 1 || f.tag != TAG_1)
		return -EINVAL;
	*content = f.in;
	return 0;
}

int history_piece_read(const uint8_t *bytes, size_t len, struct history_piece *out)
{
	struct scan in = { bytes, bytes + len }, content, resource;

	if (next_field(&in, &content) || next_field(&content, &resource))
		return -EINVAL;
	*out = (struct history_piece){ .bytes = bytes,
				       .len = (size_t)(in.at - bytes),
				       .resource = resource.at,
				       .resource_len = scan_length(resource) };
	return 0;
}

int history_pieces_put(struct history_pieces *p, const struct history_piece *piece)
{
	size_t room = p->room ? 2 * p->room : 256;
	struct history_piece *list;

	if (p->count == p->room) {
		list = reallocarray(p->list, room, sizeof(*list));
		if (!list)
			return -ENOMEM;
		p->list = list;
		p->room = room;
	}
	p->list[p->count++] = *piece;
	return 0;
}

int history_pieces_add(struct history_pieces *p, const uint8_t *bytes, size_t len)
{
	struct history_piece piece;
	int err;

	for (size_t at = 0; at < len; at += piece.len) {
		err = history_piece_read(bytes + at, len - at, &piece);
		if (err)
			return err;
		piece.number = p->count;
		err = history_pieces_put(p, &piece);
		if (err)
			return err;
	}
	return 0;
}

void history_pieces_fini(struct history_pieces *p)
{
	free(p->list);
	*p = (struct history_pieces){ 0 };
}
