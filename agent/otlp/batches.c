// SPDX-License-Identifier: Apache-2.0
/* Requests in a list, and who takes the one that there is. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "otlp/otlp.h"

int otlp_batches_add(struct otlp_batches *b, const struct otlp_batch *batch)
{
	if (b->count == b->room) {
		size_t n = b->room ? b->room * 2 : 4;
		void *p = reallocarray(b->list, n, sizeof(*b->list));

		if (!p)
			return -ENOMEM;
		b->list = p;
		b->room = n;
	}
	b->list[b->count++] = *batch;
	return 0;
}

void otlp_batches_free(struct otlp_batches *b)
{
	for (size_t i = 0; i < b->count; i++)
		free(b->list[i].bytes);
	free(b->list);
	memset(b, 0, sizeof(*b));
}

int otlp_take_one(void *batch, struct otlp_batch *b)
{
	*(struct otlp_batch *)batch = *b;
	b->bytes = NULL;
	return 0;
}
