/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Points to bytes: OTLP ExportMetricsServiceRequest messages.
 *
 * One ResourceMetrics for each group of points, one Metric in it for each metric
 * that has points. Histograms are exponential, their count is the sum of the buckets;
 * everything is cumulative, unless points.delta says so. A series that has ended is a
 * point with the flag NO_RECORDED_VALUE and no value. Names that are no UTF-8 (a cgroup
 * may have any) go out by text_escape, as a receiver would refuse the whole request.
 */
#ifndef OTLP_H
#define OTLP_H

#include <stddef.h>
#include <stdint.h>
#include "metric/metric.h"
#include "otlp/wire.h"

#define OTLP_SCHEMA_URL "https://opentelemetry.io/schemas/1.37.0"
#define OTLP_SCOPE	"assay"
/* Well below the 4 MiB at which old receivers refuse a message, and little memory. */
#define OTLP_BATCH_LIMIT (512 * 1024)

/* One encoded request. */
struct otlp_batch {
	uint8_t *bytes;
	size_t len, points;
	size_t body;	   /* of those, as the exporter keeps them: compressed */
	uint64_t number;   /* of the export, as points.number */
	uint64_t from, to; /* serials of the groups that are in it whole; 0: none */
};

/*
 * Makes requests of groups of points, one group after the other: what it holds is the
 * request in hand, so that who makes points of one workload at a time needs memory for
 * one. What is not said here is zero at first.
 */
struct otlp_encoder {
	size_t limit; /* bytes of a request; 0: OTLP_BATCH_LIMIT */
	/*
	 * Gets each request when it is full, the last one at the end. Who keeps the
	 * bytes, to be freed, sets b->bytes to NULL; else they are used again. -errno:
	 * nothing more is encoded.
	 */
	int (*take)(void *arg, struct otlp_batch *b);
	void *arg;
	/* the encoder's own */
	struct wire wire;
	struct otlp_known *known;
	struct otlp_batch batch;
};

/*
 * Encodes the groups of p, which are borrowed for the call. -ENOMEM, -EMSGSIZE when one
 * point alone is larger than the limit, or what take() returned; then only otlp_end()
 * is left.
 */
int otlp_add(struct otlp_encoder *e, const struct points *p);
/* Hands over the request in hand now, if there is anything in it. */
int otlp_flush(struct otlp_encoder *e);
/*
 * Hands over the last request, if there was no error so far, and frees what the encoder
 * holds. Returns the first error: err, or take()'s.
 */
int otlp_end(struct otlp_encoder *e, int err);
/* A take() for an encoder without a limit: arg is the struct otlp_batch to fill. */
int otlp_take_one(void *batch, struct otlp_batch *b);

/* The requests of one snapshot: together they hold each of its points once. */
struct otlp_batches {
	struct otlp_batch *list;
	size_t count, room;
};

/* Takes over the bytes, unless it returns -ENOMEM. */
int otlp_batches_add(struct otlp_batches *b, const struct otlp_batch *batch);
/* Frees them all and empties the list; also fine on an empty one. */
void otlp_batches_free(struct otlp_batches *b);

#endif
