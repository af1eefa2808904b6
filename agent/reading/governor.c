// SPDX-License-Identifier: Apache-2.0
/*
 * Why it does not swing: a probe's cost is known by what it would be if it ran all the
 * time, so it does not change by what is done about it. Down is done when the sum is
 * over the budget; back only when it has been below BACK_BELOW of it for a minute, and
 * would be below BACK_TO afterwards. A step back that did not hold doubles that minute.
 */
#include <string.h>
#include "reading/governor.h"

#define SECOND	   1000000000ULL
#define BACK_BELOW 0.7
#define BACK_TO	   0.85
#define NOTABLE	   0.05 /* of the budget: less is not worth a step */
#define WAITS_MOST 8	/* times calm_ns */

void governor_init(struct governor *g, double budget)
{
	*g = (struct governor){
		.budget = budget,
		.calm_ns = 60 * SECOND,
		.step_ns = 5 * SECOND,
		.retry_ns = 300 * SECOND,
		.wait_ns = 60 * SECOND,
	};
	for (size_t i = 0; i < PROBE_COUNT; i++)
		g->probes[i].one_in = 1;
}

void governor_hurry(struct governor *g, unsigned int times)
{
	g->calm_ns /= times;
	g->step_ns /= times;
	g->retry_ns /= times;
	g->wait_ns = g->calm_ns;
}

void governor_forget(struct governor *g, size_t probe)
{
	g->probes[probe].one_in = 1;
	g->calm_since_ns = 0;
}

static double cost_at(const struct governor_probe *p, const struct governor_cost *c)
{
	return p->present && p->one_in ? c->windowed / p->one_in + c->fixed : 0;
}

double governor_cost(const struct governor *g, const struct governor_cpu *c, size_t i)
{
	return cost_at(&g->probes[i], &c->smooth[i]);
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static double cost_latest(const struct governor *g, const struct governor_cpu *c,
			  size_t i)
{
	return cost_at(&g->probes[i], &c->latest[i]);
}

/* What is more. */
static double cost_now(const struct governor *g, const struct governor_cpu *c, size_t i)
{
	return larger(governor_cost(g, c, i), cost_latest(g, c, i));
}

/* The worst CPU, and what all together cost there. */
static const struct governor_cpu *worst_by(
    const struct governor *g, const struct governor_load *l, double *share,
    double (*cost)(const struct governor *g, const struct governor_cpu *c, size_t i))
{
	const struct governor_cpu *worst = NULL;

	*share = 0;
	for (size_t k = 0; k < l->count; k++) {
		double sum = 0;

		for (size_t i = 0; i < PROBE_COUNT; i++)
			sum += cost(g, &l->cpus[k], i);
		if (!worst || sum > *share) {
			worst = &l->cpus[k];
			*share = sum;
		}
	}
	return worst;
}

const struct governor_cpu *governor_worst(const struct governor *g,
					  const struct governor_load *l, double *share)
{
	return worst_by(g, l, share, governor_cost);
}

/* What half of its share of the time would spare; 0: it has no half. */
static double spared(const struct governor *g, const struct governor_cpu *c, size_t i)
{
	const struct governor_probe *p = &g->probes[i];

	if (p->kind != GOVERN_WINDOWS || !p->present || !p->one_in ||
	    p->one_in == PROBE_ONE_IN_MAX)
		return 0;
	return larger(c->smooth[i].windowed, c->latest[i].windowed) / p->one_in / 2;
}

/* Who is dear enough to be switched off; sched by what it costs for long. */
static double wasted(const struct governor *g, const struct governor_cpu *c, size_t i,
		     enum governor_kind kind)
{
	if (g->probes[i].kind != kind)
		return 0;
	if (kind != GOVERN_LAST)
		return cost_now(g, c, i);
	return governor_cost(g, c, i) > g->budget ? governor_cost(g, c, i) : 0;
}

/*
 * What may be switched off next. When one that goes last is over the budget by itself,
 * it is no use to switch off all the others before.
 */
static int first_kind(const struct governor *g, const struct governor_cpu *c)
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (g->probes[i].kind == GOVERN_LAST && cost_now(g, c, i) > g->budget)
			return GOVERN_LAST;
	return GOVERN_WINDOWS;
}

/* The dearest one has a step down, as its kind is. False: there is none. */
static bool step_down(struct governor *g, const struct governor_cpu *c, uint64_t now_ns)
{
	struct governor_probe *found = NULL;
	double least = NOTABLE * g->budget, most = least;

	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (spared(g, c, i) > most) {
			most = spared(g, c, i);
			found = &g->probes[i];
		}
	if (found) {
		found->one_in *= 2;
		return true;
	}
	for (int kind = first_kind(g, c); kind <= GOVERN_LAST && !found; kind++)
		for (size_t i = 0; i < PROBE_COUNT; i++)
			if (wasted(g, c, i, kind) > most) {
				most = wasted(g, c, i, kind);
				found = &g->probes[i];
			}
	if (!found)
		return false;
	found->one_in = 0;
	found->off_ns = now_ns;
	return true;
}

/* As many steps at once as it takes: what costs ten times too much does so now. */
static void go_down(struct governor *g, const struct governor_load *l, uint64_t now_ns)
{
	const struct governor_cpu *worst;
	double share;

	do
		worst = worst_by(g, l, &share, cost_now);
	while (worst && share > g->budget && step_down(g, worst, now_ns));
	g->calm_since_ns = 0;
	for (size_t i = 0; i < PROBE_COUNT; i++)
		memset(g->probes[i].fits_ns, 0, sizeof(g->probes[i].fits_ns));
	if (g->back_ns && now_ns - g->back_ns < 2 * g->wait_ns) {
		if (g->wait_ns < WAITS_MOST * g->calm_ns)
			g->wait_ns *= 2;
	} else {
		g->wait_ns = g->calm_ns;
	}
	g->back_ns = 0;
}

/* What it has after a step back. */
static uint32_t step_back(const struct governor_probe *p)
{
	if (p->one_in)
		return p->one_in / 2;
	return p->kind == GOVERN_WINDOWS ? PROBE_ONE_IN_MAX : 1;
}

/* Notes for each step whether the budget would hold, and since when. */
static void note_fits(struct governor *g, const struct governor_load *l,
		      struct governor_probe *p, uint64_t now_ns)
{
	uint32_t has = p->one_in;

	for (int n = 0; n < GOVERNOR_STEPS; n++) {
		double share;

		p->one_in = 1U << n;
		worst_by(g, l, &share, cost_latest);
		if (share > BACK_TO * g->budget)
			p->fits_ns[n] = 0;
		else if (!p->fits_ns[n])
			p->fits_ns[n] = now_ns;
	}
	p->one_in = has;
}

/*
 * Whether a step back would have held all the time for so long, second by second, and
 * does by what is smoothed.
 */
static bool fits(struct governor *g, const struct governor_load *l,
		 struct governor_probe *p, uint64_t now_ns)
{
	uint32_t has = p->one_in, then = step_back(p);
	uint64_t since = p->fits_ns[__builtin_ctz(then)];
	double share;

	if (!since || now_ns - since < g->wait_ns)
		return false;
	p->one_in = then;
	governor_worst(g, l, &share);
	p->one_in = has;
	return share <= BACK_TO * g->budget;
}

/* How far from on; the kinds that go last come back first. */
static unsigned int distance(const struct governor_probe *p)
{
	unsigned int steps = p->one_in ? p->one_in : 2 * PROBE_ONE_IN_MAX;

	return p->kind * 4 * PROBE_ONE_IN_MAX + steps;
}

/* One step for one probe. */
static void go_back(struct governor *g, const struct governor_load *l, uint64_t now_ns)
{
	struct governor_probe *best = NULL;

	for (size_t i = 0; i < PROBE_COUNT; i++) {
		struct governor_probe *p = &g->probes[i];

		if (!p->present || p->one_in == 1 || !l->known[i] ||
		    !fits(g, l, p, now_ns))
			continue;
		if (!best || distance(p) > distance(best))
			best = p;
	}
	if (!best)
		return;
	best->one_in = step_back(best);
	g->back_ns = now_ns;
}

/*
 * What one that is off would cost now nobody knows. One at a time is on again, as
 * little as can be, until it was measured.
 */
static void look_anew(struct governor *g, uint64_t now_ns, unsigned int *anew)
{
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		struct governor_probe *p = &g->probes[i];

		if (!p->present || p->one_in || now_ns - p->off_ns < g->retry_ns)
			continue;
		p->one_in = step_back(p);
		*anew |= 1U << i;
		return;
	}
}

void governor_decide(struct governor *g, const struct governor_load *l, uint64_t now_ns,
		     unsigned int *anew)
{
	double smooth, most;

	*anew = 0;
	if (!g->budget)
		return;
	governor_worst(g, l, &smooth);
	if (smooth > g->budget) {
		go_down(g, l, now_ns);
		return;
	}
	worst_by(g, l, &most, cost_latest);
	if (most > BACK_BELOW * g->budget)
		g->calm_since_ns = 0;
	else if (!g->calm_since_ns)
		g->calm_since_ns = now_ns;
	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (g->probes[i].present && g->probes[i].one_in != 1)
			note_fits(g, l, &g->probes[i], now_ns);
	if (g->calm_since_ns && now_ns - g->calm_since_ns >= g->wait_ns &&
	    now_ns - g->back_ns >= g->step_ns)
		go_back(g, l, now_ns);
	look_anew(g, now_ns, anew);
}
