/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Rules by which workloads are chosen: RULE,RULE, of which one that matches is enough.
 *
 * A rule is WORD=PATTERN or label:KEY=PATTERN. The words: namespace, pod, container,
 * owner (the deployment, CronJob, StatefulSet, ... that made the pod), name (what
 * assay.workload.name is of a container or unit), kind (container, pod, unit or
 * cgroup). In a pattern * stands for any characters, or none; all else is itself. A
 * workload that has no such thing is matched by no pattern.
 */
#ifndef SELECT_H
#define SELECT_H

#include <stdbool.h>
#include <stdio.h>
#include "workload/identity.h"
#include "workload/names.h"

struct select;

/* Reads rules. -EINVAL: these are none; -ENOMEM. To be ended by select_free(). */
int select_parse(const char *text, struct select **out);
/* names: NULL if it has none. */
bool select_matches(const struct select *s, const struct workload_id *id,
		    const struct names *names);
/* Does any of the rules look at what only the kubelet knows? */
bool select_needs_kubelet(const struct select *s);
/* The keys of labels that rules look at, with commas between; owned by the caller.
 * NULL: no memory, or there are none. */
char *select_labels(const struct select *s);
/* As options have it: 0 or -EINVAL, and what is allowed, as the end of "must be". */
int select_check(const char *text);
void select_allowed(FILE *f);
void select_free(struct select *s);

#endif
