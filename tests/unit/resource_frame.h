/* SPDX-License-Identifier: Apache-2.0 */
/* What a receiver reads of a workload's resource. */
#ifndef RESOURCE_FRAME_H
#define RESOURCE_FRAME_H

#include "metric/resource.h"
#include "otlp/frame.h"
#include "encode.h"

/* A point of the workload, on its way; the caller frees it. */
static inline struct frame *resource_frame(const struct resource *r, struct workload w)
{
	static const struct metric level = { "test.level", "", "", METRIC_GAUGE };
	struct points p = { .time_ns = 2 };
	struct point_group *g = points_group(&p);
	struct frame *f;
	uint8_t *bytes;
	size_t len;

	assert_int_equal(resource_workload(r, &w, false, g), 0);
	points_add(g, &level);
	assert_int_equal(encode_all(&p, &bytes, &len), 0);
	assert_int_equal(frame_decode(bytes, len, &f), 0);
	points_fini(&p);
	free(bytes);
	free(w.instance);
	return f;
}

/* The same on a node with these options and an identity that is known. */
static inline struct frame *resource_frame_on(struct options o, struct workload w)
{
	struct resource r;
	char cause[256];
	struct frame *f;

	o.host_id = "h1";
	o.host_name = "node1";
	assert_int_equal(resource_init(&r, &o, cause, sizeof(cause)), 0);
	f = resource_frame(&r, w);
	resource_fini(&r);
	return f;
}

#endif
