// SPDX-License-Identifier: Apache-2.0
/* One request to the kubelet, and what its answer, or what came instead, means. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/text.h"
#include "base/util.h"
#include "workload/kubelet_impl.h"

#define CONNECT_MS  5000L
#define LIFE_S	    600L /* of a connection: then certificates are looked at again */
#define REQUEST_MS  20000
#define TOKEN_MAX   16384
#define HEADERS_MAX 65536 /* bytes of the answer's */
#define WORDS_MAX   200	  /* bytes that are read of a refusal */
#define POLL_MS	    1000

static const struct {
	const char *name;
	const char *advice; /* behind what went wrong; NULL: none */
} results[] = {
	[KUBELET_OK] = { "ok" },
	[KUBELET_UNAUTHORIZED] = { "401", "it does not know the token: see "
					  "--kubelet-token, or the kubelet's webhook "
					  "authentication is off" },
	[KUBELET_FORBIDDEN] = { "403",
				"give the service account get on nodes/pods, or "
				"on nodes/proxy if the kubelet is older than 1.33 "
				"(deploy/kubernetes/README.md)" },
	[KUBELET_NOT_FOUND] = { "404", "a kubelet has its pods at "
				       "https://HOST:10250/pods: see --kubelet" },
	[KUBELET_REDIRECT] = { "3xx", "redirects are not followed: see --kubelet" },
	[KUBELET_REFUSED] = { "4xx", "see --kubelet" },
	[KUBELET_SERVER_ERROR] = { "5xx", NULL },
	[KUBELET_CONNECT] = { "connect", "see --kubelet, and network policies" },
	[KUBELET_TIMEOUT] = { "timeout", NULL },
	[KUBELET_TLS] = { "tls", "see --kubelet-ca, --kubelet-server-name and "
				 "--kubelet-insecure" },
	[KUBELET_DISCONNECT] = { "disconnect", NULL },
	[KUBELET_TOO_LARGE] = { "too_large", "is that a kubelet? See --kubelet" },
	[KUBELET_BAD_ANSWER] = { "bad_answer", "is that a kubelet? See --kubelet" },
	[KUBELET_TOKEN] = { "token", "mount the token of the service account "
				     "(automountServiceAccountToken) for the agent's "
				     "group, or see --kubelet-token" },
	[KUBELET_FAILED] = { "failed", NULL },
};

_Static_assert(COUNT(results) == KUBELET_RESULTS, "each has a name");

/* What libcurl's errors are; all others are no answer of a kubelet's. */
static const struct {
	CURLcode code;
	enum kubelet_result result;
} curl_results[] = {
	{ CURLE_COULDNT_RESOLVE_HOST, KUBELET_CONNECT },
	{ CURLE_COULDNT_CONNECT, KUBELET_CONNECT },
	{ CURLE_OPERATION_TIMEDOUT, KUBELET_TIMEOUT },
	{ CURLE_PEER_FAILED_VERIFICATION, KUBELET_TLS },
	{ CURLE_SSL_CONNECT_ERROR, KUBELET_TLS },
	{ CURLE_SSL_CACERT_BADFILE, KUBELET_TLS },
	{ CURLE_SSL_CERTPROBLEM, KUBELET_TLS },
	{ CURLE_SSL_ISSUER_ERROR, KUBELET_TLS },
	{ CURLE_GOT_NOTHING, KUBELET_DISCONNECT },
	{ CURLE_SEND_ERROR, KUBELET_DISCONNECT },
	{ CURLE_RECV_ERROR, KUBELET_DISCONNECT },
	{ CURLE_PARTIAL_FILE, KUBELET_DISCONNECT },
	{ CURLE_FILESIZE_EXCEEDED, KUBELET_TOO_LARGE },
	{ CURLE_OUT_OF_MEMORY, KUBELET_FAILED },
	{ CURLE_FAILED_INIT, KUBELET_FAILED },
};

/* What comes in while a request is under way. */
struct answer {
	CURL *curl;
	struct pods *pods;
	int err;		   /* of reading them */
	size_t head_bytes;	   /* of its headers */
	char words[WORDS_MAX + 1]; /* of one that is not 200 */
	size_t words_len;
	char error[CURL_ERROR_SIZE];
};

const char *kubelet_result_name(enum kubelet_result result)
{
	return results[result].name;
}

/* The URL with another host in it, which is connected to all the same. */
static int set_server_name(struct kubelet_target *t, CURLU *url, const char *name)
{
	char *host = NULL, *port = NULL, *line = NULL;
	int err = -ENOMEM;

	if (!curl_url_get(url, CURLUPART_HOST, &host, 0) &&
	    !curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) &&
	    asprintf(&line, "::%s:%s", host, port) > 0)
		t->connect_to = curl_slist_append(NULL, line);
	if (t->connect_to)
		err = curl_url_set(url, CURLUPART_HOST, name, 0) ? -EINVAL : 0;
	curl_free(host);
	curl_free(port);
	free(line);
	return err;
}

int kubelet_target_init(struct kubelet_target *t, const struct kubelet_opts *o)
{
	CURLU *url = curl_url();
	char *given = text_url(o->url), *whole = NULL;
	int err = -ENOMEM;

	memset(t, 0, sizeof(*t));
	t->tls = !strncasecmp(o->url, "https://", strlen("https://"));
	if (url && given)
		err = curl_url_set(url, CURLUPART_URL, given, 0) ? -EINVAL : 0;
	if (!err && o->server_name && t->tls)
		err = set_server_name(t, url, o->server_name);
	if (!err && curl_url_get(url, CURLUPART_URL, &whole, 0))
		err = -EINVAL;
	if (!err) {
		t->url = strdup(whole);
		err = t->url ? 0 : -ENOMEM;
	}
	curl_free(whole);
	free(given);
	curl_url_cleanup(url);
	return err;
}

void kubelet_target_fini(struct kubelet_target *t)
{
	free(t->url);
	curl_slist_free_all(t->connect_to);
	memset(t, 0, sizeof(*t));
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
	struct answer *a = arg;

	a->head_bytes += size * count;
	return a->head_bytes > HEADERS_MAX ? 0 : size * count;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
	struct answer *a = arg;
	size_t n = size * count, room = WORDS_MAX - a->words_len;
	long code = 0;

	curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &code);
	if (code == 200) {
		a->err = pods_feed(a->pods, data, n);
		return a->err ? 0 : n;
	}
	memcpy(a->words + a->words_len, data, n < room ? n : room);
	a->words_len += n < room ? n : room;
	return n <= room ? n : 0; /* nobody wants the rest */
}

/*
 * The header with the token. *err: a result; NULL: there is none, or none is sent. Like
 * all that holds a token it is wiped when it is freed.
 */
static struct curl_slist *read_token(const struct kubelet_target *t,
				     const struct kubelet_opts *o,
				     enum kubelet_result *result, char *text,
				     size_t len)
{
	static const char prefix[] = "Authorization: Bearer ";
	char line[sizeof(prefix) + TOKEN_MAX], *token = line + sizeof(prefix) - 1;
	struct curl_slist *list;
	int n;

	*result = KUBELET_OK;
	if (!t->tls)
		return NULL;
	memcpy(line, prefix, sizeof(prefix));
	n = read_file(o->token, token, TOKEN_MAX);
	*result = KUBELET_TOKEN;
	if (n < 0) {
		snprintf(text, len, "the token %s cannot be read by user %u: %s",
			 o->token, geteuid(), strerror(-n));
		return NULL;
	}
	for (const char *c = token; n && *c; c++)
		if (*c <= ' ' || *c > '~')
			n = 0;
	if (!n || n == TOKEN_MAX - 1) {
		snprintf(text, len, "the file %s holds no token", o->token);
		explicit_bzero(line, sizeof(line));
		return NULL;
	}
	list = curl_slist_append(NULL, line);
	explicit_bzero(line, sizeof(line));
	*result = list ? KUBELET_OK : KUBELET_FAILED;
	return list;
}

static void free_token(struct curl_slist *list)
{
	if (list)
		explicit_bzero(list->data, strlen(list->data));
	curl_slist_free_all(list);
}

/* Only TLS or plain HTTP, to this host: no redirect, no proxy, none of the node's CAs.
 */
static int set_options(CURL *c, const struct kubelet_target *t,
		       const struct kubelet_opts *o, struct curl_slist *headers,
		       struct answer *a)
{
	if (curl_easy_setopt(c, CURLOPT_URL, t->url) ||
	    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, t->tls ? "https" : "http"))
		return -EINVAL;
	curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L);
	curl_easy_setopt(c, CURLOPT_PROXY, "");
	curl_easy_setopt(c, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
	curl_easy_setopt(c, CURLOPT_CONNECT_TO, t->connect_to);
	curl_easy_setopt(c, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(c, CURLOPT_USERAGENT, "assay/" ASSAY_VERSION);
	curl_easy_setopt(c, CURLOPT_FRESH_CONNECT, t->connected ? 0L : 1L);
	curl_easy_setopt(c, CURLOPT_MAXAGE_CONN, (long)(KUBELET_IDLE / 1000000000));
	curl_easy_setopt(c, CURLOPT_MAXLIFETIME_CONN, LIFE_S);
	curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(c, CURLOPT_TIMEOUT_MS,
			 (long)(o->timeout_ms ? o->timeout_ms : REQUEST_MS));
	curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)PODS_ANSWER_MAX);
	curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(c, CURLOPT_WRITEDATA, a);
	curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(c, CURLOPT_HEADERDATA, a);
	curl_easy_setopt(c, CURLOPT_ERRORBUFFER, a->error);
	curl_easy_setopt(c, CURLOPT_CAPATH, NULL);
	curl_easy_setopt(c, CURLOPT_CAINFO, o->ca);
#if LIBCURL_VERSION_NUM >= 0x075700
	curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L);	   /* see export_http.c */
	curl_easy_setopt(c, CURLOPT_CA_CACHE_TIMEOUT, 0L); /* it may be renewed */
#endif
	if (o->insecure) {
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYPEER, 0L);
		curl_easy_setopt(c, CURLOPT_SSL_VERIFYHOST, 0L);
	}
	return 0;
}

/* Until the request came to its end; false: it was stopped, or cannot go on. */
static bool drive(CURLM *multi, const bool *stop, CURLcode *code)
{
	int running = 1, left;
	CURLMsg *msg;

	while (!__atomic_load_n(stop, __ATOMIC_ACQUIRE)) {
		if (curl_multi_perform(multi, &running))
			return false;
		while ((msg = curl_multi_info_read(multi, &left))) {
			if (msg->msg != CURLMSG_DONE)
				continue;
			*code = msg->data.result;
			return true;
		}
		if (curl_multi_poll(multi, NULL, 0, POLL_MS, NULL))
			return false;
	}
	return false;
}

static enum kubelet_result result_of_status(long code)
{
	switch (code) {
	case 200:
		return KUBELET_OK;
	case 401:
		return KUBELET_UNAUTHORIZED;
	case 403:
		return KUBELET_FORBIDDEN;
	case 404:
		return KUBELET_NOT_FOUND;
	default:
		return code >= 500   ? KUBELET_SERVER_ERROR
		       : code >= 400 ? KUBELET_REFUSED
		       : code >= 300 ? KUBELET_REDIRECT
				     : KUBELET_BAD_ANSWER;
	}
}

/* What came of it, with libcurl's words where it has some. */
static enum kubelet_result result_of(struct answer *a, CURLcode code, char *text,
				     size_t len)
{
	long status = 0;

	curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
	if (status >= 200 && status != 200) {
		snprintf(text, len, "HTTP %ld%s%.*s", status, *a->words ? ": " : "",
			 (int)strcspn(a->words, "\r\n"), a->words);
		return result_of_status(status);
	}
	if (!code && !a->err)
		a->err = pods_end(a->pods);
	if (a->err == -ENOMEM) {
		snprintf(text, len, "no memory");
		return KUBELET_FAILED;
	}
	if (a->err || a->head_bytes > HEADERS_MAX) {
		snprintf(text, len, "the answer %s",
			 a->err == -EBADMSG ? "is no whole list of pods"
					    : "is larger than any node's");
		return a->err == -EBADMSG ? KUBELET_BAD_ANSWER : KUBELET_TOO_LARGE;
	}
	if (!code)
		return result_of_status(status);
	snprintf(text, len, "%.200s",
		 a->error[0] ? a->error : curl_easy_strerror(code));
	for (size_t i = 0; i < COUNT(curl_results); i++)
		if (curl_results[i].code == code)
			return curl_results[i].result;
	return KUBELET_BAD_ANSWER;
}

/* The request itself, of an answer that is ready to take it. */
static enum kubelet_result perform(CURLM *multi, const bool *stop, struct answer *a,
				   char *text, size_t len)
{
	enum kubelet_result result = KUBELET_FAILED;
	CURLcode code;

	snprintf(text, len, "it cannot be asked for want of memory or descriptors");
	if (curl_multi_add_handle(multi, a->curl))
		return result;
	if (drive(multi, stop, &code))
		result = result_of(a, code, text, len);
	curl_multi_remove_handle(multi, a->curl);
	return result;
}

/* What was checked by another file is not to be trusted on. */
static void look_at_ca(struct kubelet_target *t, const struct kubelet_opts *o)
{
	struct stat st = { 0 };

	if (t->tls && o->ca && stat(o->ca, &st))
		st = (struct stat){ 0 };
	if (st.st_ino != t->ca_inode ||
	    memcmp(&st.st_mtim, &t->ca_changed, sizeof(st.st_mtim)) != 0)
		t->connected = false;
	t->ca_inode = st.st_ino;
	t->ca_changed = st.st_mtim;
}

CURLM *kubelet_multi(void)
{
	CURLM *multi = curl_multi_init();

	if (multi)
		curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1L);
	return multi;
}

static void add_advice(enum kubelet_result result, char *text, size_t len)
{
	size_t at = strlen(text);

	if (results[result].advice)
		snprintf(text + at, len - at, "; %s", results[result].advice);
}

enum kubelet_result kubelet_ask(CURLM *multi, struct kubelet_target *t,
				const struct kubelet_opts *o, const bool *stop,
				const struct pods *before, struct pods **out,
				char *text, size_t len)
{
	struct answer a = { .curl = curl_easy_init() };
	enum kubelet_result result;
	struct curl_slist *headers = read_token(t, o, &result, text, len);

	if (!result) {
		result = KUBELET_FAILED;
		snprintf(text, len, "no memory");
		look_at_ca(t, o);
		if (a.curl && !pods_new(&o->keep, &a.pods) &&
		    !set_options(a.curl, t, o, headers, &a)) {
			if (before)
				pods_follow(a.pods, before);
			result = perform(multi, stop, &a, text, len);
		}
		t->connected = !result;
	}
	curl_easy_cleanup(a.curl);
	free_token(headers);
	if (result) {
		pods_free(a.pods);
		add_advice(result, text, len);
	} else {
		*out = a.pods;
	}
	return result;
}
