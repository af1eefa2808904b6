/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One agent measures a node: two that export under one identity make nonsense of each
 * other's counts. Every agent makes a mark in the kernel; the oldest mark measures, the
 * others wait in the order in which they came.
 *
 * The mark is a BPF map of a form of its own, which an iterator over the kernel's maps
 * finds. So it is seen from every container, whatever its namespaces and mounts, needs
 * no privilege that measuring does not need, cannot be made by who has not got it, and
 * goes with its process, however that ends.
 */
#ifndef NODE_LOCK_H
#define NODE_LOCK_H

#include <stddef.h>
#include <stdint.h>

#define NODE_LOCK_NONE "none"

struct node_lock;

/*
 * Makes our mark under a name of at most 15 letters, digits, '_' and '.'. Returns 0 or
 * -errno, with one line in cause.
 */
int node_lock_open(const char *name, struct node_lock **out, char *cause, size_t len);
/*
 * Is it our turn? 1: yes, until node_lock_close(), and not to be asked again. 0:
 * another agent measures; *pid is its process id in the initial PID namespace. -errno:
 * that is unknown now.
 */
int node_lock_try(struct node_lock *l, uint32_t *pid);
/* Takes the mark away. NULL is fine. */
void node_lock_close(struct node_lock *l);

#endif
