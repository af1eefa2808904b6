// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include "view/filter.h"
#include "view/report_rows.h"

static bool passes(const struct report *r, const struct block *b)
{
	for (size_t i = 0; i < r->choice.filter_count; i++) {
		const struct filter *f = &r->choice.filters[i];
		struct cell cell;

		column_get(f->column, b, r->duration_s, &cell);
		if (!filter_passes(f, &cell))
			return false;
	}
	return true;
}

static int compare_hurts(const void *a, const void *b)
{
	const struct block *x = &((const struct report_row *)a)->block;
	const struct block *y = &((const struct report_row *)b)->block;

	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	return x->first < y->first ? -1 : x->first > y->first;
}

static int compare_keys(const void *a, const void *b, void *column)
{
	const struct report_row *x = a, *y = b;
	int order = column_compare(column, &x->key, &y->key);

	return order ? order : compare_hurts(a, b);
}

static void sort(const struct report *r, struct report_rows *rows)
{
	const struct column *c = r->choice.sort;

	if (!c) {
		qsort(rows->list, rows->count, sizeof(*rows->list), compare_hurts);
		return;
	}
	for (size_t i = 0; i < rows->count; i++)
		column_get(c, &rows->list[i].block, r->duration_s, &rows->list[i].key);
	qsort_r(rows->list, rows->count, sizeof(*rows->list), compare_keys, (void *)c);
}

int report_rows_get(const struct report *r, struct report_rows *out)
{
	const struct frame *f = r->frame;
	size_t end;

	*out = (struct report_rows){ .list = calloc(f->count + 1, sizeof(*out->list)) };
	if (!out->list)
		return -ENOMEM;
	for (size_t i = 0; i < f->count; i = end) {
		struct block *b = &out->list[out->count].block;
		int err;

		end = report_group_end(f, i);
		if (!report_is_workload(f->series[i].resource))
			continue;
		err = report_block(b, f, i, end, r->counted);
		if (err)
			return err;
		if (b->count && passes(r, b)) {
			out->count++;
			continue;
		}
		out->others += b->count > 0;
		free(b->items);
	}
	sort(r, out);
	return 0;
}

void report_rows_fini(struct report_rows *rows)
{
	for (size_t i = 0; i < rows->count; i++)
		free(rows->list[i].block.items);
	free(rows->list);
}
