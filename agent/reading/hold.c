// SPDX-License-Identifier: Apache-2.0
/*
 * Who is in an export, and under which instance.
 *
 * Who a workload is to a receiver stays, once an export has shown it. So one of a pod
 * is held back while it has no name: for 30 s, or until it is gone. Then exports have
 * its counts in `unknown`, and what was counted there stays there: if a name comes yet,
 * its own series begin at 0 at that moment. All others are who their path says, or what
 * was written before their first process ran (Docker, podman): nobody waits for those.
 *
 * One that has a name is held back as long while the kubelet is awaited, who knows its
 * owner and labels: what its service is called must not depend on who spoke first.
 *
 * An instance has one writer at a time, since a receiver may know no more of a resource
 * than that. A container that was started again has the instance of the one before: it
 * is in exports when the last values of that one have arrived, and the report of their
 * end is given an earlier time than its values. Those that began and ended since then
 * are not waited for: exports have them all, each a moment before the next. Two of one
 * instance that are both there are told apart by another instance for the newer one; it
 * is waited for whether the older one ends, unless they are of one pod. What exports
 * take together (groups.c) is one of these; its members are not.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "reading/kept.h"
#include "reading/snapshot_impl.h"

/* Between two looks for a name: the second one, while exports wait for it, and later.
 */
#define LOOK_FIRST_MS 1000
#define LOOK_HELD_MS  5000
#define LOOK_MOST_MS  300000

bool hold_needs_name(const struct workload *w)
{
	return !w->names && w->id.pod_uid[0] &&
	       (w->id.kind == WORKLOAD_CONTAINER || w->id.kind == WORKLOAD_POD);
}

bool snapshot_asks_names(const struct snapshot *s, struct workload *w, uint64_t hold_ns)
{
	bool soon = s->time_ns - w->seen_ns < hold_ns;
	uint32_t most = soon ? LOOK_HELD_MS : LOOK_MOST_MS;

	if (w->settled || w->into || s->time_ns < w->look_ns ||
	    (w->id.kind != WORKLOAD_CONTAINER && w->id.kind != WORKLOAD_POD))
		return false;
	w->look_wait_ms = w->look_wait_ms ? 2 * w->look_wait_ms : LOOK_FIRST_MS;
	if (w->look_wait_ms > most)
		w->look_wait_ms = most;
	w->look_ns = s->time_ns + w->look_wait_ms * 1000000ULL;
	return true;
}

struct workload *hold_stand_in(const struct workload *of)
{
	struct workload *w = calloc(1, sizeof(*w));

	if (!w)
		return NULL;
	w->id.kind = of->id.kind;
	w->id.name = strdup(workload_kind_name(of->id.kind));
	w->serial = of->serial;
	w->start_ns = of->start_ns;
	if (w->id.name)
		return w;
	free(w);
	return NULL;
}

/* What is open in w stays its own, when all that it counted goes to another. */
static void keep_open(struct workload *from, struct workload *w, const uint64_t open[2])
{
	for (unsigned int role = 0; role <= TCP_CLIENT; role++) {
		size_t at = snapshot_index(SIGNAL_TCP_CONN, role);

		from->counts[at][CONN_CLOSED] += open[role];
		w->counts[at][CONN_EXISTING] = open[role];
	}
}

static void count_open(const struct workload *w, uint64_t open[2])
{
	for (unsigned int role = 0; role <= TCP_CLIENT; role++) {
		const uint64_t *lane = w->counts[snapshot_index(SIGNAL_TCP_CONN, role)];
		uint64_t all = lane[CONN_OPENED] + lane[CONN_EXISTING];

		open[role] = all > lane[CONN_CLOSED] ? all - lane[CONN_CLOSED] : 0;
	}
}

int hold_retire(struct snapshot *s, struct workload *w, bool open)
{
	uint64_t opened[2];
	int err;

	if (!s->retired)
		s->retired = hold_stand_in(s->workloads[SLOT_UNKNOWN]);
	if (!s->retired)
		return -ENOMEM;
	err = totals_fold(s->retired, w, false);
	totals_fold_usage(&s->retired->usage, &w->usage);
	kept_fold_usage(s->retired, w);
	count_open(w, opened);
	totals_clear(w);
	usage_restart(&w->usage);
	if (open)
		keep_open(s->retired, w, opened);
	w->start_ns = s->time_ns;
	return err;
}

/* What `unknown` itself has: with its culprits as they are, ended or not. */
static int copy_unknown(struct workload *to, const struct workload *unknown)
{
	int err = totals_fold(to, unknown, true) ?: culprits_copy(to, unknown);

	for (size_t i = 0; i < unknown->culprit_count; i++) {
		const struct culprit_total *c = &unknown->culprits[i];
		struct culprit_total *copy;

		if (c->export_only)
			continue;
		copy = totals_culprit(to, c->name);
		if (!copy)
			return -ENOMEM;
		copy->start_ns = c->start_ns;
	}
	memcpy(to->inflight_ns, unknown->inflight_ns, sizeof(to->inflight_ns));
	to->inflight_seen = unknown->inflight_seen;
	return err;
}

int snapshot_unknown(struct snapshot *s, struct workload **out)
{
	struct workload *all = NULL;
	int err = 0;

	*out = NULL;
	for (size_t i = SLOT_FIRST; i <= s->count && !err; i++) {
		/* what is retired comes last */
		const struct workload *w = i < s->count ? s->workloads[i] : s->retired;

		if (!w || (i < s->count && !w->unnamed))
			continue;
		if (!all) {
			all = hold_stand_in(s->workloads[SLOT_UNKNOWN]);
			err = all ? copy_unknown(all, s->workloads[SLOT_UNKNOWN])
				  : -ENOMEM;
		}
		if (!err)
			err = totals_fold(all, w, false);
		if (!err)
			culprits_add_rest(all, w);
		if (!err)
			totals_fold_usage(&all->usage, &w->usage);
	}
	if (err) {
		totals_free(all);
		return err;
	}
	*out = all;
	return 0;
}

struct workload *snapshot_retired(struct snapshot *s)
{
	return s->retired;
}

struct workload *snapshot_untold(struct snapshot *s)
{
	return s->untold;
}

void snapshot_free_workload(struct workload *w)
{
	totals_free(w);
}

/* 1: it is given up that a name comes in time. */
static int hold_unnamed(struct snapshot *s, struct workload *w,
			const struct hold_rules *rules)
{
	bool late = s->time_ns - w->seen_ns >= rules->unnamed_ns, was = w->unnamed;
	int err;

	w->held = true;
	if (!late && !w->gone && !rules->last)
		return 0;
	w->unnamed = true;
	if (!w->gone)
		return !was;
	err = hold_retire(s, w, false);
	w->ending.over = true;
	return err;
}

/* Was v, or will it be, the first of the two that receivers know? */
static bool is_before(const struct workload *v, const struct workload *w)
{
	if (v->settled && w->settled && v->settled != w->settled)
		return v->settled < w->settled;
	if (!v->settled != !w->settled)
		return v->settled;
	return v->serial < w->serial;
}

/* Does it stand for this instance, to a receiver, or will before the other one? */
static bool has_instance(const struct workload *v, const struct workload *w)
{
	return v != w && !v->into && !v->group && v->instance &&
	       !strcmp(v->instance, w->instance) && is_before(v, w);
}

/*
 * Who has the instance of w, and must have come to its end before: one that is there.
 * To one that is gone itself it is enough to come next.
 */
static struct workload *find_rival(struct snapshot *s, const struct workload *w)
{
	struct workload *v;
	size_t at = 0;

	while ((v = instances_next(&s->instances, w->instance, &at)))
		if (has_instance(v, w) &&
		    !(v->gone && (v->ending.last || (w->gone && !v->held))))
			return v;
	return NULL;
}

/* They are there side by side: it is no use to wait for the end of the other one. */
static bool is_beside(const struct workload *v, const struct workload *w)
{
	return !strcmp(v->id.pod_uid, w->id.pod_uid) &&
	       strcmp(v->id.container_id, w->id.container_id);
}

/* Whoever had its instance until now says so before. */
static void succeed(struct snapshot *s, const struct workload *w)
{
	struct workload *v;
	size_t at = 0;

	while ((v = instances_next(&s->instances, w->instance, &at)))
		if (v->gone && has_instance(v, w))
			v->successors++;
}

static bool is_late(const struct snapshot *s, const struct workload *w,
		    const struct hold_rules *rules)
{
	return rules->last || s->time_ns - w->seen_ns >= rules->unnamed_ns;
}

/* Is there more to come that says who it is? */
static bool is_awaited(const struct snapshot *s, const struct workload *w,
		       const struct hold_rules *rules)
{
	return w->names && names_in_pod(w->names) && w->names->awaited && !w->gone &&
	       !is_late(s, w, rules);
}

/* Until its instance is free. */
static int hold_named(struct snapshot *s, struct workload *w,
		      const struct hold_rules *rules)
{
	bool late = is_late(s, w, rules);
	struct workload *rival = find_rival(s, w);
	int err = 0;

	while (rival && !rival->gone && (late || is_beside(rival, w)) && !err) {
		err = rules->again(rules->arg, w);
		if (!err)
			err = instances_add(&s->instances, w);
		rival = err ? NULL : find_rival(s, w);
	}
	w->held = rival && !rules->last;
	if (!w->held && !err && s->gone)
		succeed(s, w);
	return err < 0 ? err : 0;
}

/* Of one that is exported as itself, or a group. */
static int settle_named(struct snapshot *s, struct workload *w,
			const struct hold_rules *rules)
{
	if (!w->names)
		return 0;
	if (!w->settled && names_in_pod(w->names))
		return hold_named(s, w, rules);
	if (s->gone && w->settled && w->instance)
		succeed(s, w);
	return 0;
}

/* 1: it was given up. */
static int settle_one(struct snapshot *s, struct workload *w,
		      const struct hold_rules *rules)
{
	int err;

	w->held = w->into != NULL;
	if (!w->into && !w->group) {
		if (hold_needs_name(w))
			return hold_unnamed(s, w, rules);
		w->held = !w->settled && is_awaited(s, w, rules);
		if (w->held)
			return 0;
		err = w->settled ? 0 : groups_join(s, w, rules);
		if (err)
			return err;
	}
	if (!w->into && !w->group)
		return settle_named(s, w, rules);
	w->ending.over = w->gone; /* another one has its counts */
	return 0;
}

static void count_gone(struct snapshot *s)
{
	groups_note_gone(s);
	s->gone = 0;
	for (size_t i = SLOT_FIRST; i < exported_count(s); i++) {
		exported_at(s, i)->successors = 0;
		s->gone += exported_at(s, i)->gone;
	}
}

/* Who may be in the export, by instance: of thousands, each would have to look at all.
 */
static int index_instances(struct snapshot *s)
{
	int err = instances_clear(&s->instances, exported_count(s));

	for (size_t i = SLOT_FIRST; i < exported_count(s) && !err; i++)
		if (exported_at(s, i)->instance)
			err = instances_add(&s->instances, exported_at(s, i));
	return err;
}

int snapshot_settle(struct snapshot *s, const struct hold_rules *rules)
{
	int given_up = 0, err;

	count_gone(s);
	err = index_instances(s);
	for (size_t i = SLOT_FIRST; i < s->count && err >= 0; i++) {
		err = settle_one(s, s->workloads[i], rules);
		given_up += err > 0;
	}
	groups_note_gone(s); /* who has joined one is there */
	groups_begin(s);
	if (s->group_count && err >= 0)
		err = index_instances(s); /* there may be new ones */
	for (size_t i = 0; i < s->group_count && err >= 0; i++)
		err = settle_named(s, s->groups[i], rules);
	return err < 0 ? err : given_up;
}
