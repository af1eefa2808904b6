// SPDX-License-Identifier: Apache-2.0
/* Without windows: a probe is on or off. */
#include <errno.h>
#include <stdio.h>
#include "cmd/measure_impl.h"
#include "cmd/measure_windows.h"

#define GOVERNED "switched off: it cost more than the budget"

int measure_set_duty(struct measure *m, size_t i, uint32_t one_in)
{
	struct tune_change c = { .probe = (int)i,
				 .keys = TUNE_ENABLED,
				 .enabled = one_in };
	struct probe *p = &m->probes[i];
	char cause[200];
	int err;

	if (one_in > 1)
		return -EOPNOTSUPP;
	if (p->state != PROBE_ATTACHED && !(p->state == PROBE_OFF && m->governed[i]))
		return -ENODEV;
	err = measure_switch(m, &c, cause, sizeof(cause));
	if (err)
		return err;
	m->governed[i] = !one_in;
	if (!one_in)
		snprintf(p->reason, sizeof(p->reason), GOVERNED);
	return 0;
}

uint32_t measure_duty(const struct measure *m, size_t i)
{
	return m->probes[i].state == PROBE_OFF && m->governed[i] ? 0 : 1;
}

bool measure_is_open(const struct measure *m, size_t i)
{
	return m->probes[i].state == PROBE_ATTACHED;
}
