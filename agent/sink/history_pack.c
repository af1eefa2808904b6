// SPDX-License-Identifier: Apache-2.0
/*
 * What is kept is compressed as it is made, a workload at a time: a batch of all of
 * them is eight times as large, and is nowhere in memory. Files of format 1 have what
 * zlib compressed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>
#include <zstd.h>
#include "sink/history_impl.h"

#define LEVEL 1 /* zstd's: a reading comes every 10 s */
#define WINDOW \
	18 /* log2: 256 KiB back; the memory that compressing takes is twice it */
#define FIRST_ROOM (64UL << 10)

struct history_packer {
	ZSTD_CCtx *ctx;
	ZSTD_outBuffer out; /* size: its room, pos: its length */
	size_t size;
};

struct history_packer *history_packer_new(void)
{
	struct history_packer *p = calloc(1, sizeof(*p));

	if (!p)
		return NULL;
	p->ctx = ZSTD_createCCtx();
	if (!p->ctx) {
		free(p);
		return NULL;
	}
	ZSTD_CCtx_setParameter(p->ctx, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(p->ctx, ZSTD_c_windowLog, WINDOW);
	ZSTD_CCtx_setParameter(p->ctx, ZSTD_c_checksumFlag, 1); /* damage is found */
	return p;
}

void history_packer_free(struct history_packer *p)
{
	if (!p)
		return;
	ZSTD_freeCCtx(p->ctx);
	free(p->out.dst);
	free(p);
}

static int make_room(ZSTD_outBuffer *out)
{
	size_t room = out->size ? 2 * out->size : FIRST_ROOM;
	void *more = realloc(out->dst, room);

	if (!more)
		return -ENOMEM;
	out->dst = more;
	out->size = room;
	return 0;
}

static int feed(struct history_packer *p, ZSTD_inBuffer *in, ZSTD_EndDirective how)
{
	size_t left;
	int err = 0;

	do {
		if (p->out.pos == p->out.size)
			err = make_room(&p->out);
		if (err)
			return err;
		left = ZSTD_compressStream2(p->ctx, &p->out, in, how);
		if (ZSTD_isError(left))
			return -ENOMEM;
	} while (how == ZSTD_e_end ? left > 0 : in->pos < in->size);
	return 0;
}

int history_packer_add(struct history_packer *p, const uint8_t *bytes, size_t len)
{
	ZSTD_inBuffer in = { bytes, len, 0 };

	p->size += len;
	return feed(p, &in, ZSTD_e_continue);
}

int history_packer_end(struct history_packer *p, uint8_t **out, size_t *len,
		       size_t *size)
{
	ZSTD_inBuffer in = { NULL, 0, 0 };
	int err = feed(p, &in, ZSTD_e_end);
	void *fits = err ? NULL : realloc(p->out.dst, p->out.pos);

	*out = NULL;
	if (!err) {
		*out = fits ? fits : p->out.dst;
		*len = p->out.pos;
		*size = p->size;
		p->out.dst = NULL;
	}
	history_packer_free(p);
	return err;
}

bool history_is_zlibs(const uint8_t *bytes, size_t len)
{
	static const uint8_t magic[4] = { 0x28, 0xb5, 0x2f, 0xfd }; /* RFC 8878 */

	return len < sizeof(magic) || memcmp(bytes, magic, sizeof(magic)) != 0;
}

int history_unpack(const uint8_t *bytes, size_t len, size_t size, uint8_t **out)
{
	uLongf got = size;
	bool whole;

	if (size > HISTORY_RAW_MAX)
		return -EINVAL;
	*out = malloc(size + 1);
	if (!*out)
		return -ENOMEM;
	if (history_is_zlibs(bytes, len))
		whole = uncompress(*out, &got, bytes, len) == Z_OK && got == size;
	else
		whole = ZSTD_decompress(*out, size, bytes, len) == size;
	if (whole)
		return 0;
	free(*out);
	return -EINVAL;
}
