// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "workload/identity.h"

#define SHORT_LEN 12 /* digits of an id in a name, as runtimes show it */

/* A part of the path. */
struct part {
	const char *s;
	size_t len;
};

/* The container that a component speaks of. */
struct container {
	struct part name;
	const char *id; /* NULL: it has none */
	enum runtime runtime;
};

/* The pod that a component speaks of. */
struct pod {
	struct part uid; /* as it stands there; s is NULL: none */
	enum qos qos;
};

const char *workload_kind_name(enum workload_kind kind)
{
	static const char *const names[] = {
		[WORKLOAD_CONTAINER] = "container", [WORKLOAD_POD] = "pod",
		[WORKLOAD_UNIT] = "unit",	    [WORKLOAD_CGROUP] = "cgroup",
		[WORKLOAD_KERNEL] = "kernel",	    [WORKLOAD_UNKNOWN] = "unknown",
		[WORKLOAD_OVERFLOW] = "overflow",   [WORKLOAD_OWNER] = "owner",
		[WORKLOAD_NAMESPACE] = "namespace", [WORKLOAD_EXCLUDED] = "excluded",
	};

	return names[kind];
}

static bool begins_with(struct part p, const char *s)
{
	return p.len > strlen(s) && !memcmp(p.s, s, strlen(s));
}

static bool ends_with(struct part p, const char *s)
{
	size_t n = strlen(s);

	return p.len > n && !memcmp(p.s + p.len - n, s, n);
}

static bool is(struct part p, const char *s)
{
	return p.len == strlen(s) && !memcmp(p.s, s, p.len);
}

/* What is left of it without a beginning and an end that it has. */
static struct part between(struct part p, const char *begin, const char *end)
{
	return (struct part){ p.s + strlen(begin),
			      p.len - strlen(begin) - strlen(end) };
}

static bool is_digit(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
}

/* Finds 64 hexadecimal digits that stand alone; NULL: there are none. */
static const char *find_id(struct part p)
{
	size_t run = 0;

	for (size_t i = 0; i <= p.len; i++) {
		if (i < p.len && is_digit(p.s[i])) {
			run++;
			continue;
		}
		if (run == CONTAINER_ID_LEN)
			return p.s + i - run;
		run = 0;
	}
	return NULL;
}

static bool has(struct part p, const char *s)
{
	return memmem(p.s, p.len, s, strlen(s));
}

static enum runtime runtime_of(struct part above, struct part p)
{
	if (has(p, "containerd") || begins_with(p, "nerdctl-"))
		return RUNTIME_CONTAINERD;
	if (begins_with(p, "crio-"))
		return RUNTIME_CRIO;
	if (begins_with(p, "docker-") || is(above, "docker"))
		return RUNTIME_DOCKER;
	return begins_with(p, "libpod-") ? RUNTIME_PODMAN : RUNTIME_UNKNOWN;
}

/* Does the component p, below `above`, begin a container? */
static bool find_container(struct part above, struct part p, struct container *c)
{
	const char *id = find_id(p);

	if (id && !ends_with(p, ".slice") && !begins_with(p, "libpod_pod_") &&
	    !has(p, "conmon")) {
		*c = (struct container){ { id, SHORT_LEN }, id, runtime_of(above, p) };
		return true;
	}
	*c = (struct container){ .runtime = RUNTIME_LXC };
	if (begins_with(p, "lxc.payload.")) {
		c->name = between(p, "lxc.payload.", "");
	} else if (is(above, "lxc.payload")) { /* LXC 3 */
		c->name = p;
	} else if (is(p, "payload")) {
		c->runtime = RUNTIME_NSPAWN;
		if (begins_with(above, "systemd-nspawn@") &&
		    ends_with(above, ".service"))
			c->name = between(above, "systemd-nspawn@", ".service");
		else if (begins_with(above, "machine-") && ends_with(above, ".scope"))
			c->name = between(above, "machine-", ".scope");
	}
	return c->name.len > 0;
}

/* Is it a helper of a runtime, which is no workload of a user's? */
static bool is_helper(struct part above, struct part p)
{
	if (begins_with(p, "lxc.monitor.") || is(above, "lxc.monitor"))
		return true;
	if (is(p, "supervisor"))
		return begins_with(above, "systemd-nspawn@") ||
		       begins_with(above, "machine-");
	return (has(p, "conmon") && find_id(p)) ||
	       (is(p, "conmon") && is(above, "libpod_parent"));
}

/* Is it a pod's UID: 32 digits, or those of a UUID with this between them? */
static bool is_uid(struct part p, char between)
{
	if (p.len != POD_UID_LEN && p.len != POD_UID_LEN - 4)
		return false;
	for (size_t i = 0; i < p.len; i++) {
		bool dash =
		    p.len == POD_UID_LEN && (i == 8 || i == 13 || i == 18 || i == 23);

		if (dash ? p.s[i] != between : !is_digit(p.s[i]))
			return false;
	}
	return true;
}

static enum qos qos_of(bool burstable, bool besteffort)
{
	return burstable ? QOS_BURSTABLE : besteffort ? QOS_BESTEFFORT : QOS_GUARANTEED;
}

/* A slice of the systemd driver; runc names a scope "SLICE:cri-containerd:ID" where the
 * runtime was not told of that driver. */
static bool find_pod_slice(struct part p, struct pod *pod)
{
	const char *end = memmem(p.s, p.len, ".slice", strlen(".slice"));
	const char *kubepods = memmem(p.s, p.len, "kubepods", strlen("kubepods"));
	struct part uid;

	if (!end || !kubepods || kubepods > end ||
	    (end + strlen(".slice") < p.s + p.len && end[strlen(".slice")] != ':'))
		return false;
	for (uid.s = end; uid.s >= kubepods + strlen("kubepods-pod"); uid.s--) {
		uid.len = end - uid.s;
		if (memcmp(uid.s - 4, "-pod", 4) || !is_uid(uid, '_'))
			continue;
		*pod = (struct pod){ uid, qos_of(has(p, "-burstable-pod"),
						 has(p, "-besteffort-pod")) };
		return true;
	}
	return false;
}

/* Does the component p, below `above`, begin a pod? */
static bool find_pod(struct part above, struct part p, struct pod *pod)
{
	bool burstable = is(above, "burstable"), besteffort = is(above, "besteffort");
	struct part uid;

	if (find_pod_slice(p, pod))
		return true;
	if (!begins_with(p, "pod") ||
	    !(burstable || besteffort || is(above, "kubepods")))
		return false;
	uid = between(p, "pod", "");
	if (!is_uid(uid, '-'))
		return false;
	*pod = (struct pod){ uid, qos_of(burstable, besteffort) };
	return true;
}

/* The next component behind p; s is NULL behind the last one. */
static struct part next_part(struct part p)
{
	const char *s = p.s + p.len;

	while (*s == '/')
		s++;
	return (struct part){ *s ? s : NULL, strcspn(s, "/") };
}

static bool is_unit(struct part p)
{
	static const char *const suffixes[] = { ".service", ".scope", ".slice",
						".socket",  ".mount", ".swap" };

	for (size_t i = 0; i < COUNT(suffixes); i++)
		if (ends_with(p, suffixes[i]))
			return true;
	return false;
}

/* Are a container's processes in the last component's cgroup? */
static bool is_own(struct part own, struct part last)
{
	return own.s == last.s || (is(last, "container") && next_part(own).s == last.s);
}

/* The container's name; of a cgroup that it made below, both names. */
static char *name_inside(const struct container *c, struct part own, struct part last)
{
	bool same = is_own(own, last);
	char *name;

	if (asprintf(&name, "%.*s%s%.*s", (int)c->name.len, c->name.s, same ? "" : "/",
		     same ? 0 : (int)last.len, last.s) < 0)
		return NULL;
	return name;
}

/* What all components say, the last one's place among them included. */
struct found {
	struct part above, last;   /* the last component, and the one before it */
	struct part own;	   /* the innermost container's; len 0: none */
	struct container c;	   /* it */
	struct pod pod;		   /* the innermost */
	const char *pod_container; /* the first container below that one; NULL: none */
	bool at_pod;		   /* the last component is the pod's own */
};

static struct found look_at(const char *path)
{
	struct found f = { .above = { path, 0 }, .last = { path, 0 } };
	struct container c;

	for (struct part p = next_part(f.last); p.s; p = next_part(p)) {
		f.above = f.last;
		f.last = p;
		f.at_pod = find_pod(f.above, p, &f.pod);
		if (f.at_pod)
			f.pod_container = NULL;
		if (!find_container(f.above, p, &c))
			continue;
		f.at_pod = false;
		f.c = c;
		f.own = p;
		if (f.pod.uid.s && !f.pod_container)
			f.pod_container = c.id;
	}
	return f;
}

static enum cgroup_role role_of(const struct found *f)
{
	if (f->at_pod)
		return ROLE_POD;
	if (is_helper(f->above, f->last))
		return ROLE_HELPER;
	if (!f->own.len || is_own(f->own, f->last))
		return ROLE_OWN;
	return ROLE_NESTED;
}

/* The API's form of a UID: with dashes, if it has any. */
static void copy_uid(struct part uid, char out[POD_UID_LEN + 1])
{
	for (size_t i = 0; i < uid.len; i++)
		out[i] = uid.s[i] == '_' ? '-' : uid.s[i];
}

int workload_identify(const char *path, struct workload_id *id)
{
	struct found f = look_at(path);

	memset(id, 0, sizeof(*id));
	id->role = role_of(&f);
	if (f.pod.uid.s) {
		copy_uid(f.pod.uid, id->pod_uid);
		id->qos = f.pod.qos;
		if (f.pod_container)
			memcpy(id->pod_container, f.pod_container, CONTAINER_ID_LEN);
	}
	if (f.own.len) {
		id->kind = WORKLOAD_CONTAINER;
		id->runtime = f.c.runtime;
		if (f.c.id)
			memcpy(id->container_id, f.c.id, CONTAINER_ID_LEN);
		id->name = name_inside(&f.c, f.own, f.last);
	} else if (f.at_pod || is_unit(f.last)) {
		id->kind = f.at_pod ? WORKLOAD_POD : WORKLOAD_UNIT;
		id->name = strndup(f.last.s, f.last.len);
	} else {
		id->kind = WORKLOAD_CGROUP;
		id->name = strdup(f.last.len ? path + 1 : "/");
	}
	return id->name ? 0 : -ENOMEM;
}

void workload_id_fini(struct workload_id *id)
{
	free(id->name);
	id->name = NULL;
}
