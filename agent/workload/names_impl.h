/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of names.c share. */
#ifndef NAMES_IMPL_H
#define NAMES_IMPL_H

#include "workload/names.h"

/* With nothing in it; NULL: no memory. */
struct names *names_new(void);
/* Frees what it has, and makes it as names_new() does. */
void names_clear(struct names *n);
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
/*
 * Reads the list of a user's containers that podman keeps, and takes what it says of
 * the one with this id. -ENOENT: nothing.
 */
int names_parse_podman(const char *text, size_t len, const char *id, struct names *n);
/*
 * Looks into the lists of root's containers, and then of all users with a home.
 * -ENOENT; -ENOMEM.
 */
int names_find_podman(const char *root, const char *id, struct names *n);
/* Reads the target of a link of the kubelet's. -ENOENT: it is none. */
int names_parse_log(const char *target, struct names *n);
/* Has this name of a link the beginning of the id at its end, before ".log"? */
bool names_link_is(const char *link, const char *id);

#endif
