// SPDX-License-Identifier: Apache-2.0
#include "metric/metrics.h"
#include "metric/self_reach.h"

const struct metric self_reach = {
	"assay.inflight.reach",
	"s",
	"Up to which age operations under way are known, as those that began before their "
	"probe was on are not; absent: no pass was whole lately, or the probe is off or in "
	"windows; in reports, not in exports.",
	METRIC_GAUGE,
	.real = true,
	.attrs = { "assay.operation" },
};

int self_add_reach(struct point_group *g, const double reach_s[INFLIGHT_COUNT])
{
	int err = 0;

	for (int i = 0; i < INFLIGHT_COUNT && !err; i++)
		if (reach_s[i] >= 0)
			err = points_add_d(g, &self_reach, inflight_names[i], 0,
					   reach_s[i]);
	return err;
}
