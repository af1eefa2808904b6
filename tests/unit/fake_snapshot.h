/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots for the exporters' tests, and what became of their points. */
#ifndef FAKE_SNAPSHOT_H
#define FAKE_SNAPSHOT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "sink/export.h"
#include "encode.h"

/* A snapshot of `count` requests, which are texts here: "NAME 1", "NAME 2", ... */
static inline struct otlp_batches snapshot(const char *name, size_t count)
{
	struct otlp_batches b = { calloc(count, sizeof(*b.list)), count, count };

	for (size_t i = 0; i < count; i++) {
		b.list[i].len =
		    asprintf((char **)&b.list[i].bytes, "%s %zu", name, i + 1);
		b.list[i].points = 10;
	}
	return b;
}

static inline void send_snapshot(struct export *e, const char *name, size_t count)
{
	struct otlp_batches b = snapshot(name, count);

	assert_int_equal(send_batches(e, &b), 0);
	assert_int_equal(b.count, 0);
}

/* Points that did not arrive for this reason. */
static inline uint64_t failed_points(const struct export *e, const char *type)
{
	const struct export_stats *s = export_stats(e);

	for (unsigned int i = 0; i < s->failed_count; i++)
		if (!strcmp(s->failed[i].type, type))
			return s->failed[i].points;
	return 0;
}

#endif
