// SPDX-License-Identifier: Apache-2.0
/* How the numbers of the columns are made of a workload's series. */
#include <string.h>
#include "base/util.h"
#include "view/columns.h"
#include "view/report.h"

#define STUCK_S 1 /* younger operations are no news */

static const char *attr_of(const struct frame_series *s, const char *key)
{
	const char *value = frame_attr(&s->attrs, key);

	return value ? value : "";
}

/* Is it of this metric and, when attr is not NULL, has it this value? */
static bool is_of(const struct frame_series *s, const char *metric, const char *attr,
		  const char *value)
{
	return !strcmp(s->name, metric) && (!attr || !strcmp(attr_of(s, attr), value));
}

void column_get_name(const struct column *c, const struct block *b, double duration_s,
		     struct cell *out)
{
	out->text = frame_name(b->resource);
}

void column_get_kind(const struct column *c, const struct block *b, double duration_s,
		     struct cell *out)
{
	out->text = frame_kind(b->resource);
}

void column_get_attr(const struct column *c, const struct block *b, double duration_s,
		     struct cell *out)
{
	const char *value = frame_attr(b->resource, c->attr);

	out->text = value ? value : "";
}

const char *report_owner(const struct frame_attrs *resource, const char **kind)
{
	/* the outermost first: a deployment's replica set is no owner to people */
	static const char *const owners[][2] = {
		{ "k8s.deployment.name", "deployment" },
		{ "k8s.cronjob.name", "cronjob" },
		{ "k8s.statefulset.name", "statefulset" },
		{ "k8s.daemonset.name", "daemonset" },
		{ "k8s.job.name", "job" },
		{ "k8s.replicaset.name", "replicaset" },
	};

	for (size_t i = 0; i < COUNT(owners); i++) {
		const char *name = frame_attr(resource, owners[i][0]);

		if (name && *name) {
			*kind = owners[i][1];
			return name;
		}
	}
	return NULL;
}

void column_get_owner(const struct column *c, const struct block *b, double duration_s,
		      struct cell *out)
{
	const char *kind, *name = report_owner(b->resource, &kind);

	out->text = name ? name : "";
}

/* Several histograms as one. */
struct merged {
	struct hist hist;
	bool there, estimated;
	double rate; /* per s */
};

static void merge(struct merged *m, const struct block *b, double duration_s,
		  const char *metric, const char *attr, const char *value)
{
	*m = (struct merged){ 0 };
	for (size_t i = 0; i < b->count; i++) {
		const struct frame_series *s = b->items[i].s;

		if (s->kind != METRIC_HISTOGRAM || !is_of(s, metric, attr, value))
			continue;
		m->there = true;
		m->estimated |= report_is_estimated(s);
		m->rate +=
		    hist_count(s->hist) / report_item_time(&b->items[i], duration_s);
		m->hist.sum_ns += s->hist->sum_ns;
		for (size_t n = 0; n < BUCKET_COUNT; n++)
			m->hist.buckets[n] += s->hist->buckets[n];
	}
}

static void put_quantile(const struct merged *m, const struct column *c,
			 struct cell *out)
{
	out->there = m->there;
	out->estimated = m->estimated;
	out->number = report_quantile(&m->hist, c->percent);
}

/* Who has none of them has a rate of 0. */
static void put_rate(const struct merged *m, struct cell *out)
{
	out->there = true;
	out->estimated = m->estimated;
	out->number = m->rate;
}

/* What the workload serves, and what that is called. */
static const char *merge_served(struct merged *m, const struct block *b,
				double duration_s)
{
	static const char *const roles[] = { "server", "client" };

	for (size_t i = 0; i < COUNT(roles); i++) {
		merge(m, b, duration_s, "assay.tcp.response.duration", "assay.tcp.role",
		      roles[i]);
		if (m->there)
			return roles[i];
	}
	merge(m, b, duration_s, "assay.syscall.duration", "assay.syscall.class",
	      "file");
	return m->there ? "files" : "";
}

void column_get_latency(const struct column *c, const struct block *b,
			double duration_s, struct cell *out)
{
	struct merged m;

	merge_served(&m, b, duration_s);
	put_quantile(&m, c, out);
}

void column_get_served(const struct column *c, const struct block *b, double duration_s,
		       struct cell *out)
{
	struct merged m;

	merge_served(&m, b, duration_s);
	put_rate(&m, out);
}

void column_get_served_by(const struct column *c, const struct block *b,
			  double duration_s, struct cell *out)
{
	struct merged m;

	out->text = merge_served(&m, b, duration_s);
}

void column_get_quantile(const struct column *c, const struct block *b,
			 double duration_s, struct cell *out)
{
	struct merged m;

	merge(&m, b, duration_s, c->metric, NULL, NULL);
	put_quantile(&m, c, out);
}

void column_get_events(const struct column *c, const struct block *b, double duration_s,
		       struct cell *out)
{
	struct merged m;

	merge(&m, b, duration_s, c->metric, NULL, NULL);
	put_rate(&m, out);
}

void column_get_rate(const struct column *c, const struct block *b, double duration_s,
		     struct cell *out)
{
	out->there = true;
	for (size_t i = 0; i < b->count; i++) {
		const struct frame_series *s = b->items[i].s;

		if (!is_of(s, c->metric, c->attr, c->value))
			continue;
		out->number +=
		    report_value(s) / report_item_time(&b->items[i], duration_s);
		out->estimated |= report_is_estimated(s);
	}
}

static double level_of(const struct block *b, const char *metric, bool *there)
{
	double sum = 0;

	*there = false;
	for (size_t i = 0; i < b->count; i++) {
		if (!is_of(b->items[i].s, metric, NULL, NULL))
			continue;
		sum += report_value(b->items[i].s);
		*there = true;
	}
	return sum;
}

void column_get_level(const struct column *c, const struct block *b, double duration_s,
		      struct cell *out)
{
	out->number = level_of(b, c->metric, &out->there);
}

/* Threads that wait with this cause (NULL: all), on average. */
static double waiting(const struct block *b, const char *cause, double duration_s)
{
	double sum = 0;

	for (size_t i = 0; i < b->count; i++) {
		const struct frame_series *s = b->items[i].s;
		const struct hist *h = report_hist(s, "assay.sched.wait.duration");

		if (h &&
		    (!cause || !strcmp(attr_of(s, "assay.sched.wait.cause"), cause)))
			sum += h->sum_ns * 1e-9 /
			       report_item_time(&b->items[i], duration_s);
	}
	return sum;
}

/* The part of the waits behind others than a quota that was behind its own threads. */
static double behind_itself(const struct block *b, double duration_s)
{
	const char *cgroup = frame_cgroup(b->resource);
	double own = 0, all = 0, contention;

	for (size_t i = 0; i < b->count; i++) {
		const struct frame_series *s = b->items[i].s;
		const char *who = attr_of(s, "assay.sched.culprit");

		if (strcmp(s->name, "assay.sched.wait.culprit.time"))
			continue;
		all += report_value(s);
		if (!strcmp(who, *cgroup ? cgroup : frame_name(b->resource)))
			own += report_value(s);
	}
	contention = waiting(b, NULL, duration_s) - waiting(b, "throttled", duration_s);
	/* who it was is a sample of the waits: as a share it adds up with them */
	return all > 0 ? contention * own / all : 0;
}

void column_get_wait(const struct column *c, const struct block *b, double duration_s,
		     struct cell *out)
{
	out->there = true;
	out->number = waiting(b, c->value, duration_s);
}

void column_get_itself(const struct column *c, const struct block *b, double duration_s,
		       struct cell *out)
{
	out->there = true;
	out->number = behind_itself(b, duration_s);
}

void column_get_others(const struct column *c, const struct block *b, double duration_s,
		       struct cell *out)
{
	out->there = true;
	out->number = waiting(b, NULL, duration_s) -
		      waiting(b, "throttled", duration_s) -
		      behind_itself(b, duration_s);
}

void column_get_blocked(const struct column *c, const struct block *b,
			double duration_s, struct cell *out)
{
	out->there = true;
	for (size_t i = 0; i < b->count; i++) {
		const struct frame_series *s = b->items[i].s;
		const struct hist *h = report_hist(s, "assay.blocked.duration");
		const char *class = attr_of(s, "assay.syscall.class");

		/* in other classes who sleeps mostly waits for somebody */
		if (h && (report_is_headline(class) || !strcmp(class, "fault")))
			out->number += h->sum_ns * 1e-9 /
				       report_item_time(&b->items[i], duration_s);
	}
}

struct fullness {
	bool there;
	double share;
	const char *of;
};

static void take_fuller(struct fullness *f, double share, const char *of)
{
	f->there = true;
	if (share > f->share) {
		f->share = share;
		f->of = of;
	}
}

static struct fullness fullness_of(const struct block *b, double duration_s)
{
	struct fullness f = { .of = "" };
	bool has_memory, has_limit;
	double memory = level_of(b, "assay.cgroup.memory.usage", &has_memory);
	double limit = level_of(b, "assay.cgroup.memory.limit", &has_limit);
	double out = 0, all = 0;

	if (has_memory && has_limit && limit > 0)
		take_fuller(&f, memory / limit, "memory");
	for (size_t i = 0; i < b->count; i++) {
		const struct frame_series *s = b->items[i].s;

		if (!strcmp(s->name, "assay.cgroup.cpu.periods")) {
			all += report_value(s);
			if (!strcmp(attr_of(s, "assay.throttled"), "true"))
				out += report_value(s);
		} else if (!strcmp(s->name, "assay.pressure.some.time")) {
			take_fuller(&f, report_value(s) / duration_s,
				    attr_of(s, "assay.resource"));
		}
	}
	if (all > 0)
		take_fuller(&f, out / all, "quota");
	return f;
}

void column_get_full(const struct column *c, const struct block *b, double duration_s,
		     struct cell *out)
{
	struct fullness f = fullness_of(b, duration_s);

	out->there = f.there;
	out->number = f.share;
}

void column_get_full_of(const struct column *c, const struct block *b,
			double duration_s, struct cell *out)
{
	out->text = fullness_of(b, duration_s).of;
}

/* The oldest operation that should have ended; NULL: there is none. */
static const struct frame_series *oldest(const struct block *b)
{
	const struct frame_series *most = NULL;

	for (size_t i = 0; i < b->count; i++) {
		const struct frame_series *s = b->items[i].s;

		if (report_is_stuck(s) && report_value(s) >= STUCK_S &&
		    (!most || report_value(s) > report_value(most)))
			most = s;
	}
	return most;
}

void column_get_stuck(const struct column *c, const struct block *b, double duration_s,
		      struct cell *out)
{
	const struct frame_series *s = oldest(b);

	out->there = s;
	out->number = s ? report_value(s) : 0;
}

void column_get_stuck_on(const struct column *c, const struct block *b,
			 double duration_s, struct cell *out)
{
	const struct frame_series *s = oldest(b);

	out->text = s ? attr_of(s, "assay.operation") : "";
}
