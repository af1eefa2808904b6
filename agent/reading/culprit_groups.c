// SPDX-License-Identifier: Apache-2.0
/*
 * What exports call culprits where they take workloads together: by their groups. The
 * node's own list has them by their paths. What a culprit of that has had since it was
 * told last is handed to the name that exports have for it: an entry of the same list,
 * or of the list of the victim's group. There it is told as any other
 * (culprit_series.c).
 */
#include <string.h>
#include "reading/snapshot_impl.h"

/* Whom a culprit's path speaks of. NULL: of nobody that is known any more. */
static const struct workload *culprit_of(const struct snapshot *s,
					 const struct culprit_total *c)
{
	return counts_of(path_index_find(&s->paths, c->name));
}

/* The name; *group: it is a group's. */
static const char *name_for(const struct snapshot *s, const struct culprit_total *c,
			    bool settled, bool *group)
{
	const struct workload *w;

	*group = false;
	if (c->name[0] != '/')
		return c->name;
	w = culprit_of(s, c);
	*group = w && w->group;
	if (*group)
		return w->group->id.name;
	/* who has no name to exports (yet) must not have series of its own there */
	return w && !w->held && (settled || w->settled) ? c->name : CULPRIT_OTHER;
}

/* False: no memory, the next time will do. */
static bool hand_on(struct workload *to, struct culprit_total *from, const char *name,
		    bool group)
{
	uint64_t more = from->ns - from->told_ns;
	struct culprit_total *c;

	from->told_ns = from->ns; /* `from` may move */
	c = totals_export_culprit(to, name);
	if (!c)
		return false;
	c->ns += more;
	c->of_group |= group;
	return true;
}

void culprits_hand_on(struct snapshot *s, struct workload *w, bool settled)
{
	struct workload *to = w->group ? w->group : w;

	for (size_t i = 0; i < w->culprit_count; i++) {
		struct culprit_total *c = &w->culprits[i];
		uint64_t told = c->told_ns;
		const char *name;
		bool group;

		if (c->export_only || c->ns == told)
			continue;
		name = name_for(s, c, settled, &group);
		if (to == w && !group && name == c->name)
			continue; /* it is told by itself */
		if (!hand_on(to, c, name, group))
			w->culprits[i].told_ns = told;
	}
}
