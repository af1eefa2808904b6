// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "cmd/kubelet_options.h"

bool kubelet_options(const struct options *o, const char *labels,
		     struct kubelet_opts *k)
{
	*k = (struct kubelet_opts){
		.url = o->kubelet,
		.token = o->kubelet_token,
		.ca = o->kubelet_ca,
		.server_name = o->kubelet_server_name,
		.insecure = o->kubelet_insecure,
		.keep = { labels, o->pod_annotations },
	};
	return strcmp(o->kubelet, "none") != 0;
}
