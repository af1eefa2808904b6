/* SPDX-License-Identifier: Apache-2.0 */
/* What the files kubelet*.c share: one request. */
#ifndef KUBELET_IMPL_H
#define KUBELET_IMPL_H

#include <curl/curl.h>
#include "workload/kubelet.h"

#define KUBELET_TEXT 512 /* what came of a request, for people */

/* Where to ask, as libcurl wants it. */
struct kubelet_target {
	char *url;
	struct curl_slist *connect_to; /* the URL's host, when it has a server name */
	bool tls;
};

/* -EINVAL: the URL is none; -ENOMEM. End it with kubelet_target_fini() in any case. */
int kubelet_target_init(struct kubelet_target *t, const struct kubelet_opts *o);
void kubelet_target_fini(struct kubelet_target *t);

/*
 * Asks once. Waits in the multi handle, so that curl_multi_wakeup() makes it look at
 * *stop: true ends it with KUBELET_FAILED. KUBELET_OK: *out is the caller's. Else text
 * says in one line what went wrong, and what to do.
 */
enum kubelet_result kubelet_ask(CURLM *multi, const struct kubelet_target *t,
				const struct kubelet_opts *o, const bool *stop,
				struct pods **out, char *text, size_t len);

#endif
