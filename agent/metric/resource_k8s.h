/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What OpenTelemetry says a container of Kubernetes is called
 * (opentelemetry.io/docs/specs/semconv/non-normative/k8s-attributes).
 */
#ifndef RESOURCE_K8S_H
#define RESOURCE_K8S_H

#include "metric/resource.h"

/*
 * The instance: the annotation's, if that counts, else NAMESPACE.POD.CONTAINER; of the
 * pod itself, NAMESPACE.POD. Of what a container made below its own cgroup, with the
 * path from there behind it. The names are those of a pod's container. Owned by the
 * caller; NULL: no memory.
 */
char *k8s_instance(const struct workload *w, bool annotated);
/* Of all pods of an owner or a namespace: with the node behind it. As above. */
char *k8s_group_instance(const struct workload *w, const char *node);
/*
 * What the pods of an owner or a namespace have in common. Names and wishes for the
 * service are those of the first that exports had.
 */
void k8s_group_attrs(const struct resource *r, const struct workload *w,
		     struct point_group *g);
/* All that is Kubernetes' of a resource, the service's name, namespace and version. */
void k8s_attrs(const struct resource *r, const struct workload *w,
	       struct point_group *g);

#endif
