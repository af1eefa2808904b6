// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "diagnose/rule.h"
#include "view/counted.h"
#include "view/report.h"

static const struct rule_table *const tables[] = {
	&rules_cpu, &rules_disk, &rules_memory, &rules_net,
	&rules_dns, &rules_ask,	 &rules_calls,	&rules_self,
};

#define NOISY	       2.0 /* standard errors: what is less sure than that is no finding */
#define EVENTS_LEAST   20   /* in which something could have shown */
#define MEASURED_LEAST 0.1  /* of a time: less says nothing of it */
#define CPU_LEAST      1e-4 /* the same: a workload that hardly runs */

const char *severity_name(enum severity s)
{
	static const char *const names[] = { "notice", "warning", "critical" };

	return names[s];
}

const char *overall_name(enum overall o)
{
	static const char *const names[] = { "nothing_unusual", "inconclusive",
					     "actionable" };

	return names[o];
}

const char *change_name(enum change c)
{
	static const char *const names[] = { "unknown", "new", "more", "as_before" };

	return names[c];
}

/* Whether a probe measures now, or in the time of the past that is looked at. */
static bool is_measured(const struct look *l, const char *probe, const char **why)
{
	static char text[64];
	double share;

	if (!l->now->counted)
		return probe_duty(l->node, probe, why) > 0;
	share = counted_share(l->now->counted, probe);
	if (share >= MEASURED_LEAST)
		return true;
	if (share > 0 || probe_duty(l->node, probe, why) > 0) {
		snprintf(text, sizeof(text), "it was on for %.2g %% of that time",
			 100 * share);
		*why = text;
	}
	return false;
}

/* The first of a rule's probes that does not measure, or NULL. */
static const char *missing_probe(const struct rule *r, const struct look *l,
				 const char **why)
{
	static char name[32];
	const char *at = r->probes;

	while (at && *at) {
		size_t len = strcspn(at, ",");

		snprintf(name, sizeof(name), "%.*s", (int)len, at);
		if (!is_measured(l, name, why))
			return name;
		at += len + (at[len] == ',');
	}
	return NULL;
}

/* Is what was found more than what chance makes of an estimate? */
static bool too_noisy(const struct finding *f)
{
	for (size_t i = 0; i < f->evidence_count; i++) {
		const struct evidence *e = &f->evidence[i];

		if (e->error > 0 && !isnan(e->threshold) && !e->at_most &&
		    e->number * (1 - NOISY * e->error) < e->threshold)
			return true;
	}
	return false;
}

static bool is_beyond(const struct evidence *e)
{
	return e->at_most ? e->number <= e->threshold : e->number >= e->threshold;
}

/*
 * What is ruled out is told with one number, and that is the first: one for which it is
 * ruled out. Another one may be far beyond its threshold.
 */
static void put_deciding_first(struct finding *f)
{
	size_t i = 0;

	while (i < f->evidence_count &&
	       (isnan(f->evidence[i].threshold) || is_beyond(&f->evidence[i])))
		i++;
	if (i < f->evidence_count)
		tell_first(f, i);
}

static void run_rule(const struct rule *r, const struct look *l, struct finding *f)
{
	const char *why = NULL, *probe;
	char since[FLAW_LEN];
	double age;

	*f = (struct finding){ .rule = r, .facts = r->of_node ? l->node : l->now };
	probe = missing_probe(r, l, &why);
	if (probe) {
		f->verdict = VERDICT_UNMEASURED;
		flaw_text(since, l, &(struct flaw){ FLAW_OFF, probe, NULL }, &age);
		snprintf(f->what, sizeof(f->what),
			 "the probe %s does not measure (%s%s)", probe,
			 why ? why : "no reason is known", since);
		cut_text(f->what);
		return;
	}
	r->look(l, f);
	if (f->verdict == VERDICT_FOUND && too_noisy(f)) {
		f->verdict = VERDICT_INCONCLUSIVE;
		f->score = 0;
	}
	if (f->verdict != VERDICT_NONE || !f->evidence_count)
		return;
	f->verdict = VERDICT_RULED_OUT;
	put_deciding_first(f);
}

static struct finding *find_rule(struct diagnosis *d, const char *id)
{
	for (size_t i = 0; i < d->count; i++)
		if (!strcmp(d->list[i].rule->id, id))
			return &d->list[i];
	return NULL;
}

static const char *cgroup_of(const struct facts *f)
{
	return f->resource ? frame_cgroup(f->resource) : "";
}

/*
 * A consequence stays below its cause, if that weighs something, and nobody acts on it.
 * One that is worse than what its cause was found to be is acted on, too, and then the
 * cause is as bad. was: the severities before anything was put after anything.
 */
static void put_after(struct diagnosis *d, struct finding *f, const enum severity *was)
{
	enum severity own = was[f - d->list];

	for (size_t i = 0; i < RULE_NOT && f->rule->after[i]; i++) {
		struct finding *cause = find_rule(d, f->rule->after[i]);

		if (!cause || cause->verdict != VERDICT_FOUND ||
		    cause->severity == SEVERITY_NOTICE)
			continue;
		if (f->score >= cause->score)
			f->score = cause->score * 0.9;
		if (own <= was[cause - d->list]) /* it explains all of it */
			f->severity = SEVERITY_NOTICE;
		else if (own > cause->severity)
			cause->severity = own;
	}
}

int diagnose_compare(const struct finding *x, const struct finding *y)
{
	int order;

	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	if (x->score != y->score)
		return x->score > y->score ? -1 : 1;
	order = strcmp(x->rule->id, y->rule->id);
	if (order || !x->facts || !y->facts)
		return order;
	order = strcmp(name_of(x->facts), name_of(y->facts));
	return order ? order : strcmp(cgroup_of(x->facts), cgroup_of(y->facts));
}

static int compare_findings(const void *a, const void *b)
{
	return diagnose_compare(*(const struct finding *const *)a,
				*(const struct finding *const *)b);
}

static void rank(struct diagnosis *d)
{
	enum severity was[RULES_MOST];

	for (size_t i = 0; i < d->count; i++)
		was[i] = d->list[i].severity;
	for (size_t i = 0; i < d->count; i++)
		if (d->list[i].verdict == VERDICT_FOUND)
			put_after(d, &d->list[i], was);
	for (size_t i = 0; i < d->count; i++)
		if (d->list[i].verdict == VERDICT_FOUND)
			d->found[d->found_count++] = &d->list[i];
	qsort(d->found, d->found_count, sizeof(d->found[0]), compare_findings);
}

/* What was not looked at, and why. Returns whether there is anything. */
static bool say_missing(const struct finding *list, size_t count, char *out, size_t len)
{
	const struct finding *first = NULL;

	for (size_t i = 0; i < count; i++) {
		const struct finding *f = &list[i];

		if (f->verdict == VERDICT_INCONCLUSIVE) {
			snprintf(out, len,
				 "it looks as if: %s; but the numbers are estimates "
				 "that are too noisy to say so",
				 f->what);
			cut_text(out);
			return true;
		}
		if ((f->verdict == VERDICT_UNMEASURED || f->undermines) && !first)
			first = f;
	}
	if (first)
		snprintf(out, len, "%s", first->what);
	cut_text(out);
	return first;
}

static void conclude(struct diagnosis *d)
{
	size_t looked = 0;
	char time[UNITS_LEN];

	for (size_t i = 0; i < d->count; i++)
		looked += d->list[i].verdict == VERDICT_RULED_OUT;
	d->overall = d->found_count && d->found[0]->severity > SEVERITY_NOTICE
			 ? ACTIONABLE
			 : INCONCLUSIVE;
	if (d->overall == ACTIONABLE)
		return;
	if (say_missing(d->list, d->count, d->why, sizeof(d->why)))
		return;
	if (d->now.events < EVENTS_LEAST && d->now.value[IN_CPU] < CPU_LEAST) {
		snprintf(d->why, sizeof(d->why),
			 "hardly anything happened there in %s: %.0f events",
			 span_text(time, d->now.duration_s), d->now.events);
		return;
	}
	d->overall = NOTHING_UNUSUAL;
	snprintf(d->why, sizeof(d->why),
		 "%zu kinds of trouble were looked for in %s; none has more than "
		 "its threshold",
		 looked, span_text(time, d->now.duration_s));
}

static void run_all(struct diagnosis *d, const struct look *l)
{
	for (size_t t = 0; t < COUNT(tables); t++)
		for (size_t i = 0; i < tables[t]->count && d->count < RULES_MOST; i++)
			run_rule(&tables[t]->rows[i], l, &d->list[d->count++]);
	rank(d);
	conclude(d);
}

/* The node's facts, now and before; the storage is the caller's. */
static void look_at_node(const struct readings *r, struct facts node[2], struct look *l)
{
	facts_compute(&node[0], r->now, SIZE_MAX, r->now_s, r->now_counted);
	l->node = &node[0];
	l->readings = r;
	if (!r->before)
		return;
	facts_compute(&node[1], r->before, SIZE_MAX, r->before_s, r->before_counted);
	if (node[1].end)
		l->node_before = &node[1];
}

/* first: SIZE_MAX: its facts are there, and nothing is in them. */
static void diagnose(struct diagnosis *d, const struct readings *r, size_t first,
		     struct look *l)
{
	size_t before;

	if (first != SIZE_MAX)
		facts_compute(&d->now, r->now, first, r->now_s, r->now_counted);
	l->now = &d->now;
	l->before = NULL;
	before = r->before ? facts_find(r->before, d->now.resource, l->next_before)
			   : SIZE_MAX;
	if (before != SIZE_MAX) {
		l->next_before = report_group_end(r->before, before);
		facts_compute(&d->before, r->before, before,
			      facts_lived(r->before, before, r->before_s),
			      r->before_counted);
		d->has_before = true;
		l->before = &d->before;
	}
	run_all(d, l);
}

void diagnose_workload(struct diagnosis *d, const struct readings *r, size_t first)
{
	struct look l = { 0 };

	memset(d, 0, sizeof(*d));
	look_at_node(r, d->node, &l);
	diagnose(d, r, first, &l);
}

void diagnose_absent(struct diagnosis *d, const struct readings *r,
		     const struct frame_attrs *resource)
{
	struct look l = { 0 };

	memset(d, 0, sizeof(*d));
	d->now = (struct facts){ .frame = r->now,
				 .resource = resource,
				 .duration_s = r->now_s,
				 .counted = r->now_counted };
	look_at_node(r, d->node, &l);
	diagnose(d, r, SIZE_MAX, &l);
}

/* How near it came: a finding is nearest, then by how much of its threshold there is.
 */
static double nearness(const struct finding *f)
{
	const struct evidence *e = &f->evidence[0];

	if (f->verdict == VERDICT_FOUND)
		return 1e9 + f->score;
	if (f->verdict != VERDICT_RULED_OUT)
		return f->verdict - 10.0;
	if (!f->evidence_count || isnan(e->threshold) || e->at_most)
		return 0;
	return e->number / e->threshold;
}

static void note_nearest(struct node_diagnosis *n, const struct diagnosis *d)
{
	for (size_t i = 0; i < d->count; i++) {
		if (i < n->nearest_count &&
		    nearness(&d->list[i]) <= nearness(&n->nearest[i]))
			continue;
		n->nearest[i] = d->list[i];
		n->nearest[i].facts = NULL; /* they may be gone */
	}
	n->nearest_count = d->count;
	n->looked_at++;
	n->calm += d->overall == NOTHING_UNUSUAL;
}

/* Keeps a diagnosis in which there is something. */
static int keep(struct node_diagnosis *n, struct diagnosis *d)
{
	struct diagnosis **list = realloc(n->list, (n->count + 1) * sizeof(*list));

	if (!list) {
		free(d);
		return -ENOMEM;
	}
	n->list = list;
	n->list[n->count++] = d;
	return 0;
}

static bool asks_for_threads(const struct diagnosis *d)
{
	for (size_t i = 0; i < d->found_count; i++)
		if (d->found[i]->rule->of_threads)
			return true;
	return false;
}

/*
 * Once more with what its threads sleep in, if a finding says more by that. Of those
 * only, as to look at all threads of a node takes too long; and of each of those, as it
 * decides which is worst.
 */
static void look_at_threads(struct diagnosis *d, const struct readings *r, size_t first,
			    struct look *l)
{
	struct readings more = *r;

	if (!r->read_stuck || !asks_for_threads(d))
		return;
	more.stuck = r->read_stuck(r->read_arg, d->now.resource);
	if (!more.stuck)
		return;
	memset(d, 0, sizeof(*d));
	l->readings = &more;
	diagnose(d, &more, first, l);
	l->readings = r;
}

static int diagnose_one(struct node_diagnosis *n, const struct readings *r,
			size_t first, struct look *l)
{
	struct diagnosis *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	diagnose(d, r, first, l);
	look_at_threads(d, r, first, l);
	note_nearest(n, d);
	if (d->found_count)
		return keep(n, d);
	free(d);
	return 0;
}

/* Findings of the node itself are told once, as of one for whom they are worst. */
static bool is_told(const struct node_diagnosis *d, const struct finding *f)
{
	for (size_t i = 0; i < d->found_count && f->rule->of_node; i++)
		if (d->found[i]->rule == f->rule)
			return true;
	return false;
}

static void tell_once(struct node_diagnosis *d)
{
	size_t all = d->found_count;

	d->found_count = 0;
	for (size_t i = 0; i < all; i++)
		if (!is_told(d, d->found[i]))
			d->found[d->found_count++] = d->found[i];
}

static int rank_node(struct node_diagnosis *d)
{
	size_t room = 1;

	for (size_t i = 0; i < d->count; i++)
		room += d->list[i]->found_count;
	d->found = calloc(room, sizeof(*d->found));
	if (!d->found)
		return -ENOMEM;
	for (size_t i = 0; i < d->count; i++)
		for (size_t k = 0; k < d->list[i]->found_count; k++)
			d->found[d->found_count++] = d->list[i]->found[k];
	qsort(d->found, d->found_count, sizeof(*d->found), compare_findings);
	tell_once(d);
	return 0;
}

static void conclude_node(struct node_diagnosis *d)
{
	d->overall = d->found_count && d->found[0]->severity > SEVERITY_NOTICE
			 ? ACTIONABLE
			 : INCONCLUSIVE;
	if (d->overall == ACTIONABLE ||
	    say_missing(d->nearest, d->nearest_count, d->why, sizeof(d->why)))
		return;
	if (d->calm)
		d->overall = NOTHING_UNUSUAL;
	snprintf(d->why, sizeof(d->why),
		 "%zu workloads were looked at; in %zu of them something happened, and "
		 "nothing that is unusual",
		 d->looked_at, d->calm);
}

int diagnose_node(struct node_diagnosis *d, const struct readings *r)
{
	struct look l = { 0 };
	int err = 0;

	memset(d, 0, sizeof(*d));
	look_at_node(r, d->node, &l);
	for (size_t i = 0; i < r->now->count && !err; i = report_group_end(r->now, i))
		if (report_is_workload(r->now->series[i].resource))
			err = diagnose_one(d, r, i, &l);
	if (!err)
		err = rank_node(d);
	if (!err)
		conclude_node(d);
	return err;
}

void diagnose_free_node(struct node_diagnosis *d)
{
	for (size_t i = 0; i < d->count; i++)
		free(d->list[i]);
	free(d->list);
	free(d->found);
	*d = (struct node_diagnosis){ 0 };
}
