// SPDX-License-Identifier: Apache-2.0
#include "workload/kubelet_pace.h"

#define SECOND 1000000000ULL

const struct kubelet_pace kubelet_pace_default = {
	.gap_ns = SECOND,
	.refill_ns = 10 * SECOND,
	.burst = 10,
	.period_ns = 300 * SECOND,
	.backoff_ns = 10 * SECOND,
	.backoff_max_ns = 300 * SECOND,
	.spare_times = 5000,
	.spare_max_ns = 20 * SECOND, /* exports wait for 30 s */
};

static uint64_t later(uint64_t a, uint64_t b)
{
	return a > b ? a : b;
}

/* A time that is up to `percent` longer or shorter. */
static uint64_t vary(uint64_t ns, unsigned int percent, unsigned int chance)
{
	uint64_t part = ns / 100 * percent;

	return ns - part + 2 * part / 0xffff * (chance & 0xffff);
}

/* When one is due that can wait. */
static uint64_t spare_next(const struct kubelet_pace *p, const struct kubelet_clock *c)
{
	uint64_t pause = c->cost_ns * p->spare_times;

	if (pause > p->spare_max_ns)
		pause = p->spare_max_ns;
	return later(c->spare_ns, c->last_ns + pause);
}

uint64_t kubelet_clock_next(const struct kubelet_pace *p, const struct kubelet_clock *c)
{
	uint64_t next = c->regular_ns, depth = (p->burst - 1) * p->refill_ns;

	if (c->wanted_ns && c->wanted_ns < next)
		next = c->wanted_ns;
	if (c->spare_ns && spare_next(p, c) < next)
		next = spare_next(p, c);
	next = later(next, c->retry_ns);
	if (c->last_ns)
		next = later(next, c->last_ns + p->gap_ns);
	return later(next, c->full_ns > depth ? c->full_ns - depth : 0);
}

void kubelet_clock_want(struct kubelet_clock *c, uint64_t at_ns, bool can_wait)
{
	uint64_t *wanted = can_wait ? &c->spare_ns : &c->wanted_ns;

	if (!*wanted || at_ns < *wanted)
		*wanted = at_ns;
}

void kubelet_clock_asked(const struct kubelet_pace *p, struct kubelet_clock *c,
			 uint64_t now_ns, unsigned int chance)
{
	c->last_ns = now_ns;
	c->full_ns = later(c->full_ns, now_ns) + p->refill_ns;
	c->regular_ns = now_ns + vary(p->period_ns, 10, chance);
	c->wanted_ns = c->spare_ns = 0;
}

void kubelet_clock_answered(const struct kubelet_pace *p, struct kubelet_clock *c,
			    uint64_t now_ns, uint64_t cost_ns, int failed,
			    unsigned int chance)
{
	uint64_t pause = p->backoff_ns;

	/* whenever it came there, the next one keeps its distance */
	c->last_ns = now_ns;
	c->cost_ns = cost_ns;
	if (!failed) {
		c->failures = 0;
		c->retry_ns = 0;
		return;
	}
	for (unsigned int i = 0; i < c->failures && pause < p->backoff_max_ns; i++)
		pause *= 2;
	if (pause > p->backoff_max_ns)
		pause = p->backoff_max_ns;
	c->failures++;
	c->retry_ns = now_ns + vary(pause, 20, chance);
	kubelet_clock_want(c, c->retry_ns, false);
}
