// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "diagnose/culprits.h"

#define METRIC "assay.sched.wait.culprit.time"
#define KEY    "assay.sched.culprit"

static void note_top(struct culprit_split *c, const char *path, double s)
{
	size_t at = c->top_count;

	while (at > 0 && c->top[at - 1].s < s)
		at--;
	if (at >= CULPRITS_TOLD)
		return;
	if (c->top_count < CULPRITS_TOLD)
		c->top_count++;
	memmove(&c->top[at + 1], &c->top[at],
		(c->top_count - 1 - at) * sizeof(c->top[0]));
	c->top[at] = (struct culprit_time){ path, s };
}

void culprits_split(const struct facts *f, struct culprit_split *out)
{
	memset(out, 0, sizeof(*out));
	for (size_t i = f->first; i < f->end; i++) {
		const struct frame_series *s = &f->frame->series[i];
		const char *who =
		    strcmp(s->name, METRIC) ? NULL : frame_attr(&s->attrs, KEY);
		double t = who ? facts_series(s) / facts_time(f, METRIC) : 0;

		if (!(t > 0))
			continue;
		out->sum += t;
		if (!strcmp(who, frame_cgroup(f->resource)) ||
		    (*who != '/' && !strcmp(who, frame_name(f->resource)))) {
			out->self += t;
		} else if (!strcmp(who, "idle")) {
			out->idle += t;
		} else {
			if (!strcmp(who, "kernel"))
				out->kernel += t;
			else
				out->others += t;
			note_top(out, who, t);
		}
	}
}

/* The same culprit's time before; NAN: not known. */
static double before_of_culprit(const struct look *l, const char *path)
{
	double t = 0;

	if (!l->before)
		return NAN;
	for (size_t i = l->before->first; i < l->before->end; i++) {
		const struct frame_series *s = &l->before->frame->series[i];
		const char *who =
		    strcmp(s->name, METRIC) ? NULL : frame_attr(&s->attrs, KEY);

		if (who && !strcmp(who, path))
			t += facts_series(s) / facts_time(l->before, METRIC);
	}
	return t;
}

void name_culprit(const struct frame *f, const char *path, char *out, size_t len)
{
	if (strcmp(path, CULPRITS_OTHER) != 0)
		name_path(f, path, out, len);
	else
		snprintf(out, len, "many others together");
}

void culprits_see(const struct look *l, struct finding *f,
		  const struct culprit_split *c)
{
	for (size_t i = 0; i < c->top_count && c->top[i].s >= 0.01 * c->top[0].s; i++) {
		struct evidence *e = see_own(f, IN_CONTENTION, "waited behind", "s/s",
					     c->top[i].s, UNBOUND);

		e->metric = METRIC;
		e->key = KEY;
		e->value = c->top[i].path;
		e->stat = "rate";
		e->baseline = before_of_culprit(l, c->top[i].path);
		name_culprit(l->now->frame, c->top[i].path, e->name, sizeof(e->name));
	}
}
