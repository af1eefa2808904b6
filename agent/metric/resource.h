/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Resources: who a point is about. Always unique on a node by service.name and
 * service.instance.id, because receivers make job and instance of them, and stable
 * over restarts of the agent.
 */
#ifndef RESOURCE_H
#define RESOURCE_H

#include "metric/metric.h"
#include "reading/snapshot.h"
#include "workload/host.h"

struct options;

struct resource {
	struct host host;
	char self_name[128]; /* the agent's own service.name */
	char *text;	     /* of OTEL_RESOURCE_ATTRIBUTES, decoded in place */
	struct attr *extra;  /* the user's, on every resource */
	size_t extra_count;
};

/*
 * Reads host name, host id and the user's attributes. Of these, one that assay sets
 * itself is left out, and one given twice replaced: a line in the log names it. -errno.
 */
int resource_init(struct resource *r, const struct options *o, char *cause, size_t len);
/* Attributes of a workload's group. -ENOMEM. */
int resource_workload(const struct resource *r, struct workload *w,
		      struct point_group *g);
/* Attributes of the agent's own group. */
void resource_self(const struct resource *r, struct point_group *g);
void resource_fini(struct resource *r);

#endif
