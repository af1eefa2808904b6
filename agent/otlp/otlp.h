/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points to bytes: OTLP ExportMetricsServiceRequest messages.
 *
 * One ResourceMetrics for each group of points, one Metric in it for each metric
 * that has points. Histograms are exponential, their count is the sum of the buckets;
 * everything is cumulative. A series that has ended is a point with the flag
 * NO_RECORDED_VALUE and no value. Names that are no UTF-8 (a cgroup may have any) go
 * out by text_escape, as a receiver would refuse the whole request.
 */
#ifndef OTLP_H
#define OTLP_H

#include <stddef.h>
#include <stdint.h>
#include "metric/metric.h"

#define OTLP_SCHEMA_URL "https://opentelemetry.io/schemas/1.37.0"
#define OTLP_SCOPE	"assay"
/* Well below the 4 MiB at which old receivers refuse a message. */
#define OTLP_BATCH_LIMIT (1024 * 1024)

/* One encoded request. */
struct otlp_batch {
	uint8_t *bytes;
	size_t len, points;
	uint64_t number;   /* of the export, as points.number */
	uint64_t from, to; /* serials of the groups that are in it whole; 0: none */
};

/* The requests of one snapshot: together they hold each of its points once. */
struct otlp_batches {
	struct otlp_batch *list;
	size_t count, room;
};

/*
 * Encodes all points as requests of at most `limit` bytes each (0: OTLP_BATCH_LIMIT).
 * The caller frees the batches. Returns -ENOMEM, or -EMSGSIZE when one point alone
 * is larger than the limit; then nothing is left to free.
 */
int otlp_encode_batches(const struct points *p, size_t limit, struct otlp_batches *out);
/* Frees what otlp_encode_batches made and empties it; also fine on an empty one. */
void otlp_batches_free(struct otlp_batches *b);
/* Encodes all points as one request, of any size; the caller frees *bytes. -ENOMEM. */
int otlp_encode(const struct points *p, uint8_t **bytes, size_t *len);

#endif
