/* SPDX-License-Identifier: Apache-2.0 */
#ifndef GROUP_OPTIONS_H
#define GROUP_OPTIONS_H

#include "base/options.h"
#include "workload/group.h"

/*
 * What the options want exports to take together. -ENOMEM, or -EINVAL for rules that
 * options_args() would have refused. Ends with grouping_fini().
 */
int grouping_options(const struct options *o, struct grouping *g);
/*
 * Do the options ask for what only the kubelet knows, without asking the kubelet? Then
 * -EINVAL, with one line in cause.
 */
int grouping_check(const struct options *o, char *cause, size_t len);
/*
 * The keys of labels that the kubelet is to tell: those that are exported, and those
 * that rules look at. Owned by the caller; NULL: none, or no memory.
 */
char *grouping_labels(const struct options *o);

#endif
