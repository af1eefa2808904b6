/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of names.c share. */
#ifndef NAMES_IMPL_H
#define NAMES_IMPL_H

#include <stdint.h>
#include <sys/stat.h>
#include "workload/names.h"

#define PODMAN_LISTS 2

/* With nothing in it; NULL: no memory. */
struct names *names_new(void);
/* Frees what it has, and makes it as names_new() does. */
void names_clear(struct names *n);
/* Is it a name: printable ASCII without spaces, not too long? */
bool names_is_word(const char *s, size_t len);
/* A copy of a string that may be missing, the caller's; false: no memory. */
bool names_copy_text(char **to, const char *from);
/* A copy of a name if it is one; NULL else, or without memory. */
char *names_word(const char *s, size_t len);
/*
 * Takes an image's name apart: n->image, n->tag and n->digest. Whoever's name is only
 * an image's id has none of them.
 */
void names_set_image(struct names *n, const char *image);
/*
 * Takes from `more` what n does not have; an image goes with its tag. -ENOMEM: n has
 * got a part of it.
 */
int names_fill(struct names *n, const struct names *more);
/*
 * Reads what a runtime's file says of a container: text is the whole file.
 * -ENOENT: no names, or no JSON. What n has is the caller's in any case.
 */
int names_parse(enum names_source source, const char *text, size_t len,
		struct names *n);

/* What podman's lists of root's containers say; all 0: nothing was read yet. */
struct podman_names {
	struct podman_entry {
		char id[CONTAINER_ID_LEN + 1];
		char *name, *image;
	} * entries;
	size_t count, room;
	struct podman_file {
		uint64_t inode, size; /* 0: there is none */
		struct timespec changed;
	} files[PODMAN_LISTS]; /* when they were read */
	uint64_t read_ns;
};

/* Adds what the text of a list says. What is no list says nothing. -ENOMEM. */
int names_podman_parse(struct podman_names *p, const char *text, size_t len);
/* What is known of this container. -ENOENT: nothing. */
int names_podman_take(const struct podman_names *p, const char *id, struct names *n);
/*
 * The same, by the lists as they are now: they are looked at once a second at most.
 * -ENOENT; -ENOMEM.
 */
int names_podman_find(struct podman_names *p, const char *root, const char *id,
		      struct names *n);
/* Frees what was read. */
void names_podman_clear(struct podman_names *p);
/* The entries of a directory of the node; all 0: it was not read yet. */
struct names_dir {
	char **names;
	size_t count, room;
	uint64_t read_ns;	 /* when it was looked at */
	struct timespec changed; /* its time then; 0: it is to be read in any case */
};

/*
 * Reads it, below root, if it has changed; it is looked at once a second at most.
 * -errno: it has none, as it is not there or may not be read; -ENOMEM.
 */
int names_dir_read(struct names_dir *d, const char *root, const char *path);
void names_dir_clear(struct names_dir *d);
/*
 * Reads the name of the directory of a pod's logs, "NAMESPACE_POD_UID". -ENOENT: it is
 * none of the pod with this UID.
 */
int names_parse_pod_logs(const char *dir, const char *uid, struct names *n);
/* Reads the target of a link of the kubelet's. -ENOENT: it is none. */
int names_parse_log(const char *target, struct names *n);
/* Has this name of a link the beginning of the id at its end, before ".log"? */
bool names_link_is(const char *link, const char *id);

#endif
