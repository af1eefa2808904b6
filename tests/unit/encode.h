/* SPDX-License-Identifier: Apache-2.0 */
/* All points of a test at once, as OTLP and on their way. */
#ifndef ENCODE_H
#define ENCODE_H

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "otlp/otlp.h"
#include "sink/export.h"

static inline int collect_batch(void *batches, struct otlp_batch *b)
{
	int err = otlp_batches_add(batches, b);

	if (!err)
		b->bytes = NULL;
	return err;
}

/*
 * All points as requests of at most `limit` bytes each (0: OTLP_BATCH_LIMIT), which the
 * caller frees. -ENOMEM, -EMSGSIZE: nothing is left to free.
 */
static inline int encode_batches(const struct points *p, size_t limit,
				 struct otlp_batches *out)
{
	struct otlp_encoder e = { .limit = limit, .take = collect_batch, .arg = out };
	int err;

	memset(out, 0, sizeof(*out));
	err = otlp_end(&e, otlp_add(&e, p));
	if (err)
		otlp_batches_free(out);
	return err;
}

/* All points as one request, of any size; the caller frees *bytes. -ENOMEM. */
static inline int encode_all(const struct points *p, uint8_t **bytes, size_t *len)
{
	struct otlp_batch one = { 0 };
	struct otlp_encoder e = { .limit = SIZE_MAX,
				  .take = otlp_take_one,
				  .arg = &one };
	int err = otlp_end(&e, otlp_add(&e, p));

	*bytes = one.bytes;
	*len = one.len;
	return err;
}

/* Hands over a whole snapshot, and empties *b, whatever comes of it. */
static inline int send_batches(struct export *e, struct otlp_batches *b)
{
	int err = 0;

	for (size_t i = 0; i < b->count && !err; i++)
		err = export_add(e, &b->list[i]);
	otlp_batches_free(b);
	if (!err)
		return export_end(e);
	export_abandon(e);
	return err;
}

#endif
