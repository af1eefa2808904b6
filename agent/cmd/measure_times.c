// SPDX-License-Identifier: Apache-2.0
/*
 * For how long the numbers of a probe stand: a count says how often something happened
 * only with the time in which it would have been seen. While a probe is off, none; in
 * windows, the time that they stand for, when they are over.
 */
#include "base/util.h"
#include "cmd/measure_impl.h"

void measure_note_times(struct measure *m)
{
	uint64_t now = now_mono_ns();

	for (size_t i = 0; i < PROBE_COUNT; i++) {
		struct probe_time *t = &m->times[i];
		bool on = m->probes[i].state == PROBE_ATTACHED && t->at_ns;

		if (on)
			t->attached_ns += now - t->at_ns;
		if (on && m->duties[i].state == DUTY_WHOLE)
			t->counted_ns += now - t->at_ns;
		t->at_ns = now;
	}
}
