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

int history_pieces_add(struct history_pieces *p, const uint8_t *bytes, size_t len)
{
	struct scan in = { bytes, bytes + len }, content, resource;

	while (in.at < in.end) {
		const uint8_t *begin = in.at;
		struct history_piece *piece;

		if (next_field(&in, &content))
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
		*piece = (struct history_piece){ .bytes = begin,
						 .len = (size_t)(in.at - begin),
						 .number = p->count };
		p->count++;
		if (next_field(&content, &resource))
			return -EINVAL;
		piece->resource = resource.at;
		piece->resource_len = (size_t)(resource.end - resource.at);
	}
	return 0;
}

void history_pieces_fini(struct history_pieces *p)
{
	free(p->list);
	*p = (struct history_pieces){ 0 };
}
