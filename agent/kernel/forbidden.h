/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Why a process may not use bpf(2) though it has the capabilities: what surrounds it
 * says so, in one line, with what to do.
 */
#ifndef FORBIDDEN_H
#define FORBIDDEN_H

#include <stdbool.h>
#include <stddef.h>

/* What is around this process, as far as it can be seen. */
struct surroundings {
	bool
	    in_user_namespace; /* one of its own: its capabilities are not the host's */
	int seccomp;	       /* mode by /proc/self/status: 2 is a filter */
	/*
	 * -errno of bpf(2) with a command that there is not: the kernel says EINVAL, so
	 * what says something else stands before it
	 */
	int nonsense;
	char
	    label[128]; /* /proc/self/attr/current: by SELinux or AppArmor; may be "" */
	char modules[128]; /* security modules, "lockdown,capability,bpf"; may be "" */
};

/* Was it forbidden, so that it is worth to ask why? */
bool forbidden_is(int err);
/* Looks around. */
void forbidden_look(struct surroundings *s);
/* The most likely reason for err, of a call that made a map or loaded a program. */
void forbidden_explain(const struct surroundings *s, int err, char *buf, size_t len);

#endif
