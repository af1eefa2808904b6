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

static void lost(const struct look *l, struct finding *f)
{
	const struct frame_series *s = worst_loss(l->node);
	double n = s ? facts_series(s) : 0, counted;
	struct evidence *e = see_own(f, IN_NODE_LOST, "events that were not counted",
				     "{event}", n, LOST_LEAST);

	if (!s || n < LOST_LEAST)
		return;
	e->stat = "count";
	e->key = "assay.probe";
	e->value = frame_attr(&s->attrs, "assay.probe");
	e->key2 = "assay.reason";
	e->value2 = frame_attr(&s->attrs, "assay.reason");
	counted = count_events(l->now->frame);
	see_own(f, IN_NODE_LOST, "events that were counted", "{event}", counted,
		UNBOUND)
	    ->metric = "*";
	found(
	    f, SEVERITY_NOTICE, 5,
	    "the measuring itself: the probe %s did not count %.0f events (%s), while "
	    "%.0f were counted on the node",
	    e->value ? e->value : "?", n, e->value2 ? e->value2 : "?", counted);
	f->undermines = n >= LOST_MUCH * (n + counted);
	because(
	    f, "docs/metrics.md says what this reason means; the numbers above are too "
	       "low by so many");
	then(f, "assay status");
}

/* A probe that runs in windows estimates; one that is off is told as unmeasured. */
static void windows(const struct look *l, struct finding *f)
{
	const char *why, *least = NULL;
	double duty = 1;
	struct evidence *e;

	for (size_t i = 0; i < COUNT(told); i++) {
		double d = probe_duty(l->node, told[i], &why);

		if (d > 0 && d < duty) {
			duty = d;
			least = told[i];
		}
	}
	e = see_own(f, IN_NODE_LOST, "of the time each probe that is on measures", "1",
		    duty, 0.999);
	e->metric = "assay.probe.duty";
	e->stat = "now";
	e->at_most = true;
	if (!least)
		return;
	e->key = "assay.probe";
	e->value = least;
	found(f, SEVERITY_NOTICE, 4,
	      "the measuring itself: the probe %s runs in windows, so its numbers are "
	      "estimates (on for %.1f %% of the time)",
	      least, duty * 100);
	because(f, "all the time it would cost more of a CPU than --budget allows");
	then(f, "assay tune %s duty=1   # to count all", least);
}

#define ON_HALF 0.5 /* less: what is not found may have been in the rest */

/* Looking back: a probe that was on for a part of that time, which its numbers are of.
 */
static void off(const struct look *l, struct finding *f)
{
	const char *least = NULL;
	double share = 1, time;
	struct evidence *e;

	if (!l->now->counted)
		return;
	for (size_t i = 0; i < COUNT(told); i++) {
		double s = counted_share(l->now->counted, told[i]);

		if (s > 0 && s < share) {
			share = s;
			least = told[i];
		}
	}
	e = see_own(f, IN_NODE_LOST, "of that time each probe was on", "1", share,
		    COUNTED_ALL);
	e->metric = "assay.probe.attached.time";
	e->stat = "count";
	e->at_most = true;
	if (share >= COUNTED_ALL)
		return;
	e->key = "assay.probe";
	e->value = least;
	time = l->readings->now_s;
	found(f, SEVERITY_NOTICE, 4,
	      "the measuring itself: the probe %s was on for %.0f of %.0f s; what "
	      "happened in the rest is not in its numbers",
	      least, share * time, time);
	f->undermines = share < ON_HALF;
	because(f, "it was switched off, by assay tune or for --budget, or the agent "
		   "was just starting");
	then(f, "assay status");
}

static void overflow(const struct look *l, struct finding *f)
{
	const char *kind = l->now->resource ? frame_kind(l->now->resource) : "";

	if (strcmp(kind, "overflow") && strcmp(kind, "unknown"))
		return;
	see_own(f, IN_NODE_LOST, "events of workloads that are not told apart",
		"{event}", l->now->events, 1)
	    ->metric = "assay.slot.usage";
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
