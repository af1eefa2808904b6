// SPDX-License-Identifier: Apache-2.0
/* A frame as a terminal may see it. */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "base/text.h"
#include "otlp/frame.h"
#include "otlp/frame_impl.h"

/* The string as a terminal may see it; NULL: no memory. */
static const char *visible(struct frame *f, const char *s)
{
	size_t size = strlen(s) * 4 + 1;
	const char *c = s;
	char *copy;

	while (*c >= ' ' && *c < 0x7f)
		c++;
	if (!*c)
		return s;
	copy = arena_get(&f->arena, size);
	if (copy)
		text_copy(copy, size, s, SIZE_MAX);
	return copy;
}

static int show_attrs(struct frame *f, struct frame_attrs *a)
{
	for (size_t i = 0; i < a->count; i++) {
		a->list[i].key = visible(f, a->list[i].key);
		a->list[i].value = visible(f, a->list[i].value);
		if (!a->list[i].key || !a->list[i].value)
			return -ENOMEM;
	}
	if (a->count)
		qsort(a->list, a->count, sizeof(*a->list), frame_compare_attr);
	return 0;
}

int frame_make_visible(struct frame *f)
{
	const struct frame_attrs *last = NULL;
	int err = 0;

	for (size_t i = 0; i < f->count && !err; i++) {
		struct frame_series *s = &f->series[i];

		s->name = visible(f, s->name);
		s->unit = visible(f, s->unit);
		s->help = visible(f, s->help);
		err =
		    s->name && s->unit && s->help ? show_attrs(f, &s->attrs) : -ENOMEM;
		if (!err && s->resource != last)
			err = show_attrs(f, (struct frame_attrs *)s->resource);
		last = s->resource;
	}
	return err;
}
