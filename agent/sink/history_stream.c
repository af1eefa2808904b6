// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>
#include "otlp/scan.h"
#include "sink/history_impl.h"

#define WINDOW	   18 /* log2: no packer of ours looks further back */
#define FIRST_ROOM (16UL << 10)
#define CHUNK	   4096 /* of what is packed */

static int open_row(struct history_stream *s, const struct history_source *from)
{
	if (sqlite3_blob_open(from->db, "main", "reading", "data", from->id, 0,
			      &s->blob))
		return -EINVAL;
	s->len = (size_t)sqlite3_blob_bytes(s->blob);
	s->chunk = malloc(CHUNK);
	return s->chunk ? 0 : -ENOMEM;
}

/* Sees to it that there is something to be unpacked, if there is anything more. */
static int refill(struct history_stream *s)
{
	size_t n = s->len - s->read;

	if (s->in_at < s->in_len || !s->blob)
		return 0;
	n = n < CHUNK ? n : CHUNK;
	if (n && sqlite3_blob_read(s->blob, s->chunk, (int)n, (int)s->read))
		return -EINVAL;
	s->read += n;
	s->in = s->chunk;
	s->in_at = 0;
	s->in_len = n;
	return 0;
}

int history_stream_open(struct history_stream *s, const struct history_source *from)
{
	int err = 0;

	*s = (struct history_stream){ .in = from->bytes,
				      .in_len = from->bytes ? from->len : 0,
				      .left = from->size };
	if (from->size > HISTORY_RAW_MAX)
		return -EINVAL;
	if (!from->bytes)
		err = open_row(s, from);
	if (!err)
		err = refill(s);
	if (!err && history_is_zlibs(s->in, s->in_len))
		err = -EINVAL;
	if (err)
		return err;
	s->ctx = ZSTD_createDCtx();
	s->bytes = malloc(FIRST_ROOM);
	s->room = FIRST_ROOM;
	if (!s->ctx || !s->bytes)
		return -ENOMEM;
	ZSTD_DCtx_setParameter(s->ctx, ZSTD_d_windowLogMax, WINDOW);
	return 0;
}

void history_stream_close(struct history_stream *s)
{
	ZSTD_freeDCtx(s->ctx);
	sqlite3_blob_close(s->blob);
	free(s->chunk);
	free(s->bytes);
	*s = (struct history_stream){ 0 };
}

/* Room for so many bytes from the beginning of what is yet to be read. */
static int make_room(struct history_stream *s, size_t want)
{
	size_t room = s->room;
	uint8_t *more;

	if (s->at) {
		memmove(s->bytes, s->bytes + s->at, s->end - s->at);
		s->end -= s->at;
		s->at = 0;
	}
	while (room < want)
		room *= 2;
	if (room == s->room)
		return 0;
	more = realloc(s->bytes, room);
	if (!more)
		return -ENOMEM;
	s->bytes = more;
	s->room = room;
	return 0;
}

/* Unpacks until there are so many bytes, or no more come. */
static int fill(struct history_stream *s, size_t want)
{
	ZSTD_outBuffer out = { s->bytes, s->room, s->end };
	int err = 0;

	while (out.pos < want && !s->ended && !err) {
		ZSTD_inBuffer in;
		size_t hint, before;

		err = refill(s);
		in = (ZSTD_inBuffer){ s->in, s->in_len, s->in_at };
		before = out.pos + in.pos;
		hint = ZSTD_decompressStream(s->ctx, &out, &in);
		s->in_at = in.pos;
		s->ended = !hint;
		if (ZSTD_isError(hint) ||
		    (hint && out.pos + in.pos == before)) /* it is cut off */
			err = -EINVAL;
	}
	if (err || out.pos - s->end > s->left)
		return err ?: -EINVAL;
	s->left -= out.pos - s->end;
	s->end = out.pos;
	return s->ended && s->left ? -EINVAL : 0;
}

/* Sees to it that as many bytes can be read, if there are. */
static int want(struct history_stream *s, size_t n)
{
	int err;

	if (s->end - s->at >= n || s->ended)
		return 0;
	err = s->at + n > s->room ? make_room(s, n) : 0;
	return err ? err : fill(s, s->at + n);
}

/* How long the piece is that comes next, by its head. 0: -EINVAL. */
static size_t length_of_next(const struct history_stream *s)
{
	struct scan in = { s->bytes + s->at, s->bytes + s->end };
	uint64_t tag, len;

	if (scan_varint(&in, &tag) || tag != SCAN_TAG(1, SCAN_BYTES) ||
	    scan_varint(&in, &len) || len > s->left + scan_length(in))
		return 0;
	return (size_t)(in.at - s->bytes) - s->at + (size_t)len;
}

int history_stream_next(struct history_stream *s, struct history_piece *out)
{
	int err = want(s, 11); /* a tag, and the longest number */
	size_t len;

	if (err)
		return err;
	if (s->at == s->end)
		return 0;
	len = length_of_next(s);
	if (!len)
		return -EINVAL;
	err = want(s, len);
	if (!err && s->end - s->at < len)
		err = -EINVAL;
	if (!err)
		err = history_piece_read(s->bytes + s->at, len, out);
	s->at += len;
	return err ? err : 1;
}
