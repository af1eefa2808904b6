// SPDX-License-Identifier: Apache-2.0
/*
 * What a collector may answer: status, headers (Retry-After), protobuf in the body. The
 * first byte says how much of a well-formed answer stands before the fuzzer's bytes.
 */
#include <netinet/in.h>
#include <time.h>
#include <curl/curl.h>
#include "base/text.h"
#include "sink/export_http.h"
#include "serve.h"

#define LIMIT_S 5

static const char *const heads[] = {
	"",
	"HTTP/1.1 ",
	"HTTP/1.1 503 No\r\nConnection: close\r\nRetry-After: ",
	"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Type: application/x-protobuf\r\n\r\n",
	"HTTP/1.1 400 No\r\nConnection: close\r\nContent-Type: application/x-protobuf\r\n\r\n",
	"HTTP/1.1 400 No\r\nConnection: close\r\nContent-Type: text/plain\r\n\r\n",
	"HTTP/1.1 307 Go\r\nConnection: close\r\nLocation: ",
	"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
};

static struct http *connect_once(void)
{
	static struct http *http;
	struct sockaddr_in addr = { .sin_family = AF_INET,
				    .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct export_opts o = { .timeout_ms = 1000 };
	socklen_t len = sizeof(addr);
	char url[64];
	int fd;

	if (http)
		return http;
	fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(!bind(fd, (struct sockaddr *)&addr, len));
	CHECK(!getsockname(fd, (struct sockaddr *)&addr, &len));
	serve_start(fd);
	snprintf(url, sizeof(url), "http://127.0.0.1:%u/v1/metrics",
		 ntohs(addr.sin_port));
	o.url = url;
	CHECK(!http_open(&o, &http));
	return http;
}

static void check_result(const struct http_result *r)
{
	CHECK(memchr(r->type, 0, sizeof(r->type)) &&
	      memchr(r->text, 0, sizeof(r->text)));
	for (const char *c = r->text; *c; c++)
		CHECK((unsigned char)*c >= ' ' && *c != 0x7f);
	CHECK(r->retry_after_ms >= -1 && r->retry_after_ms <= 3600000);
	CHECK((r->outcome == HTTP_ACCEPTED) == !r->type[0]);
	CHECK(!r->rejected || r->warning);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint8_t answer[70000];
	struct http *h = connect_once();
	const char *head = heads[size ? data[0] % 8 : 0];
	time_t end = time(NULL) + LIMIT_S;
	struct http_result r;
	size_t n = strlen(head);
	int done;

	if (!size || size > 65536)
		return 0;
	memcpy(answer, head, n);
	memcpy(answer + n, data + 1, size - 1);
	serve_this(answer, n + size - 1);
	CHECK(!http_start(h, (const uint8_t *)"points", 6));
	do {
		done = http_poll(h, NULL, 0, 100, &r);
		CHECK(done >= 0 && time(NULL) <= end);
	} while (!done);
	check_result(&r);
	return 0;
}
