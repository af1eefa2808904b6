// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <curl/curl.h>
#include <zlib.h>
#include "base/pairs.h"
#include "base/util.h"
#include "otlp/otlp_pb.h"
#include "proto/rpc_status.pb-c.h"
#include "sink/export_check.h"
#include "sink/export_http.h"

#define RESPONSE_LIMIT	  (4 * 1024 * 1024)
#define MESSAGE_LIMIT	  (1024 * 1024) /* memory to understand it */
#define CONNECTION_S	  300L /* then a new one: new names, other collectors */
#define DEFAULT_TIMEOUT	  10000
#define RETRY_AFTER_MAX_S 3600

struct http {
	CURLM *multi;  /* holds the connections */
	CURL *options; /* what each request is a copy of */
	CURL *request; /* in flight; NULL: none */
	struct curl_slist *headers;
	bool gzip;
	uint8_t *response;
	size_t response_len, response_room;
	bool response_too_large;
	char error[CURL_ERROR_SIZE];
};

/* Curl's errors that a later attempt may not meet; the name is the error.type. */
static const struct curl_error {
	CURLcode code;
	const char *type;
} retryable[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, "name_resolution" },
	{ CURLE_COULDNT_RESOLVE_PROXY, "name_resolution" },
	{ CURLE_COULDNT_CONNECT, "connect" },
	{ CURLE_SSL_CONNECT_ERROR, "tls" },
	{ CURLE_OPERATION_TIMEDOUT, "timeout" },
	{ CURLE_GOT_NOTHING, "disconnect" },
	{ CURLE_SEND_ERROR, "disconnect" },
	{ CURLE_RECV_ERROR, "disconnect" },
	{ CURLE_PARTIAL_FILE, "disconnect" },
	{ CURLE_OUT_OF_MEMORY, "memory" }, /* also: no descriptor, no thread */
	{ CURLE_FAILED_INIT, "memory" },
};

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct http *h = arg;
	size_t n = size * count;
	size_t room = h->response_room ? h->response_room : 1024;
	uint8_t *p = h->response;

	if (n > RESPONSE_LIMIT - h->response_len) {
		h->response_too_large = true;
		return 0;
	}
	while (room - h->response_len < n)
		room *= 2;
	if (room != h->response_room)
		p = realloc(p, room);
	if (!p)
		return 0;
	memcpy(p + h->response_len, data, n);
	h->response = p;
	h->response_room = room;
	h->response_len += n;
	return n;
}

static int add_header(struct http *h, const char *line)
{
	struct curl_slist *list = curl_slist_append(h->headers, line);

	if (!list)
		return -ENOMEM;
	h->headers = list;
	return 0;
}

/* One of the user's: the value may be empty. */
static int add_pair(struct http *h, const char *key, const char *value)
{
	char *line;
	int err;

	if (!pairs_usable(PAIRS_HEADERS, key, value))
		return -EINVAL;
	/* "key;" is an empty value to curl */
	if (asprintf(&line, *value ? "%s: %s" : "%s;", key, value) < 0)
		return -ENOMEM;
	err = add_header(h, line);
	free(line);
	return err;
}

static int add_pairs(struct http *h, const char *pairs)
{
	char *copy = strdup(pairs), *rest = copy, *key, *value;
	int err = 0, n = copy ? 1 : -ENOMEM;

	while (n > 0 && !err) {
		n = pairs_next(&rest, &key, &value);
		if (n > 0)
			err = add_pair(h, key, value);
	}
	free(copy);
	return n < 0 ? n : err;
}

static int set_headers(struct http *h, const struct export_opts *o)
{
	int err = add_header(h, "Content-Type: application/x-protobuf");

	/* curl would wait for "100 Continue" before a large body */
	if (!err)
		err = add_header(h, "Expect:");
	if (!err && o->gzip)
		err = add_header(h, "Content-Encoding: gzip");
	if (!err && o->headers)
		err = add_pairs(h, o->headers);
	return err;
}

static void set_tls(CURL *c, const struct export_opts *o)
{
	if (o->ca)
		curl_easy_setopt(c, CURLOPT_CAINFO, o->ca);
	if (o->cert)
		curl_easy_setopt(c, CURLOPT_SSLCERT, o->cert);
	if (o->key)
		curl_easy_setopt(c, CURLOPT_SSLKEY, o->key);
	if (o->insecure) {
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	}
}

/* Proxies come from the environment: that is curl's default. */
static int set_options(struct http *h, const struct export_opts *o)
{
	CURL *c = h->options;

	if (curl_easy_setopt(c, CURLOPT_URL, o->url) ||
	    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https"))
		return -EINVAL;
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_POST, 1L);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->headers);
	curl_easy_setopt(c, CURLOPT_USERAGENT,
			 "assay/" ASSAY_VERSION " OTel-OTLP-Exporter-C/" ASSAY_VERSION);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
			 (long)(o->timeout_ms ? o->timeout_ms : DEFAULT_TIMEOUT));
	curl_easy_setopt(c, CURLOPT_MAXLIFETIME_CONN, CONNECTION_S);
	curl_easy_setopt(c, CURLOPT_DNS_CACHE_TIMEOUT, 0L);
	curl_easy_setopt(c, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, h);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, h->error);
#if LIBCURL_VERSION_NUM >= 0x075700
	/* else who is tired of waiting for a name waits for the name's thread */
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);
#endif
	set_tls(c, o);
	return 0;
}

int http_open(const struct export_opts *o, struct http **out)
{
	struct http *h = calloc(1, sizeof(*h));
	int err = -ENOMEM;

	if (!h)
		return -ENOMEM;
	curl_global_init(CURL_GLOBAL_DEFAULT);
	h->gzip = o->gzip;
	h->multi = curl_multi_init();
	h->options = curl_easy_init();
	if (!h->multi || !h->options)
		goto fail;
	err = set_headers(h, o);
	if (!err)
		err = set_options(h, o);
	if (err)
		goto fail;
	*out = h;
	return 0;
fail:
	http_close(h);
	return err;
}

/* Forgets the request in flight, if any, and its answer. */
static void finish(struct http *h)
{
	if (h->request)
		curl_multi_remove_handle(h->multi, h->request);
	curl_easy_cleanup(h->request);
	h->request = NULL;
	free(h->response);
	h->response = NULL;
	h->response_len = h->response_room = 0;
}

void http_close(struct http *h)
{
	if (!h)
		return;
	finish(h);
	curl_easy_cleanup(h->options);
	curl_multi_cleanup(h->multi);
	curl_slist_free_all(h->headers);
	curl_global_cleanup();
	free(h);
}

/* The gzip form, in memory of its size. */
static int compress_gzip(const uint8_t *bytes, size_t len, uint8_t **out,
			 size_t *out_len)
{
	z_stream z = { .next_in = (uint8_t *)bytes, .avail_in = len };
	uint8_t *exact;
	size_t room;
	int err = -ENOMEM;

	if (deflateInit2(&z, Z_DEFAULT_COMPRESSION, Z_DEFLATED, 15 + 16, 8,
			 Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	room = deflateBound(&z, len);
	*out = malloc(room);
	if (*out) {
		z.next_out = *out;
		z.avail_out = room;
		err = deflate(&z, Z_FINISH) == Z_STREAM_END ? 0 : -EIO;
		*out_len = z.total_out;
	}
	deflateEnd(&z);
	exact = err ? NULL : realloc(*out, *out_len);
	if (exact)
		*out = exact;
	return err;
}

int http_body(const struct http *h, const uint8_t *bytes, size_t len, uint8_t **body,
	      size_t *body_len)
{
	int err = -ENOMEM;

	*body = NULL;
	*body_len = len;
	if (h->gzip) {
		err = compress_gzip(bytes, len, body, body_len);
	} else if ((*body = malloc(len ? len : 1))) {
		memcpy(*body, bytes, len);
		err = 0;
	}
	if (err) {
		free(*body);
		*body = NULL;
	}
	return err;
}

/*
 * Every request is a handle of its own: before 8.1.1 libcurl goes on with a header of
 * the answer before, which it has freed, when a handle is used again and the first line
 * of an answer's header begins with a space
 * (https://github.com/curl/curl/issues/11101).
 */
int http_start(struct http *h, const uint8_t *body, size_t len)
{
	CURL *c = curl_easy_duphandle(h->options);

	h->response_too_large = false;
	h->error[0] = '\0';
	if (!c)
		return -ENOMEM;
	curl_easy_setopt(c, CURLOPT_POSTFIELDS, body);
	curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)len);
	if (curl_multi_add_handle(h->multi, c)) {
		curl_easy_cleanup(c);
		return -ENOMEM;
	}
	h->request = c;
	return 0;
}

/* Copies text that came from outside: one line, no control characters. */
static void set_text(char *out, size_t size, const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len && n < size - 1; i++) {
		unsigned char c = text[i];

		if (!c || (c == '\n' && i + 1 == len))
			break;
		out[n++] = c < ' ' || c == 0x7f ? ' ' : c;
	}
	out[n] = '\0';
}

static bool is_protobuf(CURL *c)
{
	const char *type = NULL;

	curl_easy_getinfo(c, CURLINFO_CONTENT_TYPE, &type);
	return !type || strcasestr(type, "protobuf");
}

/*
 * Memory for the fields of an answer, at most MESSAGE_LIMIT in all: two bytes of it may
 * be a field that takes twenty times as much.
 */
static void *take(void *left, size_t size)
{
	if (size > *(size_t *)left)
		return NULL;
	*(size_t *)left -= size;
	return malloc(size);
}

static void give(void *left, void *memory)
{
	free(memory);
}

/* What a 2xx answer says about rejected points; no body is also a success. */
static void read_success(struct http *h, struct http_result *r)
{
	size_t left = MESSAGE_LIMIT;
	ProtobufCAllocator memory = { take, give, &left };
	struct pb_response *m = NULL;

	if (h->response_len && is_protobuf(h->request))
		m = pb_response_unpack(&memory, h->response_len, h->response);
	if (m && m->partial_success) {
		const char *text = m->partial_success->error_message;

		if (m->partial_success->rejected_data_points > 0)
			r->rejected = m->partial_success->rejected_data_points;
		r->warning = r->rejected || *text;
		if (r->warning)
			set_text(r->text, sizeof(r->text), text, strlen(text));
	}
	if (m)
		pb_response_free(m, &memory);
}

/* "HTTP 503: what the body says" */
static void read_failure(struct http *h, long code, struct http_result *r)
{
	size_t left = MESSAGE_LIMIT;
	ProtobufCAllocator memory = { take, give, &left };
	Google__Rpc__Status *m = NULL;
	const char *text = (const char *)h->response;
	size_t len = h->response_len;
	int n = snprintf(r->text, sizeof(r->text), "HTTP %ld", code);

	snprintf(r->type, sizeof(r->type), "%ld", code);
	if (len && is_protobuf(h->request)) {
		m = google__rpc__status__unpack(&memory, len, h->response);
		text = m ? m->message : NULL;
		len = m ? strlen(m->message) : 0;
	}
	if (len) {
		n += snprintf(r->text + n, sizeof(r->text) - n, ": ");
		set_text(r->text + n, sizeof(r->text) - n, text, len);
	}
	if (m)
		google__rpc__status__free_unpacked(m, &memory);
}

static void read_status(struct http *h, long code, struct http_result *r)
{
	curl_off_t after = 0;

	if (code >= 200 && code < 300) {
		r->outcome = HTTP_ACCEPTED;
		snprintf(r->text, sizeof(r->text), "HTTP %ld", code);
		read_success(h, r);
		return;
	}
	read_failure(h, code, r);
	r->outcome = HTTP_DROP;
	if (code != 429 && code != 502 && code != 503 && code != 504)
		return;
	r->outcome = HTTP_RETRY;
	/* seconds, also when the header holds a date */
	if (!curl_easy_getinfo(h->request, CURLINFO_RETRY_AFTER, &after) && after > 0)
		r->retry_after_ms =
		    (after < RETRY_AFTER_MAX_S ? after : RETRY_AFTER_MAX_S) * 1000;
}

static void read_result(struct http *h, CURLcode result, struct http_result *r)
{
	long code = 0;

	*r = (struct http_result){ .outcome = HTTP_DROP, .retry_after_ms = -1 };
	curl_easy_getinfo(h->request, CURLINFO_RESPONSE_CODE, &code);
	if (h->response_too_large) {
		snprintf(r->type, sizeof(r->type), "response_too_large");
		snprintf(r->text, sizeof(r->text), "the answer is larger than %d MiB",
			 RESPONSE_LIMIT >> 20);
		return;
	}
	/* a server may refuse and hang up while we still send: its word counts */
	if (!result || code >= 300) {
		read_status(h, code, r);
		return;
	}
	if (result == CURLE_WEIRD_SERVER_REPLY || strstr(h->error, "HTTP/0.9")) {
		/* the first thing that a server for gRPC says is a frame of HTTP/2 */
		snprintf(r->type, sizeof(r->type), "not_http");
		snprintf(r->text, sizeof(r->text), "the answer is not HTTP/1.1: %s",
			 EXPORT_GRPC_PORT_TEXT);
		return;
	}
	snprintf(r->type, sizeof(r->type), "curl_%d", result);
	for (size_t i = 0; i < COUNT(retryable); i++) {
		if (retryable[i].code == result) {
			r->outcome = HTTP_RETRY;
			snprintf(r->type, sizeof(r->type), "%s", retryable[i].type);
		}
	}
	snprintf(r->text, sizeof(r->text), "%.200s%s",
		 h->error[0] ? h->error : curl_easy_strerror(result),
		 result == CURLE_PEER_FAILED_VERIFICATION ? ": see --export-certificate"
							  : "");
}

/* The request in flight cannot go on; a later one may. */
static int give_up(struct http *h, CURLMcode code, struct http_result *r)
{
	*r = (struct http_result){ .outcome = HTTP_RETRY, .retry_after_ms = -1 };
	snprintf(r->type, sizeof(r->type), "curl_multi_%d", code);
	snprintf(r->text, sizeof(r->text), "%.200s", curl_multi_strerror(code));
	finish(h);
	return 1;
}

int http_poll(struct http *h, struct curl_waitfd *extra, unsigned int n, int timeout_ms,
	      struct http_result *result)
{
	CURLMcode code = CURLM_OK;
	int running, left;
	CURLMsg *msg;

	/* once before waiting: this is what opens the connection */
	if (h->request)
		code = curl_multi_perform(h->multi, &running);
	if (!code && !(h->request && !running) &&
	    curl_multi_poll(h->multi, extra, n, timeout_ms, NULL))
		return -EIO;
	if (!code && h->request)
		code = curl_multi_perform(h->multi, &running);
	if (code)
		return give_up(h, code, result);
	while ((msg = curl_multi_info_read(h->multi, &left))) {
		if (msg->msg != CURLMSG_DONE)
			continue;
		read_result(h, msg->data.result, result);
		finish(h);
		return 1;
	}
	return 0;
}
