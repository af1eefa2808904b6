/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A node on which a service is well, and what may befall it: frames of ten seconds. A
 * fault adds numbers to those of the calm service.
 */
#ifndef FAKE_WHY_H
#define FAKE_WHY_H

#include "fake_frame.h"
#include "base/util.h"
#include "diagnose/rule.h"
#include "metric/metrics.h"
#include "metric/self.h"

#define TEN_S 10.0
#define US    1000ULL
#define MS    1000000ULL

/* What is the same for all of them on the node. */
struct scene {
	const char *off;  /* a probe that does not measure */
	double stolen[2]; /* CPU time of both CPUs, s */
	double idle;	  /* of both together */
	double lost;	  /* events */
	double duty;	  /* of the probe tcp; 0: 1 */
	bool alone;	  /* there is nothing but the fault */
	double flood;	  /* s of requests that a neighbour's disk had */
	/* up to which age each operation is known, s; below 0: not at all; NULL: all */
	const double *reach;
	void (*fault)(struct point_group *g);
};

static inline const struct metric *metric_of(const char *name)
{
	for (size_t t = 0; t < metric_table_count; t++)
		for (size_t i = 0; i < metric_tables[t]->count; i++)
			if (!strcmp(metric_tables[t]->rows[i].metric.name, name))
				return &metric_tables[t]->rows[i].metric;
	for (size_t i = 0; i < self_metric_count; i++)
		if (!strcmp(self_metrics[i]->name, name))
			return self_metrics[i];
	fail_msg("there is no metric %s", name);
	return NULL;
}

/* A sum or gauge; a, b: the values of its attributes, in the metric's order. */
static inline void put(struct point_group *g, const char *name, const char *a,
		       const char *b, double value)
{
	const struct metric *m = metric_of(name);
	struct point *p = points_add(g, m);

	p->values[0] = a;
	p->values[1] = b;
	p->start_ns = m->kind == METRIC_GAUGE ? 0 : SECOND;
	if (m->real)
		p->d = value;
	else
		p->u = value;
}

/* So many durations of one length. */
static inline void put_hist(struct point_group *g, const char *name, const char *a,
			    const char *b, uint64_t ns, uint64_t count)
{
	struct point *p = points_add(g, metric_of(name));
	struct hist h = { .sum_ns = ns * count };

	h.buckets[bucket_of(ns)] = count;
	p->values[0] = a;
	p->values[1] = b;
	p->start_ns = SECOND;
	p->hist = sparse_of(&h);
}

#define WAITS(cause, ns, count) \
	put_hist(g, "assay.sched.wait.duration", cause, NULL, ns, count)
#define BEHIND(who, s) put(g, "assay.sched.wait.culprit.time", who, NULL, s)
#define BLOCKED(class, ns, count) \
	put_hist(g, "assay.blocked.duration", class, NULL, ns, count)
#define CALLS(class, count) \
	put_hist(g, "assay.syscall.duration", class, NULL, 5 * US, count)
#define AGE(what, s) put(g, "assay.inflight.age", what, NULL, s)

/* A service: it answers, asks, reads and waits, and all is well. */
static inline void put_calm(struct point_group *g)
{
	WAITS("contention", 20 * US, 500);
	BEHIND("/other", 0.008);
	BEHIND("idle", 0.002);
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 2);
	put(g, "assay.pressure.some.time", "cpu", NULL, 0.05);
	put(g, "assay.pressure.some.time", "memory", NULL, 0);
	put(g, "assay.sched.context_switches", "voluntary", NULL, 5000);
	BLOCKED("file", 50 * US, 200);
	BLOCKED("fault", 50 * US, 20);
	BLOCKED("socket", 100 * MS, 500);
	BLOCKED("wait", 50 * MS, 500);
	BLOCKED("sync", 50 * MS, 400);
	CALLS("file", 2000);
	CALLS("socket", 4000);
	CALLS("wait", 1000);
	CALLS("sync", 1000);
	put(g, "assay.syscall.errors", "file", "ENOENT", 500);
	put_hist(g, "assay.tcp.response.duration", "server", NULL, 5 * MS, 500);
	put_hist(g, "assay.tcp.response.duration", "client", NULL, 1 * MS, 500);
	put_hist(g, "assay.tcp.connect.duration", NULL, NULL, 200 * US, 50);
	put_hist(g, "assay.tcp.rtt", NULL, NULL, 100 * US, 100);
	put_hist(g, "assay.tcp.accept.wait.duration", NULL, NULL, 30 * US, 50);
	put_hist(g, "assay.dns.lookup.duration", NULL, NULL, 500 * US, 40);
	put_hist(g, "assay.dns.lookup.duration", "NXDOMAIN", NULL, 500 * US, 10);
	put_hist(g, "assay.block.operation.duration", "read", "sda", 200 * US, 50);
	put_hist(g, "assay.block.device.duration", "read", "sda", 150 * US, 50);
	put(g, "assay.tcp.io", "transmit", NULL, 10e6);
	put(g, "assay.tcp.retransmits", NULL, NULL, 2);
	put(g, "assay.cgroup.memory.usage", NULL, NULL, 100e6);
	put(g, "assay.cgroup.memory.limit", NULL, NULL, 500e6);
	/* who waits for somebody waits for ever */
	AGE("syscall.wait", 86400);
	AGE("syscall.sync", 86400);
	AGE("syscall.socket", 86400);
	AGE("syscall.pipe", 86400);
}

/* 200 reads of 40 ms. */
static inline void slow_disk(struct point_group *g)
{
	put_hist(g, "assay.block.operation.duration", "read", "sda", 40 * MS, 200);
	put_hist(g, "assay.block.device.duration", "read", "sda", 38 * MS, 200);
	BLOCKED("file", 40 * MS, 200);
}

static inline void put_agent(struct point_group *g, const struct scene *s)
{
	static const char *const names[] = { "sched", "syscall", "tcp",
					     "dns",   "block",	 "memory" };

	points_attr(g, "service.name", "assay");
	points_attr(g, "host.name", "node-of-test");
	for (size_t i = 0; i < COUNT(names); i++) {
		bool off = s->off && !strcmp(s->off, names[i]);
		struct point *p = points_add(g, metric_of("assay.probe.attached"));

		p->values[0] = names[i];
		p->values[1] = off ? "off" : "attached";
		p->values[2] = off ? "by assay tune" : NULL;
		p->u = !off;
		put(g, "assay.probe.duty", names[i], NULL,
		    off					  ? 0
		    : s->duty && !strcmp(names[i], "tcp") ? s->duty
							  : 1);
	}
	for (size_t i = 0; i < INFLIGHT_COUNT; i++)
		if (!s->reach || s->reach[i] >= 0)
			put(g, "assay.inflight.reach", inflight_names[i], NULL,
			    s->reach ? s->reach[i] : 3600);
	put(g, "assay.lost", "sched", "table_full", s->lost);
	put(g, "assay.lost", "sched", "no_storage", 100000);
	put(g, "system.cpu.time", "user", NULL,
	    20 - s->idle - s->stolen[0] - s->stolen[1]);
	put(g, "system.cpu.time", "idle", NULL, s->idle);
	put(g, "system.cpu.time", "steal", NULL, s->stolen[0] + s->stolen[1]);
	put(g, "assay.cpu.steal.time", "0", NULL, s->stolen[0]);
	put(g, "assay.cpu.steal.time", "1", NULL, s->stolen[1]);
	put(g, "system.cpu.logical.count", NULL, NULL, 2);
	put(g, "system.memory.limit", NULL, NULL, 8e9);
	put(g, "system.linux.memory.available", NULL, NULL, 4e9);
}

/* The agent, the service, and its neighbours. */
static inline struct frame *make_scene(const struct scene *s)
{
	struct points p = { 0 };
	struct point_group *g;
	struct frame *f;

	put_agent(points_group(&p), s);
	g = add_workload(&p, "shop", "/shop");
	if (!s->alone)
		put_calm(g);
	if (s->fault)
		s->fault(g);
	g = add_workload(&p, "backup job", "/backup");
	put(g, "assay.cgroup.cpu.time", NULL, NULL, 0.5);
	if (s->flood > 0)
		put_hist(g, "assay.block.device.duration", "write", "sda", 50 * MS,
			 s->flood / 0.05);
	f = to_frame(&p);
	f->time_ns = SECOND + (uint64_t)(TEN_S * 1e9);
	return f;
}

static inline size_t first_of(const struct frame *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++)
		if (!strcmp(frame_name(f->series[i].resource), name))
			return i;
	return SIZE_MAX;
}

/* What is said of the service; all of it lives until the next call. */
static struct {
	struct frame *now, *before;
	struct readings readings;
	struct diagnosis d;
} said;

static inline void forget(void)
{
	frame_free(said.now);
	frame_free(said.before);
	said.now = said.before = NULL;
}

/* Files that evidence is from, where it is no metric: see docs/for-assistants.md. */
static const char *const evidence_files[] = { "/proc/PID/stat", "/proc/PID/syscall",
					      "cpu.max" };

/* It is in the catalogue, with these attributes (or they are of the resource). */
static inline void assert_resolves(const struct finding *f, const struct evidence *e)
{
	const char *const keys[] = { e->key, e->key2 };
	const struct metric *m;

	for (size_t i = 0; i < COUNT(evidence_files); i++)
		if (!strcmp(e->metric, evidence_files[i]))
			return;
	m = metric_of(e->metric);
	for (size_t k = 0; k < COUNT(keys); k++) {
		bool has = !keys[k] || !strcmp(keys[k], "process.linux.cgroup");

		for (int i = 0; m->attrs[i] && !has; i++)
			has = !strcmp(m->attrs[i], keys[k]);
		if (!has)
			fail_msg("%s: %s has no %s", f->rule->id, m->name, keys[k]);
	}
}

/* What is ruled out begins with a number that says so. */
static inline void assert_not_beyond(const struct finding *f)
{
	const struct evidence *e = &f->evidence[0];

	if (e->at_most ? e->number > e->threshold : e->number < e->threshold)
		return;
	fail_msg("%s is ruled out: \"%s\" by %g %s, which counts %s %g", f->rule->id,
		 e->label, e->number, e->unit, e->at_most ? "up to" : "from",
		 e->threshold);
}

/* Whatever is said: each number has what it is compared with, and can be looked up. */
static inline void assert_evident(const struct diagnosis *d)
{
	for (size_t i = 0; i < d->count; i++) {
		const struct finding *f = &d->list[i];

		if (f->verdict == VERDICT_RULED_OUT)
			assert_not_beyond(f);
		for (size_t k = 0; k < f->evidence_count; k++) {
			const struct evidence *e = &f->evidence[k];

			assert_resolves(f, e);
			if (d->has_before && !isnan(e->threshold) && isnan(e->baseline))
				fail_msg("%s: \"%s\" has no baseline", f->rule->id,
					 e->label);
		}
	}
}

static inline void diagnose_said(const struct readings *r, size_t first)
{
	diagnose_workload(&said.d, r, first);
	assert_evident(&said.d);
}

static inline const struct diagnosis *say(const struct scene *now,
					  const struct scene *before)
{
	forget();
	said.now = make_scene(now);
	said.before = before ? make_scene(before) : NULL;
	said.readings = (struct readings){ .now = said.now,
					   .before = said.before,
					   .now_s = TEN_S,
					   .before_s = TEN_S };
	diagnose_said(&said.readings, first_of(said.now, "shop"));
	return &said.d;
}

/* What a person, or a program, gets of it; the caller frees it. */
static inline char *printed(int (*to)(const struct why *, FILE *), const struct why *w)
{
	char *text = NULL;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	assert_int_equal(to(w, out), 0);
	fclose(out);
	return text;
}

static inline const struct finding *rule_of(const struct diagnosis *d, const char *id)
{
	for (size_t i = 0; i < d->count; i++)
		if (!strcmp(d->list[i].rule->id, id))
			return &d->list[i];
	fail_msg("there is no rule %s", id);
	return NULL;
}

static inline void print_said(const struct diagnosis *d)
{
	for (size_t i = 0; i < d->found_count; i++)
		print_message(
		    "# %s %s %.1f: %s\n", severity_name(d->found[i]->severity),
		    d->found[i]->rule->id, d->found[i]->score, d->found[i]->what);
	print_message("# %s: %s\n", overall_name(d->overall), d->why);
}

/* This is first, and nobody else is accused. */
static inline void assert_accused(const struct diagnosis *d, const char *id)
{
	size_t accused = 0;

	for (size_t i = 0; i < d->found_count; i++)
		accused += d->found[i]->severity > SEVERITY_NOTICE;
	if (accused == 1 && !strcmp(d->found[0]->rule->id, id))
		return;
	print_said(d);
	fail_msg("%s is not the only one that is accused", id);
}

static inline void assert_calm(const struct diagnosis *d)
{
	if (d->overall == NOTHING_UNUSUAL && !d->found_count)
		return;
	print_said(d);
	fail_msg("something is said of a service that is well");
}

#endif
