/* SPDX-License-Identifier: Apache-2.0 */
/* Who made a pod, by the names that the kubelet has told. */
#ifndef OWNER_H
#define OWNER_H

#include <stdbool.h>
#include <stddef.h>
#include "workload/names.h"

/*
 * The deployment of its ReplicaSet, the CronJob of its Job, else who controls it. name
 * is not terminated, and lives as long as the names.
 */
struct owner {
	const char *kind; /* "Deployment", "CronJob", "StatefulSet", ... */
	const char *name;
	size_t len;
};

/* False: nobody did, or it is not known. A static pod's node is no owner. */
bool owner_find(const struct names *n, struct owner *out);
/*
 * The length of the name of the CronJob that made a pod's Job; 0: none did, as far as
 * is known.
 */
size_t owner_cronjob_len(const struct names *n);

#endif
