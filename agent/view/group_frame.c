// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "view/group_frame.h"
#include "view/report.h"
#include "workload/identity.h"

#define GROUP_ATTRS 8

struct group {
	struct frame_attrs attrs;
	const char *uid; /* a pod that was made anew is another one */
	bool unlimited;	 /* one of its members has no memory limit */
};

/* A workload of the frame. */
struct member {
	const struct frame_attrs *resource;
	const char *cgroup;
	struct group *group; /* NULL: it stays as it is */
};

struct grouped {
	struct frame *f;
	struct member *members;
	struct group **groups;
	size_t count, group_count;
};

static const char *attr_or_empty(const struct frame_attrs *a, const char *key)
{
	const char *value = frame_attr(a, key);

	return value ? value : "";
}

/* The name of a group, as exports have it. NULL: no memory. */
static const char *name_of(struct arena *a, enum workload_kind kind,
			   const struct frame_attrs *r)
{
	const char *namespace = attr_or_empty(r, "k8s.namespace.name"), *owner_kind;
	const char *owner = report_owner(r, &owner_kind);
	const char *pod = attr_or_empty(r, "k8s.pod.name");
	size_t size =
	    strlen(namespace) + strlen(pod) + (owner ? strlen(owner) : 0) + 32;
	char *name = arena_get(a, size);

	if (!name)
		return NULL;
	if (kind == WORKLOAD_NAMESPACE)
		snprintf(name, size, "%s/%s", workload_kind_name(kind), namespace);
	else if (kind == WORKLOAD_OWNER)
		snprintf(name, size, "%s/%s/%s", namespace, owner_kind, owner);
	else
		snprintf(name, size, "%s/%s", namespace, pod);
	return name;
}

/* What the member is a part of; WORKLOAD_CONTAINER: of nothing. */
static enum workload_kind kind_of(enum group_by by, const struct frame_attrs *r)
{
	const char *owner_kind;

	if (!*attr_or_empty(r, "k8s.namespace.name") ||
	    !*attr_or_empty(r, "k8s.pod.name") || by == GROUP_CONTAINER)
		return WORKLOAD_CONTAINER;
	if (by == GROUP_NAMESPACE)
		return WORKLOAD_NAMESPACE;
	if (by == GROUP_OWNER && report_owner(r, &owner_kind))
		return WORKLOAD_OWNER;
	return WORKLOAD_POD;
}

static int compare_attrs(const void *a, const void *b)
{
	return strcmp(((const struct attr *)a)->key, ((const struct attr *)b)->key);
}

/* What all members have in common. */
static int fill_group(struct arena *a, struct group *g, enum workload_kind kind,
		      const char *name, const struct frame_attrs *r)
{
	static const char *const keys[] = {
		"host.name",	    "k8s.namespace.name",   "k8s.deployment.name",
		"k8s.cronjob.name", "k8s.statefulset.name", "k8s.daemonset.name",
		"k8s.pod.name"
	};
	struct attr *list = arena_get(a, (COUNT(keys) + 2) * sizeof(*list));
	size_t last = kind == WORKLOAD_POD     ? COUNT(keys)
		      : kind == WORKLOAD_OWNER ? COUNT(keys) - 1
					       : 2;

	if (!list)
		return -ENOMEM;
	g->attrs.list = list;
	list[g->attrs.count++] = (struct attr){ .key = "assay.workload.kind",
						.value = workload_kind_name(kind) };
	list[g->attrs.count++] =
	    (struct attr){ .key = "assay.workload.name", .value = name };
	for (size_t i = 0; i < last; i++)
		if (frame_attr(r, keys[i]))
			list[g->attrs.count++] =
			    (struct attr){ .key = keys[i],
					   .value = frame_attr(r, keys[i]) };
	qsort(list, g->attrs.count, sizeof(*list), compare_attrs);
	g->uid = kind == WORKLOAD_POD ? attr_or_empty(r, "k8s.pod.uid") : "";
	return 0;
}

/* The group of a workload, a new one if it is the first. */
static int find_group(struct grouped *all, enum group_by by, struct member *m)
{
	enum workload_kind kind = kind_of(by, m->resource);
	struct group *g;
	const char *name;

	if (kind == WORKLOAD_CONTAINER)
		return 0;
	name = name_of(&all->f->arena, kind, m->resource);
	if (!name)
		return -ENOMEM;
	for (size_t i = 0; i < all->group_count; i++) {
		g = all->groups[i];
		if (!strcmp(frame_name(&g->attrs), name) &&
		    !strcmp(frame_kind(&g->attrs), workload_kind_name(kind)) &&
		    (kind != WORKLOAD_POD ||
		     !strcmp(g->uid, attr_or_empty(m->resource, "k8s.pod.uid")))) {
			m->group = g;
			return 0;
		}
	}
	g = arena_get(&all->f->arena, sizeof(*g));
	if (!g || fill_group(&all->f->arena, g, kind, name, m->resource))
		return -ENOMEM;
	all->groups[all->group_count++] = g;
	m->group = g;
	return 0;
}

/* Files of a cgroup speak for all below it: is it below another of the group? */
static bool is_in_another(const struct grouped *all, const struct member *m)
{
	for (size_t i = 0; i < all->count; i++) {
		const struct member *o = &all->members[i];
		size_t len = strlen(o->cgroup);

		if (o != m && o->group == m->group && len &&
		    !strncmp(m->cgroup, o->cgroup, len) && m->cgroup[len] == '/')
			return true;
	}
	return false;
}

/* Gives a culprit that is in a group the group's name. */
static int rename_culprit(struct grouped *all, struct frame_series *s)
{
	const char *who = frame_attr(&s->attrs, "assay.sched.culprit");

	for (size_t i = 0; who && *who == '/' && i < all->count; i++) {
		const struct member *m = &all->members[i];
		struct attr *list;

		if (!m->group || strcmp(m->cgroup, who))
			continue;
		list = arena_get(&all->f->arena, s->attrs.count * sizeof(*list));
		if (!list)
			return -ENOMEM;
		memcpy(list, s->attrs.list, s->attrs.count * sizeof(*list));
		for (size_t k = 0; k < s->attrs.count; k++)
			if (!strcmp(list[k].key, "assay.sched.culprit"))
				list[k].value = frame_name(&m->group->attrs);
		s->attrs.list = list;
		return 0;
	}
	return 0;
}

/* Finds the group of each workload, and whether its members have memory limits. */
static int find_groups(struct grouped *all, enum group_by by)
{
	struct frame *f = all->f;
	size_t end;

	for (size_t i = 0; i < f->count; i = end) {
		struct member *m = &all->members[all->count];
		bool usage = false, limit = false;

		end = report_group_end(f, i);
		m->resource = f->series[i].resource;
		m->cgroup = frame_cgroup(m->resource);
		if (report_is_workload(m->resource) && find_group(all, by, m))
			return -ENOMEM;
		for (size_t k = i; k < end; k++) {
			usage |=
			    !strcmp(f->series[k].name, "assay.cgroup.memory.usage");
			limit |=
			    !strcmp(f->series[k].name, "assay.cgroup.memory.limit");
		}
		if (m->group && usage && !limit)
			m->group->unlimited = true;
		all->count++;
	}
	return 0;
}

/* Gives each series its group's resource; leaves out what would count twice. */
static int move_series(struct grouped *all)
{
	struct frame *f = all->f;
	size_t kept = 0, i = 0;

	for (size_t n = 0; n < all->count; n++) {
		const struct member *m = &all->members[n];
		bool nested = m->group && is_in_another(all, m);

		for (; i < f->count && f->series[i].resource == m->resource; i++) {
			struct frame_series *s = &f->series[i];

			if (rename_culprit(all, s))
				return -ENOMEM;
			if (nested && report_is_usage(s->name))
				continue;
			if (m->group && m->group->unlimited &&
			    !strcmp(s->name, "assay.cgroup.memory.limit"))
				continue;
			f->series[kept++] = *s;
			if (m->group)
				f->series[kept - 1].resource = &m->group->attrs;
		}
	}
	f->count = kept;
	return 0;
}

/* By resource, then as series of one resource are sorted; groups by their address. */
static int compare_series(const void *a, const void *b)
{
	const struct frame_series *x = a, *y = b;
	int order;

	if (x->resource != y->resource) {
		order = strcmp(frame_name(x->resource), frame_name(y->resource));
		return order ? order : x->resource < y->resource ? -1 : 1;
	}
	order = strcmp(x->name, y->name);
	for (size_t i = 0; !order && i < x->attrs.count && i < y->attrs.count; i++) {
		order = strcmp(x->attrs.list[i].key, y->attrs.list[i].key);
		if (!order)
			order = strcmp(x->attrs.list[i].value, y->attrs.list[i].value);
	}
	if (!order && x->attrs.count != y->attrs.count)
		order = x->attrs.count < y->attrs.count ? -1 : 1;
	return order ? order : (int)x->kind - (int)y->kind;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

/* Two series of a group with the same key. */
static void add_to(struct frame_series *into, const struct frame_series *s)
{
	bool largest =
	    s->kind == METRIC_GAUGE || !strncmp(s->name, "assay.pressure.", 15);

	if (into->real != s->real)
		return;
	frame_series_add(into, s);
	if (s->kind == METRIC_HISTOGRAM)
		return;
	if (s->real) {
		into->d = largest ? larger(into->d, s->d) : into->d + s->d;
	} else if (largest) {
		into->i = s->i > into->i ? s->i : into->i;
	} else {
		into->i = (int64_t)((uint64_t)into->i + (uint64_t)s->i);
	}
}

static void add_up(struct frame *f)
{
	size_t kept = 0;

	if (!f->count)
		return;
	qsort(f->series, f->count, sizeof(*f->series), compare_series);
	for (size_t i = 1; i < f->count; i++) {
		if (!compare_series(&f->series[kept], &f->series[i]))
			add_to(&f->series[kept], &f->series[i]);
		else
			f->series[++kept] = f->series[i];
	}
	f->count = kept + 1;
}

int group_frame(struct frame *f, enum group_by by)
{
	struct grouped all = { .f = f };
	int err = 0;

	if (by == GROUP_CONTAINER)
		return 0;
	all.members = calloc(f->count + 1, sizeof(*all.members));
	all.groups = calloc(f->count + 1, sizeof(*all.groups));
	if (!all.members || !all.groups || find_groups(&all, by) || move_series(&all))
		err = -ENOMEM;
	else
		add_up(f);
	free(all.members);
	free(all.groups);
	return err;
}
