/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The ring buffer by which a program in the kernel wakes the agent: a descriptor to
 * poll. What is in it nobody looks at.
 */
#ifndef WAKES_H
#define WAKES_H

struct wakes {
	int fd; /* readable: somebody has something; -1: there is none */
	unsigned long *taken;
	const unsigned long *given;
};

struct bpf_object;

/* Of a ring buffer of an object that is loaded. -errno, and then fd is -1. */
int wakes_open(struct wakes *w, const struct bpf_object *obj, const char *map);
/* Whoever is woken calls this before it looks for what there is. */
void wakes_take(struct wakes *w);
void wakes_close(struct wakes *w);

#endif
