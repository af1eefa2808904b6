// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
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

static int add(struct point_group *g, const struct metric *m, const char *probe,
	       double value)
{
	struct point *p = points_add(g, m);

	if (!p)
		return -ENOMEM;
	p->values[0] = probe;
	p->d = value;
	return 0;
}

int self_add_budget(struct point_group *g, const struct budget_facts *b)
{
	int err = b->budget > 0 ? add(g, &self_budget, NULL, b->budget) : 0;

	for (size_t i = 0; i < PROBE_COUNT && !err; i++) {
		if (!b->loaded[i])
			continue;
		err = add(g, &self_duty, probe_descs[i].name, b->duty[i]);
		if (!err)
			err = add(g, &self_cost, probe_descs[i].name, b->cost[i]);
	}
	return err;
}
