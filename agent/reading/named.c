// SPDX-License-Identifier: Apache-2.0
/*
 * What names make of workloads. A pod is a workload: its cgroup, in which its
 * containers' are. Its sandbox (pause) is none: that counts for the pod, and what the
 * files of its cgroup say is what is said of the pod's usage, as those of the pod's own
 * hold all of its containers', too.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "reading/kept.h"
#include "reading/snapshot_impl.h"

#define SANDBOX_NS 8000000000ULL /* it is asked again 10 s after a container came */

/* The names of a container as far as they are its pod's. NULL: no memory. */
static struct names *names_of_pod(const struct names *n)
{
	struct names *copy = names_copy(n);

	if (copy)
		names_keep_pod(copy);
	return copy;
}

/*
 * Shortens a path below a pod's cgroup to that; whether it could be. A sandbox may have
 * its cgroup at any depth there.
 */
static bool cut_to_pod(char *path, const char *uid)
{
	struct workload_id id;
	char *slash;

	while ((slash = strrchr(path, '/')) && slash > path) {
		bool found;

		*slash = '\0';
		if (workload_identify(path, &id))
			return false;
		found = id.kind == WORKLOAD_POD && !strcmp(id.pod_uid, uid);
		workload_id_fini(&id);
		if (found)
			return true;
	}
	return false;
}

/* The name of a workload by its names; NULL: no memory. */
static char *name_by(const struct workload *w, const struct names *n)
{
	const char *last = w->path ? strrchr(w->path, '/') : NULL;
	char *own = names_of_workload(n), *name;

	if (!own || !last || w->id.role != ROLE_NESTED)
		return own;
	if (asprintf(&name, "%s%s", own, last) < 0)
		name = NULL;
	free(own);
	return name;
}

static int take_names(struct snapshot *s, struct workload *w, struct names *n)
{
	char *name = name_by(w, n);
	int err = name ? 0 : -ENOMEM;

	if (!err && w->unnamed)
		err = hold_retire(s, w, true);
	if (err) {
		free(name);
		names_free(n);
		return err;
	}
	free(w->id.name);
	w->id.name = name;
	names_free(w->names);
	w->names = n;
	free(w->instance);
	w->instance = NULL;
	w->unnamed = false;
	return 0;
}

/*
 * The sandbox counts for the pod from now on, if that has a cgroup. Takes names itself,
 * of the pod, which is no sandbox.
 */
static int fold_sandbox(struct snapshot *s, struct workload *w)
{
	char *path = w->path ? strdup(w->path) : NULL;
	struct workload *pod = NULL;
	struct names *names;
	int err;

	if (path && w->id.pod_uid[0] && cut_to_pod(path, w->id.pod_uid))
		pod = owners_workload(s, path, w->start_ns);
	free(path);
	if (!pod || pod == w)
		return 0; /* it has no cgroup of its own: the sandbox is the pod */
	if (w->gone && !pod->sandbox && !pod->settled)
		pod->gone = true; /* it has no slot by which its end would be seen */
	if (!pod->names) {
		names = names_of_pod(w->names);
		err = names ? take_names(s, pod, names) : -ENOMEM;
		if (err)
			return err;
	}
	err = totals_fold(pod, w, true) | kept_move_owed(pod, w);
	if (!pod->sandbox && !pod->settled) {
		/* what was read of its own cgroup is not it */
		pod->usage = w->usage;
		kept_move_usage(pod, w);
	}
	totals_clear(w);
	w->usage = (struct usage){ 0 };
	pod->sandbox = w->serial;
	w->into = pod;
	return err;
}

/*
 * The kubelet tells of no sandbox. But once it has told an id of each container of the
 * pod, and still none of this one though it was asked so long after it came, that is
 * the pod's sandbox; unless that is known already: then it is a container that was
 * started again.
 */
static bool is_sandbox(struct snapshot *s, const struct workload *w,
		       const struct names *n, uint64_t now_ns)
{
	uint64_t age_ns = s->time_ns - w->seen_ns;

	if (w->id.kind != WORKLOAD_CONTAINER || w->id.role != ROLE_OWN ||
	    n->container || n->sandbox || !n->awaited || !n->whole ||
	    age_ns < now_ns - n->told_ns + SANDBOX_NS)
		return false;
	for (size_t i = SLOT_FIRST; i < s->count; i++) {
		const struct workload *v = s->workloads[i];

		if (v->into && !v->gone && !strcmp(v->id.pod_uid, w->id.pod_uid))
			return false;
	}
	return true;
}

void snapshot_find_sandbox(struct snapshot *s, const struct workload *w,
			   struct names *n, uint64_t now_ns)
{
	if (is_sandbox(s, w, n, now_ns)) {
		n->sandbox = true;
		n->awaited = false;
	}
}

int snapshot_take_names(struct snapshot *s, struct workload *w, struct names *n)
{
	int err = take_names(s, w, n);

	return !err && n->sandbox && !w->into ? fold_sandbox(s, w) : err;
}

void named_forget(struct snapshot *s, const struct workload *w)
{
	for (size_t i = SLOT_FIRST; w->id.kind == WORKLOAD_POD && i < s->count; i++)
		if (s->workloads[i] && s->workloads[i]->into == w)
			s->workloads[i]->into = NULL;
}

int snapshot_pod_names(const struct snapshot *s, const struct workload *w,
		       struct names **out)
{
	for (size_t i = SLOT_FIRST; i < s->count; i++) {
		const struct workload *v = s->workloads[i];

		if (v == w || !v->names || !names_in_pod(v->names) ||
		    strcmp(v->id.pod_uid, w->id.pod_uid))
			continue;
		*out = names_of_pod(v->names);
		return *out ? 0 : -ENOMEM;
	}
	return -ENOENT;
}
