// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include "base/util.h"
#include "kernel/probes.h"
#include "reading/expense.h"

#define SECOND	   1e9
#define SMOOTH_NS  (20 * SECOND) /* nine tenths of what counts is of the last 46 s */
#define LATEST_NS  (4 * SECOND)
#define KNOWN_NS   (0.4 * SECOND) /* one window is enough */
#define BUSY_LEAST 0.05		  /* a CPU that is less busy slows nobody down */
#define NS_LEAST   1e5		  /* of busy time: what is less says nothing */

int expense_open(struct expense *e, uint32_t cpus)
{
	*e = (struct expense){ .cpus = cpus, .span_ns = { SMOOTH_NS, LATEST_NS } };
	e->by_cpu = calloc(cpus, sizeof(*e->by_cpu));
	e->busy = calloc(cpus, sizeof(*e->busy));
	return e->by_cpu && e->busy ? 0 : -ENOMEM;
}

void expense_hurry(struct expense *e, unsigned int times)
{
	for (int k = 0; k < EXPENSE_SPANS; k++)
		e->span_ns[k] /= times;
}

void expense_tick(struct expense *e, const struct expense_tick *t)
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		e->known_ns[i] += t->ns * t->attached[i];
}

/* faded: what is left of what was known; less than 1 on a CPU that is idle. */
static void add_sum(struct expense_sum *s, double kept, double faded, double cost_ns,
		    double busy_ns)
{
	s->share *= faded;
	s->cost_ns = s->cost_ns * kept * faded + cost_ns;
	s->busy_ns = s->busy_ns * kept + busy_ns;
	if (s->busy_ns >= NS_LEAST)
		s->share = s->cost_ns / s->busy_ns;
}

void expense_add(struct expense *e, uint32_t cpu, const struct expense_tick *t,
		 double busy_ns, const uint64_t runs[PROGRAM_COUNT])
{
	double windowed[PROBE_COUNT] = { 0 }, fixed[PROBE_COUNT] = { 0 };
	struct expense_cpu *c = &e->by_cpu[cpu];

	for (size_t p = 0; p < PROGRAM_COUNT && runs; p++)
		(t->windowed[p] ? windowed : fixed)[programs[p].probe] +=
		    runs[p] * t->run_ns[p];
	for (int k = 0; k < EXPENSE_SPANS; k++) {
		double kept = exp(-t->ns / e->span_ns[k]);
		/* who comes next is not who was there before */
		double faded = c->busy < BUSY_LEAST ? kept : 1;

		if (k == EXPENSE_LATEST)
			c->busy = c->busy * kept + busy_ns / t->ns * (1 - kept);
		for (size_t i = 0; i < PROBE_COUNT; i++) {
			if (!t->on[i])
				continue; /* what is known of it stays */
			add_sum(&c->windowed[k][i], kept, faded, windowed[i],
				busy_ns * t->attached[i]);
			add_sum(&c->fixed[k][i], kept, faded, fixed[i], busy_ns);
		}
	}
}

void expense_forget(struct expense *e, size_t probe)
{
	e->known_ns[probe] = 0;
	for (uint32_t cpu = 0; cpu < e->cpus; cpu++)
		for (int k = 0; k < EXPENSE_SPANS; k++) {
			struct expense_cpu *c = &e->by_cpu[cpu];

			c->windowed[k][probe] = (struct expense_sum){ 0 };
			c->fixed[k][probe] = (struct expense_sum){ 0 };
		}
}

static void tell(const struct expense_cpu *c, int span,
		 struct governor_cost out[PROBE_COUNT])
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		out[i] = (struct governor_cost){ c->windowed[span][i].share,
						 c->fixed[span][i].share };
}

void expense_load(struct expense *e, struct governor_load *l)
{
	*l = (struct governor_load){ .cpus = e->busy };
	for (size_t i = 0; i < PROBE_COUNT; i++)
		l->known[i] =
		    e->known_ns[i] >= KNOWN_NS * e->span_ns[EXPENSE_SMOOTH] / SMOOTH_NS;
	for (uint32_t cpu = 0; cpu < e->cpus; cpu++) {
		const struct expense_cpu *c = &e->by_cpu[cpu];
		struct governor_cpu *out = &e->busy[l->count];

		if (c->busy < BUSY_LEAST)
			continue;
		out->cpu = cpu;
		tell(c, EXPENSE_SMOOTH, out->smooth);
		tell(c, EXPENSE_LATEST, out->latest);
		l->count++;
	}
}

void expense_close(struct expense *e)
{
	free(e->by_cpu);
	free(e->busy);
}
