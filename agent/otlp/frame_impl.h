/* SPDX-License-Identifier: Apache-2.0 */
/* What the files frame*.c have in common, and nobody else knows. */
#ifndef FRAME_IMPL_H
#define FRAME_IMPL_H

#include "otlp/frame.h"

/* The order of attributes, by their keys, as qsort(3) wants it. */
int frame_compare_attr(const void *a, const void *b);
/* The order of a frame's series: by their keys, as qsort(3) wants it. */
int frame_compare(const void *first, const void *second);
/* Gives the series of one workload, which stand together, the same resource pointer. */
void frame_share_resources(struct frame *f);

#endif
