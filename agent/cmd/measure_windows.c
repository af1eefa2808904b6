// SPDX-License-Identifier: Apache-2.0
/*
 * Probes in windows. What costs most of a hook is that something hangs there, so in a
 * gap nothing does; what follows what there is (threads that end, connections) stays.
 *
 * A window is what is between two words to the programs (tunes.window), each a few us
 * of writing memory: the first one when the hooks are there, the second before they go.
 * So its length is known, however long the kernel takes for links. What was noted in an
 * earlier window has an earlier number: a call that began before this one is no sample,
 * and not unpaired.
 *
 * When all is to be counted again, the gap before it has one window more, which then
 * goes on.
 */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/random.h"
#include "base/util.h"
#include "cmd/measure_impl.h"
#include "cmd/measure_windows.h"
#include "kernel/rings.h"

#define NS_OF_MS 1000000ULL
#define LEAD_NS	 (2 * NS_OF_MS)
#define AGAIN_NS (1000 * NS_OF_MS) /* after what failed, at the earliest */
#define LAST_NS	 (500 * NS_OF_MS)  /* the last window is no longer: somebody waits */

uint64_t window_gap(uint64_t window_ns, uint32_t one_in, uint64_t *random)
{
	return (uint64_t)(random_unit(random) * 2 * window_ns * (one_in - 1));
}

static uint64_t next_gap(struct measure *m, size_t i)
{
	const struct probe *p = &m->probes[i];

	return window_gap(probe_window_ns(p), p->one_in, &m->random);
}

/* Tells the programs that a window is open, or that none is (0). */
static int tell(struct measure *m, size_t i, uint32_t number)
{
	m->cells.tunes.window[i] = number;
	return rings_publish(&m->cells);
}

bool measure_wants_hooks(const struct measure *m, size_t i)
{
	return m->probes[i].state == PROBE_ATTACHED && m->duties[i].state != DUTY_GAP;
}

bool measure_is_shared(const struct measure *m, size_t i)
{
	for (size_t k = 0; k < PROBE_COUNT; k++)
		if (m->probes[k].covered && probe_descs[k].cover.by == i &&
		    measure_wants_hooks(m, k))
			return true;
	return false;
}

/* Makes the links of a window, with the one that another probe has for this one. */
static int link_hooks(struct measure *m, size_t i)
{
	struct probe *p = &m->probes[i];
	int err = p->covered ? probe_link_shared(&m->probes[p->desc->cover.by]) : 0;

	return err ? err : probe_link_windowed(p);
}

/* Takes away what nobody needs, in a gap of this probe. */
static void unlink_hooks(struct measure *m, size_t i)
{
	struct probe *p = &m->probes[i];
	size_t by = p->desc->cover.by;

	probe_unlink_windowed(p, !measure_is_shared(m, i));
	if (p->covered && !measure_wants_hooks(m, by))
		probe_unlink_windowed(&m->probes[by], true);
}

/* No window opens now: the next one stands for its time, too. */
static int skip(struct measure *m, size_t i, int err)
{
	tell(m, i, 0);
	m->duties[i].state = DUTY_GAP;
	unlink_hooks(m, i);
	m->duties[i].due_ns = now_mono_ns() + AGAIN_NS + next_gap(m, i);
	return err;
}

static void opened(struct measure *m, size_t i, enum duty_state state)
{
	struct duty *d = &m->duties[i];
	uint64_t ns = probe_window_ns(&m->probes[i]);

	d->open_ns = now_mono_ns();
	d->due_ns = d->open_ns + (state == DUTY_LAST && ns > LAST_NS ? LAST_NS : ns);
	d->state = state;
	snapshot_window_opens(m->snapshot, i);
}

/*
 * Makes the links of a window. It opens a little later: who had to wait for this CPU
 * meanwhile does now what it would have done before.
 */
static int make_ready(struct measure *m, size_t i)
{
	int err = link_hooks(m, i);

	if (err)
		return skip(m, i, err);
	m->duties[i].state = DUTY_READY;
	m->duties[i].due_ns = now_mono_ns() + LEAD_NS;
	return 0;
}

static int open_window(struct measure *m, size_t i)
{
	int err = tell(m, i, tune_number(&m->tuner, &m->cells.tunes, i));

	if (err)
		return skip(m, i, err);
	opened(m, i, DUTY_OPEN);
	return 0;
}

/*
 * All of its links, and a look at the calls that are under way, as when the probe is
 * switched on: until that is done, a call whose end is seen may be followed by one
 * whose beginning is not.
 */
static int link_calls(struct measure *m, size_t i)
{
	struct switched_on *on = &m->cells.tunes.on[i];
	int err, last;

	on->whole = 0;
	err = rings_publish(&m->cells);
	if (!err)
		err = probe_link(&m->probes[i]);
	on->whole = 1;
	last = rings_publish(&m->cells);
	return err ? err : last;
}

/* Opens the last window, which goes on. */
static int open_last(struct measure *m, size_t i)
{
	int err = tell(m, i, tune_number(&m->tuner, &m->cells.tunes, i));

	if (!err)
		err = i == PROBE_SYSCALL ? link_calls(m, i) : link_hooks(m, i);
	if (err)
		return skip(m, i, err);
	opened(m, i, DUTY_LAST);
	return 0;
}

/* A window is over: what it has seen is taken for all since the one before. */
static int end_window(struct measure *m, size_t i, bool last)
{
	struct duty *d = &m->duties[i];
	struct window_span w;
	uint64_t now;
	int told = last ? 0 : tell(m, i, 0), err;

	measure_note_times(m);
	now = now_mono_ns();
	w = (struct window_span){ now - d->since_ns, now - d->open_ns };
	if (now < d->due_ns)
		estimate_cut(&w, last ? PROBE_ONE_IN_MAX : m->probes[i].one_in);
	m->times[i].counted_ns += w.stands_ns;
	d->state = last ? DUTY_WHOLE : DUTY_GAP;
	if (!last)
		unlink_hooks(m, i);
	d->since_ns = now;
	d->due_ns = now + next_gap(m, i);
	err = snapshot_window_ends(m->snapshot, i, &w, now, last);
	if (!err)
		measure_note_read(m);
	return err ? err : told;
}

/*
 * All was counted so far: from now on it is in windows. The first one opens at once:
 * until one has ended, nobody knows what a gap makes the numbers lack.
 */
static int begin(struct measure *m, size_t i)
{
	struct duty *d = &m->duties[i];
	int told = tell(m, i, 0), err;

	measure_note_times(m);
	d->since_ns = now_mono_ns();
	err = snapshot_windows_begin(m->snapshot, i, d->since_ns);
	d->state = DUTY_READY;
	d->due_ns = now_mono_ns() + LEAD_NS;
	return err ? err : told;
}

static int run_one(struct measure *m, size_t i)
{
	struct duty *d = &m->duties[i];

	if (d->state < DUTY_OPEN && m->probes[i].one_in == 1)
		return open_last(m, i);
	if (d->state == DUTY_GAP)
		return make_ready(m, i);
	if (d->state == DUTY_READY)
		return open_window(m, i);
	return end_window(m, i, d->state == DUTY_LAST);
}

int measure_windows(struct measure *m)
{
	uint64_t wait_ns = INT_MAX * NS_OF_MS;

	for (size_t i = 0; i < PROBE_COUNT; i++) {
		struct duty *d = &m->duties[i];
		uint64_t now = now_mono_ns();
		int err = 0;

		if (d->state == DUTY_WHOLE)
			continue;
		if (now >= d->due_ns)
			err = run_one(m, i);
		if (err)
			log_warn(err, "probe %s: a window", probe_descs[i].name);
		now = now_mono_ns();
		if (d->state == DUTY_WHOLE)
			continue;
		if (now >= d->due_ns)
			wait_ns = 0;
		else if (d->due_ns - now < wait_ns)
			wait_ns = d->due_ns - now;
	}
	return (int)(wait_ns / NS_OF_MS);
}

void measure_end_windows(struct measure *m)
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (m->duties[i].state >= DUTY_OPEN)
			end_window(m, i, m->duties[i].state == DUTY_LAST);
}

void measure_stop_windows(struct measure *m, size_t i)
{
	struct duty *d = &m->duties[i];

	measure_note_times(m);
	if (d->state >= DUTY_OPEN)
		end_window(m, i, false);
	if (d->state != DUTY_WHOLE)
		snapshot_windows_over(m->snapshot, i);
	d->state = DUTY_WHOLE;
	d->governed = false;
	m->probes[i].one_in = 1;
}

int measure_change_windows(struct measure *m, size_t i)
{
	struct duty *d = &m->duties[i];
	bool whole = m->probes[i].one_in == 1;

	switch (d->state) {
	case DUTY_WHOLE:
		return whole ? 0 : begin(m, i);
	case DUTY_GAP:
		d->due_ns = now_mono_ns() + next_gap(m, i);
		return whole ? open_last(m, i) : 0;
	case DUTY_READY:
		if (!whole)
			return 0;
		d->state =
		    DUTY_GAP; /* calls are looked at before their hooks are there */
		unlink_hooks(m, i);
		return open_last(m, i);
	case DUTY_OPEN:
		/* what is under way is looked at when the next one opens: at once */
		if (whole && d->due_ns > now_mono_ns() + LAST_NS)
			d->due_ns = now_mono_ns() + LAST_NS;
		return 0;
	default:
		if (!whole)
			d->state = DUTY_OPEN;
		return 0;
	}
}

bool measure_is_exact(const struct measure *m)
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (m->duties[i].state != DUTY_WHOLE)
			return false;
	return true;
}
