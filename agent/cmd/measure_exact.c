// SPDX-License-Identifier: Apache-2.0
/*
 * While somebody looks, all is counted: probes that run in windows, or are off for what
 * they cost, are on. Then they are as they were.
 */
#include "base/log.h"
#include "base/util.h"
#include "cmd/measure_exact.h"
#include "cmd/measure_impl.h"
#include "cmd/measure_windows.h"

#define NS_OF_MS 1000000ULL

static uint64_t now_ms(void)
{
	return now_mono_ns() / NS_OF_MS;
}

static void count_all(struct measure *m)
{
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		uint32_t one_in = measure_duty(m, i);
		int err = one_in == 1 ? 0 : measure_set_duty(m, i, 1);

		if (err)
			log_warn(err, "probe %s: not all is counted now",
				 probe_descs[i].name);
		if (one_in != 1 && !m->look_resumes[i].is_set)
			m->look_resumes[i] = (struct resume){ true, one_in };
	}
}

/* Whether all is counted, also without being asked for. */
static bool is_exact_anyway(const struct measure *m)
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (measure_duty(m, i) != 1 || m->look_resumes[i].is_set)
			return false;
	return measure_is_exact(m);
}

uint64_t measure_exact(struct measure *m, uint64_t until_ns)
{
	uint64_t now = now_ms(), until = until_ns / NS_OF_MS, given;

	if (until <= now)
		return 0;
	given = exact_ask(&m->exact, now, until - now);
	if (given < until - now && is_exact_anyway(m))
		return until - now;

	if (given)
		count_all(m);
	return given;
}

bool measure_is_looked_at(const struct measure *m)
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (m->look_resumes[i].is_set)
			return true;
	return exact_is_on(&m->exact, now_ms());
}

void measure_forget_resume(struct measure *m, size_t probe)
{
	m->look_resumes[probe].is_set = false;
}

void measure_end_exact(struct measure *m)
{
	if (exact_is_on(&m->exact, now_ms()))
		return;
	for (size_t i = 0; i < PROBE_COUNT; i++) {
		struct resume *r = &m->look_resumes[i];
		int err = r->is_set ? measure_set_duty(m, i, r->one_in) : 0;

		r->is_set = false;
		if (err)
			log_warn(err, "probe %s: all is still counted",
				 probe_descs[i].name);
	}
}
