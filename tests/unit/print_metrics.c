// SPDX-License-Identifier: Apache-2.0
/* Prints docs/metrics.md from the metric table: make docs/metrics.md */
#include <stdio.h>
#include "metrics.h"
#include "self.h"
#include "util.h"

static const char *const kind_names[] = {
	[METRIC_HISTOGRAM] = "exponential histogram",
	[METRIC_SUM] = "sum",
	[METRIC_UPDOWN] = "up-down sum",
	[METRIC_GAUGE] = "gauge",
};

static void print_values(const struct metric_row *r, const char *key, int last)
{
	printf("  - `%s`:", key);
	if (r->source == FROM_OPEN && last)
		printf(" an errno name%s, `_OTHER`",
		       r->signal == OPEN_CONNECT_ERROR ? ", `aborted`" : "");
	else if (r->lane_count && r->lanes[0].value && last)
		for (unsigned int i = 0; i < r->lane_count; i++)
			printf("%s `%s`", i ? "," : "", r->lanes[i].value);
	else
		for (unsigned int i = 0; i < r->value_count; i++)
			printf("%s `%s`", i ? "," : "", r->values[i]);
	printf("\n");
}

static void print_row(const struct metric_row *r)
{
	const struct metric *m = &r->metric;

	printf("### `%s`\n\n%s\n\n", m->name, m->help);
	printf("- %s, `%s`; golden signal: %s\n", kind_names[m->kind], m->unit,
	       r->signal_name);
	for (int i = 0; m->attrs[i]; i++)
		print_values(r, m->attrs[i], !m->attrs[i + 1]);
	printf("- Rests on: %s\n- Blind spots: %s\n\n", r->source_text, r->blind_text);
}

static void print_self(const struct metric *m)
{
	printf("| `%s` | %s | `%s` |", m->name, kind_names[m->kind], m->unit);
	for (int i = 0; m->attrs[i]; i++)
		printf("%s `%s`", i ? "," : "", m->attrs[i]);
	printf(" | %s |\n", m->help);
}

static const char intro[] =
    "# Metrics\n\n"
    "Made from the table in agent/metrics.c by `make docs/metrics.md`; do not edit.\n\n"
    "Every workload is a resource of its own: `service.name`, `service.instance.id`\n"
    "(`<host.id>:<cgroup path>`), `assay.workload.kind`, `assay.workload.name`,\n"
    "`process.linux.cgroup`, `container.id` where there is one, `host.name`, `host.id`.\n"
    "Kinds: `container`, `unit`, `cgroup`, `kernel` (kernel threads, and the network\n"
    "stack on its own behalf), `unknown` (cgroups that cannot be named), `overflow`\n"
    "(`otel.metric.overflow` = true: what found no place).\n\n"
    "Histograms have scale 3: bounds are powers of 2^(1/8) of a second, from 2^-20 s\n"
    "(the zero bucket ends there) to 128 s; what is longer is in the last bucket and\n"
    "counted as `above_range`. The kernel counts into these very buckets, nothing is\n"
    "converted later. Against floating-point truth 0.03 % of durations are one bucket\n"
    "off, none is further; powers of two of a second are exact.\n\n"
    "Everything is cumulative and only grows, but for the up-down sums and gauges.\n"
    "The agent's own activity is in no workload.\n\n"
    "## Workloads\n\n";

static const char tls[] =
    "## One request for each TLS connection\n\n"
    "The handshake of TLS 1.3 is one or two turns of its own, each short. With many\n"
    "requests on a connection they do not matter. With one, they are most of what is\n"
    "counted: 60 requests on 60 connections to a server that waits 20 ms gave 139\n"
    "responses with a p50 of 0.56 ms and a p90 of 19.4 ms (tests/kernel/test_tcp.py\n"
    "prints its own run). Look at p90 and p99 there, or at the server's own metrics.\n\n";

static const char limits[] =
    "## Who is seen\n\n"
    "- Socket owners: the cgroup that connected; for an accepted connection the cgroup\n"
    "  that made the listener (with systemd's socket activation that is systemd's).\n"
    "- Without `hostPID`, tasks and sockets that are older than the agent and outside\n"
    "  its pid namespace were not walked at its start: waits of such tasks leave out\n"
    "  what a migration moved (counted in `assay.lost` as `no_storage`), and their\n"
    "  connections count from their first packet.\n\n";

int main(void)
{
	printf("%s", intro);
	for (size_t i = 0; i < metric_row_count; i++)
		print_row(&metric_rows[i]);
	printf("%s%s", tls, limits);
	printf("## The agent itself\n\nResource: `service.name` = assay, "
	       "`service.instance.id` = host id.\n\n");
	printf(
	    "| metric | kind | unit | attributes | meaning |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < self_metric_count; i++)
		print_self(self_metrics[i]);
	printf("\nReasons of `assay.lost`: ");
	for (int i = 0; i < LOSS_COUNT; i++)
		printf("`%s`, ", loss_name(i));
	printf("`recursion` (runs that the kernel skipped).\n");
	return 0;
}
