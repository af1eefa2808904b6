// SPDX-License-Identifier: Apache-2.0
/*
 * Batches of readings become one, a workload at a time, which in a batch is a piece of
 * its own (a field resource_metrics), and its resource the first field of that: so
 * there is only one workload's sum in memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "otlp/delta_sum.h"
#include "sink/history_impl.h"

#define SUM_MAX (64UL << 20)

struct delta_sum *history_merge_new(void)
{
	return delta_sum_new(DELTA_ENCODE, SUM_MAX);
}

static int compare_resources(const struct history_piece *a,
			     const struct history_piece *b)
{
	if (a->resource_len != b->resource_len)
		return a->resource_len < b->resource_len ? -1 : 1;
	return memcmp(a->resource, b->resource, a->resource_len);
}

static int compare_pieces(const void *a, const void *b)
{
	const struct history_piece *x = a, *y = b;
	int c = compare_resources(x, y);

	return c ? c : (x->number > y->number) - (x->number < y->number);
}

int history_merge_workload(struct delta_sum *sum, const struct history_piece *list,
			   size_t count, struct wire *out)
{
	int err = 0;

	delta_sum_clear(sum);
	for (size_t i = 0; i < count && !err; i++)
		err = delta_sum_add(sum, list[i].bytes, list[i].len);
	if (err)
		return err;
	out->len = 0;
	delta_sum_encode(sum, out);
	return out->full ? -ENOMEM : 0;
}

/* How many from the first one on are of its workload. */
static size_t same_workload(const struct history_pieces *p, size_t first)
{
	size_t n = 1;

	while (first + n < p->count &&
	       !compare_resources(&p->list[first], &p->list[first + n]))
		n++;
	return n;
}

int history_merge_pieces(struct delta_sum *sum, struct history_pieces *p,
			 struct wire *out, struct history_packer *to)
{
	size_t same;
	int err = 0;

	if (p->count)
		qsort(p->list, p->count, sizeof(*p->list), compare_pieces);
	for (size_t i = 0; i < p->count && !err; i += same) {
		same = same_workload(p, i);
		err = history_merge_workload(sum, &p->list[i], same, out);
		if (!err && to)
			err = history_packer_add(to, out->bytes, out->len);
	}
	return err;
}

int history_merge_bytes(uint8_t *const *bytes, const size_t *len, size_t count,
			struct history_packer *to)
{
	struct delta_sum *sum = history_merge_new();
	struct history_pieces p = { 0 };
	struct wire out = { 0 };
	int err = sum ? 0 : -ENOMEM;

	for (size_t i = 0; i < count && !err; i++)
		err = history_pieces_add(&p, bytes[i], len[i]);
	if (!err)
		err = history_merge_pieces(sum, &p, &out, to);
	history_pieces_fini(&p);
	delta_sum_free(sum);
	free(out.bytes);
	return err;
}
