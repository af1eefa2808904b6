/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A frame of 2 s with a pod of two containers, a unit that writes files by estimates,
 * and one that hardly does anything. Tests know its numbers.
 */
#ifndef SOME_WORKLOADS_H
#define SOME_WORKLOADS_H

#include "fake_frame.h"

#define HIST(name, ...) static const struct metric name = { __VA_ARGS__ }

HIST(response, "assay.tcp.response.duration", "s", "", METRIC_HISTOGRAM,
     .attrs = { "assay.tcp.role" });
HIST(calls, "assay.syscall.duration", "s", "", METRIC_HISTOGRAM,
     .attrs = { "assay.syscall.class" });
HIST(waits, "assay.sched.wait.duration", "s", "", METRIC_HISTOGRAM,
     .attrs = { "assay.sched.wait.cause" });
HIST(blocked, "assay.blocked.duration", "s", "", METRIC_HISTOGRAM,
     .attrs = { "assay.syscall.class" });
HIST(rtt, "assay.tcp.rtt", "s", "", METRIC_HISTOGRAM);
HIST(dns, "assay.dns.lookup.duration", "s", "", METRIC_HISTOGRAM,
     .attrs = { "error.type" });
HIST(block, "assay.block.operation.duration", "s", "", METRIC_HISTOGRAM,
     .attrs = { "disk.io.direction", "system.device" });
HIST(culprit, "assay.sched.wait.culprit.time", "s", "", METRIC_SUM, true,
     { "assay.sched.culprit" });
HIST(refused, "assay.tcp.connect.errors", "{error}", "", METRIC_SUM,
     .attrs = { "error.type" });
HIST(failed, "assay.syscall.errors", "{error}", "", METRIC_SUM,
     .attrs = { "assay.syscall.class", "error.type" });
HIST(retransmits, "assay.tcp.retransmits", "{segment}", "", METRIC_SUM);
HIST(io, "assay.tcp.io", "By", "", METRIC_SUM, .attrs = { "network.io.direction" });
HIST(cpu_time, "assay.cgroup.cpu.time", "s", "", METRIC_SUM, true);
HIST(periods, "assay.cgroup.cpu.periods", "{period}", "", METRIC_SUM,
     .attrs = { "assay.throttled" });
HIST(usage, "assay.cgroup.memory.usage", "By", "", METRIC_UPDOWN);
HIST(limit, "assay.cgroup.memory.limit", "By", "", METRIC_UPDOWN);
HIST(pressure, "assay.pressure.some.time", "s", "", METRIC_SUM, true,
     { "assay.resource" });
HIST(inflight, "assay.inflight.age", "s", "", METRIC_GAUGE, true,
     { "assay.operation" });

#undef HIST

static inline void some_real(struct point_group *g, const struct metric *m,
			     const char *a, double value)
{
	struct point *p = points_add(g, m);

	p->values[0] = a;
	p->start_ns = m->kind == METRIC_GAUGE ? 0 : SECOND;
	p->d = value;
}

/* So many times this duration; the frame has a copy. */
static inline void some_hist(struct point_group *g, const struct metric *m,
			     const char *a, uint64_t ns, uint64_t count,
			     uint64_t more_ns, uint64_t more)
{
	struct hist *h = new_hist(NULL, 0);

	h->buckets[bucket_of(ns)] += count;
	h->buckets[bucket_of(more_ns)] += more;
	h->sum_ns = ns * count + more_ns * more;
	add_hist(g, m, a, h);
	test_free(h);
}

static inline struct point_group *some_container(struct points *p, const char *name,
						 const char *container,
						 const char *cgroup)
{
	struct point_group *g = points_group(p);

	points_attr(g, "host.name", "node-of-test");
	points_attr(g, "assay.workload.kind", "container");
	points_attr(g, "assay.workload.name", name);
	points_attr(g, "process.linux.cgroup", cgroup);
	points_attr(g, "k8s.namespace.name", "shop");
	points_attr(g, "k8s.pod.name", "web-7d9f-abcde");
	points_attr(g, "k8s.pod.uid", "u1");
	points_attr(g, "k8s.container.name", container);
	points_attr(g, "k8s.deployment.name", "web");
	points_attr(g, "k8s.replicaset.name", "web-7d9f");
	points_attr(g, "container.image.name", "nginx:1");
	points_attr(g, "assay.identity.source", "kubelet");
	return g;
}

#define MS 1000000ULL

static inline void some_web(struct points *p)
{
	struct point_group *g = some_container(p, "shop/web-7d9f-abcde/nginx", "nginx",
					       "/kubepods/pod1/c1");

	some_hist(g, &response, "server", MS, 90, 64 * MS, 10);
	some_hist(g, &response, "client", 2 * SECOND, 4, 0, 0);
	some_hist(g, &calls, "file", 20000, 40, 0, 0);
	some_hist(g, &waits, "contention", 2 * SECOND, 2, 0, 0);
	some_hist(g, &waits, "throttled", SECOND, 1, 0, 0);
	some_hist(g, &blocked, "file", SECOND / 2, 1, 0, 0);
	some_hist(g, &blocked, "fault", SECOND / 4, 2, 0, 0);
	some_hist(g, &blocked, "wait", SECOND, 20, 0, 0);
	some_hist(g, &rtt, NULL, 250000, 3, 0, 0);
	some_hist(g, &dns, "SERVFAIL", 4 * MS, 2, 0, 0);
	some_hist(g, &dns, "NXDOMAIN", MS, 7, 0, 0);
	some_hist(g, &block, "read", 8 * MS, 1, 0, 0);
	some_real(g, &culprit, "/kubepods/pod1/c1", 0.5);
	some_real(g, &culprit, "/kubepods/pod1/c2", 0.5);
	some_real(g, &culprit, "idle", 1);
	add_sum(g, &refused, "ECONNREFUSED", NULL, NULL, 6);
	add_sum(g, &failed, "file", "ENOENT", NULL, 1000);
	add_sum(g, &failed, "file", "ENOSPC", NULL, 4);
	add_sum(g, &retransmits, NULL, NULL, NULL, 2);
	add_sum(g, &io, "receive", NULL, NULL, 4 << 20);
	add_sum(g, &io, "transmit", NULL, NULL, 1024);
	some_real(g, &cpu_time, NULL, 0.5);
	add_sum(g, &periods, "true", NULL, NULL, 5);
	add_sum(g, &periods, "false", NULL, NULL, 15);
	add_sum(g, &usage, NULL, NULL, NULL, 96 << 20);
	add_sum(g, &limit, NULL, NULL, NULL, 128 << 20);
	some_real(g, &pressure, "cpu", 1);
	some_real(g, &inflight, "block", 754);
	some_real(g, &inflight, "syscall.file", 2);
	some_real(g, &inflight, "syscall.wait", 90000);
}

static inline struct frame *some_workloads(void)
{
	struct points p = { 0 };
	struct point_group *g = points_group(&p);

	points_attr(g, "service.name", "assay");
	some_web(&p);
	g = some_container(&p, "shop/web-7d9f-abcde/sidecar", "sidecar",
			   "/kubepods/pod1/c2");
	some_hist(g, &response, "client", 8 * MS, 10, 0, 0);
	add_sum(g, &refused, "ETIMEDOUT", NULL, NULL, 2);
	add_sum(g, &refused, "ECONNREFUSED", NULL, NULL, 2);
	some_real(g, &pressure, "cpu", 1.5);
	add_sum(g, &usage, NULL, NULL, NULL, 32 << 20);
	add_sum(g, &limit, NULL, NULL, NULL, 64 << 20);
	some_real(g, &inflight, "block", 3);
	g = add_workload(&p, "backup.service", "/system.slice/backup.service");
	some_hist(g, &calls, "file", 20000, 4, 0, 0);
	g->points[g->count - 1].error = (struct metric_error){ 900, 1600, 30 };
	g = add_workload(&p, "cron.service", "/system.slice/cron.service");
	some_hist(g, &calls, "sync", 20000, 2, 0, 0);
	return to_frame(&p);
}

#endif
