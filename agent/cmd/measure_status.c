// SPDX-License-Identifier: Apache-2.0
/* How measuring goes, for `assay status`. */
#include <stdio.h>
#include <string.h>
#include "base/resident.h"
#include "base/util.h"
#include "cmd/measure.h"
#include "cmd/measure_impl.h"
#include "view/status.h"

#define LOSS_SAMPLE_NS 30000000000ULL

static struct self_facts facts_of(const struct measure *m)
{
	return (struct self_facts){
		.probes = m->probes,
		.cells = &m->cells,
		.folded = m->snapshot ? snapshot_folded(m->snapshot) : 0,
		.overflown = m->cap.overflown,
	};
}

static void sample_losses(const struct measure *m, uint64_t now,
			  struct loss_sample *out)
{
	struct self_facts facts = facts_of(m);

	out->ns = now;
	for (size_t i = 0; i < PROBE_COUNT; i++)
		for (int why = 0; why < SELF_LOSSES; why++)
			out->lost[i][why] = self_lost(&facts, i, why);
}

void measure_note_read(struct measure *m)
{
	uint64_t now = now_mono_ns();

	m->read_ns = now;
	if (m->losses[1].ns && now - m->losses[1].ns < LOSS_SAMPLE_NS)
		return;
	m->losses[0] = m->losses[1];
	sample_losses(m, now, &m->losses[1]);
}

/* What was lost since the start, and lately: since the older one of the samples. */
static void tell_losses(const struct measure *m, uint64_t now, struct status *s)
{
	const struct loss_sample *then = &m->losses[m->losses[0].ns ? 0 : 1];
	struct self_facts facts = facts_of(m);

	s->lost_window_s = then->ns ? (now - then->ns) * 1e-9 : 0;
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		for (int why = 0; why < SELF_LOSSES; why++) {
			uint64_t n = self_lost(&facts, i, why);
			struct status_loss *l = &s->lost[s->lost_count];

			if (!n || s->lost_count == STATUS_LOSSES)
				continue;
			snprintf(l->probe, sizeof(l->probe), "%s", probe_descs[i].name);
			snprintf(l->reason, sizeof(l->reason), "%s", loss_name(why));
			l->count = n;
			l->lately = n - then->lost[i][why];
			s->lost_count++;
		}
	}
}

static void tell_probes(const struct measure *m, struct status *s)
{
	for (size_t i = 0; i < probe_desc_count; i++) {
		struct status_probe *p = &s->probes[s->probe_count++];

		snprintf(p->name, sizeof(p->name), "%s", probe_descs[i].name);
		snprintf(p->state, sizeof(p->state), "%s",
			 probe_state_name(m->probes[i].state));
		snprintf(p->reason, sizeof(p->reason), "%s", m->probes[i].reason);
	}
}

void measure_status(struct measure *m, uint64_t now, struct status *s)
{
	const struct cells_plan *plan = &m->cells.plan;
	uint64_t heap = heap_used(), start = m->self.heap_start;

	tell_probes(m, s);
	measure_budget_status(m, s);
	tell_losses(m, now, s);
	s->read_s = m->read_ns ? (now - m->read_ns) * 1e-9 : STATUS_NEVER;
	s->memory = (struct status_memory){
		.limit = plan->limit,
		.planned = plan->total,
		.kernel = plan_kernel_bytes(plan),
		.agent = plan->bytes[PART_AGENT],
		.agent_used = start && heap > start ? heap - start : 0,
	};
}
