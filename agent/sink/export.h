/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The exporter: encoded snapshots to a collector (OTLP/HTTP) or into a file.
 *
 * No thread of its own: the agent's loop waits in export_poll(). Points are cumulative,
 * so only the newest snapshot is worth anything: it takes the place of one that still
 * waits or is being retried, and an outage of the collector costs constant memory and
 * no count. What waits is compressed, if it is to be sent so.
 */
#ifndef EXPORT_H
#define EXPORT_H

#include <stdbool.h>
#include <stdint.h>
#include "metric/export_stats.h"
#include "otlp/otlp.h"

struct curl_waitfd;
struct export;

/* What is not set is zero. All strings are copied or used during export_open only. */
struct export_opts {
	const char *url;	     /* used as it is */
	const char *headers;	     /* k=v,k=v; percent-encoded */
	const char *file;	     /* a path, instead of a URL */
	const char *ca, *cert, *key; /* PEM files */
	bool insecure;		     /* do not verify the server */
	bool gzip;
	/* what has arrived, in whole batches; may be called in export_add too */
	void (*accepted)(void *arg, const struct otlp_batch *b);
	void *arg;
	unsigned int timeout_ms;	 /* of one attempt; 0: 10 s */
	unsigned int initial_backoff_ms; /* 0: 5 s */
};

/*
 * Opens an exporter, the caller's to close; nothing is connected yet. Returns -EINVAL
 * for headers or a URL that cannot be, or why the file cannot be opened.
 */
int export_open(const struct export_opts *o, struct export **out);
/*
 * Opens the file anew, which was renamed or removed; what came before it is in the old
 * one. On failure returns -errno and goes on with the old one. A URL: nothing to do.
 */
int export_reopen(struct export *e);
/*
 * Takes back what somebody who was killed has left of a message at the end of the file.
 * To be called when nobody else writes to it any more.
 */
void export_mend(struct export *e);
/*
 * Adds a request to the snapshot that is being made; its bytes are not needed
 * afterwards. For a URL it is kept as it will be sent; a file is written at once, and
 * how that went is known at the end. -ENOMEM.
 */
int export_add(struct export *e, const struct otlp_batch *b);
/*
 * That was all of the snapshot: it takes the place of the one before, and is served by
 * export_poll. A file: the error of writing it (and it is logged).
 */
int export_end(struct export *e);
/* What was added is not sent: it cannot be made whole. */
void export_abandon(struct export *e);
/*
 * Waits up to timeout_ms (-1: for ever) for the descriptors in extra or for the
 * exporter's own, and does the exporter's work. Ready descriptors have revents set.
 */
int export_poll(struct export *e, struct curl_waitfd *extra, unsigned int n,
		int timeout_ms);
/* True while a request is on its way: what is in it may yet arrive. */
bool export_in_flight(const struct export *e);
/* True while something waits to be sent, or for its answer. */
bool export_busy(const struct export *e);
/* Sends what is left, for at most deadline_ms. Returns -ETIMEDOUT if some remains. */
int export_flush(struct export *e, unsigned int deadline_ms);
/* The counters so far; they belong to the exporter. */
const struct export_stats *export_stats(const struct export *e);
/* Closes; what still waits is dropped. NULL is fine. */
void export_close(struct export *e);

#endif
