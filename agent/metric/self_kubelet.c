// SPDX-License-Identifier: Apache-2.0
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

/* "ok" from the start on: one that never answers is seen. */
int self_add_kubelet(struct point_group *g, uint64_t start_ns,
		     const struct kubelet_stats *k)
{
	int err = points_add_u(g, &self_kubelet_containers, NULL, start_ns,
			       k->counts.containers);

	if (!err)
		err = points_add_u(g, &self_kubelet_left_out, NULL, start_ns,
				   k->counts.left_out);
	for (int i = 0; i < KUBELET_RESULTS && !err; i++)
		if (k->results[i] || i == KUBELET_OK)
			err = points_add_u(g, &self_kubelet_requests,
					   kubelet_result_name(i), start_ns,
					   k->results[i]);
	return err;
}
