/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames for the tests of what is shown, made the long way: points, OTLP bytes, frame;
 * as the commands have them.
 */
#ifndef FAKE_FRAME_H
#define FAKE_FRAME_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "otlp/otlp.h"
#include "view/report.h"
#include "encode.h"
#include "full_hist.h"

#define SECOND 1000000000ULL

static inline struct hist *new_hist(const uint64_t *ns, size_t count)
{
	struct hist *h = test_calloc(1, sizeof(*h));

	for (size_t i = 0; i < count; i++) {
		h->buckets[bucket_of(ns[i])]++;
		h->sum_ns += ns[i];
	}
	return h;
}

static inline struct point_group *add_workload(struct points *p, const char *name,
					       const char *cgroup)
{
	struct point_group *g = points_group(p);

	points_attr(g, "host.name", "node-of-test");
	points_attr(g, "assay.workload.kind", "unit");
	points_attr(g, "assay.workload.name", name);
	points_attr(g, "process.linux.cgroup", cgroup);
	points_attr(g, "service.instance.id", cgroup);
	return g;
}

static inline void add_sum(struct point_group *g, const struct metric *m, const char *a,
			   const char *b, const char *c, uint64_t value)
{
	struct point *p = points_add(g, m);

	p->values[0] = a;
	p->values[1] = b;
	p->values[2] = c;
	p->start_ns = m->kind == METRIC_GAUGE ? 0 : SECOND;
	p->u = value;
}

static inline void add_hist(struct point_group *g, const struct metric *m,
			    const char *value, const struct hist *h)
{
	struct point *p = points_add(g, m);

	p->values[0] = value;
	p->start_ns = SECOND;
	p->hist = sparse_of(h);
}

static inline struct frame *to_frame(struct points *p)
{
	struct frame *f;
	uint8_t *bytes;
	size_t len;

	p->time_ns = 3 * SECOND;
	assert_int_equal(encode_all(p, &bytes, &len), 0);
	assert_int_equal((p->delta ? frame_decode_delta : frame_decode)(bytes, len, &f),
			 0);
	free(bytes);
	points_fini(p);
	return f;
}

static inline char *print(int (*to)(const struct report *, FILE *),
			  const struct frame *f)
{
	struct report r = { .frame = f,
			    .duration_s = 2,
			    .from_agent = true,
			    .choice = { .details = true } };
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(to(&r, out), 0);
	fclose(out);
	return text;
}

static inline void assert_has(const char *text, const char *part)
{
	if (!strstr(text, part)) {
		print_message("# '%s' is not in:\n%s", part, text);
		fail();
	}
}

#endif
