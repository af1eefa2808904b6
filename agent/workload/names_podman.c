// SPDX-License-Identifier: Apache-2.0
/*
 * podman's containers: a bundle of its has no name, but containers/storage keeps a list
 * of all of a user's, with their names and images. That of one who is not root is below
 * his home, which only he may open, as a rule: then it is not read.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>
#include "base/util.h"
#include "workload/names_impl.h"

#define LIST_MAX   (4 << 20) /* 1 KiB a container */
#define PASSWD_MAX (64 << 10)
#define HOMES_MAX  64 /* users who are looked at */

/* In the directory of a user's storage; those of `podman run --rm` are in the second.
 */
static const char *const lists[] = {
	"overlay-containers/containers.json",
	"overlay-containers/volatile-containers.json",
};

/* Of one entry of the list: its name, and its image from what podman adds to it. */
static void take(const json_t *entry, struct names *n)
{
	const char *name =
	    json_string_value(json_array_get(json_object_get(entry, "names"), 0));
	const char *more = json_string_value(json_object_get(entry, "metadata")),
		   *image;
	json_t *metadata = more ? json_loads(more, JSON_REJECT_DUPLICATES, NULL) : NULL;

	image = json_string_value(json_object_get(metadata, "image-name"));
	if (name)
		n->container = names_word(name, strlen(name));
	if (image)
		names_set_image(n, image);
	json_decref(metadata);
}

int names_parse_podman(const char *text, size_t len, const char *id, struct names *n)
{
	json_t *list = json_loadb(text, len, JSON_REJECT_DUPLICATES, NULL), *entry;
	size_t i;

	n->source = NAMES_PODMAN;
	json_array_foreach(list, i, entry)
	{
		const char *its = json_string_value(json_object_get(entry, "id"));

		if (its && !strcmp(its, id)) {
			take(entry, n);
			break;
		}
	}
	json_decref(list);
	return n->container ? 0 : -ENOENT;
}

static int look_in(const char *root, const char *storage, const char *id, char *text,
		   struct names *n)
{
	char path[1024];
	int err = -ENOENT;

	for (size_t i = 0; i < COUNT(lists) && err; i++) {
		int len = snprintf(path, sizeof(path), "%s/%s", storage, lists[i]);

		if (len >= (int)sizeof(path))
			continue;
		len = read_file_below(root, path, text, LIST_MAX);
		if (len > 0 && len < LIST_MAX - 1)
			err = names_parse_podman(text, len, id, n);
		if (err)
			names_clear(n);
	}
	return err;
}

/* The home in a line of passwd(5), cut out of it; NULL: it is none. */
static char *home_of(char *line)
{
	for (int field = 0; field < 5 && line; field++) {
		line = strchr(line, ':');
		line = line ? line + 1 : NULL;
	}
	if (!line || *line != '/')
		return NULL;
	line[strcspn(line, ":")] = '\0';
	return line[1] ? line + 1 : NULL;
}

static int look_in_homes(const char *root, const char *id, char *text, struct names *n)
{
	char *passwd = malloc(PASSWD_MAX), *rest = passwd, *line, storage[512];
	int err = -ENOENT;
	int len = passwd ? read_file_below(root, "etc/passwd", passwd, PASSWD_MAX) : 0;

	for (int i = 0; len > 0 && i < HOMES_MAX && err && (line = strsep(&rest, "\n"));
	     i++) {
		const char *home = home_of(line);

		if (home && snprintf(storage, sizeof(storage),
				     "%s/.local/share/containers/storage",
				     home) < (int)sizeof(storage))
			err = look_in(root, storage, id, text, n);
	}
	free(passwd);
	return err;
}

int names_find_podman(const char *root, const char *id, struct names *n)
{
	char *text = malloc(LIST_MAX);
	int err;

	if (!text)
		return -ENOMEM;
	err = look_in(root, "var/lib/containers/storage", id, text, n);
	if (err)
		err = look_in_homes(root, id, text, n);
	free(text);
	return err;
}
