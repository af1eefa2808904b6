// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "../bpf/node.h"
#include "cmd.h"
#include "host.h"
#include "options.h"
#include "pairs.h"
#include "probes.h"
#include "util.h"

#define SECOND 1000ULL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define MIB    (1ULL << 20)

#define MEASURES (CMD_AGENT | CMD_REPORT | CMD_PROBES | CMD_DOCTOR)
#define EXPORTS	 (CMD_AGENT | CMD_DOCTOR)
#define OTLP(s)                                                          \
	{                                                                \
		"OTEL_EXPORTER_OTLP_" s, "OTEL_EXPORTER_OTLP_METRICS_" s \
	}
#define FIELD(f) .off = offsetof(struct options, f)

/* In the order of the enums of options.h and log.h. */
static const char *const compressions[] = { "gzip", "none", NULL };
static const char *const formats[] = { "table", "json", NULL };
static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

/* This variable is a base: the path of the metrics is appended to it. */
static const char base_variable[] = "OTEL_EXPORTER_OTLP_ENDPOINT";

/* The master copy: defaults, limits, environment, flags, --help and the manual. */
const struct option_desc option_descs[] = {
	{ "socket", "PATH", "/run/assay/assay.sock",
	  "UNIX socket on which the agent answers the other commands", FIELD(socket),
	  .mask = CMD_ALL },
	{ "export", "URL|file:PATH|none", "http://localhost:4318/v1/metrics",
	  "where metrics go: OTLP over HTTP, a file of length-prefixed batches, or nowhere",
	  OTLP("ENDPOINT"), FIELD(export), .mask = EXPORTS, .type = OPTION_EXPORT },
	{ "export-protocol", "http/protobuf", "http/protobuf",
	  "protocol of exports over a URL: there is no other", OTLP("PROTOCOL"),
	  FIELD(export_protocol), .mask = EXPORTS },
	{ "export-headers", "K=V,...", NULL,
	  "HTTP headers of every export, percent-encoded", OTLP("HEADERS"),
	  FIELD(export_headers), .mask = EXPORTS, .type = OPTION_HEADERS },
	{ "export-interval",
	  "TIME",
	  "60s",
	  "time between two exports",
	  { "OTEL_METRIC_EXPORT_INTERVAL" },
	  FIELD(export_interval_ms),
	  .mask = EXPORTS,
	  .type = OPTION_DURATION,
	  .min = 100,
	  .max = HOUR },
	{ "export-timeout", "TIME", "10s",
	  "longest time that one attempt to export takes", OTLP("TIMEOUT"),
	  FIELD(export_timeout_ms), .mask = EXPORTS, .type = OPTION_DURATION, .min = 1,
	  .max = 10 * MINUTE },
	{ "export-compression", "gzip|none", "gzip", "compression of what is exported",
	  OTLP("COMPRESSION"), compressions, FIELD(export_compression), .mask = EXPORTS,
	  .type = OPTION_ENUM },
	{ "export-certificate", "PATH", NULL, "PEM file of the authorities to trust",
	  OTLP("CERTIFICATE"), FIELD(certificate), .mask = EXPORTS },
	{ "export-client-certificate", "PATH", NULL, "PEM file of our own certificate",
	  OTLP("CLIENT_CERTIFICATE"), FIELD(client_certificate), .mask = EXPORTS },
	{ "export-client-key", "PATH", NULL, "PEM file of our own certificate's key",
	  OTLP("CLIENT_KEY"), FIELD(client_key), .mask = EXPORTS },
	{ "resource-attributes",
	  "K=V,...",
	  NULL,
	  "attributes that go on everything exported, percent-encoded",
	  { "OTEL_RESOURCE_ATTRIBUTES" },
	  FIELD(resource_attributes),
	  .mask = MEASURES,
	  .type = OPTION_ATTRIBUTES },
	{ "service-name",
	  "NAME",
	  "assay",
	  "service.name of the agent's own metrics",
	  { "OTEL_SERVICE_NAME" },
	  FIELD(service_name),
	  .mask = MEASURES },
	{ "snapshot-interval", "TIME", "10s",
	  "time between two readings of the kernel's cells",
	  FIELD(snapshot_interval_ms), .mask = CMD_AGENT, .type = OPTION_DURATION,
	  .min = 10, .max = MINUTE },
	{ "probes", "NAME,...", "sched,syscall,tcp,dns,block,memory", "what to measure",
	  FIELD(probes), .mask = MEASURES, .type = OPTION_PROBES },
	{ "memory", "SIZE", "64MiB", "most kernel memory to use", FIELD(memory),
	  .mask = MEASURES, .type = OPTION_SIZE, .min = 4 * MIB, .max = 65536 * MIB },
	{ "slots", "N", "1024",
	  "most workloads to tell apart at one time; the rest overflow", FIELD(slots),
	  .mask = MEASURES, .type = OPTION_UINT, .min = 64, .max = 16384,
	  .pow2 = true },
	{ "cgroup-root", "PATH", NULL,
	  "the cgroup v2 tree; found in mountinfo by default", FIELD(cgroup_root),
	  .mask = MEASURES },
	{ "host-root", "PATH", NULL,
	  "where the node's root directory is mounted, for its machine-id",
	  FIELD(host_root), .mask = MEASURES },
	{ "host-id", "ID", NULL, "host.id of everything exported; found by default",
	  FIELD(host_id), .mask = MEASURES, .type = OPTION_WORD },
	{ "host-name", "NAME", NULL,
	  "host.name of everything exported; found by default", FIELD(host_name),
	  .mask = MEASURES, .type = OPTION_WORD },
	{ "node-lock", "NAME|none", "assay",
	  "of the agents with one NAME on a node one measures, the others wait for its "
	  "end; none: do not look for others",
	  FIELD(node_lock), .mask = CMD_AGENT, .type = OPTION_LABEL },
	{ "duration", "TIME", "5s", "how long to measure", FIELD(duration_ms),
	  .mask = CMD_REPORT, .type = OPTION_DURATION, .min = 10, .max = 24 * HOUR },
	{ "format", "table|json", "table", "how to print", .choices = formats,
	  FIELD(format), .mask = CMD_REPORT, .type = OPTION_ENUM },
	{ "total", NULL, "false", "print all that the agent counted since its start",
	  FIELD(total), .mask = CMD_REPORT, .type = OPTION_BOOL },
	{ "log-level", "LEVEL", "info", "error, warn, info or debug", .choices = levels,
	  FIELD(log_level), .mask = CMD_ALL, .type = OPTION_ENUM },
};

const size_t option_desc_count = COUNT(option_descs);

/* A whole decimal number at s; *end is what follows. Strict: no sign, no space. */
static int parse_number(const char *s, const char **end, uint64_t *out)
{
	char *e;

	if (!isdigit((unsigned char)*s))
		return -EINVAL;
	errno = 0;
	*out = strtoull(s, &e, 10);
	*end = e;
	return -errno;
}

struct suffix {
	const char *name;
	uint64_t factor;
};

static const struct suffix no_suffix[] = { { "", 1 }, { NULL } };
static const struct suffix duration_suffixes[] = {
	{ "ms", 1 }, { "s", SECOND }, { "m", MINUTE }, { "h", HOUR }, { NULL },
};
static const struct suffix size_suffixes[] = {
	{ "KiB", 1024 },
	{ "MiB", MIB },
	{ "GiB", 1024 * MIB },
	{ NULL },
};

/* A number with one of the suffixes, within the option's limits. */
static int parse_value(const struct option_desc *d, const char *s,
		       const struct suffix *suffix, uint64_t *out)
{
	const char *end;
	uint64_t n;
	int err;

	err = parse_number(s, &end, &n);
	if (err)
		return err;
	while (suffix->name && strcmp(end, suffix->name))
		suffix++;
	if (!suffix->name || __builtin_mul_overflow(n, suffix->factor, &n))
		return -EINVAL;
	if (n < d->min || n > d->max || (d->pow2 && (n & (n - 1))))
		return -ERANGE;
	*out = n;
	return 0;
}

int options_duration(const char *s, uint64_t min_ms, uint64_t max_ms, uint64_t *ms)
{
	struct option_desc limits = { .min = min_ms, .max = max_ms };

	return parse_value(&limits, s, duration_suffixes, ms);
}

static int parse_choice(const char *const *choices, const char *s, int *out)
{
	for (int i = 0; choices[i]; i++) {
		if (!strcmp(choices[i], s)) {
			*out = i;
			return 0;
		}
	}
	return -EINVAL;
}

static int check_export(const char *s)
{
	size_t skip;

	if (!strcmp(s, "none"))
		return 0;
	if (!strncmp(s, "file:", 5))
		return s[5] ? 0 : -EINVAL;
	if (!strncasecmp(s, "http://", 7))
		skip = 7;
	else if (!strncasecmp(s, "https://", 8))
		skip = 8;
	else
		return -EINVAL;
	/* a host, and nothing that could end a line of the request */
	for (const char *c = s; *c; c++)
		if (isspace((unsigned char)*c) || iscntrl((unsigned char)*c))
			return -EINVAL;
	return strchr("/:?#", s[skip]) ? -EINVAL : 0;
}

static enum pairs_kind pairs_kind(const struct option_desc *d)
{
	return d->type == OPTION_HEADERS ? PAIRS_HEADERS : PAIRS_ATTRIBUTES;
}

/* Names of probes, with commas between; at least one. */
static int check_probes(const char *s)
{
	do {
		size_t len = strcspn(s, ","), i = 0;

		while (i < probe_desc_count && (strlen(probe_descs[i].name) != len ||
						memcmp(probe_descs[i].name, s, len)))
			i++;
		if (i == probe_desc_count)
			return -EINVAL;
		s += len;
	} while (*s++);
	return 0;
}

/* What the kernel takes for a name. */
static int check_label(const char *s)
{
	size_t len = 0;

	while (isalnum((unsigned char)s[len]) || s[len] == '_' || s[len] == '.')
		len++;
	return len && !s[len] && len < NODE_NAME ? 0 : -EINVAL;
}

/* otel: the value is from a variable of OpenTelemetry, whose times are plain ms. */
static int set(struct options *o, const struct option_desc *d, const char *s, bool otel)
{
	void *field = (char *)o + d->off;
	char what[128]; /* say_bad asks again */
	int choice, err;

	switch (d->type) {
	case OPTION_UINT:
		return parse_value(d, s, no_suffix, field);
	case OPTION_DURATION:
		return parse_value(d, s, otel ? no_suffix : duration_suffixes, field);
	case OPTION_SIZE:
		return parse_value(d, s, size_suffixes, field);
	case OPTION_ENUM:
		return parse_choice(d->choices, s, field);
	case OPTION_BOOL:
		err =
		    parse_choice((const char *[]){ "false", "true", NULL }, s, &choice);
		if (!err)
			*(bool *)field = choice;
		return err;
	case OPTION_EXPORT:
		err = check_export(s);
		break;
	case OPTION_ATTRIBUTES:
	case OPTION_HEADERS:
		err = pairs_check(pairs_kind(d), s, what, sizeof(what));
		break;
	case OPTION_PROBES:
		err = check_probes(s);
		break;
	case OPTION_LABEL:
		err = check_label(s);
		break;
	case OPTION_WORD:
		err = host_is_word(s) ? 0 : -EINVAL;
		break;
	default:
		err = *s ? 0 : -EINVAL;
	}
	if (!err)
		*(const char **)field = s;
	return err;
}

/* A number of ms or bytes in the largest unit that leaves no rest. */
static void print_number(FILE *f, uint64_t n, const struct suffix *suffixes)
{
	const struct suffix *best = suffixes;

	for (const struct suffix *s = suffixes; s->name; s++)
		if (n >= s->factor && n % s->factor == 0)
			best = s;
	fprintf(f, "%llu%s", (unsigned long long)(n / best->factor), best->name);
}

void options_print_duration(FILE *f, uint64_t ms)
{
	print_number(f, ms, duration_suffixes);
}

static void print_range(FILE *f, const struct option_desc *d,
			const struct suffix *suffixes)
{
	print_number(f, d->min, suffixes);
	fputs(" to ", f);
	print_number(f, d->max, suffixes);
}

static void print_choices(FILE *f, const char *const *choices)
{
	for (int i = 0; choices[i]; i++)
		fprintf(f, "%s%s",
			!i		 ? ""
			: choices[i + 1] ? ", "
					 : " or ",
			choices[i]);
}

/* What the option takes, as the end of "must be ...". */
static void print_allowed(FILE *f, const struct option_desc *d, bool otel)
{
	switch (d->type) {
	case OPTION_UINT:
		fputs(d->pow2 ? "a power of two, " : "a number, ", f);
		print_range(f, d, no_suffix);
		break;
	case OPTION_DURATION:
		fputs(otel ? "a number of milliseconds, " : "a time, ", f);
		print_range(f, d, otel ? no_suffix : duration_suffixes);
		break;
	case OPTION_SIZE:
		fputs("a size, ", f);
		print_range(f, d, size_suffixes);
		break;
	case OPTION_ENUM:
		print_choices(f, d->choices);
		break;
	case OPTION_BOOL:
		fputs("true or false", f);
		break;
	case OPTION_EXPORT:
		fputs("http://HOST..., https://HOST..., file:PATH or none", f);
		break;
	case OPTION_ATTRIBUTES:
	case OPTION_HEADERS:
		fputs("key=value,key=value", f);
		break;
	case OPTION_PROBES:
		fputs("names with commas between, of", f);
		for (size_t i = 0; i < probe_desc_count; i++)
			fprintf(f, " %s", probe_descs[i].name);
		break;
	case OPTION_LABEL:
		fprintf(f, "1 to %d letters, digits, _ or .", NODE_NAME - 1);
		break;
	case OPTION_WORD:
		fprintf(f, "1 to %d characters (UTF-8) without spaces", HOST_WORD - 1);
		break;
	default:
		fputs("a name, not empty", f);
	}
}

/* What a user typed may hold anything; an error is one line all the same. */
static int keep_line(char *cause)
{
	for (; *cause; cause++)
		if (iscntrl((unsigned char)*cause))
			*cause = '?';
	return -EINVAL;
}

static int say_bad(const struct option_desc *d, const char *name, const char *s,
		   bool otel, char *cause, size_t len)
{
	bool pairs = d->type == OPTION_ATTRIBUTES || d->type == OPTION_HEADERS;
	FILE *f = fmemopen(cause, len, "w");
	char what[128] = "no memory";

	if (!f)
		return -errno;
	if (pairs) /* there may be a password in it */
		fprintf(f, "%s: must be ", name);
	else
		fprintf(f, "%s: '%.200s': must be ", name, s);
	print_allowed(f, d, otel);
	if (pairs) {
		pairs_check(pairs_kind(d), s, what, sizeof(what));
		fprintf(f, ", percent-encoded: %s", what);
	}
	fclose(f);
	cause[len - 1] = '\0';
	return keep_line(cause);
}

/* The endpoint of all signals: the metrics have their own path below it. */
static const char *append_path(struct options *o, const char *base)
{
	size_t len = strlen(base);
	int n;

	while (len && base[len - 1] == '/')
		len--;
	n = snprintf(o->url, sizeof(o->url), "%.*s/v1/metrics", (int)len, base);
	return n < (int)sizeof(o->url) ? o->url : "";
}

/* Reads one variable; unset and empty are the same. */
static int set_env(struct options *o, const struct option_desc *d, const char *name,
		   bool otel, char *cause, size_t len)
{
	const char *s = getenv(name), *value = s;

	if (!s || !*s)
		return 0;
	if (!strcmp(name, base_variable))
		value = append_path(o, s);
	if (set(o, d, value, otel))
		return say_bad(d, name, s, otel, cause, len);
	return 0;
}

void options_variable(const struct option_desc *d, char *name, size_t len)
{
	snprintf(name, len, "ASSAY_%s", d->key);
	for (; *name; name++)
		*name = *name == '-' ? '_' : toupper((unsigned char)*name);
}

void options_init(struct options *o)
{
	memset(o, 0, sizeof(*o));
	for (size_t i = 0; i < option_desc_count; i++)
		if (option_descs[i].def)
			set(o, &option_descs[i], option_descs[i].def, false);
}

int options_env(struct options *o, unsigned int mask, char *cause, size_t len)
{
	char name[64];

	for (const struct option_desc *d = option_descs;
	     d < option_descs + option_desc_count; d++) {
		int err = 0;

		if (!(d->mask & mask))
			continue;
		for (int i = 0; i < OPTION_ENV && d->otel[i] && !err; i++)
			err = set_env(o, d, d->otel[i], true, cause, len);
		options_variable(d, name, sizeof(name));
		if (!err)
			err = set_env(o, d, name, false, cause, len);
		if (err)
			return err;
	}
	return 0;
}

static const struct option_desc *find_option(unsigned int mask, const char *key,
					     size_t len)
{
	for (size_t i = 0; i < option_desc_count; i++) {
		const struct option_desc *d = &option_descs[i];

		if ((d->mask & mask) && strlen(d->key) == len &&
		    !memcmp(d->key, key, len))
			return d;
	}
	return NULL;
}

/* One flag at argv[*at]; its value is behind a '=' or the next argument. */
static int set_flag(struct options *o, unsigned int mask, int argc, char **argv,
		    int *at, char *cause, size_t len)
{
	const char *key = argv[*at] + 2, *s;
	size_t key_len = strcspn(key, "=");
	const struct option_desc *d = find_option(mask, key, key_len);
	char name[64];

	if (!d || strncmp(argv[*at], "--", 2)) {
		snprintf(cause, len, "%.200s: no such option", argv[*at]);
		return keep_line(cause);
	}
	snprintf(name, sizeof(name), "--%s", d->key);
	if (key[key_len] == '=')
		s = key + key_len + 1;
	else if (d->type == OPTION_BOOL)
		s = "true";
	else if (*at + 1 < argc)
		s = argv[++*at];
	else {
		snprintf(cause, len, "%s: needs a value: %s", name, d->value);
		return -EINVAL;
	}
	if (set(o, d, s, false))
		return say_bad(d, name, s, false, cause, len);
	return 0;
}

int options_args(struct options *o, unsigned int mask, int argc, char **argv,
		 char *cause, size_t len)
{
	int rest = 0;

	for (int i = 0; i < argc; i++) {
		int err;

		if (!strcmp(argv[i], "--")) {
			while (++i < argc)
				argv[rest++] = argv[i];
			break;
		}
		if (argv[i][0] != '-' || !argv[i][1]) {
			argv[rest++] = argv[i];
			continue;
		}
		err = set_flag(o, mask, argc, argv, &i, cause, len);
		if (err)
			return err;
	}
	return rest;
}
