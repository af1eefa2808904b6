// SPDX-License-Identifier: Apache-2.0
/*
 * Which culprits of a workload exports name, and what they say of the rest. A backend
 * pays for each series, so few of them have one: those that had the CPU most, lately.
 *
 * Each ns is told once: an export adds what is new to the culprit's own series or, if
 * it has none, to that of _OTHER, and there it stays. So no series ever goes down, and
 * all of them together, with those that have ended, are what the workload waited. A
 * series begins with what is new since the export before; one that others have
 * displaced keeps its value until that has arrived, then it ends as any other
 * (delivery.c).
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "reading/snapshot_impl.h"

#define DISPLACES 2 /* who had so many times more takes the place of another */

/* What there is to choose of. */
struct field {
	size_t named, ending;	     /* series that go on, and that do not */
	struct culprit_total *best;  /* of those that have none; NULL: no such */
	struct culprit_total *rival; /* of these, who is not gone already */
	struct culprit_total *worst; /* of the named */
};

static bool is_named(const struct culprit_total *c)
{
	return c->series && !c->leaves && !c->gone;
}

/* Had it anything since the latest export that could be told by a name it has not? */
static bool may_be_named(const struct culprit_total *c)
{
	return (!c->series || c->leaves) && c->ns > c->told_ns &&
	       strcmp(c->name, CULPRIT_OTHER) != 0;
}

static struct culprit_total *greater(struct culprit_total *a, struct culprit_total *b)
{
	return a && a->lately >= b->lately ? a : b;
}

static struct field look(struct workload *w)
{
	struct field f = { .best = NULL };

	for (size_t i = 0; i < w->culprit_count; i++) {
		struct culprit_total *c = &w->culprits[i];

		if (is_named(c)) {
			f.named++;
			if (!f.worst || c->lately < f.worst->lately)
				f.worst = c;
			continue;
		}
		f.ending += c->series != NULL;
		if (!may_be_named(c))
			continue;
		f.best = greater(f.best, c);
		if (!c->gone)
			f.rival = greater(f.rival, c);
	}
	return f;
}

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/*
 * Its series goes on if it has not ended yet; else a new one begins. False: there are
 * too many on the node, the workload is in no export, or there is no memory: it is in
 * _OTHER for another interval.
 */
static bool name(struct snapshot *s, const struct workload *w, struct culprit_total *c)
{
	if (!c->series && !w->held && s->culprit_series < s->culprit_series_most) {
		c->series = calloc(1, sizeof(*c->series));
		s->culprit_series += c->series != NULL;
	}
	if (!c->series)
		return false;
	c->leaves = false;
	if (!c->series->start_ns) /* what was told before is in _OTHER */
		c->series->start_ns =
		    later(c->start_ns ? c->start_ns : w->start_ns, s->export_ns);
	return true;
}

/*
 * Places that are free are for the best. When there are none, one culprit at each
 * export may displace another: if it had much more, so that two which are about equal
 * do not take turns, and if there are not too many ends on their way already. (One too
 * many is named when a cgroup comes back before its end was told.)
 */
static void choose(struct snapshot *s, struct workload *w)
{
	size_t most = s->culprits_sent;
	struct field f = look(w);

	while (f.best && f.named < most &&
	       (f.best->series || f.named + f.ending < most + CULPRITS_ENDING) &&
	       name(s, w, f.best))
		f = look(w);
	if (!f.named || f.named < most || f.ending >= CULPRITS_ENDING)
		return;
	if (f.named > most ||
	    (f.rival && f.rival->lately > DISPLACES * f.worst->lately &&
	     name(s, w, f.rival)))
		f.worst->leaves = true;
}

static void tell(const struct snapshot *s, struct workload *w, struct culprit_total *c)
{
	struct culprit_series *own = c->series;
	uint64_t more = c->ns - c->told_ns;

	c->told_ns = c->ns;
	if (own && !c->leaves) {
		own->ns += more;
		if (more) /* there is news of it: its end was none */
			ending_note(&own->ending, false, s->exports);
	} else {
		w->other_ns += more;
	}
	if (own)
		ending_note(&own->ending, c->leaves || c->gone, s->exports);
}

size_t culprits_named(const struct workload *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->culprit_count; i++)
		n += w->culprits[i].series != NULL;
	return n;
}

void culprits_tell(struct snapshot *s, struct workload *w)
{
	for (size_t i = 0; i < w->culprit_count; i++) {
		struct culprit_total *c = &w->culprits[i];

		c->lately += c->ns - c->told_ns - c->lately / 8;
	}
	choose(s, w);
	for (size_t i = 0; i < w->culprit_count; i++)
		tell(s, w, &w->culprits[i]);
}

void culprits_accepted(struct workload *w, uint64_t number, uint64_t next)
{
	for (size_t i = 0; i < w->culprit_count; i++)
		if (w->culprits[i].series)
			ending_accepted(&w->culprits[i].series->ending, number, next);
}

void culprits_unheard(struct workload *w, uint64_t exports)
{
	for (size_t i = 0; i < w->culprit_count; i++)
		if (w->culprits[i].series)
			ending_unheard(&w->culprits[i].series->ending, exports);
}

void culprits_drop(struct workload *w)
{
	size_t kept = 0;

	for (size_t i = 0; i < w->culprit_count; i++) {
		struct culprit_total *c = &w->culprits[i];

		if (c->series && c->series->ending.over) {
			free(c->series);
			c->series = NULL;
			c->leaves = false;
		}
		if (!c->gone || c->series) {
			w->culprits[kept++] = *c;
			continue;
		}
		if (!c->export_only || w->sum)	  /* else another entry has it */
			w->forgotten_ns += c->ns; /* all of it was told */
		free(c->name);
	}
	w->culprit_count = kept;
}

void snapshot_send_culprits(struct snapshot *s, unsigned int most, uint64_t of_all)
{
	s->culprits_sent = most;
	s->culprit_series_most = of_all;
}

int culprits_copy(struct workload *to, const struct workload *from)
{
	to->other_ns = from->other_ns;
	for (size_t i = 0; i < from->culprit_count; i++) {
		const char *name = from->culprits[i].name;
		struct culprit_total *c;

		if (from->culprits[i].export_only)
			c = totals_export_culprit(to, name);
		else
			c = totals_culprit(to, name);
		if (!c)
			return -ENOMEM;
		if (!from->culprits[i].series)
			continue;
		c->series = malloc(sizeof(*c->series));
		if (!c->series)
			return -ENOMEM;
		*c->series = *from->culprits[i].series;
	}
	return 0;
}

void culprits_add_rest(struct workload *to, const struct workload *w)
{
	for (size_t i = 0; i < w->culprit_count; i++)
		if (!w->culprits[i].export_only)
			to->other_ns += w->culprits[i].ns;
	to->other_ns += w->forgotten_ns;
}
