/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which workloads are one in exports: pure functions of who a workload is.
 */
#ifndef GROUP_H
#define GROUP_H

#include <stdbool.h>
#include <stddef.h>
#include "workload/identity.h"
#include "workload/names.h"

/* --group-by */
enum group_by { GROUP_CONTAINER, GROUP_POD, GROUP_OWNER, GROUP_NAMESPACE };

struct select;

/* What exports take together. Zeroed: nothing. */
struct grouping {
	enum group_by by;
	struct select *include, *exclude; /* owned, see select.h; NULL: not given */
};

/* A group. Of two workloads that are in one, the keys are the same. */
struct group_id {
	enum workload_kind kind; /* pod, owner, namespace or excluded */
	char *key, *name;	 /* owned */
};

/*
 * Which group a workload is in, names being NULL if it has none. A pod whose owner is
 * not known is a group of its own. 1: it is in one, which ends with group_id_fini();
 * 0: it is exported as itself; -ENOMEM.
 */
int group_find(const struct grouping *g, const struct workload_id *id,
	       const struct names *names, struct group_id *out);
void group_id_fini(struct group_id *id);
/* Is anything taken together at all? */
bool grouping_is_on(const struct grouping *g);
/* Ends its rules. */
void grouping_fini(struct grouping *g);

#endif
