// SPDX-License-Identifier: Apache-2.0
#include "cmd/doctor_impl.h"
#include "cmd/kubelet_options.h"

/* No failure: names from the node's files are there without it. */
int doctor_check_kubelet(const struct options *o)
{
	struct kubelet_opts opts;
	char text[512];

	if (!kubelet_options(o, o->pod_labels, &opts))
		return doctor_say(OK, "kubelet",
				  "not asked: names are what files of the node say "
				  "(see --kubelet)");
	if (kubelet_try(&opts, text, sizeof(text)))
		return doctor_say(WARN, "kubelet", "%s: %s", opts.url, text);
	if (opts.insecure)
		return doctor_say(WARN, "kubelet",
				  "%s answers: %s; its certificate was not looked at "
				  "(--kubelet-insecure)",
				  opts.url, text);
	return doctor_say(OK, "kubelet", "%s answers: %s", opts.url, text);
}
