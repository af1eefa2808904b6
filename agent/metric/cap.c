// SPDX-License-Identifier: Apache-2.0
#include <string.h>
#include "metric/cap.h"

void cap_begin(struct series_cap *c)
{
	memset(c->seen, 0, sizeof(c->seen));
}

static void decide(struct series_cap *c, struct point *p)
{
	if (c->live[p->row] < c->most) {
		*p->set = SET_OWN;
		c->live[p->row]++;
	} else {
		*p->set = SET_OVERFLOW;
		c->overflown++;
	}
}

int cap_take(struct series_cap *c, struct point_group *g)
{
	bool some = false;

	if (g->unlimited)
		return 0;
	for (size_t i = 0; i < g->count; i++) {
		struct point *p = &g->points[i];

		if (!p->set || !p->metric->attrs[0])
			continue;
		if (*p->set == SET_NEW)
			decide(c, p);
		if (*p->set == SET_OWN) {
			c->seen[p->row]++;
			continue;
		}
		memset(p->values, 0, sizeof(p->values));
		p->overflow = some = true;
	}
	return some ? points_merge(g) : 0;
}

void cap_end(struct series_cap *c)
{
	memcpy(c->live, c->seen, sizeof(c->live));
}
