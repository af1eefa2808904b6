/* SPDX-License-Identifier: Apache-2.0 */
/* How many pods the node may have, by its kubelet's configuration. */
#ifndef MAX_PODS_H
#define MAX_PODS_H

#include <stdint.h>

#define MAX_PODS_FILE	 "/var/lib/kubelet/config.yaml"
#define MAX_PODS_DEFAULT 110 /* the kubelet's, when its file does not say */

/* The value of maxPods in a KubeletConfiguration (YAML, or JSON with a line for each
 * key), or the kubelet's default. */
uint32_t max_pods_parse(const char *text);
/* The same of the file below root. 0: there is none, so no kubelet that we know of. */
uint32_t max_pods_find(const char *root);

#endif
