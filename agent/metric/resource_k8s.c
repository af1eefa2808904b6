// SPDX-License-Identifier: Apache-2.0
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "metric/resource_k8s.h"
#include "metric/resource_keys.h"
#include "workload/owner.h"

/* What follows this in an annotation's key is the attribute that it sets. */
#define WISH "resource.opentelemetry.io/"

/* Who may own a pod, and the attribute with its name. */
static const struct {
	const char *kind, *attr;
} owners[] = {
	{ "ReplicaSet", "k8s.replicaset.name" },
	{ "StatefulSet", "k8s.statefulset.name" },
	{ "DaemonSet", "k8s.daemonset.name" },
	{ "Job", "k8s.job.name" },
};

static const char *owner_attr(const struct names *n)
{
	for (size_t i = 0; n->owner && n->owner_kind && i < COUNT(owners); i++)
		if (!strcmp(owners[i].kind, n->owner_kind))
			return owners[i].attr;
	return NULL;
}

/* NAME of a CronJob that owns the pod's Job; NULL: none does. */
static const char *cronjob(const struct names *n, struct point_group *g)
{
	size_t len = owner_cronjob_len(n);

	return len ? points_text(g, "%.*s", (int)len, n->owner) : NULL;
}

static const char *first_label(const struct names *n, const char *first,
			       const char *second)
{
	const char *value = names_label(n, first);

	if ((!value || !*value) && second)
		value = names_label(n, second);
	return value && *value ? value : NULL;
}

/* What an annotation wishes; NULL: nothing. */
static const char *wish(const struct names *n, const char *key)
{
	const char *value = names_annotation(n, key);

	return value && *value ? value : NULL;
}

/* What somebody wants the service to be called; NULL: nobody does. */
static const char *asked_name(const struct resource *r, const struct names *n)
{
	const char *name = wish(n, WISH "service.name");

	if (!name && r->labels_as_service)
		name = first_label(n, "app.kubernetes.io/instance",
				   "app.kubernetes.io/name");
	return name;
}

static const char *service_name(const struct resource *r, const struct names *n,
				const char *cronjob)
{
	const char *name = asked_name(r, n);

	if (!name)
		name = n->deployment;
	if (!name)
		name = cronjob;
	if (!name && owner_attr(n))
		name = n->owner;
	return name ? name : n->pod; /* a pod has a name */
}

static const char *service_version(const struct resource *r, const struct names *n,
				   struct point_group *g)
{
	const char *version = wish(n, WISH "service.version");

	if (!version && r->labels_as_service)
		version = first_label(n, "app.kubernetes.io/version", NULL);
	if (version)
		return version;
	if (n->tag && n->digest)
		return points_text(g, "%s@%s", n->tag, n->digest);
	return n->digest ? n->digest : n->tag;
}

/*
 * The part of a nested cgroup's path that the container made: what is behind the
 * component with its id. "" of the container's own.
 */
static const char *nested_part(const struct workload *w)
{
	const char *id =
	    w->id.pod_container[0] ? w->id.pod_container : w->id.container_id;
	bool own = w->id.role == ROLE_OWN &&
		   (!w->id.pod_container[0] ||
		    !strcmp(w->id.pod_container, w->id.container_id));
	const char *at = w->path && *id && !own ? strstr(w->path, id) : NULL;

	at = at ? strchr(at, '/') : NULL;
	return at ? at : "";
}

char *k8s_instance(const struct workload *w, bool annotated)
{
	const struct names *n = w->names;
	const char *nested = nested_part(w);
	const char *instance = annotated ? wish(n, WISH "service.instance.id") : NULL;
	bool whole = n->sandbox || !n->container || w->id.role == ROLE_POD;
	char *text;
	int len;

	if (instance)
		len = asprintf(&text, "%s%s", instance, nested);
	else
		len = asprintf(&text, "%s.%s%s%s%s", n->namespace, n->pod,
			       whole ? "" : ".", whole ? "" : n->container, nested);
	return len < 0 ? NULL : text;
}

static void add_owner(const struct names *n, const char *cronjob, struct point_group *g)
{
	const char *attr = owner_attr(n);

	points_attr(g, "k8s.deployment.name", n->deployment);
	points_attr(g, "k8s.cronjob.name", cronjob);
	if (attr)
		points_attr(g, attr, n->owner);
}

char *k8s_group_instance(const struct workload *w, const char *node)
{
	const char *of = w->id.name; /* NAMESPACE/KIND/NAME */
	char *text;
	int len;

	if (w->id.kind == WORKLOAD_OWNER)
		len = asprintf(&text, "%s:%s", of, node);
	else
		len = asprintf(&text, "%s:%s", w->names->namespace, node);
	if (len < 0)
		return NULL;
	for (char *c = text; w->id.kind == WORKLOAD_OWNER && *c != ':'; c++)
		*c = *c == '/' ? '.' : *c;
	return text;
}

static void add_group_owner(const struct resource *r, const struct names *n,
			    struct point_group *g)
{
	const char *attr = owner_attr(n), *service = asked_name(r, n), *name;
	struct owner owner;

	if (!owner_find(n, &owner))
		return; /* it is a group of owners: there is one */
	name = points_text(g, "%.*s", (int)owner.len, owner.name);
	if (n->deployment)
		attr = "k8s.deployment.name";
	else if (owner_cronjob_len(n))
		attr = "k8s.cronjob.name";
	points_attr(g, "service.name", service ? service : name);
	if (attr)
		points_attr(g, attr, name);
}

void k8s_group_attrs(const struct resource *r, const struct workload *w,
		     struct point_group *g)
{
	const struct names *n = w->names;
	const char *namespace = NULL;

	if (w->id.kind == WORKLOAD_OWNER) {
		add_group_owner(r, n, g);
		namespace = wish(n, WISH "service.namespace");
	} else {
		points_attr(g, "service.name", n->namespace);
	}
	points_attr(g, "service.namespace", namespace ? namespace : n->namespace);
	points_attr(g, "k8s.namespace.name", n->namespace);
}

static void add_chosen(const struct chosen_key *keys, size_t count,
		       const struct names *n,
		       const char *(*value)(const struct names *n, const char *key),
		       struct point_group *g)
{
	for (size_t i = 0; i < count; i++)
		points_attr(g, keys[i].attr, value(n, keys[i].key));
}

/*
 * What annotations wish besides: but no attribute that assay sets itself, on any
 * resource, and none that the agent's user has given.
 */
static void add_wishes(const struct names *n, struct point_group *g)
{
	for (size_t i = 0; i < n->annotation_count; i++) {
		const char *key = n->annotations[i].key;

		if (strncmp(key, WISH, strlen(WISH)))
			continue;
		key += strlen(WISH);
		if (*key && !resource_is_reserved(key) && !points_has_attr(g, key))
			points_attr(g, key, n->annotations[i].value);
	}
}

void k8s_attrs(const struct resource *r, const struct workload *w,
	       struct point_group *g)
{
	const struct names *n = w->names;
	const char *cron = cronjob(n, g),
		   *namespace = wish(n, WISH "service.namespace");

	points_attr(g, "service.name", service_name(r, n, cron));
	points_attr(g, "service.namespace", namespace ? namespace : n->namespace);
	points_attr(g, "service.version", service_version(r, n, g));
	points_attr(g, "k8s.namespace.name", n->namespace);
	points_attr(g, "k8s.pod.name", n->pod);
	if (!n->sandbox && w->id.role != ROLE_POD) {
		points_attr(g, "k8s.container.name", n->container);
		if (n->restarts >= 0)
			points_attr_number(g, "k8s.container.restart_count",
					   n->restarts);
	}
	add_owner(n, cron, g);
	add_chosen(r->labels, r->label_count, n, names_label, g);
	add_chosen(r->annotations, r->annotation_count, n, names_annotation, g);
	add_wishes(n, g);
}
