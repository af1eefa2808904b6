/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources: who a point is about. Of two workloads that are there at one time no two
 * have the same service.instance.id, because receivers make job and instance of a
 * resource and may forget the rest; it stays over restarts of the agent.
 */
#ifndef RESOURCE_H
#define RESOURCE_H

#include "metric/metric.h"
#include "reading/snapshot.h"
#include "workload/host.h"

struct options;

/* A label or annotation that a user asked for: its key, and what it is exported as. */
struct chosen_key {
	char *key, *attr;
};

struct resource {
	struct host host;
	char self_name[128]; /* the agent's own service.name */
	char *text;	     /* of OTEL_RESOURCE_ATTRIBUTES, decoded in place */
	struct attr *extra;  /* the user's, on every resource */
	size_t extra_count;
	const char *cluster, *node; /* borrowed; NULL: not known */
	bool labels_as_service, identity_source;
	struct chosen_key *labels, *annotations;
	size_t label_count, annotation_count;
};

/*
 * Reads host name, host id and the user's attributes. Of these, one that assay sets
 * itself is left out, and one given twice replaced: a line in the log names it. The
 * options are borrowed. -errno.
 */
int resource_init(struct resource *r, const struct options *o, char *cause, size_t len);
/*
 * Makes w->instance, if it has none: by the workload's names, else of the node's id and
 * its path. -ENOMEM.
 */
int resource_instance(const struct resource *r, struct workload *w);
/*
 * Another workload of a pod has this instance: makes w->instance the next best, which
 * is without the annotation's wish, then with the container's id behind, then of the
 * path, which nobody else has. 1: it was that already; -ENOMEM.
 */
int resource_instance_again(const struct resource *r, struct workload *w);
/*
 * Attributes of a workload's group. Where its names are from is in what stays on the
 * node (on_node): answers to who asks there, and the history; in exports only if the
 * options say so. -ENOMEM.
 */
int resource_workload(const struct resource *r, struct workload *w, bool on_node,
		      struct point_group *g);
/* Attributes of the agent's own group. */
void resource_self(const struct resource *r, struct point_group *g);
void resource_fini(struct resource *r);

#endif
