// SPDX-License-Identifier: Apache-2.0
/* Prints docs/metrics.md from the metric table: make docs/metrics.md */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "kernel/probes.h"
#include "metric/metrics.h"
#include "metric/self.h"

static const char *const kind_names[] = {
	[METRIC_HISTOGRAM] = "exponential histogram",
	[METRIC_SUM] = "sum",
	[METRIC_UPDOWN] = "up-down sum",
	[METRIC_GAUGE] = "gauge",
};

static void print_values(const struct metric_row *r, const char *key, int last)
{
	printf("  - `%s`:", key);
	if (r->open_text && last)
		printf(" %s", r->open_text);
	else if (r->lane_count && r->lanes[0].value && last)
		for (unsigned int i = 0; i < r->lane_count; i++)
			printf("%s `%s`", i ? "," : "", r->lanes[i].value);
	else
		for (unsigned int i = 0; i < r->value_count; i++)
			if (r->values[i])
				printf("%s `%s`", i && r->values[i - 1] ? "," : "",
				       r->values[i]);
	printf("\n");
}

/* Values that --series basic has under a name: how many are printed. */
static int print_those(const struct metric_row *r, const char *name, const char *begin)
{
	int n = 0;

	for (unsigned int i = 0; i < r->value_count; i++)
		if (r->basic[i] == name ||
		    (r->basic[i] && name && strcmp(r->basic[i], name) == 0))
			printf("%s`%s`", n++ ? ", " : begin, r->values[i]);
	return n;
}

static void print_basic(const struct metric_row *r)
{
	bool folds = false;

	if (r->local)
		printf(
		    "- On the node only (its socket and history): never exported.\n");
	if (r->detail)
		printf("- Not exported with `--series basic`.\n");
	if (!r->basic)
		return;
	printf("- With `--series basic`");
	if (!r->basic[0]) {
		printf(" `%s` is absent.\n", r->metric.attrs[0]);
		return;
	}
	for (unsigned int i = 0; i < r->value_count; i++)
		folds |= !strcmp(r->basic[i], "_OTHER");
	if (folds && print_those(r, "_OTHER", " ") > 0)
		printf(" are `_OTHER`, and");
	printf(print_those(r, metric_left_out, " ") > 1 ? " are" : " is");
	printf(" not exported.\n");
}

static void print_windows(const struct metric_row *r)
{
	switch (metrics_exactness(r)) {
	case METRICS_PARTLY:
		printf("- Exact, but where its probe runs in windows: see the blind "
		       "spots.\n");
		break;
	case METRICS_EXACT:
		printf("- Exact.\n");
		break;
	default:
		printf("- Estimated when the probe %s runs in windows, else exact.\n",
		       probe_descs[metrics_windowed(r)].name);
	}
}

static void print_row(const struct metric_row *r)
{
	const struct metric *m = &r->metric;

	printf("### `%s`\n\n%s\n\n", m->name, m->help);
	printf("- %s, `%s`; golden signal: %s\n", kind_names[m->kind], m->unit,
	       r->signal_name);
	for (int i = 0; m->attrs[i]; i++)
		print_values(r, m->attrs[i], !m->attrs[i + 1]);
	print_basic(r);
	print_windows(r);
	printf("- Rests on: %s\n- Blind spots: %s\n\n", r->source_text, r->blind_text);
}

static void print_self(const struct metric *m)
{
	printf("| `%s` | %s | %s%s%s |", m->name, kind_names[m->kind],
	       *m->unit ? "`" : "", *m->unit ? m->unit : "none", *m->unit ? "`" : "");
	for (int i = 0; m->attrs[i]; i++)
		printf("%s `%s`", i ? "," : "", m->attrs[i]);
	printf(" | %s |\n", m->help);
}

static const char intro[] =
    "# Metrics\n\n"
    "Made from the tables agent/metric/NAME_rows.c by `make docs/metrics.md`; do not edit.\n\n"
    "Every workload is a resource of its own: `service.name`, `service.instance.id`,\n"
    "`assay.workload.kind`, `assay.workload.name`, `process.linux.cgroup`, `container.id` where\n"
    "there is one, `host.name`, `host.id`, `k8s.node.name` and `k8s.cluster.name` if they are\n"
    "given. Kinds: `container`, `pod` (a pod's cgroup, with what its sandbox does), `unit`,\n"
    "`cgroup`, `kernel` (kernel threads, and the network stack on its own behalf), `unknown`\n"
    "(what cannot be named), `overflow` (`otel.metric.overflow` = true: what found no slot);\n"
    "of several workloads that are one (below) also `owner`, `namespace`, `excluded`.\n"
    "\n"
    "`service.instance.id` is `<host.id>:<cgroup path>`. Of a container of Kubernetes it is\n"
    "`<namespace>.<pod>.<container>` (`<namespace>.<pod>` of the pod itself; of a cgroup that the\n"
    "container made, with the path from there behind it), so it stays when the container is\n"
    "started again: then `container.id` and `k8s.container.restart_count` are others. One\n"
    "instance has one writer at a time, as receivers may know no more of a resource: the new\n"
    "container is in exports when the last values of the one before have arrived, and the end\n"
    "of that one is told with an earlier time (1 ms). What began and ended between two exports\n"
    "is in one export, each 1 ms after the other. When two that are both there would have one\n"
    "instance (an annotation says so; a pod's cgroup that stays), the newer one has the plain\n"
    "form instead of the annotation's, then the container's id behind it.\n"
    "\n"
    "Names of containers are read from files below `--host-root`: config.json of the bundle\n"
    "(containerd, also k3s and microk8s; CRI-O), Docker's config.v2.json, podman's\n"
    "containers.json, the kubelet's links in /var/log/containers. With `--kubelet` the kubelet\n"
    "adds what these do not say. Where none of them says anything, the directory of the pod's\n"
    "logs in /var/log/pods (for root, mostly) tells namespace and pod, and no container: each of\n"
    "the pod's, and its sandbox, then is a workload of the pod's name, told apart by its\n"
    "`container.id`. `assay report --wide` shows the source of each name (`bundle`, `docker`,\n"
    "`podman`, `log`, `kubelet`, `pod-log`, `path`), also of the past; `--identity-source` exports\n"
    "it as `assay.identity.source`. With names a resource has, by OpenTelemetry's rule for Kubernetes:\n"
    "\n"
    "| attribute | value: the first that there is |\n"
    "|---|---|\n"
    "| `service.name` | annotation `resource.opentelemetry.io/service.name`; with `--k8s-labels-as-service` the labels `app.kubernetes.io/instance`, `app.kubernetes.io/name`; Deployment, ReplicaSet, StatefulSet, DaemonSet, CronJob, Job, pod |\n"
    "| `service.namespace` | annotation `.../service.namespace`; namespace |\n"
    "| `service.version` | annotation `.../service.version`; with `--k8s-labels-as-service` the label `app.kubernetes.io/version`; the image's TAG@DIGEST, DIGEST, TAG |\n"
    "| `service.instance.id` | annotation `.../service.instance.id`; as above |\n"
    "| `k8s.namespace.name`, `k8s.pod.name`, `k8s.pod.uid`, `k8s.container.name`, `k8s.container.restart_count` | as they are (the UID of a static pod is its config.hash; a pod's own resource has no container) |\n"
    "| `k8s.deployment.name`, `k8s.replicaset.name`, `k8s.statefulset.name`, `k8s.daemonset.name`, `k8s.job.name`, `k8s.cronjob.name` | who owns the pod; the CronJob by the name of its Job |\n"
    "| `container.image.name`, `container.image.tags` | the image, and its tag as a list |\n"
    "| `k8s.pod.label.KEY`, `k8s.pod.annotation.KEY` | those of `--k8s-pod-labels` and `--k8s-pod-annotations` |\n"
    "| KEY | annotation `resource.opentelemetry.io/KEY`, unless assay or the agent's user sets KEY |\n"
    "\n"
    "`assay.workload.name` is NAMESPACE/POD/CONTAINER. (Owners, labels and annotations are known\n"
    "from the kubelet alone.) Once an export has shown a container, that is who it is: a label, an\n"
    "annotation or an owner that changes later is shown of containers that begin after that.\n"
    "Outside of Kubernetes a container's name is Docker's or podman's. A systemd unit has the\n"
    "description of its file (without drop-ins) as `assay.unit.description`.\n"
    "\n"
    "With `--group-by` exports have all containers of a pod, an owner or a namespace on the node as\n"
    "one workload, with the pods' sandboxes and what containers made below their own cgroups.\n"
    "Reports on the node have each. What has no name of Kubernetes stays as it is.\n"
    "\n"
    "| `--group-by` | kind, and `assay.workload.name` | `service.instance.id` | `service.name` |\n"
    "|---|---|---|---|\n"
    "| `container` | `container`, NAMESPACE/POD/CONTAINER | as above | as above |\n"
    "| `pod` | `pod`, NAMESPACE/POD | `<namespace>.<pod>`, or the annotation's | as above |\n"
    "| `owner` | `owner`, NAMESPACE/KIND/NAME (`shop/deployment/web`) | `<namespace>.<kind>.<name>:<node>` | as above |\n"
    "| `namespace` | `namespace`, namespace/NAMESPACE | `<namespace>:<node>` | the namespace |\n"
    "\n"
    "The owner is the Deployment, the CronJob, or who else made the pod. A pod without one, a\n"
    "static one, and one whose owner the kubelet has not told in 30 s is itself, as with `pod`. The\n"
    "node is `k8s.node.name`, else `host.id`: the pods of an owner on another node are another\n"
    "agent's. A group has no attributes of what it puts together: none of a container or an image,\n"
    "and of an owner or a namespace none of a pod, its labels or annotations; but an owner's\n"
    "service is called as annotations or labels of the first of its pods say.\n"
    "\n"
    "Counters, and histograms by their buckets, are added up over the members that there are and\n"
    "those that there were; so no series goes down when a container is started again, and one that\n"
    "comes later brings what it has counted. The series begin when the first member did. A group\n"
    "ends when all of its members are gone. Memory in use and its limit are sums over those that\n"
    "are there (no limit if a container has none), `assay.inflight.age` is the oldest. What the\n"
    "files of a cgroup say of cgroups below it, too, is in the sum once. Culprits\n"
    "(`assay.sched.culprit`) are named by their groups, as in `assay.workload.name`.\n"
    "\n"
    "`--include RULE,...` says which workloads exports have as themselves, or in a group of these;\n"
    "`--exclude RULE,...` takes some of those away. All others are one workload, `excluded`: what it\n"
    "costs is the series of one, and the sum over all series is still all that was measured.\n"
    "(Who does not want it drops `assay.workload.kind` = `excluded` at the receiver.) A rule is one of\n"
    "\n"
    "| rule | what it chooses |\n"
    "|---|---|\n"
    "| `namespace=PATTERN`, `pod=PATTERN`, `container=PATTERN` | by these names of Kubernetes; `container` also by Docker's and podman's |\n"
    "| `owner=PATTERN` | by the name of the Deployment, CronJob, StatefulSet, ... that made the pod |\n"
    "| `label:KEY=PATTERN` | by a label of the pod |\n"
    "| `kind=PATTERN` | `container`, `pod` (what counts for a pod's own cgroup: its sandbox), `unit`, `cgroup` |\n"
    "| `name=PATTERN` | by `assay.workload.name`, as reports have it: `nginx.service` |\n"
    "\n"
    "and of several, with commas between, one is enough. `*` stands for any characters; nothing\n"
    "matches what a workload has not. With `--include namespace=shop` units are excluded, too: add\n"
    "`kind=unit` for them. Owners and labels need `--kubelet`. What is decided when an export first\n"
    "would have a workload, with the names and labels that are known then, stays so; who waits for a\n"
    "name waits for this, too, and `unknown`, `kernel` and `overflow` are in exports always.\n"
    "\n"
    "A container in a pod that has no name yet is held back: no export has it for 30 s, or\n"
    "until it is gone. After that exports have its counts in `unknown`, and what was counted\n"
    "there stays there: if a name comes later, its own series begin at 0, at that moment. So the\n"
    "sum over all series is right at any time, and nothing is counted twice. `assay report`\n"
    "shows it at once, by the first 12 digits of its id. Who has no pod is not held back: what\n"
    "names it was written before its first process ran.\n"
    "A cgroup that a container makes below its own is a workload of its own: kind\n"
    "`container`, the innermost container's `container.id`, and a name that says both\n"
    "(`0123456789ab/nginx.service`). Cgroup paths are whole, up to 4095 bytes; what is\n"
    "further down, or was gone before it could be named, is in `unknown` (`unnamed`\n"
    "counts the latter).\n"
    "`host.id` is the node's, in a container, too. It is the first that there is of:\n"
    "`--host-id` (or `host.id` among the resource attributes); etc/machine-id below\n"
    "`--host-root`; the machine-id of process 1, if the PID namespace is the node's and\n"
    "it may be read; our own, if we are in no container; the UUID of the product that\n"
    "the firmware has (needs root); the boot id, which is another one after each boot\n"
    "of the node. `assay doctor` says which it was. `host.name` is `--host-name`, or the\n"
    "host name; in a UTS namespace of a container's the node's etc/hostname.\n\n"
    "Names that are no UTF-8 have their stray bytes written as `\\xff`; backslashes before\n"
    "such an escape, or before what looks like one, are doubled: no two names become one.\n"
    "Attributes of `OTEL_RESOURCE_ATTRIBUTES` go on every resource; one that assay sets itself\n"
    "(but for `host.id`, `host.name`, `k8s.cluster.name`, `k8s.node.name`) is left out, and a line in the log says so.\n\n"
    "Histograms have scale 3: bounds are powers of 2^(1/8) of a second, from 2^-20 s\n"
    "(the zero bucket ends there) to 128 s; what is longer is in the last bucket and\n"
    "counted as `above_range`. The kernel counts into these very buckets, nothing is\n"
    "converted later. Against floating-point truth 0.03 % of durations are one bucket\n"
    "off, none is further; powers of two of a second are exact.\n\n"
    "A probe may run in windows (`assay tune PROBE duty=1/16`): what is dear of it is attached\n"
    "for `window` (500 ms), then gone for a while, at random, uniform from 0 to twice the mean, so\n"
    "that each moment is as likely in a window as any other, whatever period the load has. Below\n"
    "stands which metrics are exact all the same, and which are estimates then. A window stands\n"
    "for the time since the one before: what it has counted is multiplied by that time / window,\n"
    "and a histogram's bucket of durations d by time / (window - d), as a call or a request is seen\n"
    "only when it begins and ends in the window. Numbers stay integers that only grow (rounding is\n"
    "at random, right in the mean), and a count is the sum of its buckets. What takes half a window or\n"
    "longer is left out: of calls `assay.blocked.duration` has it, DNS lookups without an answer\n"
    "(`timeout`) are not seen in windows. A sum is that of the buckets' middles, scaled to the sum\n"
    "that was seen. An export has what there was up to the end of the latest window. Reports mark\n"
    "estimates by `~`, and in JSON by `estimated` and `relative_standard_error`: the larger one of\n"
    "what chance makes of so many events and of how much neighbouring windows differ, with what was\n"
    "likely not seen yet at both ends. Not in it: a load that makes calls as fast as it can makes\n"
    "fewer while it is watched, as each takes longer then (bound by nothing but its CPU up to a\n"
    "half; a server by the 15 to 20 % that the probe costs it), and is estimated by as much too low;\n"
    "windows that are as short as the work of opening one (1 ms) count what had to wait for that.\n"
    "When a probe is on all the time again, one window follows for the time before; from then on all\n"
    "is exact.\n"
    "\n"
    "Everything is cumulative and only grows, but for the up-down sums and gauges.\n"
    "A series that is over (its cgroup is gone, a limit was lifted, the agent ended) is\n"
    "reported once more without a value (the flag NO_RECORDED_VALUE), when its last value\n"
    "has arrived. When somebody sets the wall clock, all starts move with it: a reset.\n"
    "Exports have the series of `--series basic`, if not all are asked for: what they lack, or\n"
    "have under one name, is said below. Reports have all. A metric has at most\n"
    "`--max-series-per-metric` attribute sets over all workloads; a set that is one too many is\n"
    "in that of its workload which has nothing but `otel.metric.overflow` = true, for its life.\n"
    "The agent's own activity is in no workload; but what the files of its cgroup say\n"
    "(`assay.cgroup.*`, `assay.pressure.*`) has it, when others in there make that\n"
    "cgroup a workload.\n\n"
    "## Workloads\n\n";

static const char turns[] =
    "## What a response is\n\n"
    "From the first new byte one way to the first new byte the other way; nothing is\n"
    "parsed, and a retransmission is not new. So pipelined requests and multiplexed\n"
    "streams (HTTP/2) count as the turns that they make. A request is unanswered when\n"
    "its connection is reset or closes while a turn is open; a last message whose\n"
    "sender closes within 1 ms or one round trip is taken for a farewell. In flight it\n"
    "is since its sender's latest bytes: who still sends does not wait yet. TCP Fast\n"
    "Open, kTLS and sockmap have not been tested.\n\n"
    "An answer may begin before its request has ended (HTTP's 413 while the body still\n"
    "comes). What its sender sent or wrote before that answer had reached it is then no\n"
    "new request, nor what follows without a pause: when 4 KiB or more of it get no\n"
    "answer of their own, they are no error and nothing in flight. After a pause of 1 ms\n"
    "or one round trip the time of the next response begins anew, after a second without\n"
    "a byte any request is one again. So a large request that is sent before the answer\n"
    "to the one before it has come (Kafka, HTTP/2) is a response when it is answered,\n"
    "but does not show while it hangs. Where the sender already has the answer and goes\n"
    "on all the same, the rest of its request cannot be told from the next one: when the\n"
    "server then resets the connection, its client counts an error, the server none.\n\n"
    "On a connection whose ends talk at will (WebSocket, chat, replication) a turn is\n"
    "the time from a message one way to the next message the other way, whatever the\n"
    "two have to do with each other: no bytes say. Its responses say nothing about\n"
    "latency. It is in flight no longer than its sender pauses, and at its end nothing\n"
    "is unanswered when the sender went on for a second or more.\n\n"
    "The handshake of TLS 1.3 is one or two short turns of its own. Over long\n"
    "connections they are nothing: 204 responses for 200 requests on 4 connections.\n"
    "With one request for each connection they are most of what is counted: 60\n"
    "requests on 60 connections to a server that waits 20 ms gave 137 to 150\n"
    "responses, p50 0.4 to 0.7 ms, p90 19.4 ms. Look at p90 and p99 there.\n\n";

static const char limits[] =
    "## Who is seen\n\n"
    "- Socket owners: the cgroup that connected; for an accepted connection the cgroup\n"
    "  that accepted it (with systemd's socket activation the service). That is learnt\n"
    "  from accept by the probe `syscall`; without it, and for accept by io_uring, it is\n"
    "  the cgroup that made the listener. Until it is accepted, a connection is the\n"
    "  listener's: `assay.tcp.connections` counts it there.\n"
    "- A connection that is handed on to another cgroup (inetd, systemd's `Accept=yes`,\n"
    "  a process that is moved) is counted for who accepted it until a reading and the\n"
    "  one after it (an export or a report) have seen that nobody there holds it any\n"
    "  more: from then on it is the other's. One that ends sooner stays with who\n"
    "  accepted it. Without `hostPID` only holders in the agent's pid namespace count.\n"
    "- MPTCP: each path of a connection is measured as a connection of TCP; accepts,\n"
    "  their waits and overflows are the listener's as with TCP. What its further paths\n"
    "  carry shows when a packet comes, at most once a second, and at their end.\n"
    "- Tunnels (VXLAN, Geneve, GRE, IPIP, WireGuard, IPsec): a segment is seen on the first\n"
    "  device that it passes, and only there.\n"
    "- In a container that has only its own part of the cgroup tree (a private cgroup\n"
    "  namespace), what is not below it is `unknown`, with its numbers; a warning at the\n"
    "  start and `assay doctor` say so. Mount the host's tree (`--cgroup-root`).\n"
    "- While a probe is switched off (`assay tune`, or because it cost more than\n"
    "  `--budget`: `assay.probe.duty` is 0 then) its counters stand still, nothing of\n"
    "  it is in flight, and of tcp `assay.tcp.connection.count` is 0. What began before\n"
    "  it is on again is no sample; connections that are there then are open, not new.\n"
    "- Without `hostPID`, tasks and sockets that are older than the agent and outside\n"
    "  its pid namespace were not walked at its start: the first wait of such a task\n"
    "  leaves out what a migration moved (counted in `assay.lost` as `no_storage`;\n"
    "  each of its waits, while it has no entry), and their\n"
    "  connections count from their first packet.\n"
    "- Calls that were in flight when the agent started are no samples; one that fails\n"
    "  is an error.\n"
    "- Before Linux 6.10 the kernel does not report the resets that it sends for closed\n"
    "  ports. Packets that the sender's own queueing discipline drops count as sent.\n"
    "- Programs that the kernel skips because they already run on that CPU (seen on 7.x\n"
    "  under load) are counted as `recursion`. Bytes and retransmits heal themselves;\n"
    "  a duration may be missing.\n\n";

static const char *const losses[] = {
	[LOSS_SLOTS_FULL] =
	    "new cgroups that count in `overflow`: all slots are taken, or "
	    "the share of a delegated subtree (below) is",
	[LOSS_CELLS_FULL] =
	    "series that count in `overflow` for a while: no cell is left, or the share of a delegated subtree has none",
	[LOSS_OPEN_FULL] =
	    "errnos or disks that count as `_OTHER`: no entry is left; peers that are not told: no row",
	[LOSS_ABOVE_RANGE] = "durations over 128 s, in the last bucket",
	[LOSS_NO_STORAGE] =
	    "waits of threads that were not met before: what a migration moved is "
	    "missing",
	[LOSS_DELAYED_DEQUEUE] =
	    "waits, and the sleeps before them, that are no samples: the kernel took the "
	    "sleep for a wait",
	[LOSS_CLOCK_BACKWARDS] =
	    "events that are no samples: they ended before they began",
	[LOSS_UNPAIRED] = "ends of calls and connects whose beginning was not seen, "
			  "though the probe was on",
	[LOSS_UNREADABLE] =
	    "events that are not counted: the kernel's memory was not to be "
	    "read",
	[LOSS_NO_STAMP] = "block requests whose beginning the kernel did not note",
	[LOSS_STATE_FULL] = "events that are not counted: no entry for their beginning",
	[LOSS_SHARE_FULL] =
	    "the same: their workload, or delegated subtree (below), has its share of "
	    "the entries",
	[LOSS_WALK_LIMIT] =
	    "parts of disks' queues that a pass left out: they are too many",
	[LOSS_UNNAMED] =
	    "cgroups that ended before they had a name; they are in `unknown`",
	[LOSS_TABLE_FULL] =
	    "what no table has room for (`assay.pool.usage`; more `--memory` helps): "
	    "calls of such threads, waits without what a migration moved, connections "
	    "(at their end, those opened since the agent started count with bytes and "
	    "retransmits, and nothing else of them)",
	[LOSS_WALK_INTERRUPTED] =
	    "passes over tasks or descriptors that had not ended when they were needed: "
	    "see `assay.inflight.age`; at the start of the agent "
	    "connections count from their first packet",
	[LOSS_RECURSION] = "runs that the kernel skipped",
	[LOSS_FOLDED] = "workloads that ended and were added to the overflow: too many "
			"before an export arrived",
	[LOSS_SERIES_FULL] =
	    "attribute sets that are in the one with `otel.metric.overflow` of their "
	    "workload: their metric has `--max-series-per-metric`",
};
_Static_assert(COUNT(losses) == SELF_LOSSES, "each reason has a meaning");

static void print_losses(void)
{
	printf("\nReasons of `assay.lost`:\n\n| reason | what is lost |\n|---|---|\n");
	for (int i = 0; i < SELF_LOSSES; i++)
		printf("| `%s` | %s |\n", loss_name(i), losses[i]);
	printf(
	    "\nAll cgroups below one that was delegated (its directory, or that of one "
	    "above it, is not root's) have a quarter of the slots together; what is "
	    "more counts in `overflow`. So have they of the cells, and of the entries for "
	    "waiting DNS queries that are free.\n");
}

int main(void)
{
	printf("%s", intro);
	for (size_t i = 0; i < metric_table_count; i++)
		for (size_t k = 0; k < metric_tables[i]->count; k++)
			print_row(&metric_tables[i]->rows[k]);
	printf("%s%s", turns, limits);
	printf("## The agent itself\n\nResource: `service.name` = assay, "
	       "`service.instance.id` = host id.\n\n");
	printf(
	    "| metric | kind | unit | attributes | meaning |\n|---|---|---|---|---|\n");
	for (size_t i = 0; i < self_metric_count; i++)
		print_self(self_metrics[i]);
	print_losses();
	return 0;
}
