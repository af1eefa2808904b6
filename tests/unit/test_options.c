// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "base/log.h"
#include "base/options.h"
#include "base/util.h"
#include "cmd/option_rows.h"

#define MIB (1ULL << 20)

/* No test sees our variables of who runs it, or of another test. */
static int clean_environment(void **state)
{
	for (char **e = environ; *e;) {
		char name[256];

		snprintf(name, sizeof(name), "%.*s", (int)strcspn(*e, "="), *e);
		if (strncmp(name, "ASSAY_", 6) && strncmp(name, "OTEL_", 5))
			e++;
		else if (unsetenv(name)) /* the next one moves to this place */
			return -1;
	}
	return 0;
}

/* Strings in o are those that were given. */
static int parse(struct options *o, unsigned int mask, const char *a, const char *b,
		 char *cause, size_t len)
{
	char *argv[] = { (char *)a, (char *)b };

	options_init(o, &option_table);
	cause[0] = '\0';
	return options_args(o, mask, b ? 2 : 1, argv, cause, len);
}

static void defaults_are_those_of_the_table(void **state)
{
	struct options o;

	options_init(&o, &option_table);
	assert_string_equal(o.socket, "/run/assay/assay.sock");
	assert_string_equal(o.export, "http://localhost:4318/v1/metrics");
	assert_string_equal(o.service_name, "assay");
	assert_string_equal(o.node_lock, "assay");
	assert_int_equal(o.export_interval_ms, 60000);
	assert_int_equal(o.export_timeout_ms, 10000);
	assert_int_equal(o.snapshot_interval_ms, 10000);
	assert_int_equal(o.duration_ms, 5000);
	assert_int_equal(o.memory, 64 * MIB);
	assert_int_equal(o.slots, 1024);
	assert_int_equal(o.export_compression, COMPRESSION_GZIP);
	assert_int_equal(o.log_level, LOG_LEVEL_INFO);
	assert_int_equal(o.format, FORMAT_TABLE);
	assert_false(o.total);
	assert_null(o.export_headers);
	assert_null(o.cgroup_root);
}

/* A default that its own row refuses would silently be 0 or NULL. */
static void every_default_is_allowed(void **state)
{
	for (size_t i = 0; i < option_table.count; i++) {
		const struct option_desc *d = &option_table.rows[i];
		char flag[256], cause[512];
		struct options o;

		if (!d->def)
			continue;
		snprintf(flag, sizeof(flag), "--%s=%s", d->key, d->def);
		assert_int_equal(parse(&o, CMD_ALL, flag, NULL, cause, sizeof(cause)),
				 0);
		assert_string_equal(cause, "");
	}
}

static const struct {
	const char *key, *value;
	size_t off;
	uint64_t want;
} numbers[] = {
	{ "--slots", "64", offsetof(struct options, slots), 64 },
	{ "--slots", "16384", offsetof(struct options, slots), 16384 },
	{ "--memory", "64MiB", offsetof(struct options, memory), 64 * MIB },
	{ "--memory", "8192KiB", offsetof(struct options, memory), 8 * MIB },
	{ "--memory", "2GiB", offsetof(struct options, memory), 2048 * MIB },
	{ "--duration", "500ms", offsetof(struct options, duration_ms), 500 },
	{ "--duration", "10s", offsetof(struct options, duration_ms), 10000 },
	{ "--duration", "1m", offsetof(struct options, duration_ms), 60000 },
	{ "--duration", "2h", offsetof(struct options, duration_ms), 7200000 },
	{ "--duration", "1d", offsetof(struct options, duration_ms), 86400000 },
	{ "--duration", "1m30s", offsetof(struct options, duration_ms), 90000 },
	{ "--duration", "1h0m5s20ms", offsetof(struct options, duration_ms), 3605020 },
};

static void numbers_are_read_with_their_units(void **state)
{
	for (size_t i = 0; i < COUNT(numbers); i++) {
		char cause[512];
		struct options o;

		assert_int_equal(parse(&o, CMD_ALL, numbers[i].key, numbers[i].value,
				       cause, sizeof(cause)),
				 0);
		assert_int_equal(*(uint64_t *)((char *)&o + numbers[i].off),
				 numbers[i].want);
	}
}

static void a_budget_is_a_share_or_none(void **state)
{
	static const struct {
		const char *text;
		double share;
	} good[] = {
		{ "1%", 0.01 }, { "0.1%", 0.001 }, { "2.5%", 0.025 }, { "100%", 1 }
	};
	static const char *const bad[] = { "",	   "%",	  "1",	  "0%",	  "0.09%",
					   "101%", "-1%", "+1%",  "1.%",  "1 %",
					   "1e1%", "1%%", "nan%", "none", "0x1%" };
	double share;

	for (size_t i = 0; i < COUNT(good); i++) {
		assert_int_equal(options_percent(good[i].text, &share), 0);
		assert_true(share > good[i].share * 0.999 &&
			    share < good[i].share * 1.001);
	}
	for (size_t i = 0; i < COUNT(bad); i++)
		assert_int_equal(options_percent(bad[i], &share), -EINVAL);
}

static const struct {
	const char *key, *value, *allowed;
} bad_values[] = {
	{ "--slots", "", "a power of two, 64 to 16384" },
	{ "--slots", "10x", "a power of two, 64 to 16384" },
	{ "--slots", "-64", "a power of two, 64 to 16384" },
	{ "--slots", "+64", "a power of two, 64 to 16384" },
	{ "--slots", " 64", "a power of two, 64 to 16384" },
	{ "--slots", "0x40", "a power of two, 64 to 16384" },
	{ "--slots", "1000", "a power of two, 64 to 16384" },
	{ "--slots", "32", "a power of two, 64 to 16384" },
	{ "--slots", "32768", "a power of two, 64 to 16384" },
	{ "--slots", "18446744073709551680", "a power of two, 64 to 16384" },
	{ "--memory", "64", "a size, 4MiB to 64GiB" },
	{ "--memory", "64MB", "a size, 4MiB to 64GiB" },
	{ "--memory", "1MiB", "a size, 4MiB to 64GiB" },
	{ "--memory", "18446744073709551615GiB", "a size, 4MiB to 64GiB" },
	{ "--export-interval", "10", "a time, 100ms to 1h" },
	{ "--export-interval", "1.5s", "a time, 100ms to 1h" },
	{ "--export-interval", "30s1m", "a time, 100ms to 1h" },
	{ "--export-interval", "1m1m", "a time, 100ms to 1h" },
	{ "--export-interval", "1m30", "a time, 100ms to 1h" },
	{ "--export-interval", "1m 30s", "a time, 100ms to 1h" },
	{ "--export-interval", "59m61s", "a time, 100ms to 1h" },
	{ "--export-interval", "2h", "a time, 100ms to 1h" },
	{ "--export-interval", "0s", "a time, 100ms to 1h" },
	{ "--last", "401d", "a time, 1s to 400d" }, /* in units that it takes */
	{ "--format", "yaml", "table, json or csv" },
	{ "--format", "", "table, json or csv" },
	{ "--log-level", "INFO", "error, warn, info or debug" },
	{ "--export", "", "http://HOST..., https://HOST..., file:PATH or none" },
	{ "--export", "localhost:4318",
	  "http://HOST..., https://HOST..., file:PATH or none" },
	{ "--export", "http://", "http://HOST..., https://HOST..., file:PATH or none" },
	{ "--export", "http:///v1",
	  "http://HOST..., https://HOST..., file:PATH or none" },
	{ "--export", "file:", "http://HOST..., https://HOST..., file:PATH or none" },
	{ "--export", "ftp://h/",
	  "http://HOST..., https://HOST..., file:PATH or none" },
	{ "--export", "http://h/a b",
	  "http://HOST..., https://HOST..., file:PATH or none" },
	{ "--socket", "", "a path of 1 to 99 bytes" },
	{ "--socket",
	  "/run/a-path/that-is/no-longer/than-what/a-socket/may-have/but-leaves/no-room/"
	  "for-the-end/.waiting/of-it.sock",
	  "a path of 1 to 99 bytes" },
	{ "--budget", "1", "0.1% to 100%, or none" },
	{ "--probes", "", "names with commas between, of sched syscall tcp" },
	{ "--probes", "sched,", "names with commas between, of sched syscall tcp" },
	{ "--probes", "sched,disk", "names with commas between, of sched syscall tcp" },
	{ "--probes", "sche", "names with commas between, of sched syscall tcp" },
};

static void a_bad_value_is_named_with_what_is_allowed(void **state)
{
	for (size_t i = 0; i < COUNT(bad_values); i++) {
		char cause[512], want[512];
		struct options o;

		assert_int_equal(parse(&o, CMD_ALL, bad_values[i].key,
				       bad_values[i].value, cause, sizeof(cause)),
				 -EINVAL);
		snprintf(want, sizeof(want), "%s: '%s': must be %s", bad_values[i].key,
			 bad_values[i].value, bad_values[i].allowed);
		/* the list of probes grows */
		assert_int_equal(strncmp(cause, want, strlen(want)), 0);
		assert_null(strchr(cause, '\n'));
	}
}

static void an_error_is_one_line_whatever_was_typed(void **state)
{
	struct options o;
	char cause[512], huge[4096];

	assert_int_equal(parse(&o, CMD_ALL, "--slots", "1\n2", cause, sizeof(cause)),
			 -EINVAL);
	assert_null(strchr(cause, '\n'));
	assert_int_equal(parse(&o, CMD_ALL, "--a\nb", NULL, cause, sizeof(cause)),
			 -EINVAL);
	assert_string_equal(cause, "--a?b: no such option");
	memset(huge, '9', sizeof(huge) - 1);
	huge[sizeof(huge) - 1] = '\0';
	assert_int_equal(options_args(&o, CMD_ALL, 2, (char *[]){ "--slots", huge },
				      cause, sizeof(cause)),
			 -EINVAL);
	assert_true(strlen(cause) < 300);
	assert_int_equal(
	    options_args(&o, CMD_ALL, 2, (char *[]){ "--slots", huge }, cause, 20),
	    -EINVAL);
	assert_true(strlen(cause) < 20);
}

static void secrets_do_not_show_in_errors(void **state)
{
	struct options o;
	char cause[512];

	assert_int_equal(
	    parse(&o, CMD_ALL, "--export-headers", "a=1,hush", cause, sizeof(cause)),
	    -EINVAL);
	assert_string_equal(cause, "--export-headers: must be key=value,key=value, "
				   "percent-encoded: pair 2 is not of this form");
	assert_int_equal(
	    parse(&o, CMD_ALL, "--export-headers", "=hush", cause, sizeof(cause)),
	    -EINVAL);
	assert_int_equal(
	    parse(&o, CMD_ALL, "--export-headers", "a=1, b=,", cause, sizeof(cause)),
	    0);
}

static void an_option_of_another_command_is_none(void **state)
{
	struct options o;
	char cause[512];

	assert_int_equal(parse(&o, CMD_AGENT, "--total", NULL, cause, sizeof(cause)),
			 -EINVAL);
	assert_string_equal(cause,
			    "--total: no such option of this command: others have it");
	assert_int_equal(parse(&o, CMD_REPORT, "--total", NULL, cause, sizeof(cause)),
			 0);
	assert_true(o.total);
	assert_int_equal(parse(&o, CMD_REPORT, "-total", NULL, cause, sizeof(cause)),
			 -EINVAL);
	assert_int_equal(parse(&o, CMD_REPORT, "--format", NULL, cause, sizeof(cause)),
			 -EINVAL);
	assert_string_equal(cause, "--format: needs a value: table|json|csv");
}

static void what_is_no_option_comes_first(void **state)
{
	char *argv[] = { "one", "--total", "two", "--", "--three" };
	struct options o;
	char cause[512];

	options_init(&o, &option_table);
	assert_int_equal(options_args(&o, CMD_REPORT, 5, argv, cause, sizeof(cause)),
			 3);
	assert_string_equal(argv[0], "one");
	assert_string_equal(argv[1], "two");
	assert_string_equal(argv[2], "--three");
	assert_null(argv[3]); /* not what was moved */
	assert_true(o.total);
}

/* name, value; then what `export` is */
static const struct {
	const char *env[6];
	const char *export;
} endpoints[] = {
	{ { NULL }, "http://localhost:4318/v1/metrics" },
	{ { "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318" },
	  "http://c:4318/v1/metrics" },
	{ { "OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4318/" },
	  "http://c:4318/v1/metrics" },
	{ { "OTEL_EXPORTER_OTLP_ENDPOINT", "https://c/base/" },
	  "https://c/base/v1/metrics" },
	{ { "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://c/own" }, "http://c/own" },
	{ { "OTEL_EXPORTER_OTLP_ENDPOINT", "http://a",
	    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://b/m" },
	  "http://b/m" },
	{ { "OTEL_EXPORTER_OTLP_ENDPOINT", "http://a", "ASSAY_EXPORT", "none" },
	  "none" },
	{ { "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://b/m", "ASSAY_EXPORT",
	    "file:/x" },
	  "file:/x" },
	{ { "OTEL_EXPORTER_OTLP_ENDPOINT", "" }, "http://localhost:4318/v1/metrics" },
	{ { "OTEL_EXPORTER_OTLP_ENDPOINT", "http://a",
	    "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "" },
	  "http://a/v1/metrics" },
};

static void the_endpoint_follows_the_rules_of_opentelemetry(void **state)
{
	for (size_t i = 0; i < COUNT(endpoints); i++) {
		char cause[512] = "";
		struct options o;

		clean_environment(NULL);
		for (int k = 0; k < 6 && endpoints[i].env[k]; k += 2)
			setenv(endpoints[i].env[k], endpoints[i].env[k + 1], 1);
		options_init(&o, &option_table);
		assert_int_equal(options_env(&o, CMD_AGENT, cause, sizeof(cause)), 0);
		assert_string_equal(o.export, endpoints[i].export);
	}
}

static void flags_win_over_own_variables_and_those_over_otel(void **state)
{
	char cause[512], *argv[] = { "--export-interval=3s" };
	struct options o;

	setenv("OTEL_METRIC_EXPORT_INTERVAL", "1000", 1);
	options_init(&o, &option_table);
	assert_int_equal(options_env(&o, CMD_AGENT, cause, sizeof(cause)), 0);
	assert_int_equal(o.export_interval_ms, 1000);
	setenv("ASSAY_EXPORT_INTERVAL", "2s", 1);
	assert_int_equal(options_env(&o, CMD_AGENT, cause, sizeof(cause)), 0);
	assert_int_equal(o.export_interval_ms, 2000);
	assert_int_equal(options_args(&o, CMD_AGENT, 1, argv, cause, sizeof(cause)), 0);
	assert_int_equal(o.export_interval_ms, 3000);
}

/* What it says is not used: it keeps nobody from starting. */
static void a_variable_that_another_one_overrides_is_not_looked_at(void **state)
{
	struct options o;
	char cause[512];

	setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "5s", 1);
	setenv("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "7000", 1);
	setenv("OTEL_EXPORTER_OTLP_ENDPOINT", "collector", 1);
	setenv("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://b/m", 1);
	setenv("OTEL_EXPORTER_OTLP_HEADERS", "no pair", 1);
	setenv("OTEL_EXPORTER_OTLP_METRICS_HEADERS", "k=v", 1);
	setenv("OTEL_METRIC_EXPORT_INTERVAL", "1s", 1);
	setenv("ASSAY_EXPORT_INTERVAL", "2s", 1);
	options_init(&o, &option_table);
	assert_int_equal(options_env(&o, CMD_AGENT, cause, sizeof(cause)), 0);
	assert_int_equal(o.export_timeout_ms, 7000);
	assert_string_equal(o.export, "http://b/m");
	assert_string_equal(o.export_headers, "k=v");
	assert_int_equal(o.export_interval_ms, 2000);

	setenv("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "", 1); /* as if it were unset */
	assert_int_equal(options_env(&o, CMD_AGENT, cause, sizeof(cause)), -EINVAL);
	assert_non_null(strstr(cause, "OTEL_EXPORTER_OTLP_TIMEOUT: '5s'"));
}

static void times_of_otel_are_plain_milliseconds(void **state)
{
	struct options o;
	char cause[512];

	setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "5s", 1);
	options_init(&o, &option_table);
	assert_int_equal(options_env(&o, CMD_AGENT, cause, sizeof(cause)), -EINVAL);
	assert_string_equal(cause,
			    "OTEL_EXPORTER_OTLP_TIMEOUT: '5s': must be a number of "
			    "milliseconds, 1 to 600000");
	setenv("OTEL_EXPORTER_OTLP_TIMEOUT", "5000", 1);
	setenv("OTEL_EXPORTER_OTLP_METRICS_TIMEOUT", "7000", 1);
	assert_int_equal(options_env(&o, CMD_AGENT, cause, sizeof(cause)), 0);
	assert_int_equal(o.export_timeout_ms, 7000);
	setenv("ASSAY_EXPORT_TIMEOUT", "9000", 1);
	assert_int_equal(options_env(&o, CMD_AGENT, cause, sizeof(cause)), -EINVAL);
	assert_string_equal(cause,
			    "ASSAY_EXPORT_TIMEOUT: '9000': must be a time, 1ms to 10m");
}

static void every_option_has_its_own_variable(void **state)
{
	struct options o, before;
	char cause[512];

	setenv("ASSAY_SOCKET", "/s", 1);
	setenv("ASSAY_TOTAL", "true", 1);
	setenv("ASSAY_FORMAT", "json", 1);
	setenv("ASSAY_EXPORT_COMPRESSION", "none", 1);
	setenv("ASSAY_EXPORT_CLIENT_KEY", "/k", 1);
	options_init(&o, &option_table);
	assert_int_equal(options_env(&o, CMD_ALL, cause, sizeof(cause)), 0);
	assert_string_equal(o.socket, "/s");
	assert_string_equal(o.client_key, "/k");
	assert_true(o.total);
	assert_int_equal(o.format, FORMAT_JSON);
	assert_int_equal(o.export_compression, COMPRESSION_NONE);

	/* what another command takes is not even looked at */
	setenv("ASSAY_TOTAL", "perhaps", 1);
	options_init(&before, &option_table);
	assert_int_equal(options_env(&before, CMD_AGENT, cause, sizeof(cause)), 0);
	assert_int_equal(options_env(&before, CMD_REPORT, cause, sizeof(cause)),
			 -EINVAL);
	assert_string_equal(cause, "ASSAY_TOTAL: 'perhaps': must be true or false");
}

static void an_option_may_be_given_several_times(void **state)
{
	char *argv[2 * OPTION_LIST_MOST + 2], cause[512];
	struct options o;

	for (size_t i = 0; i < COUNT(argv); i += 2) {
		argv[i] = "--filter";
		argv[i + 1] = i ? "b" : "a";
	}
	options_init(&o, &option_table);
	assert_int_equal(o.filters.count, 0);
	assert_int_equal(options_args(&o, CMD_REPORT, 4, argv, cause, sizeof(cause)),
			 0);
	assert_int_equal(o.filters.count, 2);
	assert_string_equal(o.filters.values[0], "a");
	assert_string_equal(o.filters.values[1], "b");
	argv[0] = "--filter"; /* there was no word to leave there */
	options_init(&o, &option_table);
	assert_int_equal(
	    options_args(&o, CMD_REPORT, COUNT(argv), argv, cause, sizeof(cause)),
	    -EINVAL);
	assert_non_null(strstr(cause, "given 16 times at most"));
	/* flags take the place of what the variable says */
	setenv("ASSAY_FILTER", "of a variable", 1);
	options_init(&o, &option_table);
	assert_int_equal(options_env(&o, CMD_REPORT, cause, sizeof(cause)), 0);
	assert_int_equal(o.filters.count, 1);
	assert_string_equal(o.filters.values[0], "of a variable");
	assert_int_equal(options_args(&o, CMD_REPORT, 4, argv, cause, sizeof(cause)),
			 0);
	assert_int_equal(o.filters.count, 2);
	assert_string_equal(o.filters.values[0], "a");
}

/* A command that runs beside the agent, in its container, has its variables. */
static void what_is_the_agents_is_no_others(void **state)
{
	char cause[512];
	struct options o;

	setenv("ASSAY_GROUP_BY", "pod", 1);
	options_init(&o, &option_table);
	assert_int_equal(options_env(&o, CMD_REPORT, cause, sizeof(cause)), 0);
	assert_int_equal(o.group_by, 0);
	assert_int_equal(options_env(&o, CMD_AGENT, cause, sizeof(cause)), 0);
	assert_int_equal(o.group_by, 1);
	assert_int_equal(
	    parse(&o, CMD_REPORT, "--group-by", "owner", cause, sizeof(cause)), 0);
	assert_int_equal(o.group_by, 2);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup(f, clean_environment)
	const struct CMUnitTest tests[] = {
		TEST(defaults_are_those_of_the_table),
		TEST(every_default_is_allowed),
		TEST(numbers_are_read_with_their_units),
		TEST(a_budget_is_a_share_or_none),
		TEST(a_bad_value_is_named_with_what_is_allowed),
		TEST(an_error_is_one_line_whatever_was_typed),
		TEST(secrets_do_not_show_in_errors),
		TEST(an_option_of_another_command_is_none),
		TEST(what_is_no_option_comes_first),
		TEST(the_endpoint_follows_the_rules_of_opentelemetry),
		TEST(flags_win_over_own_variables_and_those_over_otel),
		TEST(a_variable_that_another_one_overrides_is_not_looked_at),
		TEST(times_of_otel_are_plain_milliseconds),
		TEST(every_option_has_its_own_variable),
		TEST(an_option_may_be_given_several_times),
		TEST(what_is_the_agents_is_no_others),
	};

	return cmocka_run_group_tests_name("options", tests, NULL, NULL);
}
