// SPDX-License-Identifier: Apache-2.0
#include "kernel/probes.h"
#include "metric/self_budget.h"

const struct metric self_duty = {
	"assay.probe.duty",
	"1",
	"How much of the time the probe is attached: 1: always, 0: off.",
	METRIC_GAUGE,
	.real = true,
	.attrs = { "assay.probe" },
};
const struct metric self_cost = {
	"assay.probe.cost",
	"1",
	"What the probe takes of the busy time of the CPU where all take most.",
	METRIC_GAUGE,
	.real = true,
	.attrs = { "assay.probe" },
};
const struct metric self_budget = {
	"assay.budget",
	"1",
	"What all probes together may take of it; no point: there is no budget.",
	METRIC_GAUGE,
	.real = true,
};

const struct metric self_attached_time = {
	"assay.probe.attached.time",
	"s",
	"How long the probe was on, with the gaps between its windows; in reports, not in "
	"exports.",
	METRIC_SUM,
	.real = true,
	.attrs = { "assay.probe" },
};
const struct metric self_counted_time = {
	"assay.probe.counted.time",
	"s",
	"For how long stands what the probe counts in windows, if it has any: each tells "
	"of the gap before it, too, when it is over; in reports, not in exports.",
	METRIC_SUM,
	.real = true,
	.attrs = { "assay.probe" },
};

static int add_times(struct point_group *g, const struct budget_facts *b, size_t i,
		     uint64_t start_ns)
{
	const char *name = probe_descs[i].name;
	int err =
	    points_add_d(g, &self_attached_time, name, start_ns, b->attached_s[i]);

	return err ? err
		   : points_add_d(g, &self_counted_time, name, start_ns,
				  b->counted_s[i]);
}

int self_add_budget(struct point_group *g, const struct budget_facts *b,
		    uint64_t start_ns, bool times)
{
	int err = b->budget > 0 ? points_add_d(g, &self_budget, NULL, 0, b->budget) : 0;

	for (size_t i = 0; i < PROBE_COUNT && !err; i++) {
		if (!b->loaded[i])
			continue;
		err = points_add_d(g, &self_duty, probe_descs[i].name, 0, b->duty[i]);
		if (!err)
			err = points_add_d(g, &self_cost, probe_descs[i].name, 0,
					   b->cost[i]);
		if (!err && times)
			err = add_times(g, b, i, start_ns);
	}
	return err;
}
