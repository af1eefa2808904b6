/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a container is called by those who started it: from files that runtimes and the
 * kubelet keep on the node, and by the kubelet's answer to /pods, where it is asked. No
 * socket of a runtime is asked, and no API server.
 */
#ifndef NAMES_H
#define NAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "workload/identity.h"

/* Where names were found. */
enum names_source {
	NAMES_BUNDLE,  /* config.json of an OCI bundle: containerd, CRI-O */
	NAMES_DOCKER,  /* config.v2.json */
	NAMES_PODMAN,  /* containers.json of its storage */
	NAMES_LOG,     /* a link of the kubelet's to a container's log */
	NAMES_KUBELET, /* its answer to /pods */
	NAMES_POD_LOG, /* the directory of a pod's logs: its name, and no container's */
};

/* A label or an annotation of a pod. */
struct name_pair {
	char *key, *value;
};

/*
 * All strings are owned; NULL: not known. They are printable ASCII without spaces, as
 * Kubernetes and the runtimes allow it; others are as good as none.
 */
struct names {
	char *namespace, *pod, *container;
	char *image;  /* without its tag or digest */
	char *tag;    /* of the image; of the container's first image name */
	char *digest; /* of the same: "sha256:..." */
	bool sandbox; /* the pause container of a pod */
	int restarts; /* of the container so far; -1: not known */
	bool awaited; /* the kubelet is asked, and has not told of it yet */
	/* from here on only the kubelet knows */
	bool whole;	  /* it told an id of each container of the pod */
	uint64_t told_ns; /* when it was asked what it told; monotonic, 0: never */
	char *owner_kind, *owner; /* "ReplicaSet", "DaemonSet", ...: who controls it */
	char *deployment;	  /* of the ReplicaSet, without its template's hash */
	char *node;		  /* spec.nodeName */
	struct name_pair *labels; /* those that somebody may ask for */
	size_t label_count;
	struct name_pair *annotations; /* as labels */
	size_t annotation_count;
	enum names_source source;
};

#define NAMES_LOGS     "var/log/containers" /* the kubelet's links, below the root */
#define NAMES_POD_LOGS "var/log/pods"	    /* its directories; for root, mostly */

struct names_reader;
struct kubelet;

/* root: where the node's root directory is mounted. -ENOMEM. */
int names_open(const char *root, struct names_reader **out);
/* The node's root directory, as it was given. */
const char *names_root(const struct names_reader *r);
/* Are the kubelet's links there, to be read? */
bool names_has_logs(const struct names_reader *r);
/* From now on the kubelet is asked, too. It is borrowed; NULL: it is not asked. */
void names_ask(struct names_reader *r, struct kubelet *k);
/*
 * Looks for the names of the container that a path speaks of, of its pod's container if
 * it is in one. What files say comes first; the kubelet adds to it what they do not
 * say, as far as it has told by now. Where neither says anything, the directory of the
 * pod's logs tells the pod. A container of which only its pod is known has no name of
 * its own (container is NULL). So has a pod's own path. Files of Kubernetes, of which
 * there is one for each container, are opened by its id; the directories of links and
 * logs, if they have changed and once a second at most, are read.
 * -ENOENT: nothing says, or may be read; -ENOMEM. The caller ends *out with
 * names_free().
 */
int names_find(struct names_reader *r, const struct workload_id *id,
	       struct names **out);
/*
 * A cgroup of this path was just made. If it is a container's, its names are looked up
 * now, as their files may be gone when it is first read, and kept for names_find():
 * those of the latest 512 of them, no more than 100 a second. The kubelet is asked
 * soon.
 */
void names_note(struct names_reader *r, const char *path);
/* Are they those of a container of Kubernetes? */
bool names_in_pod(const struct names *n);
/*
 * "namespace/pod/container" or "container"; NULL: no memory, or there is none. Owned by
 * the caller.
 */
char *names_of_workload(const struct names *n);
/* Forgets what is the container's alone. */
void names_keep_pod(struct names *n);
/* A copy, owned by the caller; NULL: no memory. */
struct names *names_copy(const struct names *from);
/* The value of a label or annotation; NULL: it has none. Lives as long as n. */
const char *names_label(const struct names *n, const char *key);
const char *names_annotation(const struct names *n, const char *key);
/* "bundle", "docker", ...: what assay.identity.source says. */
const char *names_source_name(enum names_source source);
void names_free(struct names *n);
void names_close(struct names_reader *r);

#endif
