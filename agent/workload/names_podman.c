// SPDX-License-Identifier: Apache-2.0
/*
 * podman's containers: a bundle of its has no name, but containers/storage keeps lists
 * of all of root's, with their names and images. They are read when they have changed,
 * and once a second at most. (Lists of other users are in their homes: a file there may
 * be anything that they like, and is not for a process of root to open.)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <fcntl.h>
#include <jansson.h>
#include "base/util.h"
#include "workload/names_impl.h"

#define STORAGE	  "var/lib/containers/storage/overlay-containers/"
#define LIST_MAX  (4 << 20) /* 1 KiB a container */
#define REREAD_NS 1000000000ULL

/* Those of `podman run --rm` are in the second. */
static const char *const lists[PODMAN_LISTS] = {
	STORAGE "containers.json",
	STORAGE "volatile-containers.json",
};

static void free_entry(struct podman_entry *e)
{
	free(e->name);
	free(e->image);
}

void names_podman_clear(struct podman_names *p)
{
	for (size_t i = 0; i < p->count; i++)
		free_entry(&p->entries[i]);
	free(p->entries);
	p->entries = NULL;
	p->count = p->room = 0;
}

static int add(struct podman_names *p, const char *id, const char *name,
	       const char *image)
{
	struct podman_entry *e;

	if (p->count == p->room) {
		size_t room = p->room ? 2 * p->room : 16;

		e = reallocarray(p->entries, room, sizeof(*e));
		if (!e)
			return -ENOMEM;
		p->entries = e;
		p->room = room;
	}
	e = &p->entries[p->count];
	*e = (struct podman_entry){ 0 };
	strcpy(e->id, id);
	if (names_copy_text(&e->name, name) && names_copy_text(&e->image, image)) {
		p->count++;
		return 0;
	}
	free_entry(e);
	return -ENOMEM;
}

/* Of one entry of a list: its first name, and its image from what podman adds to it. */
static int take(struct podman_names *p, const json_t *entry)
{
	const char *id = json_string_value(json_object_get(entry, "id"));
	const char *name =
	    json_string_value(json_array_get(json_object_get(entry, "names"), 0));
	const char *more = json_string_value(json_object_get(entry, "metadata"));
	json_t *metadata;
	int err;

	if (!id || !name || strlen(id) != CONTAINER_ID_LEN)
		return 0;
	metadata = more ? json_loads(more, JSON_REJECT_DUPLICATES, NULL) : NULL;
	err = add(p, id, name,
		  json_string_value(json_object_get(metadata, "image-name")));
	json_decref(metadata);
	return err;
}

int names_podman_parse(struct podman_names *p, const char *text, size_t len)
{
	json_t *list = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL), *entry;
	int err = 0;
	size_t i;

	json_array_foreach(list, i, entry)
	{
		if (!err)
			err = take(p, entry);
	}
	json_decref(list);
	return err;
}

int names_podman_take(const struct podman_names *p, const char *id, struct names *n)
{
	n->source = NAMES_PODMAN;
	for (size_t i = 0; i < p->count; i++) {
		const struct podman_entry *e = &p->entries[i];

		if (strcmp(e->id, id))
			continue;
		n->container = names_word(e->name, strlen(e->name));
		if (e->image)
			names_set_image(n, e->image);
		return n->container ? 0 : -ENOENT;
	}
	return -ENOENT;
}

static void look_at(const char *root, const char *path, struct podman_file *f)
{
	int fd = open_below(root, path, O_RDONLY | O_NONBLOCK);
	struct stat st;

	*f = (struct podman_file){ 0 };
	if (fd < 0)
		return;
	if (!fstat(fd, &st) && S_ISREG(st.st_mode))
		*f = (struct podman_file){ st.st_ino, st.st_size, st.st_mtim };
	close(fd);
}

static int read_all(struct podman_names *p, const char *root)
{
	char *text = malloc(LIST_MAX);
	int err = text ? 0 : -ENOMEM;

	names_podman_clear(p);
	for (size_t i = 0; i < PODMAN_LISTS && !err; i++) {
		int len = p->files[i].size
			      ? read_file_below(root, lists[i], text, LIST_MAX)
			      : 0;

		if (len > 0 && len < LIST_MAX - 1)
			err = names_podman_parse(p, text, len);
	}
	free(text);
	return err;
}

static int refresh(struct podman_names *p, const char *root)
{
	struct podman_file now[PODMAN_LISTS];
	uint64_t time = now_mono_ns();
	int err;

	if (p->read_ns && time - p->read_ns < REREAD_NS)
		return 0;
	for (size_t i = 0; i < PODMAN_LISTS; i++)
		look_at(root, lists[i], &now[i]);
	if (p->read_ns && !memcmp(now, p->files, sizeof(now))) {
		p->read_ns = time;
		return 0;
	}
	memcpy(p->files, now, sizeof(now));
	err = read_all(p, root);
	p->read_ns = err ? 0 : time;
	return err;
}

int names_podman_find(struct podman_names *p, const char *root, const char *id,
		      struct names *n)
{
	int err = refresh(p, root);

	return err ? err : names_podman_take(p, id, n);
}
