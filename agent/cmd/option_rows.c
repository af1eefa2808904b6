// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>
#include "base/util.h"
#include "bpf/node.h"
#include "cmd/option_rows.h"
#include "kernel/objects.h"
#include "kernel/probes.h"
#include "kernel/quiet.h"
#include "reading/snapshot.h"
#include "sink/client.h"
#include "sink/history.h"
#include "view/columns.h"
#include "workload/host.h"
#include "workload/pods.h"
#include "workload/select.h"

#define SECOND 1000ULL /* ms */
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define MIB    (1ULL << 20)

#define EXPORTS (CMD_AGENT | CMD_DOCTOR)
/* Commands that look into the history. */
#define LOOKS_BACK (CMD_REPORT | CMD_WHY | CMD_HIST | CMD_TREND | CMD_LIST)
#define OTLP(s)                                                          \
	{                                                                \
		"OTEL_EXPORTER_OTLP_" s, "OTEL_EXPORTER_OTLP_METRICS_" s \
	}
#define SERVICE_ACCOUNT "/var/run/secrets/kubernetes.io/serviceaccount/"
/* All that measure; what follows the first comma. */
#define COMMA(name) "," #name
#define PROBES	    PROBE_OBJECTS(COMMA, COMMA)
#define FIELD(f)    .off = offsetof(struct options, f)

/* In the order of the enums of options.h and log.h. */
static const char *const compressions[] = { "gzip", "none", NULL };
static const char *const series[] = { "basic", "all", NULL };
static const char *const groups[] = { "container", "pod", "owner", "namespace", NULL };
static const char *const formats[] = { "table", "json", "csv", NULL };
static const char *const levels[] = { "error", "warn", "info", "debug", NULL };

/* http(s)://HOST and what follows. */
static int check_url(const char *s)
{
	size_t skip;

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
	if (!strncmp(s + skip, "::", 2)) /* an address: see text_url() */
		return isxdigit((unsigned char)s[skip + 2]) ? 0 : -EINVAL;
	return strchr("/:?#", s[skip]) ? -EINVAL : 0;
}

/* That of an agent that waits for its node has to be a socket's, too. */
static int check_socket(const char *s)
{
	return *s && strlen(s) <= CLIENT_SOCKET_MOST ? 0 : -EINVAL;
}

static void allow_socket(FILE *f)
{
	fprintf(f, "a path of 1 to %zu bytes", CLIENT_SOCKET_MOST);
}

static int check_export(const char *s)
{
	if (!strcmp(s, "none"))
		return 0;
	if (!strncmp(s, "file:", 5))
		return s[5] ? 0 : -EINVAL;
	return check_url(s);
}

static void allow_export(FILE *f)
{
	fputs("http://HOST..., https://HOST..., file:PATH or none", f);
}

/* No password: what proves who we are is the token. */
static int check_kubelet(const char *s)
{
	if (!strcmp(s, "none"))
		return 0;
	return strchr(s, '@') ? -EINVAL : check_url(s);
}

static void allow_kubelet(FILE *f)
{
	fputs("https://HOST:10250/pods, http://HOST:10255/pods or none", f);
}

/* Keys of labels or annotations, with commas between: [PREFIX/]NAME. */
static int check_keys(const char *s)
{
	do {
		size_t len = strcspn(s, ",");

		if (!len || len > PODS_KEY_MAX)
			return -EINVAL;
		for (size_t i = 0; i < len; i++)
			if (!isalnum((unsigned char)s[i]) && !strchr("-_./", s[i]))
				return -EINVAL;
		s += len;
	} while (*s++);
	return 0;
}

static void allow_keys(FILE *f)
{
	fputs("keys as Kubernetes has them, with commas between", f);
}

static int check_column(const char *s)
{
	return column_find(s, strlen(s)) ? 0 : -EINVAL;
}

static void allow_column(FILE *f)
{
	char list[512];

	column_list(list, sizeof(list));
	fprintf(f, "one of %s", list);
}

/* Names of probes, with commas between; at least one. */
static int check_probes(const char *s)
{
	do {
		size_t len = strcspn(s, ",");

		if (probe_named_so(s, len) == PROBE_COUNT)
			return -EINVAL;
		s += len;
	} while (*s++);
	return 0;
}

static void allow_probes(FILE *f)
{
	fputs("names with commas between, of", f);
	for (size_t i = 0; i < probe_desc_count; i++)
		fprintf(f, " %s", probe_descs[i].name);
}

static int check_budget(const char *s)
{
	double share;

	return strcmp(s, "none") ? options_percent(s, &share) : 0;
}

static void allow_budget(FILE *f)
{
	fputs("0.1% to 100%, or none", f);
}

/* What the kernel takes for a name. */
static int check_label(const char *s)
{
	size_t len = 0;

	while (isalnum((unsigned char)s[len]) || s[len] == '_' || s[len] == '.')
		len++;
	return len && !s[len] && len < NODE_NAME ? 0 : -EINVAL;
}

static void allow_label(FILE *f)
{
	fprintf(f, "1 to %d letters, digits, _ or .", NODE_NAME - 1);
}

static void allow_cpus(FILE *f)
{
	fprintf(f, "CPUs as 2-7,16 (below %d), " QUIET_ISOLATED " or " QUIET_NONE,
		CPU_LIST_MAX);
}

static int check_word(const char *s)
{
	return host_is_word(s) ? 0 : -EINVAL;
}

static void allow_word(FILE *f)
{
	fprintf(f, "1 to %d characters (UTF-8) without spaces", HOST_WORD - 1);
}

/* The master copy: defaults, limits, environment, flags, --help and the manual. */
static const struct option_desc rows[] = {
	{ "socket", "PATH", "/run/assay/assay.sock",
	  "UNIX socket on which the agent answers the other commands", FIELD(socket),
	  .mask = CMD_ALL, .check = check_socket, .allowed = allow_socket },
	{ "export", "URL|file:PATH|none", "http://localhost:4318/v1/metrics",
	  "where metrics go: OTLP over HTTP, a file of length-prefixed batches, or nowhere",
	  OTLP("ENDPOINT"), FIELD(export), .mask = EXPORTS, .check = check_export,
	  .allowed = allow_export },
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
	{ "export-culprits", "N", "5",
	  "culprits of a workload that exports name; the time of the others is _OTHER",
	  FIELD(export_culprits), .mask = EXPORTS, .type = OPTION_UINT, .min = 0,
	  .max = CULPRIT_NAMES },
	{ "series", "basic|all", "basic",
	  "what exports have of a workload: what is needed to see what hurts, or all that "
	  "is measured",
	  .choices = series, FIELD(series), .mask = EXPORTS, .type = OPTION_ENUM },
	{ "max-series-per-metric", "N", "2000",
	  "attribute sets of one metric, over all workloads; what is more is one set of "
	  "its workload, with otel.metric.overflow",
	  FIELD(series_per_metric), .mask = EXPORTS, .type = OPTION_UINT, .min = 1,
	  .max = 1000000 },
	{ "group-by", "WHAT", "container",
	  "what is one workload in exports (of report: there), of those that Kubernetes has named: container, "
	  "pod, owner (all pods of one deployment, ... on this node; by --kubelet) or "
	  "namespace",
	  .choices = groups, FIELD(group_by), .mask = EXPORTS | CMD_REPORT,
	  .flag_only = CMD_REPORT, .type = OPTION_ENUM },
	{ "include", "RULE,...", NULL,
	  "which workloads exports have as themselves: namespace=, pod=, container=, "
	  "owner=, name= or kind=PATTERN, label:KEY=PATTERN, in which * stands for any "
	  "characters; all others are added up in one workload `excluded`",
	  FIELD(include), .mask = EXPORTS, .check = select_check,
	  .allowed = select_allowed },
	{ "exclude", "RULE,...", NULL,
	  "which they do not have as themselves, though included: rules as for --include",
	  FIELD(exclude), .mask = EXPORTS, .check = select_check,
	  .allowed = select_allowed },
	{ "max-pods", "N", "0",
	  "pods that the node may have, for the estimate of what exports come to; 0: as "
	  "var/lib/kubelet/config.yaml below --host-root says, if it is there",
	  FIELD(max_pods), .mask = EXPORTS, .type = OPTION_UINT, .min = 0,
	  .max = 1000000 },
	{ "resource-attributes",
	  "K=V,...",
	  NULL,
	  "attributes that go on everything exported, percent-encoded",
	  { "OTEL_RESOURCE_ATTRIBUTES" },
	  FIELD(resource_attributes),
	  .mask = CMD_MEASURES,
	  .type = OPTION_ATTRIBUTES },
	{ "service-name",
	  "NAME",
	  "assay",
	  "service.name of the agent's own metrics",
	  { "OTEL_SERVICE_NAME" },
	  FIELD(service_name),
	  .mask = CMD_MEASURES },
	{ "cluster-name", "NAME", NULL, "k8s.cluster.name of everything exported",
	  FIELD(cluster_name), .mask = CMD_MEASURES },
	{ "node-name",
	  "NAME",
	  NULL,
	  "k8s.node.name of everything exported",
	  { "K8S_NODE_NAME" },
	  FIELD(node_name),
	  .mask = CMD_MEASURES,
	  .check = check_word,
	  .allowed = allow_word },
	{ "k8s-labels-as-service", NULL, "false",
	  "service.name and service.version of a pod's containers by its labels "
	  "app.kubernetes.io/instance, name and version",
	  FIELD(labels_as_service), .mask = CMD_MEASURES, .type = OPTION_BOOL },
	{ "k8s-pod-labels", "KEY,...", NULL,
	  "labels of pods that are exported, as k8s.pod.label.KEY", FIELD(pod_labels),
	  .mask = CMD_MEASURES, .check = check_keys, .allowed = allow_keys },
	{ "k8s-pod-annotations", "KEY,...", NULL,
	  "annotations of pods that are exported, as k8s.pod.annotation.KEY",
	  FIELD(pod_annotations), .mask = CMD_MEASURES, .check = check_keys,
	  .allowed = allow_keys },
	{ "identity-source", NULL, "false",
	  "export where a workload's names are from, as assay.identity.source",
	  FIELD(identity_source), .mask = CMD_MEASURES, .type = OPTION_BOOL },
	{ "snapshot-interval", "TIME", "10s",
	  "time between two readings of the kernel's cells",
	  FIELD(snapshot_interval_ms), .mask = CMD_AGENT, .type = OPTION_DURATION,
	  .min = 10, .max = MINUTE },
	{ "probes", "NAME,...", PROBES + 1, "what to measure", FIELD(probes),
	  .mask = CMD_MEASURES, .check = check_probes, .allowed = allow_probes },
	{ "budget", "PERCENT|none", "1%",
	  "most of a CPU's busy time that probes may take: beyond it they run in windows, or "
	  "not at all; none: all is measured always, whatever it costs",
	  FIELD(budget), .mask = CMD_AGENT, .check = check_budget,
	  .allowed = allow_budget },
	{ "memory", "SIZE", "64MiB",
	  "most memory to use: the kernel's maps, and the agent's numbers; `assay doctor` says "
	  "what is beside it",
	  FIELD(memory), .mask = CMD_MEASURES, .type = OPTION_SIZE, .min = 4 * MIB,
	  .max = 65536 * MIB },
	{ "slots", "N", "1024",
	  "most workloads to tell apart at one time; the rest overflow", FIELD(slots),
	  .mask = CMD_MEASURES, .type = OPTION_UINT, .min = SLOTS_MIN, .max = 16384,
	  .pow2 = true },
	{ "cgroup-root", "PATH", NULL,
	  "the host's whole cgroup v2 tree; found in mountinfo by default",
	  FIELD(cgroup_root), .mask = CMD_MEASURES },
	{ "host-root", "PATH", NULL,
	  "where the node's root directory is mounted, for its machine-id "
	  "and the names of containers",
	  FIELD(host_root), .mask = CMD_MEASURES },
	{ "host-id", "ID", NULL, "host.id of everything exported; found by default",
	  FIELD(host_id), .mask = CMD_MEASURES, .check = check_word,
	  .allowed = allow_word },
	{ "host-name", "NAME", NULL,
	  "host.name of everything exported; found by default", FIELD(host_name),
	  .mask = CMD_MEASURES, .check = check_word, .allowed = allow_word },
	{ "kubelet", "URL|none", "none",
	  "the kubelet's list of this node's pods, https://HOST:10250/pods: containers' "
	  "owners, labels and restarts, and names that files do not say",
	  FIELD(kubelet), .mask = CMD_MEASURES, .check = check_kubelet,
	  .allowed = allow_kubelet },
	{ "kubelet-token", "PATH", SERVICE_ACCOUNT "token",
	  "file with the token for the kubelet, read anew at each request; over http none "
	  "is sent",
	  FIELD(kubelet_token), .mask = CMD_MEASURES },
	{ "kubelet-ca", "PATH", SERVICE_ACCOUNT "ca.crt",
	  "PEM file of the authorities to trust for the kubelet", FIELD(kubelet_ca),
	  .mask = CMD_MEASURES },
	{ "kubelet-server-name", "NAME", NULL,
	  "name in the kubelet's certificate, if it is not the URL's host",
	  FIELD(kubelet_server_name), .mask = CMD_MEASURES, .check = check_word,
	  .allowed = allow_word },
	{ "kubelet-insecure", NULL, "false",
	  "do not look at the kubelet's certificate: whoever answers gets the token and is "
	  "believed",
	  FIELD(kubelet_insecure), .mask = CMD_MEASURES, .type = OPTION_BOOL },
	{ "node-lock", "NAME|none", "assay",
	  "of the agents with one NAME on a node one measures, the others wait for its "
	  "end; none: do not look for others",
	  FIELD(node_lock), .mask = CMD_AGENT, .check = check_label,
	  .allowed = allow_label },
	{ "quiet-cpus", "LIST|isolated|none", QUIET_ISOLATED,
	  "CPUs that no reading interrupts while anything runs there, as 2-7,16; isolated: "
	  "those of isolcpus= and nohz_full=",
	  FIELD(quiet_cpus), .mask = CMD_AGENT | CMD_DOCTOR, .check = quiet_check,
	  .allowed = allow_cpus },
	{ "keep-privileges", NULL, "false",
	  "keep all capabilities once the node is measured, and allow all system calls",
	  FIELD(keep_privileges), .mask = CMD_AGENT, .type = OPTION_BOOL },
	{ "duration", "TIME", "5s", "how long to measure (assay why: 10s)",
	  FIELD(duration_ms), .mask = CMD_REPORT | CMD_WHY | CMD_BENCH | CMD_HIST,
	  .type = OPTION_DURATION, .min = 10, .max = 24 * HOUR },
	{ "format", "table|json|csv", "table", "how to print", .choices = formats,
	  FIELD(format),
	  .mask = CMD_REPORT | CMD_WHY | CMD_STATUS | CMD_LIST | CMD_PROBES |
		  CMD_VERIFY | CMD_BENCH | CMD_HIST | CMD_TREND | CMD_DIFF,
	  .type = OPTION_ENUM },
	{ "wide", NULL, "false",
	  "all columns, names as long as they are, and the details of the first workloads",
	  FIELD(wide), .mask = CMD_REPORT, .type = OPTION_BOOL },
	{ "sort", "COLUMN", NULL,
	  "the workload with most of this column is the first; else it is who hurts most",
	  FIELD(sort), .mask = CMD_REPORT, .check = check_column,
	  .allowed = allow_column },
	{ "limit", "N", "0",
	  "most workloads to show (of hist and trend: series); 0: as many as the screen has "
	  "lines for, and all where the format is json or csv",
	  FIELD(limit), .mask = CMD_REPORT | CMD_HIST | CMD_TREND | CMD_DIFF,
	  .type = OPTION_UINT, .max = 1000000 },
	{ "filter", "COLUMN=PATTERN", NULL,
	  "only workloads of which this is so, as name=shop/*, p99>10ms or errors>=5/s "
	  "(= != < <= > >=); given several times, all of them",
	  FIELD(filters), .mask = CMD_REPORT, .type = OPTION_LIST },
	{ "watch", NULL, "false",
	  "again and again, each for --duration, until a signal; implies --estimate",
	  FIELD(watch), .mask = CMD_REPORT, .type = OPTION_BOOL },
	{ "total", NULL, "false", "print all that the agent counted since its start",
	  FIELD(total), .mask = CMD_REPORT, .type = OPTION_BOOL },
	{ "estimate", NULL, "false",
	  "leave the agent's probes as they run, also in windows: numbers with ~ are "
	  "estimates (without: all is counted meanwhile, up to 60 s)",
	  FIELD(estimate), .mask = CMD_REPORT | CMD_WHY | CMD_HIST,
	  .type = OPTION_BOOL },
	{ "history", "PATH|none", "/var/lib/assay/history.db",
	  "file in which the agent keeps its readings: of each 10 s for an hour, of each "
	  "minute as long as --history-size has room; the other commands look back into it",
	  FIELD(history),
	  .mask = CMD_AGENT | CMD_DOCTOR | CMD_SNAPSHOT | CMD_DIFF | LOOKS_BACK },
	{ "history-size", "SIZE", "64MiB",
	  "most bytes that the history takes: the oldest goes first",
	  FIELD(history_size), .mask = CMD_AGENT, .type = OPTION_SIZE,
	  .min = HISTORY_SIZE_MIN, .max = 65536 * MIB },
	{ "from", "FILE", NULL,
	  "look into this copy of a history (assay snapshot), of any node: --last counts "
	  "from its end",
	  FIELD(from), .mask = LOOKS_BACK | CMD_DIFF },
	{ "at", "TIME", NULL,
	  "look at the reading of that time: 03:12 (the latest one), '2026-11-27 03:12' "
	  "(local time without a zone), 2026-11-27T03:12:00Z, 2026-11-27 (its midnight), "
	  "or 10m for that long ago",
	  FIELD(at), .mask = LOOKS_BACK & ~CMD_TREND },
	{ "since", "TIME", NULL,
	  "look at what happened from then on, to --until or now", FIELD(since),
	  .mask = LOOKS_BACK },
	{ "until", "TIME", NULL,
	  "the end of --since (03:12: the first one after it) or of --last",
	  FIELD(until), .mask = LOOKS_BACK },
	{ "last", "TIME", NULL, "look at what happened in so much time", FIELD(last_ms),
	  .mask = LOOKS_BACK, .type = OPTION_DURATION, .min = SECOND,
	  .max = 400 * 24 * HOUR },
	{ "step", "TIME", NULL,
	  "how much time one mark stands for, in whole 10 s (CPU time, quota and pressure: minutes); else as the screen has room",
	  FIELD(step_ms), .mask = CMD_HIST | CMD_TREND, .type = OPTION_DURATION,
	  .min = 10 * SECOND, .max = 24 * HOUR },
	{ "node", NULL, "false", "look at all workloads, and at the node itself",
	  FIELD(node), .mask = CMD_WHY, .type = OPTION_BOOL },
	{ "baseline", "SPAN", NULL,
	  "compare with this time of the history: 3h for the three hours before, or "
	  "02:00..03:00; without: the hour before, but not its last five minutes",
	  FIELD(baseline), .mask = CMD_WHY },
	{ "kernel-stats", NULL, "false",
	  "have the kernel time all BPF programs of the node for a second, to check what "
	  "ours say of themselves; takes root",
	  FIELD(kernel_stats), .mask = CMD_BENCH, .type = OPTION_BOOL },
	{ "live", NULL, "false", "does the agent's loop answer?", FIELD(live),
	  .mask = CMD_STATUS, .type = OPTION_BOOL },
	{ "ready", NULL, "false",
	  "does it measure with one probe at least, or wait for its node with all loaded?",
	  FIELD(ready), .mask = CMD_STATUS, .type = OPTION_BOOL },
	{ "started", NULL, "false", "has it loaded its programs?", FIELD(started),
	  .mask = CMD_STATUS, .type = OPTION_BOOL },
	{ "strict", NULL, "false",
	  "exports that fail and probes that are missing are a failure, too",
	  FIELD(strict), .mask = CMD_STATUS, .type = OPTION_BOOL },
	{ "timeout", "TIME", "3s", "longest time that the agent's answer may take",
	  FIELD(timeout_ms), .mask = CMD_STATUS, .type = OPTION_DURATION, .min = 10,
	  .max = MINUTE },
	{ "log-level", "LEVEL", "info", "error, warn, info or debug", .choices = levels,
	  FIELD(log_level), .mask = CMD_ALL, .type = OPTION_ENUM },
};

_Static_assert(COUNT(rows) <= 128, "a bit for each in struct options");
const struct option_table option_table = { rows, COUNT(rows) };
