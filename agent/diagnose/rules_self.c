// SPDX-License-Identifier: Apache-2.0
/* The measuring itself: what is not counted, or only estimated. */
#include <string.h>
#include "base/util.h"
#include "diagnose/rule.h"
#include "view/counted.h"
#include "view/report.h"

#define LOST_LEAST 100	/* events */
#define LOST_MUCH  0.05 /* of all: then what is not found may be among them */

static const char *const told[] = {
	"sched", "syscall", "tcp", "dns", "block", "memory"
};

static bool is_same(const struct frame_series *a, const struct frame_series *b,
		    const char *key)
{
	const char *x = frame_attr(&a->attrs, key), *y = frame_attr(&b->attrs, key);

	return x && y && !strcmp(x, y);
}

/* Losses that leave a workload's numbers too low; the others are named where they are.
 */
static bool matters(const char *reason)
{
	static const char *const harmless[] = { "above_range", "delayed_dequeue",
						"no_storage", "unnamed" };

	for (size_t i = 0; i < COUNT(harmless); i++)
		if (reason && !strcmp(reason, harmless[i]))
			return false;
	return true;
}

/* So many were lost before to the same probe and reason; NAN: not known. */
static double loss_before(const struct look *l, const struct frame_series *worst)
{
	const struct facts *before = l->node_before;
	double n = 0;

	if (!before)
		return NAN;
	for (size_t i = before->first; i < before->end && worst; i++) {
		const struct frame_series *s = &before->frame->series[i];

		if (!strcmp(s->name, worst->name) && is_same(s, worst, "assay.probe") &&
		    is_same(s, worst, "assay.reason"))
			n += facts_series(s);
	}
	return n * as_long(l, IN_NODE_LOST);
}

/* The greatest loss in the time looked at. */
static const struct frame_series *worst_loss(const struct facts *node)
{
	const struct frame_series *worst = NULL;

	for (size_t i = node->first; i < node->end; i++) {
		const struct frame_series *s = &node->frame->series[i];

		if (!strcmp(s->name, "assay.lost") &&
		    matters(frame_attr(&s->attrs, "assay.reason")) &&
		    (!worst || facts_series(s) > facts_series(worst)))
			worst = s;
	}
	return worst;
}

/* All that happened on the node, as far as it was counted. */
static double count_events(const struct frame *f)
{
	double sum = 0;

	for (size_t i = 0; i < f->count; i++)
		if (report_is_workload(f->series[i].resource))
			sum += facts_events(&f->series[i]);
	return sum;
}

/* Since when it is so, as a number, and for a sentence. Returns out. */
static const char *see_since(const struct look *l, struct finding *f,
			     const struct flaw *flaw, const char *metric,
			     char out[FLAW_LEN])
{
	struct evidence *e;
	double age;

	if (!*flaw_text(out, l, flaw, &age))
		return out;
	e = see_own(f, IN_NODE_LOST, "so long ago that began", "s", age, UNBOUND);
	e->metric = metric;
	e->key = "assay.probe";
	e->value = flaw->probe;
	if (flaw->reason) {
		e->key2 = "assay.reason";
		e->value2 = flaw->reason;
	}
	return out;
}

static void lost(const struct look *l, struct finding *f)
{
	char since[FLAW_LEN];
	const struct frame_series *s = worst_loss(l->node);
	double n = s ? facts_series(s) : 0, counted;
	struct evidence *e = see_own(f, IN_NODE_LOST, "events that were not counted",
				     "{event}", n, LOST_LEAST);

	e->baseline = loss_before(l, s);
	if (!s || n < LOST_LEAST || !frame_attr(&s->attrs, "assay.probe"))
		return;
	e->stat = "count";
	e->key = "assay.probe";
	e->value = frame_attr(&s->attrs, "assay.probe");
	e->key2 = "assay.reason";
	e->value2 = frame_attr(&s->attrs, "assay.reason");
	counted = count_events(l->now->frame);
	see_own(f, IN_NODE_LOST, "of all events of the node were not counted", "1",
		n / (n + counted), UNBOUND);
	see_since(l, f, &(struct flaw){ FLAW_LOST, e->value, e->value2 }, e->metric,
		  since);
	found(
	    f, SEVERITY_NOTICE, 5,
	    "the measuring itself: the probe %s did not count %.0f events (%s%s), while "
	    "%.0f were counted on the node",
	    e->value, n, e->value2 ? e->value2 : "?", since, counted);
	f->undermines = n >= LOST_MUCH * (n + counted);
	because(
	    f, "docs/metrics.md says what this reason means; the numbers above are too "
	       "low by so many");
	then(f, "assay status");
}

/* Of the probes that are on that which measures least; 1: all of them always do. */
static double least_duty(const struct facts *node, const char **least)
{
	const char *why;
	double duty = 1;

	for (size_t i = 0; i < COUNT(told); i++) {
		double d = probe_duty(node, told[i], &why);

		if (d > 0 && d < duty) {
			duty = d;
			*least = told[i];
		}
	}
	return duty;
}

/* How much of that time the probe was on that was on least; 1: all always were. */
static double least_counted(const struct facts *f, const char **least)
{
	double share = 1;

	for (size_t i = 0; i < COUNT(told) && f->counted; i++) {
		double s = counted_share(f->counted, told[i]);

		if (s > 0 && s < share) {
			share = s;
			*least = told[i];
		}
	}
	return share;
}

/* A probe that runs in windows estimates; one that is off is told as unmeasured. */
static void windows(const struct look *l, struct finding *f)
{
	const char *least = NULL, *was;
	double duty = least_duty(l->node, &least);
	struct evidence *e;
	char since[FLAW_LEN];

	e = see_own(f, IN_NODE_LOST, "of the time each probe that is on measures", "1",
		    duty, 0.999);
	e->metric = "assay.probe.duty";
	e->stat = "now";
	e->at_most = true;
	if (l->node_before)
		e->baseline = least_duty(l->node_before, &was);
	if (!least)
		return;
	e->key = "assay.probe";
	e->value = least;
	see_since(l, f, &(struct flaw){ FLAW_WINDOWS, least, NULL }, e->metric, since);
	found(f, SEVERITY_NOTICE, 4,
	      "the measuring itself: the probe %s runs in windows, so its numbers are "
	      "estimates (on for %.1f %% of the time%s)",
	      least, duty * 100, since);
	because(f, "all the time it would cost more of a CPU than --budget allows");
	then(f, "assay tune %s duty=1   # to count all", least);
}

#define ON_HALF 0.5 /* less: what is not found may have been in the rest */

/* Looking back: a probe that was on for a part of that time, which its numbers are of.
 */
static void off(const struct look *l, struct finding *f)
{
	const char *least = NULL, *was;
	double share, time;
	struct evidence *e;
	char since[FLAW_LEN];

	if (!l->now->counted)
		return;
	share = least_counted(l->now, &least);
	e = see_own(f, IN_NODE_LOST, "of that time each probe was on", "1", share,
		    COUNTED_ALL);
	e->metric = "assay.probe.attached.time";
	e->at_most = true;
	if (l->before)
		e->baseline = least_counted(l->before, &was);
	if (share >= COUNTED_ALL)
		return;
	e->key = "assay.probe";
	e->value = least;
	time = l->readings->now_s;
	see_since(l, f, &(struct flaw){ FLAW_OFF, least, NULL }, e->metric, since);
	found(
	    f, SEVERITY_NOTICE, 4,
	    "the measuring itself: the probe %s was on for %.0f of %.0f s (off%s); what "
	    "happened in the rest is not in its numbers",
	    least, share * time, time, *since ? since + 1 : " for some of it");
	f->undermines = share < ON_HALF;
	because(f, "it was switched off, by assay tune or for --budget, or the agent "
		   "was just starting");
	then(f, "assay status");
}

static double count_all(const struct facts *f)
{
	return f->events;
}

/* The metric that has most of the workload's events, of which several are added up. */
static const char *most_events(const struct facts *f, const char *unless)
{
	double most = 0;

	for (size_t i = f->first; i < f->end; i++) {
		const struct frame_series *s = &f->frame->series[i];

		if (facts_events(s) <= most)
			continue;
		most = facts_events(s);
		unless = s->name;
	}
	return unless;
}

static void overflow(const struct look *l, struct finding *f)
{
	const char *kind = l->now->resource ? frame_kind(l->now->resource) : "";
	struct evidence *e;

	if (strcmp(kind, "overflow") && strcmp(kind, "unknown"))
		return;
	e = see_of(l, f, IN_CALLS,
		   "events of all kinds, of workloads that are not told apart",
		   "{event}", count_all, LOST_LEAST);
	e->metric = most_events(l->now, e->metric);
	e->baseline *= as_long(l, IN_CALLS);
	if (l->now->events < LOST_LEAST)
		return;
	found(
	    f, SEVERITY_NOTICE, 3,
	    "the measuring itself: %s is several workloads that could not be told apart",
	    name_of(l->now));
	because(f,
		"more workloads than --slots, or cgroups that ended before they had a "
		"name");
	then(f, "assay status");
}

static const struct rule rows[] = {
	{ .id = "self.lost",
	  .resource = "self",
	  .of_node = true,
	  .calm = "all events that matter were counted",
	  .look = lost },
	{ .id = "self.windows",
	  .resource = "self",
	  .of_node = true,
	  .calm = "no probe runs in windows at the end of that time",
	  .look = windows },
	{ .id = "self.off",
	  .resource = "self",
	  .of_node = true,
	  .calm = "each probe was on for all of that time",
	  .look = off },
	{ .id = "self.overflow",
	  .resource = "self",
	  .calm = "it is one workload",
	  .look = overflow },
};

const struct rule_table rules_self = { rows, COUNT(rows) };
