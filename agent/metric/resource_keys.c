// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "base/util.h"
#include "metric/resource_keys.h"

/* What a resource says by itself: who it is must not depend on what a user writes. */
static const char *const reserved[] = {
	"service.name",
	"service.instance.id",
	"service.version",
	"service.namespace",
	"assay.workload.kind",
	"assay.workload.name",
	"assay.unit.description",
	"assay.identity.source",
	"process.linux.cgroup",
	"container.id",
	"container.image.name",
	"container.image.tags",
	"host.id",
	"host.name",
	"k8s.cluster.name",
	"k8s.node.name",
	"k8s.namespace.name",
	"k8s.pod.name",
	"k8s.pod.uid",
	"k8s.container.name",
	"k8s.container.restart_count",
	"k8s.deployment.name",
	"k8s.replicaset.name",
	"k8s.statefulset.name",
	"k8s.daemonset.name",
	"k8s.job.name",
	"k8s.cronjob.name",
};

bool resource_is_reserved(const char *key)
{
	for (size_t i = 0; i < COUNT(reserved); i++)
		if (!strcmp(reserved[i], key))
			return true;
	return !strncmp(key, KEY_POD_LABEL, strlen(KEY_POD_LABEL)) ||
	       !strncmp(key, KEY_POD_ANNOTATION, strlen(KEY_POD_ANNOTATION));
}
