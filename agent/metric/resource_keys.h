/* SPDX-License-Identifier: Apache-2.0 */
/* Keys of a resource's attributes that nobody but assay may set. */
#ifndef RESOURCE_KEYS_H
#define RESOURCE_KEYS_H

#include <stdbool.h>

/* What stands before the key of a pod's label, and of an annotation. */
#define KEY_POD_LABEL	   "k8s.pod.label."
#define KEY_POD_ANNOTATION "k8s.pod.annotation."

/* Is it one of those that assay sets itself, of any resource? */
bool resource_is_reserved(const char *key);

#endif
