/* SPDX-License-Identifier: Apache-2.0 */
/* Points to be encoded. */
#ifndef SOME_POINTS_H
#define SOME_POINTS_H

#include "metric/metric.h"

static const struct metric calls = { "test.calls", "{call}", "Calls.", METRIC_SUM,
				     .attrs = { "class", "error.type" } };
static const struct metric open_now = { "test.open", "{connection}", "Open.",
					METRIC_UPDOWN };

#define TIME  2000000000ULL
#define START 1000000000ULL

static struct point_group *add_group(struct points *p, const char *name)
{
	struct point_group *g = points_group(p);

	points_attr(g, "service.name", name);
	points_attr(g, "service.instance.id", name);
	return g;
}

static struct point *add_count(struct point_group *g, const struct metric *m,
			       uint64_t n, const char *value)
{
	struct point *pt = points_add(g, m);

	pt->u = n;
	pt->start_ns = START;
	pt->values[0] = value;
	return pt;
}

#endif
