// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <math.h>
#include <string.h>
#include "base/util.h"
#include "view/columns.h"

#define ATTR(k, h, a, text)                                                 \
	{                                                                   \
		.key = k, .heading = h, .help = text, .place = COLUMN_WIDE, \
		.get = column_get_attr, .attr = a                           \
	}
#define WAITS "waits for a CPU"

const struct column columns[] = {
	{ .key = "name",
	  .heading = "WORKLOAD",
	  .help = "namespace/pod/container, a unit, or a cgroup's path",
	  .get = column_get_name },
	{ .key = "p50",
	  .heading = "P50",
	  .over = "latency",
	  .help =
	      "median latency of what it serves: TCP responses as a server, else as "
	      "a client, else calls on files",
	  .unit = COLUMN_SECONDS,
	  .spare = true,
	  .get = column_get_latency,
	  .percent = 50 },
	{ .key = "p99",
	  .heading = "P99",
	  .over = "latency",
	  .help = "99th percentile of the same",
	  .unit = COLUMN_SECONDS,
	  .get = column_get_latency,
	  .percent = 99 },
	{ .key = "of",
	  .heading = "OF",
	  .over = "latency",
	  .help = "what these two are of: server, client or files",
	  .narrow = 1,
	  .get = column_get_served_by },
	{ .key = "errors",
	  .heading = "ERRORS",
	  .help =
	      "errors, but for failed calls that programs live by (ENOENT, EAGAIN); "
	      "what several metrics see of the same failure is one",
	  .unit = COLUMN_RATE,
	  .alarm = true,
	  .get = column_get_errors },
	{ .key = "worst",
	  .heading = "WORST",
	  .help = "the worst kind of them",
	  .narrow = 12,
	  .get = column_get_worst },
	{ .key = "others",
	  .heading = "OTHER",
	  .over = WAITS,
	  .help = "threads that wait for a CPU behind others, on average",
	  .unit = COLUMN_THREADS,
	  .get = column_get_others },
	{ .key = "itself",
	  .heading = "SELF",
	  .over = WAITS,
	  .help = "threads that wait for a CPU behind its own",
	  .unit = COLUMN_THREADS,
	  .get = column_get_itself },
	{ .key = "quota",
	  .heading = "QUOTA",
	  .over = WAITS,
	  .help = "threads that wait as its CPU quota is used up (throttled)",
	  .unit = COLUMN_THREADS,
	  .alarm = true,
	  .get = column_get_wait,
	  .value = "throttled" },
	{ .key = "blocked",
	  .heading = "BLOCK",
	  .help = "threads asleep in calls that do work (files, memory, processes) and "
		  "in page faults",
	  .unit = COLUMN_THREADS,
	  .get = column_get_blocked },
	{ .key = "full",
	  .heading = "FULL",
	  .help = "the largest of: memory of its limit, periods out of CPU quota, time "
		  "under pressure",
	  .unit = COLUMN_SHARE,
	  .get = column_get_full },
	{ .key = "stuck",
	  .heading = "STUCK",
	  .help = "the age of what should have ended, from 1 s on",
	  .unit = COLUMN_AGE,
	  .place = COLUMN_IF_THERE,
	  .alarm = true,
	  .get = column_get_stuck },
	{ .key = "full_of",
	  .heading = "FULL OF",
	  .help = "which of them it is: memory, quota, cpu, io (pressure)",
	  .place = COLUMN_WIDE,
	  .get = column_get_full_of },
	{ .key = "stuck_on",
	  .heading = "STUCK ON",
	  .help = "what should have ended",
	  .place = COLUMN_WIDE,
	  .get = column_get_stuck_on },
	{ .key = "p90",
	  .heading = "P90",
	  .help = "90th percentile of the latency",
	  .unit = COLUMN_SECONDS,
	  .place = COLUMN_WIDE,
	  .get = column_get_latency,
	  .percent = 90 },
	{ .key = "served",
	  .heading = "SERVED",
	  .help = "what the latency is of: how many",
	  .unit = COLUMN_RATE,
	  .place = COLUMN_WIDE,
	  .get = column_get_served },
	{ .key = "calls",
	  .heading = "CALLS",
	  .help = "system calls",
	  .unit = COLUMN_RATE,
	  .place = COLUMN_WIDE,
	  .get = column_get_events,
	  .metric = "assay.syscall.duration" },
	{ .key = "failed",
	  .heading = "FAILED",
	  .help = "system calls that failed, of any errno",
	  .unit = COLUMN_RATE,
	  .place = COLUMN_WIDE,
	  .get = column_get_rate,
	  .metric = "assay.syscall.errors" },
	{ .key = "waiting",
	  .heading = "WAITING",
	  .help = "threads that wait for a CPU, for whatever cause",
	  .unit = COLUMN_THREADS,
	  .place = COLUMN_WIDE,
	  .get = column_get_wait },
	{ .key = "wait_p99",
	  .heading = "WAIT P99",
	  .help = "99th percentile of a wait for a CPU",
	  .unit = COLUMN_SECONDS,
	  .place = COLUMN_WIDE,
	  .get = column_get_quantile,
	  .metric = "assay.sched.wait.duration",
	  .percent = 99 },
	{ .key = "cpu",
	  .heading = "CPUS",
	  .help = "CPUs that it uses",
	  .unit = COLUMN_THREADS,
	  .place = COLUMN_WIDE,
	  .get = column_get_rate,
	  .metric = "assay.cgroup.cpu.time" },
	{ .key = "memory",
	  .heading = "MEMORY",
	  .help = "memory that it has",
	  .unit = COLUMN_BYTES,
	  .place = COLUMN_WIDE,
	  .get = column_get_level,
	  .metric = "assay.cgroup.memory.usage" },
	{ .key = "receive",
	  .heading = "RECEIVE",
	  .help = "bytes received by TCP",
	  .unit = COLUMN_BYTES_RATE,
	  .place = COLUMN_WIDE,
	  .get = column_get_rate,
	  .metric = "assay.tcp.io",
	  .attr = "network.io.direction",
	  .value = "receive" },
	{ .key = "transmit",
	  .heading = "TRANSMIT",
	  .help = "bytes sent by TCP",
	  .unit = COLUMN_BYTES_RATE,
	  .place = COLUMN_WIDE,
	  .get = column_get_rate,
	  .metric = "assay.tcp.io",
	  .attr = "network.io.direction",
	  .value = "transmit" },
	{ .key = "retransmits",
	  .heading = "RETRANS",
	  .help = "segments sent again",
	  .unit = COLUMN_RATE,
	  .place = COLUMN_WIDE,
	  .get = column_get_rate,
	  .metric = "assay.tcp.retransmits" },
	{ .key = "rtt_p99",
	  .heading = "RTT P99",
	  .help = "99th percentile of TCP's round-trip time",
	  .unit = COLUMN_SECONDS,
	  .place = COLUMN_WIDE,
	  .get = column_get_quantile,
	  .metric = "assay.tcp.rtt",
	  .percent = 99 },
	{ .key = "dns_p99",
	  .heading = "DNS P99",
	  .help = "99th percentile of lookups",
	  .unit = COLUMN_SECONDS,
	  .place = COLUMN_WIDE,
	  .get = column_get_quantile,
	  .metric = "assay.dns.lookup.duration",
	  .percent = 99 },
	{ .key = "block_p99",
	  .heading = "BLOCK P99",
	  .help = "99th percentile of block requests, in the queue and the device",
	  .unit = COLUMN_SECONDS,
	  .place = COLUMN_WIDE,
	  .get = column_get_quantile,
	  .metric = "assay.block.operation.duration",
	  .percent = 99 },
	{ .key = "kind",
	  .heading = "KIND",
	  .help = "container, pod, unit, cgroup, ...",
	  .place = COLUMN_WIDE,
	  .get = column_get_kind },
	ATTR("namespace", "NAMESPACE", "k8s.namespace.name", "its namespace"),
	ATTR("pod", "POD", "k8s.pod.name", "its pod"),
	ATTR("container", "CONTAINER", "k8s.container.name", "its container's name"),
	{ .key = "owner",
	  .heading = "OWNER",
	  .help = "deployment, stateful set, ... (needs --kubelet)",
	  .place = COLUMN_WIDE,
	  .get = column_get_owner },
	ATTR("image", "IMAGE", "container.image.name", "its image"),
	ATTR(
	    "source", "SOURCE", "assay.identity.source",
	    "where its names are from: bundle, docker, podman, log, kubelet, pod-log; path: "
	    "nowhere"),
	ATTR("cgroup", "CGROUP", "process.linux.cgroup", "its cgroup's path"),
};

const size_t column_count = COUNT(columns);

/* Of either case; a heading may have a space where a key has _. */
static bool is_name(const char *name, const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && name[i] &&
	       tolower((unsigned char)(name[i] == ' ' ? '_' : name[i])) ==
		   tolower((unsigned char)(text[i] == ' ' ? '_' : text[i])))
		i++;
	return i == len && !name[i];
}

const struct column *column_find(const char *text, size_t len)
{
	for (size_t i = 0; i < COUNT(columns); i++)
		if (is_name(columns[i].key, text, len) ||
		    is_name(columns[i].heading, text, len))
			return &columns[i];
	return NULL;
}

void column_list(char *text, size_t len)
{
	size_t at = 0;

	*text = '\0';
	for (size_t i = 0; i < COUNT(columns) && at < len; i++)
		at += snprintf(text + at, len - at, "%s%s", i ? ", " : "",
			       columns[i].key);
}

void column_get(const struct column *c, const struct block *b, double duration_s,
		struct cell *out)
{
	*out = (struct cell){ .text = "" };
	c->get(c, b, duration_s, out);
	/* what no agent sends is not there */
	if (!isfinite(out->number))
		*out = (struct cell){ .text = "" };
}

static const char *threads_text(char out[UNITS_LEN], double n)
{
	if (n < 0.005)
		snprintf(out, UNITS_LEN, "<.01");
	else if (n < 99.995)
		snprintf(out, UNITS_LEN, "%.2f", n);
	else
		units_count(out, n);
	return out;
}

static const char *number_text(enum column_unit unit, double n, char out[UNITS_LEN])
{
	switch (unit) {
	case COLUMN_SECONDS:
		return units_seconds(out, n);
	case COLUMN_AGE:
		return units_age(out, n);
	case COLUMN_RATE:
		return units_rate(out, n);
	case COLUMN_THREADS:
		return threads_text(out, n);
	case COLUMN_BYTES:
		return units_bytes(out, n);
	case COLUMN_BYTES_RATE:
		return units_bytes_rate(out, n);
	default:
		snprintf(out, UNITS_LEN, n < 1e4 ? "%.0f%%" : "%.1g%%", n * 100);
		return out;
	}
}

const char *column_text(const struct column *c, const struct cell *cell,
			char out[UNITS_LEN])
{
	char n[UNITS_LEN];
	size_t at;

	if (c->unit == COLUMN_TEXT)
		return *cell->text ? cell->text : "-";
	/* a latency of 0 is one below a microsecond, other numbers of 0 are nothing */
	if (!cell->there || (cell->number <= 0 && c->unit != COLUMN_SECONDS))
		return "-";
	at = cell->estimated;
	out[0] = '~';
	number_text(c->unit, cell->number, n);
	snprintf(out + at, UNITS_LEN - at, "%.14s", n);
	return out;
}

int column_compare(const struct column *c, const struct cell *a, const struct cell *b)
{
	if (c->unit == COLUMN_TEXT) {
		if (!*a->text != !*b->text)
			return *a->text ? -1 : 1;
		return strcmp(a->text, b->text);
	}
	if (a->there != b->there)
		return a->there ? -1 : 1;
	return a->number > b->number ? -1 : a->number < b->number;
}
