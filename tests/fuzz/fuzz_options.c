// SPDX-License-Identifier: Apache-2.0
/* Arguments, one a line; pairs as in the variables of OpenTelemetry. */
#include "base/log.h"
#include "base/options.h"
#include "base/pairs.h"
#include "cmd/option_rows.h"
#include "metric/resource.h"
#include "sink/export_check.h"
#include "sink/export_http.h"
#include "fuzz.h"

#define ARGUMENTS 16

/* What one parser of pairs accepts, the others do. */
static void read_pairs(const char *text)
{
	/* the host is given: host.id among the attributes has rules of its own */
	struct options o = { .service_name = "assay",
			     .resource_attributes = text,
			     .host_id = "h",
			     .host_name = "h" };
	struct export_opts e = { .url = "http://localhost/", .headers = text };
	char what[128] = "", cause[512] = "";
	struct resource r;
	struct http *h;
	int err = pairs_check(PAIRS_ATTRIBUTES, text, what, sizeof(what));

	CHECK(!err == !what[0]);
	CHECK(resource_init(&r, &o, cause, sizeof(cause)) == err);
	resource_fini(&r);
	err = pairs_check(PAIRS_HEADERS, text, what, sizeof(what));
	CHECK(http_open(&e, &h) == err);
	if (!err)
		http_close(h);
}

static void read_options(char *text)
{
	char *argv[ARGUMENTS], *rest = text, *line, cause[512] = "";
	struct options o;
	int argc = 0, n;

	while (argc < ARGUMENTS && (line = strsep(&rest, "\n")))
		argv[argc++] = line;
	options_init(&o, &option_table);
	n = options_args(&o, CMD_ALL, argc, argv, cause, sizeof(cause));
	CHECK(n <= argc && (n >= 0 || cause[0]));
	CHECK(!strchr(cause, '\n'));
	if (n < 0)
		return;
	CHECK(o.slots >= 64 && o.slots <= 16384 && !(o.slots & (o.slots - 1)));
	export_to_grpc_port(&o);
	/* no files of this machine */
	o.certificate = o.client_certificate = o.client_key = NULL;
	export_check(&o, cause, sizeof(cause));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = fuzz_string(data, size);

	log_set_level(LOG_LEVEL_ERROR);
	read_pairs(text);
	read_options(text);
	free(text);
	return 0;
}
