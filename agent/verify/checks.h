/* SPDX-License-Identifier: Apache-2.0 */
/* The table of checks: which number has to be which truth. */
#ifndef CHECKS_H
#define CHECKS_H

#include <stddef.h>
#include "verify/actor.h"

/* Whose number it is. */
enum check_whose {
	CHECK_OWN,   /* the actor's group's */
	CHECK_ABOVE, /* the directory's above it */
	CHECK_NODE,  /* all workloads' together */
};

struct check {
	enum actor_id actor;
	const char *probe, *what, *metric;
	enum truth_id truth;
	const char *key, *value; /* as in struct found_key */
	enum check_whose whose;
	bool on_disk;  /* of the disk that block.c found */
	bool is_time;  /* a sum of seconds: its value is no count */
	bool may_miss; /* a sleep or wait, as PID 1 may hide it */
};

extern const struct check checks[];
extern const size_t check_count;

#endif
