/* SPDX-License-Identifier: Apache-2.0 */
/* What all that writes batches has in common, and nobody else knows. */
#ifndef OTLP_IMPL_H
#define OTLP_IMPL_H

#include "metric/metric.h"
#include "otlp/wire.h"

/* A histogram, and the run of its buckets above zero that have anything. */
struct otlp_hist {
	uint64_t count, zero, sum_ns;
	size_t first, len;   /* first: the number of run[0]; len 0: none has */
	const uint64_t *run; /* borrowed */
};

/* The field of a metric that its points are in, by enum metric_kind. */
extern const unsigned int otlp_field[];

/* Of a point of a histogram what comes behind attributes and times. */
void otlp_put_hist(struct wire *w, const struct otlp_hist *h);
/*
 * The attributes of points as bytes, of those whose values last: a batch of many
 * workloads has the same ones in each. To be freed; NULL: no memory.
 */
struct otlp_known *otlp_known_new(void);
/* An attribute in field n; a NULL value means the boolean true. */
void otlp_put_attr(struct wire *w, unsigned int n, const char *key, const char *value);
/* The attributes of a point, in field n, which is its metric's; known may be NULL. */
void otlp_put_attrs(struct wire *w, unsigned int n, const struct point *p,
		    bool overflow, struct otlp_known *known);
/* The attribute METRIC_ERROR_KEY, in field n; none of what is exact. */
void otlp_put_error(struct wire *w, unsigned int n, const struct metric_error *e);
/* What a metric says behind its points. */
void otlp_put_kind(struct wire *w, enum metric_kind kind, bool delta);
/* Around a resource's metrics. */
size_t otlp_begin_scope(struct wire *w);
void otlp_end_scope(struct wire *w, size_t begin);

#endif
