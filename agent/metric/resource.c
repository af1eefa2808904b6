// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/log.h"
#include "base/options.h"
#include "base/pairs.h"
#include "base/util.h"
#include "metric/resource_k8s.h"
#include "metric/resource_keys.h"

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

/*
 * The node's and the cluster's may be given here, too. OTEL_RESOURCE_ATTRIBUTES:
 * key=value,key=value, percent-encoded.
 */
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
		else if (!strcmp(key, "k8s.cluster.name"))
			r->cluster = value;
		else if (!strcmp(key, "k8s.node.name"))
			r->node = value;
		else if (resource_is_reserved(key))
			log_warnx("resource attribute %s is left out: assay sets it",
				  key);
		else
			err = add_extra(r, key, value);
	}
	return err;
}

static bool is_chosen(const struct chosen_key *keys, size_t count, const char *key,
		      size_t len)
{
	for (size_t i = 0; i < count; i++)
		if (strlen(keys[i].key) == len && !memcmp(keys[i].key, key, len))
			return true;
	return false;
}

/* KEY,KEY: each once, with the attribute that it becomes. */
static int choose(const char *text, const char *prefix, struct chosen_key **out,
		  size_t *count)
{
	struct chosen_key *keys;

	for (size_t len; text && *text; text += len + (text[len] == ',')) {
		len = strcspn(text, ",");
		if (is_chosen(*out, *count, text, len))
			continue;
		keys = reallocarray(*out, *count + 1, sizeof(*keys));
		if (!keys)
			return -ENOMEM;
		*out = keys;
		keys += *count;
		keys->key = strndup(text, len);
		if (asprintf(&keys->attr, "%s%.*s", prefix, (int)len, text) < 0)
			keys->attr = NULL;
		++*count;
		if (!keys->key || !keys->attr)
			return -ENOMEM;
	}
	return 0;
}

static int choose_all(struct resource *r, const struct options *o)
{
	int err = choose(o->pod_labels, KEY_POD_LABEL, &r->labels, &r->label_count);

	return err ? err
		   : choose(o->pod_annotations, KEY_POD_ANNOTATION, &r->annotations,
			    &r->annotation_count);
}

int resource_init(struct resource *r, const struct options *o, char *cause, size_t len)
{
	struct host_wish wish = { .root = o->host_root };
	int err;

	memset(r, 0, sizeof(*r));
	snprintf(r->self_name, sizeof(r->self_name), "%s",
		 o->service_name ? o->service_name : "assay");
	r->labels_as_service = o->labels_as_service;
	r->identity_source = o->identity_source;
	err = parse_extra(r, o->resource_attributes, &wish);
	if (!err)
		err = choose_all(r, o);
	if (err) {
		snprintf(cause, len, "resource attributes: %s", strerror(-err));
		return err;
	}
	if (o->cluster_name)
		r->cluster = o->cluster_name;
	if (o->node_name)
		r->node = o->node_name;
	if (o->host_id)
		wish.id = o->host_id;
	if (o->host_name)
		wish.name = o->host_name;
	return host_find(&wish, &r->host, cause, len);
}

static const char *node_of(const struct resource *r, const struct names *n)
{
	return n && n->node ? n->node : r->node;
}

static void add_common(const struct resource *r, const struct names *n,
		       struct point_group *g)
{
	points_attr(g, "k8s.cluster.name", r->cluster);
	points_attr(g, "k8s.node.name", node_of(r, n));
	points_attr(g, "host.name", r->host.name);
	points_attr(g, "host.id", r->host.id);
}

/* Several pods that are one. */
static bool is_of_pods(const struct workload *w)
{
	return w->id.kind == WORKLOAD_OWNER || w->id.kind == WORKLOAD_NAMESPACE;
}

/* NAME of the container that a user started by himself; of all others, the workload's.
 */
static void add_service(const struct resource *r, const struct workload *w,
			struct point_group *g)
{
	if (is_of_pods(w))
		k8s_group_attrs(r, w, g);
	else if (w->names && names_in_pod(w->names))
		k8s_attrs(r, w, g);
	else
		points_attr(g, "service.name", w->id.name);
}

static void add_source(const struct workload *w, struct point_group *g)
{
	if (w->names)
		points_attr(g, "assay.identity.source",
			    names_source_name(w->names->source));
	else if (w->path)
		points_attr(g, "assay.identity.source", "path");
}

static int take_instance(struct workload *w, char *instance)
{
	if (!instance)
		return -ENOMEM;
	free(w->instance);
	w->instance = instance;
	return 0;
}

static char *path_instance(const struct resource *r, const struct workload *w)
{
	char *instance;
	int len;

	if (w->path)
		len = asprintf(&instance, "%s:%s", r->host.id, w->path);
	else
		len = asprintf(&instance, "%s:%s%s", r->host.id,
			       workload_kind_name(w->id.kind), w->id.pod_uid);
	return len < 0 ? NULL : instance;
}

/* The node is in it: others have pods of the same owner or namespace. */
static char *pods_instance(const struct resource *r, const struct workload *w)
{
	const char *node = node_of(r, w->names);

	return k8s_group_instance(w, node ? node : r->host.id);
}

static bool is_path_instance(const struct resource *r, const char *instance)
{
	size_t len = strlen(r->host.id);

	return !strncmp(instance, r->host.id, len) && instance[len] == ':';
}

/* A pod may wish for an instance, but not for what only a path gives. */
static char *wished_instance(const struct resource *r, const struct workload *w)
{
	char *wish = k8s_instance(w, true);

	if (!wish || !is_path_instance(r, wish))
		return wish;
	free(wish);
	return k8s_instance(w, false);
}

int resource_instance(const struct resource *r, struct workload *w)
{
	if (w->instance)
		return 0;
	if (is_of_pods(w))
		return take_instance(w, pods_instance(r, w));
	if (w->names && names_in_pod(w->names))
		return take_instance(w, wished_instance(r, w));
	return take_instance(w, path_instance(r, w));
}

int resource_instance_again(const struct resource *r, struct workload *w)
{
	char *plain, *with_id = NULL;
	bool was_plain, was_with_id;

	if (is_path_instance(r, w->instance) || is_of_pods(w))
		return 1;
	plain = k8s_instance(w, false);
	if (!plain || asprintf(&with_id, "%s:%.12s", plain,
			       w->sum ? w->id.pod_uid : w->id.container_id) < 0) {
		free(plain);
		return -ENOMEM;
	}
	was_plain = !strcmp(w->instance, plain);
	was_with_id = !strcmp(w->instance, with_id);
	if (was_plain || was_with_id) {
		free(plain);
		plain = NULL;
	}
	if (!was_plain) {
		free(with_id);
		with_id = NULL;
	}
	if (was_with_id)
		return take_instance(w, path_instance(r, w));
	return take_instance(w, was_plain ? with_id : plain);
}

int resource_workload(const struct resource *r, struct workload *w, bool on_node,
		      struct point_group *g)
{
	const struct names *n = w->names;
	int err = resource_instance(r, w);

	if (err)
		return err;
	g->extra = r->extra;
	g->extra_count = r->extra_count;
	points_attr(g, "service.instance.id", w->instance);
	points_attr(g, "assay.workload.kind", workload_kind_name(w->id.kind));
	points_attr(g, "assay.workload.name", w->id.name);
	points_attr(g, "assay.unit.description", w->description);
	points_attr(g, "process.linux.cgroup", w->path);
	points_attr(g, "container.id", w->id.container_id);
	points_attr(g, "k8s.pod.uid", w->id.pod_uid);
	if (n) {
		points_attr(g, "container.image.name", n->image);
		points_attr_list(g, "container.image.tags", n->tag);
	}
	if (on_node || r->identity_source)
		add_source(w, g);
	add_common(r, n, g);
	add_service(r, w, g);
	g->overflow = w->id.kind == WORKLOAD_OVERFLOW;
	return g->incomplete ? -ENOMEM : 0;
}

void resource_self(const struct resource *r, struct point_group *g)
{
	points_attr(g, "service.name", r->self_name);
	points_attr(g, "service.instance.id", r->host.id);
	points_attr(g, "service.version", ASSAY_VERSION);
	add_common(r, NULL, g);
	g->extra = r->extra;
	g->extra_count = r->extra_count;
}

static void free_keys(struct chosen_key *keys, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		free(keys[i].key);
		free(keys[i].attr);
	}
	free(keys);
}

void resource_fini(struct resource *r)
{
	free_keys(r->labels, r->label_count);
	free_keys(r->annotations, r->annotation_count);
	free(r->extra);
	free(r->text);
	r->labels = r->annotations = NULL;
	r->label_count = r->annotation_count = 0;
	r->extra = NULL;
	r->text = NULL;
}
