// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "base/pairs.h"
#include "base/util.h"
#include "metric/resource.h"

/* What a resource says by itself: who it is must not depend on what a user writes. */
static const char *const reserved[] = {
	"service.name",	       "service.instance.id",  "service.version",
	"assay.workload.kind", "assay.workload.name",  "process.linux.cgroup",
	"container.id",	       "container.image.name", "service.namespace",
	"k8s.namespace.name",  "k8s.pod.name",	       "k8s.pod.uid",
	"k8s.container.name",
};

static bool is_reserved(const char *key)
{
	for (size_t i = 0; i < COUNT(reserved); i++)
		if (!strcmp(reserved[i], key))
			return true;
	return false;
}

static int add_extra(struct resource *r, const char *key, const char *value)
{
	struct attr *list;

	for (size_t i = 0; i < r->extra_count; i++) {
		if (strcmp(r->extra[i].key, key))
			continue;
		log_warnx("resource attribute %s is given twice: the last one counts",
			  key);
		r->extra[i].value = value;
		return 0;
	}
	list = reallocarray(r->extra, r->extra_count + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	r->extra = list;
	list[r->extra_count++] = (struct attr){ key, value };
	return 0;
}

/* The node's may be given here, too. OTEL_RESOURCE_ATTRIBUTES: key=value,key=value,
 * percent-encoded. */
static int parse_extra(struct resource *r, const char *text, struct host_wish *wish)
{
	char *rest, *key, *value;
	int n, err = 0;

	if (!text)
		return 0;
	rest = r->text = strdup(text);
	if (!r->text)
		return -ENOMEM;
	while (!err && (n = pairs_next(&rest, &key, &value))) {
		if (n < 0 || !pairs_usable(PAIRS_ATTRIBUTES, key, value))
			err = -EINVAL; /* options_args and options_env say more */
		else if (!strcmp(key, "host.id"))
			wish->id = value;
		else if (!strcmp(key, "host.name"))
			wish->name = value;
		else if (is_reserved(key))
			log_warnx("resource attribute %s is left out: assay sets it",
				  key);
		else
			err = add_extra(r, key, value);
	}
	return err;
}

int resource_init(struct resource *r, const struct options *o, char *cause, size_t len)
{
	struct host_wish wish = { .root = o->host_root };
	int err;

	memset(r, 0, sizeof(*r));
	snprintf(r->self_name, sizeof(r->self_name), "%s",
		 o->service_name ? o->service_name : "assay");
	err = parse_extra(r, o->resource_attributes, &wish);
	if (err) {
		snprintf(cause, len, "resource attributes: %s", strerror(-err));
		return err;
	}
	if (o->host_id)
		wish.id = o->host_id;
	if (o->host_name)
		wish.name = o->host_name;
	return host_find(&wish, &r->host, cause, len);
}

static void add_common(const struct resource *r, struct point_group *g)
{
	points_attr(g, "host.name", r->host.name);
	points_attr(g, "host.id", r->host.id);
	g->extra = r->extra;
	g->extra_count = r->extra_count;
}

/* What files of the node say of a container. */
static void add_names(struct point_group *g, const struct names *n)
{
	points_attr(g, "container.image.name", n->image);
	if (!names_in_pod(n))
		return;
	points_attr(g, "service.namespace", n->namespace);
	points_attr(g, "k8s.namespace.name", n->namespace);
	points_attr(g, "k8s.pod.name", n->pod);
	points_attr(g, "k8s.container.name", n->sandbox ? NULL : n->container);
}

/*
 * The name of a service by the rule for Kubernetes, of which only the last steps can be
 * taken from files: the pod's name, else the container's
 * (opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes).
 */
static const char *service_name(const struct workload *w)
{
	return w->names && names_in_pod(w->names) ? w->names->pod : w->id.name;
}

int resource_workload(const struct resource *r, struct workload *w,
		      struct point_group *g)
{
	const char *kind = workload_kind_name(w->id.kind);

	if (!w->instance &&
	    asprintf(&w->instance, "%s:%s", r->host.id, w->path ? w->path : kind) < 0) {
		w->instance = NULL;
		return -ENOMEM;
	}
	points_attr(g, "service.name", service_name(w));
	points_attr(g, "service.instance.id", w->instance);
	points_attr(g, "assay.workload.kind", kind);
	points_attr(g, "assay.workload.name", w->id.name);
	points_attr(g, "process.linux.cgroup", w->path);
	points_attr(g, "container.id", w->id.container_id);
	points_attr(g, "k8s.pod.uid", w->id.pod_uid);
	if (w->names)
		add_names(g, w->names);
	add_common(r, g);
	g->overflow = w->id.kind == WORKLOAD_OVERFLOW;
	return 0;
}

void resource_self(const struct resource *r, struct point_group *g)
{
	points_attr(g, "service.name", r->self_name);
	points_attr(g, "service.instance.id", r->host.id);
	points_attr(g, "service.version", ASSAY_VERSION);
	add_common(r, g);
}

void resource_fini(struct resource *r)
{
	free(r->extra);
	free(r->text);
	r->extra = NULL;
	r->text = NULL;
}
