// SPDX-License-Identifier: Apache-2.0
/*
 * Workloads that are one in exports (--group-by, --include, --exclude). A workload is
 * in a group from the first export on that would have had it, for its life; from then
 * on exports have the group instead. Who asks at the socket sees the workloads
 * themselves.
 *
 * A group's counts are those of its members that are there, added up for each export,
 * and of those that are not, which stay in `ended`. So none of its series ever goes
 * down, and it has all that any member counted, from before it joined, too. What a
 * workload waited for whom, and what the files of its cgroup say, is handed on by
 * differences: the one since exports name few of many, the other since the files of a
 * cgroup speak for those below it, too, and must not count twice.
 *
 * A group's series begin with the first of its members, or of those that are held back
 * just then and may be of it. It ends when all are gone, as a workload does; but it is
 * not forgotten while one is held back that began before that.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include "reading/snapshot_impl.h"

void snapshot_group(struct snapshot *s, const struct grouping *g)
{
	s->grouping = g && grouping_is_on(g) ? g : NULL;
}

struct workload **snapshot_groups(struct snapshot *s, size_t *count)
{
	*count = s->group_count;
	return s->groups;
}

static struct workload *find_group(const struct snapshot *s, const char *key)
{
	for (size_t i = 0; i < s->group_count; i++)
		if (!strcmp(s->groups[i]->sum->key, key))
			return s->groups[i];
	return NULL;
}

/* What is known of its first member's pod. NULL: no memory. */
static struct names *names_of_first(const struct workload *w)
{
	struct names *n = names_copy(w->names);

	if (n) {
		names_keep_pod(n);
		n->awaited = false;
	}
	return n;
}

/* Takes over the id's strings, unless it fails. */
static struct workload *new_group(struct snapshot *s, struct group_id *id,
				  const struct workload *first)
{
	static char other[] = CULPRIT_OTHER;
	struct workload *g = calloc(1, sizeof(*g));

	if (!g)
		return NULL;
	g->sum = calloc(1, sizeof(*g->sum));
	if (id->kind != WORKLOAD_EXCLUDED)
		g->names = names_of_first(first);
	if (!g->sum || (!g->names && id->kind != WORKLOAD_EXCLUDED)) {
		totals_free(g);
		return NULL;
	}
	g->sum->key = id->key;
	g->sum->ended.gone = true; /* no slot counts for it */
	g->sum->ended.group = g;
	g->sum->ended.id.name = other; /* as a culprit, should it be one so late */
	g->id.kind = id->kind;
	g->id.role = ROLE_POD;
	g->id.name = id->name;
	if (id->kind == WORKLOAD_POD)
		memcpy(g->id.pod_uid, first->id.pod_uid, sizeof(g->id.pod_uid));
	g->serial = ++s->serial;
	g->seen_ns = s->time_ns;
	*id = (struct group_id){ 0 };
	return g;
}

static struct workload *add_group(struct snapshot *s, struct group_id *id,
				  const struct workload *first,
				  const struct hold_rules *rules)
{
	struct workload *g;

	if (s->group_count == s->group_room) {
		size_t room = s->group_room ? 2 * s->group_room : 64;
		struct workload **p = reallocarray(s->groups, room, sizeof(*p));

		if (!p)
			return NULL;
		s->groups = p;
		s->group_room = room;
	}
	g = new_group(s, id, first);
	if (!g)
		return NULL;
	if (g->names && rules->first(rules->arg, g)) {
		totals_free(g);
		return NULL;
	}
	s->groups[s->group_count++] = g;
	return g;
}

int groups_join(struct snapshot *s, struct workload *w, const struct hold_rules *rules)
{
	struct group_id id;
	struct workload *g;
	int found = s->grouping ? group_find(s->grouping, &w->id, w->names, &id) : 0;

	if (found <= 0)
		return found;
	g = find_group(s, id.key);
	if (!g)
		g = add_group(s, &id, w, rules);
	group_id_fini(&id);
	w->part = g ? calloc(1, sizeof(*w->part)) : NULL;
	if (!w->part)
		return -ENOMEM;
	w->group = g;
	w->settled = s->exports + 1;
	g->sum->members++;
	/* what was told while it was held back */
	g->other_ns += w->other_ns;
	g->forgotten_ns += w->other_ns;
	w->other_ns = 0;
	return 0;
}

/* There is none like it again: no pod has its UID. */
static bool is_unique(const struct workload *g)
{
	return g->id.pod_uid[0];
}

/* When a group of its key ended that is forgotten, or may have. */
static uint64_t end_of(const struct snapshot *s, const struct workload *g)
{
	uint64_t hash = path_hash(g->sum->key), ns = s->group_end_floor;

	if (is_unique(g))
		return 0;
	for (size_t i = 0; i < GROUP_ENDS; i++)
		if (s->group_ends[i].key == hash && s->group_ends[i].ns > ns)
			ns = s->group_ends[i].ns;
	return ns;
}

void groups_note_end(struct snapshot *s, const struct workload *g)
{
	struct group_end *e;

	if (is_unique(g))
		return;
	e = &s->group_ends[s->group_end_count++ % GROUP_ENDS];
	if (e->ns > s->group_end_floor)
		s->group_end_floor = e->ns;
	*e = (struct group_end){ path_hash(g->sum->key), g->sum->end_ns };
}

/* May it be in a group yet? */
static bool is_held_for_group(const struct workload *w)
{
	return w->held && !w->unnamed && !w->into && !w->group;
}

static uint64_t start_of(const struct snapshot *s, const struct workload *g)
{
	uint64_t start = s->held_ns, end = end_of(s, g);

	for (size_t i = SLOT_FIRST; i < s->count; i++)
		if (s->workloads[i]->group == g && s->workloads[i]->start_ns < start)
			start = s->workloads[i]->start_ns;
	return start > end ? start : end;
}

void groups_begin(struct snapshot *s)
{
	s->held_ns = UINT64_MAX;
	for (size_t i = SLOT_FIRST; i < s->count; i++)
		if (is_held_for_group(s->workloads[i]) &&
		    s->workloads[i]->start_ns < s->held_ns)
			s->held_ns = s->workloads[i]->start_ns;
	for (size_t i = 0; i < s->group_count; i++)
		if (!s->groups[i]->start_ns)
			s->groups[i]->start_ns = start_of(s, s->groups[i]);
}

bool groups_are_awaited(const struct snapshot *s, const struct workload *g)
{
	return s->held_ns < g->sum->end_ns;
}

void groups_note_gone(struct snapshot *s)
{
	for (size_t i = 0; i < s->group_count; i++)
		s->groups[i]->gone = s->groups[i]->sum->ended.gone;
	for (size_t i = SLOT_FIRST; i < s->count; i++)
		if (s->workloads[i]->group && !s->workloads[i]->gone)
			s->workloads[i]->group->gone = false;
	for (size_t i = 0; i < s->group_count; i++) {
		struct workload *g = s->groups[i];

		if (!g->gone)
			g->sum->end_ns = 0;
		else if (!g->sum->end_ns)
			g->sum->end_ns = s->time_ns;
	}
}

/*
 * A container, a pod or a unit that runs something: what is below it is its own. That
 * is not so of slices, and of cgroups which only hold others.
 */
static bool runs(const struct workload *w)
{
	const char *dot = strrchr(w->id.name, '.');

	if (w->id.kind == WORKLOAD_UNIT)
		return !dot || strcmp(dot, ".slice") != 0;
	return w->id.kind == WORKLOAD_CONTAINER || w->id.kind == WORKLOAD_POD;
}

/* Is v's cgroup below w's? */
static bool is_below(const struct workload *v, const struct workload *w)
{
	size_t len = strlen(w->path);

	if (len == 1)
		len = 0; /* the root: all paths go on with a slash */
	return v != w && !strncmp(v->path, w->path, len) && v->path[len] == '/';
}

/* Is a member above it in the tree, whose files speak for both? */
static bool is_in_another(const struct snapshot *s, const struct workload *w)
{
	char above[PATH_MAX], *slash;
	size_t len = strlen(w->path);

	if (len >= sizeof(above))
		return false;
	memcpy(above, w->path, len + 1);
	while ((slash = strrchr(above, '/')) && slash > above) {
		const struct workload *v;

		*slash = '\0';
		v = path_index_find(&s->paths, above);
		/* a pod's files are its sandbox's, if that is known */
		if (v && v->group == w->group && runs(v) && !v->sandbox && v->usage.has)
			return true;
	}
	return false;
}

static bool holds_others(const struct snapshot *s, const struct workload *w)
{
	for (size_t i = SLOT_FIRST; i < s->count; i++)
		if (is_below(s->workloads[i], w))
			return true;
	return false;
}

/*
 * Does its group take its usage? Files of a cgroup speak for all below it: so the
 * outermost member counts, which has what it made, too; but a slice only if it holds no
 * workload, as others may be in groups of their own.
 */
static bool may_count(const struct snapshot *s, const struct workload *w)
{
	if (!w->path || !w->usage.has || is_in_another(s, w))
		return false;
	return runs(w) || !holds_others(s, w);
}

/* Has the group some of its usage already, from members above or below it? */
static bool is_known_in_part(const struct snapshot *s, const struct workload *w)
{
	for (size_t i = SLOT_FIRST; i < s->count && !w->sandbox; i++) {
		const struct workload *v = s->workloads[i];

		if (v->group == w->group && v->part->counts && !v->sandbox &&
		    (is_below(v, w) || is_below(w, v)))
			return true;
	}
	return false;
}

#define PRESENT (((1U << USAGE_COUNT) - 1) & ~((1U << USAGE_COUNTERS) - 1))

/* What is now: memory that it has, and what it may have if no member may have more. */
static void tell_now(struct workload *g, const struct workload *w)
{
	const uint64_t *from = w->usage.value;
	uint64_t *to = g->usage.value;

	if (w->usage.has & 1U << USAGE_MEMORY)
		to[USAGE_MEMORY] += from[USAGE_MEMORY];
	for (int v = USAGE_MEMORY_LIMIT; v <= USAGE_CPU_LIMIT; v++)
		if (w->usage.has & 1U << v)
			to[v] += from[v];
		else if (w->id.kind != WORKLOAD_POD) /* a sandbox needs none */
			g->sum->unlimited |= 1U << v;
	g->usage.has |= w->usage.has & PRESENT;
}

static void tell_usage(struct snapshot *s, struct workload *w)
{
	bool counts = may_count(s, w);
	bool adds = counts && (w->part->counts || !is_known_in_part(s, w));
	uint64_t *told = w->part->told;
	struct workload *g = w->group;

	for (int v = 0; v < USAGE_COUNTERS; v++) {
		uint64_t now = w->usage.value[v];

		if (adds && now > told[v])
			g->usage.value[v] += now - told[v];
		told[v] = now;
	}
	w->part->counts |= counts;
	if (!counts)
		return;
	g->usage.has |= w->usage.has & ((1U << USAGE_COUNTERS) - 1);
	if (!w->gone)
		tell_now(g, w);
}

/* The oldest of what is under way in any of them. */
static void tell_inflight(struct workload *g, const struct workload *w)
{
	for (int i = 0; i < INFLIGHT_COUNT && !w->gone; i++) {
		uint64_t age = w->inflight_ns[i], *oldest = &g->inflight_ns[i];

		if (age != INFLIGHT_UNKNOWN &&
		    (*oldest == INFLIGHT_UNKNOWN || age > *oldest))
			*oldest = age;
	}
	g->inflight_seen |= w->inflight_seen;
}

static void begin_telling(struct workload *g)
{
	g->usage.has &= ~PRESENT;
	for (int v = USAGE_COUNTERS; v < USAGE_COUNT; v++)
		g->usage.value[v] = 0;
	g->sum->unlimited = 0;
	for (int i = 0; i < INFLIGHT_COUNT; i++)
		g->inflight_ns[i] = INFLIGHT_UNKNOWN;
}

static void tell_of(struct snapshot *s, struct workload *w, bool settled)
{
	if (w->held || w->into || (!w->group && !settled))
		return;
	culprits_hand_on(s, w, settled);
	if (!w->group)
		return;
	tell_usage(s, w);
	tell_inflight(w->group, w);
}

void groups_tell(struct snapshot *s, bool settled)
{
	if (!s->grouping || (!settled && s->told_ns == s->time_ns))
		return;
	for (size_t i = 0; i < s->group_count; i++) {
		begin_telling(s->groups[i]);
		culprits_hand_on(s, &s->groups[i]->sum->ended, settled);
	}
	for (size_t i = 0; i < s->count; i++)
		tell_of(s, s->workloads[i], settled);
	for (size_t i = 0; i < s->group_count; i++)
		s->groups[i]->usage.has &= ~s->groups[i]->sum->unlimited;
	s->told_ns = s->time_ns;
}

struct workload *groups_keep(struct workload *w)
{
	struct group_sum *sum = w->group->sum;

	totals_add(&sum->ended, w);
	sum->members--;
	return &sum->ended;
}

void snapshot_clear_group(struct workload *g)
{
	for (size_t i = 0; i < SNAPSHOT_HISTS; i++) {
		free(g->hists[i]);
		g->hists[i] = NULL;
	}
	memset(g->counts, 0, sizeof(g->counts));
	free(g->estimates);
	g->estimates = NULL;
	for (size_t i = 0; i < g->open_count; i++) {
		free(g->opens[i].hist);
		free(g->opens[i].estimate);
		g->opens[i].hist = NULL;
		g->opens[i].estimate = NULL;
		g->opens[i].value = 0;
	}
}

int snapshot_sum_group(struct snapshot *s, struct workload *g)
{
	int err;

	snapshot_clear_group(g);
	err = totals_add(g, &g->sum->ended);
	for (size_t i = SLOT_FIRST; i < s->count; i++)
		if (s->workloads[i]->group == g)
			err |= totals_add(g, s->workloads[i]);
	return err;
}
