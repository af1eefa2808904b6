// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "base/util.h"
#include "workload/json_member.h"
#include "workload/names_impl.h"

#define PREFIX_MIN 8 /* digits of an id in a link's name, which may be cut */

/* What the value of a key is. */
enum field { NAMESPACE, POD, CONTAINER, IMAGE, TYPE };

struct key {
	const char *name;
	enum field field;
};

/* Annotations of bundles: pkg/cri/annotations of containerd, pkg/annotations of CRI-O.
 */
static const struct key annotations[] = {
	{ "io.kubernetes.cri.sandbox-namespace", NAMESPACE },
	{ "io.kubernetes.cri.sandbox-name", POD },
	{ "io.kubernetes.cri.container-name", CONTAINER },
	{ "io.kubernetes.cri.image-name", IMAGE },
	{ "io.kubernetes.cri.container-type", TYPE },
	{ "io.kubernetes.pod.namespace", NAMESPACE },
	{ "io.kubernetes.pod.name", POD },
	{ "io.kubernetes.container.name", CONTAINER },
	{ "io.kubernetes.cri-o.ImageName", IMAGE },
	{ "io.kubernetes.cri-o.ContainerType", TYPE },
	{ "nerdctl/name", CONTAINER },
};

/* Labels of cri-dockerd's containers: libdocker. */
static const struct key labels[] = {
	{ "io.kubernetes.pod.namespace", NAMESPACE },
	{ "io.kubernetes.pod.name", POD },
	{ "io.kubernetes.container.name", CONTAINER },
	{ "io.kubernetes.docker.type", TYPE },
};

static void set(struct names *n, enum field field, const char *value)
{
	char **where[] = { [NAMESPACE] = &n->namespace,
			   [POD] = &n->pod,
			   [CONTAINER] = &n->container };

	if (field == TYPE) { /* cri-dockerd's is podsandbox */
		n->sandbox = strstr(value, "sandbox");
	} else if (field == IMAGE) {
		names_set_image(n, value);
	} else {
		free(*where[field]);
		*where[field] = names_word(value, strlen(value));
	}
}

static void take(const json_t *object, const struct key *keys, size_t count,
		 struct names *n)
{
	for (size_t i = 0; i < count; i++) {
		const char *s =
		    json_string_value(json_object_get(object, keys[i].name));

		if (s)
			set(n, keys[i].field, s);
	}
}

/* Of a container that Docker itself started: "/web". */
static void take_docker(const json_t *root, struct names *n)
{
	const json_t *config = json_object_get(root, "Config");
	const char *name = json_string_value(json_object_get(root, "Name"));
	const char *image = json_string_value(json_object_get(config, "Image"));

	if (name)
		set(n, CONTAINER, name + (*name == '/'));
	if (image)
		set(n, IMAGE, image);
	take(json_object_get(config, "Labels"), labels, COUNT(labels), n);
}

/* A bundle's file is long (mounts, allowed system calls), its annotations are not. */
static int take_bundle(const char *text, size_t len, struct names *n)
{
	json_t *notes = NULL;
	const char *value;
	size_t value_len;

	if (!json_member(text, len, "annotations", &value, &value_len))
		notes = json_loadb(value, value_len, JSON_REJECT_DUPLICATES, NULL);
	if (!notes)
		return -ENOENT;
	take(notes, annotations, COUNT(annotations), n);
	json_decref(notes);
	return 0;
}

static int take_config(const char *text, size_t len, struct names *n)
{
	json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL);

	if (!root)
		return -ENOENT;
	take_docker(root, n);
	json_decref(root);
	return 0;
}

int names_parse(enum names_source source, const char *text, size_t len, struct names *n)
{
	int err;

	n->source = source;
	err = source == NAMES_DOCKER ? take_config(text, len, n)
				     : take_bundle(text, len, n);
	if (err)
		return err;
	return n->container || (n->sandbox && names_in_pod(n)) ? 0 : -ENOENT;
}

/* The part of a path before its last component, and that one; false: there is none. */
static bool split_last(const char *path, size_t *len, const char **last,
		       size_t *last_len)
{
	size_t end = *len, start;

	while (end && path[end - 1] == '/')
		end--;
	for (start = end; start && path[start - 1] != '/'; start--)
		;
	*last = path + start;
	*last_len = end - start;
	*len = start;
	return end > start;
}

/* "3.log": it was started again three times. -1: it is no such name. */
static int restarts_of(const char *name, size_t len)
{
	size_t digits = strspn(name, "0123456789");

	if (!digits || digits > 8 || len != digits + strlen(".log") ||
	    memcmp(name + digits, ".log", strlen(".log")))
		return -1;
	return atoi(name);
}

/* "NAMESPACE_POD_UID": no name of Kubernetes has an underscore. */
static int take_pod(const char *dir, size_t len, struct names *n)
{
	const char *name = memchr(dir, '_', len), *uid = memrchr(dir, '_', len);

	if (!name || name == uid)
		return -ENOENT;
	n->namespace = names_word(dir, name - dir);
	n->pod = names_word(name + 1, uid - name - 1);
	return names_in_pod(n) ? 0 : -ENOENT;
}

int names_parse_pod_logs(const char *dir, const char *uid, struct names *n)
{
	const char *last = strrchr(dir, '_');

	if (!last || strcmp(last + 1, uid))
		return -ENOENT;
	names_clear(n);
	n->source = NAMES_POD_LOG;
	return take_pod(dir, strlen(dir), n);
}

int names_parse_log(const char *target, struct names *n)
{
	size_t len = strlen(target), file_len, container_len, pod_len;
	const char *file, *container, *pod;

	if (!split_last(target, &len, &file, &file_len) ||
	    !split_last(target, &len, &container, &container_len) ||
	    !split_last(target, &len, &pod, &pod_len))
		return -ENOENT;
	n->source = NAMES_LOG;
	n->restarts = restarts_of(file, file_len);
	if (n->restarts < 0 || take_pod(pod, pod_len, n))
		return -ENOENT;
	n->container = names_word(container, container_len);
	return n->container ? 0 : -ENOENT;
}

bool names_link_is(const char *link, const char *id)
{
	const char *end = strstr(link, ".log"), *dash = strrchr(link, '-');
	size_t len;

	while (end && end[strlen(".log")])
		end = strstr(end + 1, ".log");
	if (!end || !dash || dash > end)
		return false;
	len = end - dash - 1;
	return len >= PREFIX_MIN && len <= CONTAINER_ID_LEN &&
	       !memcmp(dash + 1, id, len);
}
