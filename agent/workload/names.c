// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/text.h"
#include "base/util.h"
#include "workload/kubelet.h"
#include "workload/names_impl.h"

#define FILE_MAX  (256 << 10) /* a config.json has 4 to 16 KiB */
#define PATH_LEN  1024
#define SECOND_NS 1000000000ULL
#define NOTED	  512
#define LOOKS	  100 /* a second, for cgroups that were just made */

/* The file of a container, by its id. */
struct place {
	enum runtime runtime; /* unknown: of any */
	enum names_source source;
	const char *format;
};

#define TASKS "containerd/io.containerd.runtime.v2.task/"

static const struct place places[] = {
	{ RUNTIME_CONTAINERD, NAMES_BUNDLE, "run/" TASKS "k8s.io/%s/config.json" },
	{ RUNTIME_CONTAINERD, NAMES_BUNDLE, "run/k3s/" TASKS "k8s.io/%s/config.json" },
	{ RUNTIME_CONTAINERD, NAMES_BUNDLE,
	  "var/snap/microk8s/common/run/" TASKS "k8s.io/%s/config.json" },
	{ RUNTIME_CONTAINERD, NAMES_BUNDLE, "run/" TASKS "default/%s/config.json" },
	{ RUNTIME_CRIO, NAMES_BUNDLE,
	  "run/containers/storage/overlay-containers/%s/userdata/config.json" },
	{ RUNTIME_CRIO, NAMES_BUNDLE,
	  "var/run/containers/storage/overlay-containers/%s/userdata/config.json" },
	{ RUNTIME_DOCKER, NAMES_DOCKER, "var/lib/docker/containers/%s/config.v2.json" },
};

/* What was found when a container's cgroup was made. */
struct noted {
	char id[CONTAINER_ID_LEN + 1];
	struct names *names; /* NULL: the entry is free */
};

struct names_reader {
	char *root;
	struct kubelet *kubelet; /* NULL: not asked */
	struct noted noted[NOTED];
	uint64_t keys[NOTED]; /* of their ids, to be looked through at once */
	size_t next;	      /* the oldest of these */
	uint64_t second_ns;
	unsigned int looks;	/* since then */
	struct names_dir links; /* NAMES_LOGS */
	struct names_dir pods;	/* NAMES_POD_LOGS */
	char *text;		/* a file, while it is read; only what was used of it is
				   resident */
	struct podman_names podman;
};

int names_open(const char *root, struct names_reader **out)
{
	struct names_reader *r = calloc(1, sizeof(*r));

	if (r) {
		r->root = strdup(root ? root : "/");
		r->text = malloc(FILE_MAX);
	}
	if (!r || !r->root || !r->text) {
		names_close(r);
		return -ENOMEM;
	}
	*out = r;
	return 0;
}

const char *names_root(const struct names_reader *r)
{
	return r->root;
}

bool names_has_logs(const struct names_reader *r)
{
	int fd = open_below(r->root, NAMES_LOGS, O_RDONLY | O_DIRECTORY);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* The first of the files that there is and that has names. */
static int find_file(const struct names_reader *r, const char *id, enum runtime runtime,
		     struct names *n)
{
	char path[PATH_LEN];
	int len, err = -ENOENT;

	for (size_t i = 0; i < COUNT(places) && err; i++) {
		if (runtime != RUNTIME_UNKNOWN && places[i].runtime != runtime)
			continue;
		snprintf(path, sizeof(path), places[i].format, id);
		len = read_file_below(r->root, path, r->text, FILE_MAX);
		if (len > 0 && len < FILE_MAX - 1)
			err = names_parse(places[i].source, r->text, len, n);
		if (err)
			names_clear(n);
	}
	return err;
}

static int find_link(struct names_reader *r, const char *id, struct names *n)
{
	const struct names_dir *links = &r->links;
	int err = names_dir_read(&r->links, r->root, NAMES_LOGS), dir;
	char target[PATH_LEN];
	ssize_t len = -1;

	for (size_t i = 0; i < links->count && !err && len < 0; i++) {
		if (!names_link_is(links->names[i], id))
			continue;
		dir = open_below(r->root, NAMES_LOGS, O_PATH | O_DIRECTORY);
		if (dir < 0)
			return -ENOENT;
		len = readlinkat(dir, links->names[i], target, sizeof(target) - 1);
		close(dir);
	}
	if (err || len < 0)
		return err == -ENOMEM ? err : -ENOENT;
	target[len] = '\0';
	return names_parse_log(target, n);
}

/* The container that names are asked for: the pod's, if it is in one. */
static const char *container_of(const struct workload_id *id)
{
	return id->pod_container[0] ? id->pod_container : id->container_id;
}

/* Looks into the files. */
static int look(struct names_reader *r, const struct workload_id *id,
		struct names **out)
{
	/* of a container in a pod's container, the runtime is the inner one's */
	enum runtime runtime =
	    strcmp(container_of(id), id->container_id) ? RUNTIME_UNKNOWN : id->runtime;
	struct names *n = names_new();
	int err = n ? find_file(r, container_of(id), runtime, n) : -ENOMEM;

	if (err == -ENOENT && id->runtime == RUNTIME_PODMAN)
		err = names_podman_find(&r->podman, r->root, container_of(id), n);
	if (err == -ENOENT && id->pod_container[0])
		err = find_link(r, container_of(id), n);
	if (err) {
		names_free(n);
		return err;
	}
	*out = n;
	return 0;
}

static const struct noted *find_noted(const struct names_reader *r, const char *id)
{
	uint64_t key = text_key(id);

	for (size_t i = 0; i < NOTED; i++)
		if (r->keys[i] == key && r->noted[i].names &&
		    !strcmp(r->noted[i].id, id))
			return &r->noted[i];
	return NULL;
}

void names_ask(struct names_reader *r, struct kubelet *k)
{
	r->kubelet = k;
}

static int find_on_disk(struct names_reader *r, const struct workload_id *id,
			struct names **out)
{
	const struct noted *noted = find_noted(r, container_of(id));

	if (!noted)
		return look(r, id, out);
	*out = names_copy(noted->names);
	return *out ? 0 : -ENOMEM;
}

/* Will the kubelet tell of it? It never tells of sandboxes, only of their pods. */
static void want(struct names_reader *r, const struct workload_id *id,
		 const struct names *n)
{
	if (r->kubelet && id->pod_uid[0])
		kubelet_want(r->kubelet, n && n->sandbox ? "" : container_of(id),
			     id->pod_uid, n != NULL);
}

/* What the kubelet has told is added to *out, which may be NULL. 0: there is some. */
static int add_kubelet(struct names_reader *r, const struct workload_id *id,
		       struct names **out)
{
	struct names *more;
	int err;

	want(r, id, *out);
	err = kubelet_find(r->kubelet, container_of(id), id->pod_uid, &more);
	if (err) {
		if (*out)
			(*out)->awaited = true;
		return err;
	}
	if (!*out) {
		*out = more;
		more->awaited = !more->container && *container_of(id);
		return 0;
	}
	/* of a container that has no status yet it tells the pod's */
	(*out)->awaited = !more->container && !(*out)->sandbox;
	err = names_fill(*out, more);
	names_free(more);
	return err;
}

/*
 * The directory of the pod's logs tells its name, and is there before any container,
 * but not which of these is which, nor which is the sandbox.
 */
static int find_pod_logs(struct names_reader *r, const struct workload_id *id,
			 struct names **out)
{
	int err = names_dir_read(&r->pods, r->root, NAMES_POD_LOGS);
	struct names *n = names_new();

	if (!n || err == -ENOMEM) {
		names_free(n);
		return -ENOMEM;
	}
	err = -ENOENT;
	for (size_t i = 0; i < r->pods.count && err; i++)
		err = names_parse_pod_logs(r->pods.names[i], id->pod_uid, n);
	if (err) {
		names_free(n);
		return err;
	}
	n->awaited = r->kubelet || *container_of(id);
	*out = n;
	return 0;
}

int names_find(struct names_reader *r, const struct workload_id *id, struct names **out)
{
	struct names *n = NULL;
	int err;

	/* a pod's own cgroup has no file */
	err = *container_of(id) ? find_on_disk(r, id, &n) : -ENOENT;
	if (err != -ENOMEM && r->kubelet && id->pod_uid[0])
		err = add_kubelet(r, id, &n);
	if (err == -ENOENT && n) /* the disk's alone */
		err = 0;
	else if (err == -ENOENT && id->pod_uid[0])
		err = find_pod_logs(r, id, &n);
	if (err)
		names_free(n);
	else
		*out = n;
	return err;
}

/* May it be looked for? So many are in each second. */
static bool may_look(struct names_reader *r)
{
	uint64_t now = now_mono_ns();

	if (now - r->second_ns >= SECOND_NS) {
		r->second_ns = now;
		r->looks = 0;
	}
	return r->looks++ < LOOKS;
}

void names_note(struct names_reader *r, const char *path)
{
	const char *last = strrchr(path, '/');
	struct noted *noted = &r->noted[r->next];
	struct names *names = NULL;
	struct workload_id id;

	if (!last || strlen(last) <= CONTAINER_ID_LEN || workload_identify(path, &id))
		return;
	if (id.role == ROLE_OWN && id.container_id[0] &&
	    !find_noted(r, container_of(&id))) {
		if (may_look(r) && !look(r, &id, &names)) {
			names_free(noted->names);
			noted->names = names;
			strcpy(noted->id, container_of(&id));
			r->keys[r->next] = text_key(noted->id);
			r->next = (r->next + 1) % NOTED;
		}
		want(r, &id, names);
	}
	workload_id_fini(&id);
}

void names_close(struct names_reader *r)
{
	if (!r)
		return;
	names_dir_clear(&r->links);
	names_dir_clear(&r->pods);
	for (size_t i = 0; i < NOTED; i++)
		names_free(r->noted[i].names);
	names_podman_clear(&r->podman);
	free(r->text);
	free(r->root);
	free(r);
}
