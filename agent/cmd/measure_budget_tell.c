// SPDX-License-Identifier: Apache-2.0
/* What the budget comes to, for gauges and for `assay status`. */
#include "cmd/measure_budget.h"
#include "cmd/measure_impl.h"
#include "view/status.h"

double budget_full_cost(const struct budget *b, size_t probe, uint32_t *cpu)
{
	double most = 0;

	*cpu = 0;
	for (size_t k = 0; k < b->load.count; k++) {
		const struct governor_cpu *c = &b->load.cpus[k];
		double full = c->smooth[probe].windowed + c->smooth[probe].fixed;

		if (full <= most)
			continue;
		most = full;
		*cpu = c->cpu;
	}
	return most;
}

const struct budget_facts *measure_budget_facts(const struct measure *m,
						struct budget_facts *out)
{
	const struct budget *b = m->budget;
	const struct governor_cpu *worst;
	double share;

	if (!b)
		return NULL;
	worst = governor_worst(&b->governor, &b->load, &share);
	*out = (struct budget_facts){ .budget = b->governor.budget };
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		uint32_t one_in = measure_one_in(m, i);

		out->loaded[i] = m->probes[i].state == PROBE_ATTACHED ||
				 m->probes[i].state == PROBE_OFF;
		if (m->probes[i].state == PROBE_ATTACHED && one_in)
			out->duty[i] = 1.0 / one_in;
		out->attached_s[i] = m->times[i].attached_ns * 1e-9;
		out->counted_s[i] = m->times[i].counted_ns * 1e-9;
		if (worst)
			out->cost[i] = governor_cost(&b->governor, worst, i);
	}
	return out;
}

void measure_budget_status(const struct measure *m, struct status *s)
{
	const struct budget *b = m->budget;
	const struct governor_cpu *worst;
	struct budget_facts facts;
	uint32_t cpu;
	double share;

	if (!measure_budget_facts(m, &facts))
		return;
	worst = governor_worst(&b->governor, &b->load, &share);
	s->governed = true;
	s->budget = facts.budget;
	s->worst_cpu = worst ? (int)worst->cpu : STATUS_NO_CPU;
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		const struct probe_average *a = &b->probes[i];

		s->probes[i].duty = facts.duty[i];
		s->probes[i].cost = facts.cost[i];
		s->probes[i].full_cost = b->governor.probes[i].one_in
					     ? budget_full_cost(b, i, &cpu)
					     : b->took[i];
		if (a->runs > 0) {
			s->probes[i].run_ns = a->cost_ns / a->runs;
			s->probes[i].hook_ns = a->hook_ns / a->runs;
		}
		if (a->cpu_ns > 0)
			s->probes[i].node_cost = a->cost_ns / a->cpu_ns;
	}
}
