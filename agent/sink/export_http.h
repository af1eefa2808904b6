/* SPDX-License-Identifier: Apache-2.0 */
/* One OTLP/HTTP request at a time over libcurl, and what its answer means. */
#ifndef EXPORT_HTTP_H
#define EXPORT_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "sink/export.h"

enum http_outcome {
	HTTP_ACCEPTED,
	HTTP_RETRY, /* the same request may succeed later */
	HTTP_DROP,  /* it never will */
};

struct http_result {
	enum http_outcome outcome;
	char type[24];		/* error.type; "" when accepted */
	char text[256];		/* one printable line for people */
	uint64_t rejected;	/* points refused by a partial success */
	bool warning;		/* accepted, but text says something */
	int64_t retry_after_ms; /* -1: the answer does not say */
};

struct http;

/* Returns -EINVAL for a URL or headers that cannot be, -ENOMEM. */
int http_open(const struct export_opts *o, struct http **out);
void http_close(struct http *h);
/* What is sent of these bytes, in new memory: their gzip form, if that was asked for.
 * -errno: nothing is left to free, *body is NULL. */
int http_body(const struct http *h, const uint8_t *bytes, size_t len, uint8_t **body,
	      size_t *body_len);
/* Starts sending a body, which has to stay until the request came to its end. */
int http_start(struct http *h, const uint8_t *body, size_t len);
/* Waits as export_poll does. Returns 1 when the request came to its end, 0, -errno. */
int http_poll(struct http *h, struct curl_waitfd *extra, unsigned int n, int timeout_ms,
	      struct http_result *result);

/* export_file.c: -EOPNOTSUPP for what is neither a file nor a character device; appends
 * the batch behind its length; a torn write is taken back. */
int file_open(const char *path);
int file_append(int fd, const struct otlp_batch *b);
/*
 * How many bytes at the end of a file of ours are the beginning of a message: whoever
 * wrote it was killed, or the node went down. What would follow could not be read.
 * 0: none; or the file is no export, or too large to be looked through in a second.
 */
uint64_t file_torn(int fd);
/* Takes them back, and says how many they were; -errno. */
int64_t file_mend(int fd);

#endif
