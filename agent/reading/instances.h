/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Workloads by their instance, of which several may have one: a hash table of borrowed
 * pointers. Zeroed is empty.
 */
#ifndef INSTANCES_H
#define INSTANCES_H

#include <stddef.h>
#include <stdint.h>

struct workload;

struct instances {
	struct instance_entry {
		uint64_t hash;		   /* of the instance that it was added with */
		struct workload *workload; /* NULL: free */
	} * entries;
	size_t count, room; /* room: 0 or a power of two */
};

/* Empties it, and makes room for so many at first. -ENOMEM. */
int instances_clear(struct instances *x, size_t count);
/* Adds a workload that has an instance, or has another one now. -ENOMEM. */
int instances_add(struct instances *x, struct workload *w);
/*
 * One workload after the other of an instance, those that were added first coming first
 * as a rule; NULL: there are no more. at: 0 for the first one. Those that have another
 * instance by now are left out.
 */
struct workload *instances_next(const struct instances *x, const char *instance,
				size_t *at);
void instances_fini(struct instances *x);

#endif
