/* SPDX-License-Identifier: Apache-2.0 */
/* What the files pods*.c share. */
#ifndef PODS_IMPL_H
#define PODS_IMPL_H

#include <stdbool.h>
#include "workload/identity.h"
#include "workload/names_impl.h"
#include "workload/pods.h"

/* One container; what its pod has is with that. */
struct pods_container {
	char id[CONTAINER_ID_LEN + 1];
	uint32_t pod;
	int restarts;
	char *name, *image, *tag, *digest; /* owned; but for the name may be NULL */
};

/* A pod may have several: a static one that of its file, and that of its mirror. */
struct pods_uid {
	char uid[POD_UID_LEN + 1];
	uint32_t pod;
};

/* What was added after a pod, up to the next one, is that pod's. */
struct pods_pod {
	struct names *names; /* without what is the container's */
	uint64_t mark;	     /* fingerprint of its JSON; 0: some of it is left out */
	uint32_t container, uid; /* its first ones */
	uint32_t left_out;	 /* of it, since Kubernetes has none such */
};

struct pods_table {
	struct pods_pod *pods;
	struct pods_container *containers;
	struct pods_uid *uids;
	size_t pod_count, pod_room;
	size_t container_count, container_room;
	size_t uid_count, uid_room;
	/* in the order of their marks, ids and uids */
	uint32_t *pods_by, *containers_by, *uids_by;
	size_t bytes;	 /* of memory, about */
	size_t left_out; /* see struct pods_counts */
	size_t no_room;	 /* of these, for want of room */
};

/*
 * Adds a pod, whose names are the table's from then on, in any case. 0, -ENOMEM, or
 * -ENOSPC: it is left out, which is counted.
 */
int pods_table_pod(struct pods_table *t, struct names *names, uint32_t *pod);
/* The same of one of a pod's uids; and of a container, whose strings are taken over. */
int pods_table_uid(struct pods_table *t, const char *uid, uint32_t pod);
int pods_table_container(struct pods_table *t, struct pods_container *c);
/*
 * Adds the pod that another table has under this mark, as it is there. -ENOENT: it has
 * none; -ENOMEM.
 */
int pods_table_take(struct pods_table *t, const struct pods_table *from, uint64_t mark);
/* Nothing is added any more: from now on it can be searched. -ENOMEM. */
int pods_table_sort(struct pods_table *t);
/* See pods_knows(). */
enum pods_known pods_table_knows(const struct pods_table *t, const char *container,
				 const char *uid);
/* See pods_find(). */
int pods_table_find(const struct pods_table *t, const char *container, const char *uid,
		    struct names **out);
void pods_table_fini(struct pods_table *t);

/*
 * Reads the JSON of one pod, whose fingerprint is mark, into the table. What is odd in
 * it is left out and counted; -EBADMSG: it is no JSON, -ENOMEM.
 */
int pods_parse(struct pods_table *t, const struct pods_keep *keep, uint64_t mark,
	       const char *text, size_t len);

#endif
