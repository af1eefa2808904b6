// SPDX-License-Identifier: Apache-2.0
/*
 * Probes are switched on and off while the agent measures. Off: nothing of the probe
 * hangs on any hook, as what costs is mostly that something hangs there. Its programs
 * and maps stay loaded, so that on is a matter of milliseconds.
 *
 * Nothing follows what it had noted while it is off, so all of that is forgotten, and
 * on begins like the start: what is there is looked at, what began before is no sample.
 * Where links could not be made again (measure_see_links()) its programs stay attached,
 * go on to follow what they have noted, and measure nothing.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "base/log.h"
#include "base/util.h"
#include "cmd/measure_impl.h"
#include "kernel/rings.h"

int measure_on_begins(struct measure *m, size_t i)
{
	struct tunes *t = &m->cells.tunes;

	t->on[i] = (struct switched_on){ .since = now_mono_ns() };
	/* one whose work another probe does in part, when all of it is attached: else
	 * queries would be seen, and their answers not */
	if (probe_descs[i].cover.program)
		t->tune[i].enabled = 0;
	t->window[i] = t->tune[i].enabled;
	return rings_publish(&m->cells);
}

int measure_on_ends(struct measure *m, size_t i, uint32_t number)
{
	struct tunes *t = &m->cells.tunes;

	t->tune[i].enabled = t->window[i] = number;
	t->on[i].whole = number != 0;
	return rings_publish(&m->cells);
}

/* The probe that does a part of this one's work, NULL: none does. */
static struct probe *cover_of(struct measure *m, size_t i)
{
	return m->probes[i].covered ? &m->probes[probe_descs[i].cover.by] : NULL;
}

static int link_all(struct measure *m, size_t i)
{
	struct probe *p = &m->probes[i], *cover = cover_of(m, i);
	int err = cover ? probe_link_shared(cover) : 0;

	if (!err)
		err = probe_link(p);
	measure_lose_walks(m, i, p->interrupted);
	if (err && cover && !measure_wants_hooks(m, probe_descs[i].cover.by))
		probe_unlink_windowed(cover, true);
	return err;
}

/* A program may be running when its link is gone: not for long. */
static void unlink_all(struct measure *m, size_t i)
{
	struct probe *cover = cover_of(m, i);

	probe_unlink(&m->probes[i], !measure_is_shared(m, i));
	if (cover && !measure_wants_hooks(m, probe_descs[i].cover.by))
		probe_unlink_windowed(cover, true);
	rings_wait(&m->cells);
}

/* The cgroup probe is what the tree of cgroups is followed by. */
static void tell_cgroups(struct measure *m, size_t i)
{
	if (i == PROBE_CGROUP)
		cgroups_events(m->cgroups, m->probes[i].state == PROBE_ATTACHED);
}

static int switch_on(struct measure *m, size_t i)
{
	struct probe *p = &m->probes[i];
	uint32_t number = m->cells.tunes.tune[i].enabled;
	int err = measure_on_begins(m, i), last;

	if (!err && !m->keeps_links)
		err = link_all(m, i);
	last = measure_on_ends(m, i, err ? 0 : number);
	if (err) {
		p->state = PROBE_OFF;
		snprintf(p->reason, sizeof(p->reason), "cannot be switched on: %s",
			 strerror(-err));
	}
	tell_cgroups(m, i);
	return err ? err : last;
}

/* What is noted goes: nothing follows it any more. */
static int forget(struct measure *m, size_t i)
{
	const struct probe *p = &m->probes[i];
	int err = 0, last;

	if (probe_descs[i].rings)
		err = rings_drain(&m->cells, true); /* what had ended */
	last = probe_forget(p);
	if (!last && probe_descs[i].walk_off)
		last = probe_walk_run(p);
	return err ? err : last;
}

static int switch_off(struct measure *m, size_t i)
{
	int err = rings_publish(&m->cells);

	if (err)
		return err;
	if (probe_descs[i].inflight & INFLIGHT_OF_FILES)
		measure_end_files(m);
	if (m->keeps_links) {
		snprintf(m->probes[i].reason, sizeof(m->probes[i].reason),
			 TUNE_OFF_REASON
			 "; its programs stay attached, as links cannot "
			 "be made without capabilities here");
	} else {
		unlink_all(m, i);
		err = forget(m, i);
	}
	snapshot_forget_inflight(m->snapshot, probe_descs[i].inflight);
	tell_cgroups(m, i);
	return err;
}

/* What comes before the parameters change: while all is attached. */
static int prepare(struct measure *m, const struct tune_change *c)
{
	if (!(c->keys & TUNE_ENABLED) || c->enabled)
		return 0;
	measure_stop_windows(m, c->probe);
	if (!m->keeps_links && probe_descs[c->probe].last_look)
		return probe_forget(&m->probes[c->probe]);
	return 0;
}

int measure_switch(struct measure *m, const struct tune_change *c, char *cause,
		   size_t len)
{
	bool was_on =
		 c->probe != TUNE_ALL && m->probes[c->probe].state == PROBE_ATTACHED,
	     is_on;
	int err;

	measure_note_times(m);
	err = was_on ? prepare(m, c) : 0;
	if (!err) {
		err = tune_apply(&m->tuner, c, &m->cells.tunes, m->probes, cause, len);
		if (err || c->probe == TUNE_ALL || !c->keys)
			return err;
		is_on = m->probes[c->probe].state == PROBE_ATTACHED;
		m->duties[c->probe].governed &= !is_on;
		if (is_on == was_on)
			err = rings_publish(&m->cells);
		else
			err = is_on ? switch_on(m, c->probe) : switch_off(m, c->probe);
	}
	if (err)
		snprintf(cause, len, "%s: the change cannot be made: %s",
			 probe_descs[c->probe].name, strerror(-err));
	return err;
}
