/* SPDX-License-Identifier: Apache-2.0 */
#ifndef KUBELET_OPTIONS_H
#define KUBELET_OPTIONS_H

#include <stdbool.h>
#include "base/options.h"
#include "workload/kubelet.h"

/*
 * How the options want the kubelet to be asked; false: not at all. Strings are theirs,
 * and labels: keys of those that somebody may ask for, with commas between, or NULL.
 */
bool kubelet_options(const struct options *o, const char *labels,
		     struct kubelet_opts *k);

#endif
