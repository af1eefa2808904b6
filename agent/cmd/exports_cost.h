/* SPDX-License-Identifier: Apache-2.0 */
/* What exports cost a backend, computed before there are any. */
#ifndef EXPORTS_COST_H
#define EXPORTS_COST_H

#include <stddef.h>

struct options;
struct cells_plan;

/*
 * One line: about how many series and bytes there will be, of an export and a day, and
 * how many series there are at most, by options, plan and the kubelet's limit of pods.
 */
void exports_cost(const struct options *o, const struct cells_plan *plan, char *text,
		  size_t len);

#endif
