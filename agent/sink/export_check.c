// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <curl/curl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include "base/options.h"
#include "sink/export_check.h"

static bool is_http(const char *url)
{
	return !strncasecmp(url, "http", 4) && strstr(url, "://");
}

static int refuse(const char *option, const char *path, const char *why, char *cause,
		  size_t len)
{
	snprintf(cause, len, "--export-%s: %.200s: %s", option, path, why);
	return -EINVAL;
}

/* With OpenSSL's reason, which alone says little. */
static int refuse_pem(const char *option, const char *path, const char *thing,
		      char *cause, size_t len)
{
	const char *reason = ERR_reason_error_string(ERR_peek_error());
	char why[200];

	if (ERR_GET_REASON(ERR_peek_error()) == X509_R_KEY_VALUES_MISMATCH)
		return refuse(option, path,
			      "is not the key of --export-client-certificate", cause,
			      len);
	snprintf(why, sizeof(why), "no usable %s in PEM (%s)", thing,
		 reason ? reason : "OpenSSL does not say why");
	return refuse(option, path, why, cause, len);
}

/* A file that cannot be opened is reported in the system's words: they say more. */
static int check_readable(const char *option, const char *path, char *cause, size_t len)
{
	FILE *f = path ? fopen(path, "re") : NULL;

	if (path && !f)
		return refuse(option, path, strerror(errno), cause, len);
	if (f)
		fclose(f);
	return 0;
}

/* Nobody is there to type the passphrase of a key. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
	return -1;
}

/* Loads them as libcurl will: a certificate without a key has it in its own file. */
static int load(SSL_CTX *ctx, const struct options *o, char *cause, size_t len)
{
	const char *cert = o->client_certificate;
	const char *key = o->client_key ? o->client_key : cert;
	const char *key_option = o->client_key ? "client-key" : "client-certificate";

	ERR_clear_error();
	if (o->certificate && !SSL_CTX_load_verify_locations(ctx, o->certificate, NULL))
		return refuse_pem("certificate", o->certificate, "certificate", cause,
				  len);
	if (!cert)
		return 0;
	if (SSL_CTX_use_certificate_chain_file(ctx, cert) != 1)
		return refuse_pem("client-certificate", cert, "certificate", cause,
				  len);
	if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
		return refuse_pem(key_option, key, "key without a passphrase", cause,
				  len);
	return 0;
}

static int check_tls(const struct options *o, char *cause, size_t len)
{
	SSL_CTX *ctx;
	int err;

	if (o->client_key && !o->client_certificate)
		return refuse("client-key", o->client_key,
			      "needs --export-client-certificate", cause, len);
	err = check_readable("certificate", o->certificate, cause, len);
	if (!err)
		err = check_readable("client-certificate", o->client_certificate, cause,
				     len);
	if (!err)
		err = check_readable("client-key", o->client_key, cause, len);
	if (err)
		return err;
	ctx = SSL_CTX_new(TLS_client_method());
	if (!ctx) {
		snprintf(cause, len, "OpenSSL cannot be used for TLS");
		return -EINVAL;
	}
	SSL_CTX_set_default_passwd_cb(ctx, no_passphrase);
	err = load(ctx, o, cause, len);
	SSL_CTX_free(ctx);
	ERR_clear_error();
	return err;
}

int export_check(const struct options *o, char *cause, size_t len)
{
	if (!is_http(o->export))
		return 0;
	if (strcmp(o->export_protocol, "http/protobuf")) {
		snprintf(
		    cause, len,
		    "--export-protocol (OTEL_EXPORTER_OTLP_PROTOCOL): '%.50s': assay "
		    "speaks http/protobuf only: set that, and as the endpoint the "
		    "collector's OTLP over HTTP, usually port 4318",
		    o->export_protocol);
		return -EINVAL;
	}
	if (!strncasecmp(o->export, "https:", 6))
		return check_tls(o, cause, len);
	return 0;
}

bool export_to_grpc_port(const struct options *o)
{
	CURLU *url = is_http(o->export) ? curl_url() : NULL;
	char *port = NULL;
	bool grpc = false;

	if (!url)
		return false;
	if (!curl_url_set(url, CURLUPART_URL, o->export, 0) &&
	    !curl_url_get(url, CURLUPART_PORT, &port, 0))
		grpc = !strcmp(port, "4317");
	curl_free(port);
	curl_url_cleanup(url);
	return grpc;
}

void export_describe(const char *url, char *buf, size_t len)
{
	const char *rest = strstr(url, "://"), *at, *end;

	if (!rest) {
		snprintf(buf, len, "%s", url);
		return;
	}
	rest += 3;
	end = rest + strcspn(rest, "?#");
	at = memrchr(rest, '@', strcspn(rest, "/?#"));
	if (at)
		snprintf(buf, len, "%.*s***%.*s", (int)(rest - url), url,
			 (int)(end - at), at);
	else
		snprintf(buf, len, "%.*s", (int)(end - url), url);
}
