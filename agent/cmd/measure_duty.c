// SPDX-License-Identifier: Apache-2.0
/*
 * For how much of the time a probe is on: always, in windows (measure_windows.c), or
 * not at all, as if it were switched off.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "cmd/measure_impl.h"
#include "cmd/measure_windows.h"

#define GOVERNED "switched off: it cost more than the budget"

/* Switches it off, or on again, as who governs says. */
static int switch_it(struct measure *m, size_t i, bool on)
{
	struct tune_change c = { .probe = (int)i, .keys = TUNE_ENABLED, .enabled = on };
	char cause[200];
	int err = measure_switch(m, &c, cause, sizeof(cause));

	if (m->probes[i].state != PROBE_OFF)
		return err;
	/* also when it could not be switched on: it is tried again */
	m->duties[i].governed = true;
	snprintf(m->probes[i].reason, sizeof(m->probes[i].reason), "%s",
		 on ? cause : GOVERNED);
	return err;
}

int measure_set_duty(struct measure *m, size_t i, uint32_t one_in)
{
	struct probe *p = &m->probes[i];
	int err = 0;

	if (one_in > PROBE_ONE_IN_MAX)
		return -EINVAL;
	if (one_in == measure_duty(m, i))
		return p->state == PROBE_ATTACHED || m->duties[i].governed ? 0
									   : -ENODEV;
	if (one_in > 1 && (m->keeps_links || !p->desc->windowed[0]))
		return -EOPNOTSUPP;
	if (m->duties[i].governed)
		err = switch_it(m, i, true);
	if (err)
		return err;
	if (p->state != PROBE_ATTACHED)
		return -ENODEV;
	if (!one_in)
		return switch_it(m, i, false);
	p->one_in = one_in;
	return measure_change_windows(m, i);
}

uint32_t measure_duty(const struct measure *m, size_t i)
{
	return measure_one_in(m, i);
}

int measure_tune_duty(struct measure *m, const struct tune_change *c, char *cause,
		      size_t len)
{
	int err = c->keys & TUNE_DUTY ? measure_set_duty(m, c->probe, c->one_in) : 0;

	if (err == -ENODEV)
		snprintf(cause, len, "%s is off: say enabled=true, too",
			 probe_descs[c->probe].name);
	else if (err == -EOPNOTSUPP)
		snprintf(cause, len,
			 "%s cannot run in windows: links cannot be made without "
			 "capabilities here (see --keep-privileges)",
			 probe_descs[c->probe].name);
	else if (err)
		snprintf(cause, len, "%s: the change cannot be made: %s",
			 probe_descs[c->probe].name, strerror(-err));
	return err;
}
