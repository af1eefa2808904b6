/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the kubelet's answer to /pods says of the pods of its node, by container id and
 * by the uid of the pod: a list of v1.Pod as JSON. It is read while it comes, one pod
 * after the other, so no more of it than one pod is held, whatever its size.
 */
#ifndef PODS_H
#define PODS_H

#include <stddef.h>
#include <stdint.h>
#include "workload/names.h"

#define PODS_ANSWER_MAX (32ULL << 20) /* bytes; 250 pods have 1 to 5 MiB */
#define PODS_POD_MAX	(1U << 20)    /* bytes of one; 3 KiB are usual */
#define PODS_JSON_MAX	(8U << 20)    /* bytes of memory for that, as it is read */
#define PODS_TABLE_MAX	(4U << 20)    /* bytes of memory for all that is kept */
#define PODS_MAX	2048	      /* a kubelet's default limit is 110 */
#define PODS_CONTAINERS 16384
#define PODS_KEY_MAX	317 /* of a label: a prefix of 253, "/", a name of 63 */

struct pods;

/*
 * Keys with commas between of labels and annotations that are kept besides those that
 * identity needs: labels app.kubernetes.io/name, instance and version, annotations
 * resource.opentelemetry.io/ANY. NULL: none. Borrowed.
 */
struct pods_keep {
	const char *labels, *annotations;
};

/* How much an answer said. */
struct pods_counts {
	size_t pods, containers;
	/* pods, containers, labels and annotations that the table has no room for, or
	 * that are not as Kubernetes has them */
	size_t left_out;
	size_t kept; /* of the pods, as the answer before had them */
};

/*
 * Once in a process, before any thread reads an answer: bounds the memory that reading
 * a pod takes. (jansson's allocator, for all threads.)
 */
void pods_prepare(void);
/* For one answer. -ENOMEM. */
int pods_new(const struct pods_keep *keep, struct pods **out);
/*
 * Before any byte of it: a pod whose JSON is as it was in the answer before is taken
 * from there, which takes a tenth of reading it. That answer has to be whole, and to
 * stay until this one is; both keep the same.
 */
void pods_follow(struct pods *p, const struct pods *before);
/*
 * The next bytes of it. -EBADMSG: this is no list of pods; -EFBIG: it is larger than
 * PODS_ANSWER_MAX; -ENOMEM. Then only pods_free() is left.
 */
int pods_feed(struct pods *p, const char *data, size_t len);
/* All of it has come. -EBADMSG: it is not whole; -ENOMEM. Before this nothing may
 * be asked. */
int pods_end(struct pods *p);
/*
 * The names of a container; of one that is not in its pod's statuses (a sandbox, one
 * that was just made) those of the pod with this uid, without a container. Ids may be
 * empty. -ENOENT: nothing is known; -ENOMEM. The caller ends *out with names_free().
 */
int pods_find(const struct pods *p, const char *container, const char *uid,
	      struct names **out);
/* How well a container is known, that is in the pod with this uid. */
enum pods_known {
	PODS_NOTHING,
	PODS_POD,   /* its pod is */
	PODS_WHOLE, /* the same, and there is an id of each container of that: it is
		       none */
	PODS_CONTAINER,
};
enum pods_known pods_knows(const struct pods *p, const char *container,
			   const char *uid);
void pods_count(const struct pods *p, struct pods_counts *counts);
void pods_free(struct pods *p);

#endif
