// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include "metric/self_kubelet.h"
#include "workload/kubelet.h"

const struct metric self_kubelet_requests = {
	"assay.kubelet.requests",
	"{request}",
	"Requests to the kubelet for its pods, by what came of them.",
	METRIC_SUM,
	.attrs = { "assay.result" },
};
const struct metric self_kubelet_containers = {
	"assay.kubelet.containers",
	"{container}",
	"Containers in the kubelet's latest answer.",
	METRIC_UPDOWN,
};
const struct metric self_kubelet_left_out = {
	"assay.kubelet.left_out",
	"{item}",
	"Pods, containers, labels and annotations of that answer that were left out.",
	METRIC_UPDOWN,
};

static int add(struct point_group *g, const struct metric *m, uint64_t start_ns,
	       const char *result, uint64_t value)
{
	struct point *p = points_add(g, m);

	if (!p)
		return -ENOMEM;
	p->values[0] = result;
	p->start_ns = start_ns;
	p->u = value;
	return 0;
}

/* "ok" from the start on: one that never answers is seen. */
int self_add_kubelet(struct point_group *g, uint64_t start_ns,
		     const struct kubelet_stats *k)
{
	int err =
	    add(g, &self_kubelet_containers, start_ns, NULL, k->counts.containers);

	if (!err)
		err =
		    add(g, &self_kubelet_left_out, start_ns, NULL, k->counts.left_out);
	for (int i = 0; i < KUBELET_RESULTS && !err; i++)
		if (k->results[i] || i == KUBELET_OK)
			err = add(g, &self_kubelet_requests, start_ns,
				  kubelet_result_name(i), k->results[i]);
	return err;
}
