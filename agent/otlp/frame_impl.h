/* SPDX-License-Identifier: Apache-2.0 */
/* What the files frame*.c have in common, and nobody else knows. */
#ifndef FRAME_IMPL_H
#define FRAME_IMPL_H

#include "otlp/frame.h"
#include "otlp/otlp_pb.h"

#define FRAME_ZERO_THRESHOLD 0x1p-20 /* of histograms */
#define FRAME_NO_VALUE	     1	     /* DataPointFlags: no recorded value */

/* The order of attributes, by their keys, as qsort(3) wants it. */
int frame_compare_attr(const void *a, const void *b);
/* The order of a frame's series: by their keys, as qsort(3) wants it. */
int frame_compare(const void *first, const void *second);
/* The order of lists of attributes that are sorted. */
int frame_compare_attrs(const struct frame_attrs *a, const struct frame_attrs *b);
/*
 * The same of resources, 0 if they are of one workload: where its names are from may
 * change while it lives, and histories of before have nothing of it.
 */
int frame_compare_resources(const struct frame_attrs *a, const struct frame_attrs *b);
/*
 * Reads attributes, sorted by their keys, into an arena; texts are borrowed. -EINVAL: a
 * text is no UTF-8.
 */
int frame_read_attrs(struct arena *a, struct pb_key_value *const *list, size_t count,
		     struct frame_attrs *out);
/* Reads the value of METRIC_ERROR_KEY. delta: it is what came in a while. -EINVAL. */
int frame_read_error(const char *text, bool delta, struct metric_error *out);
/* Is it the state of a probe, which is an attribute? Only the latest ones hold. */
bool frame_is_state(const char *metric);
/* The same of two series as frame_add() has it, the later one in `s`. */
void frame_add_to(struct frame_series *into, const struct frame_series *s);
/* Gives the series of one workload, which stand together, the same resource pointer. */
void frame_share_resources(struct frame *f);

#endif
