// SPDX-License-Identifier: Apache-2.0
/*
 * Looks for what is under way, a slice at a time: the loop goes on in between. A
 * reading counts on passes that began after it was asked for.
 */
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <unistd.h>
#include "base/log.h"
#include "base/util.h"
#include "cmd/measure_impl.h"
#include "kernel/walk.h"

#define NS_OF_MS  1000000ULL
#define WAIT_NS	  (WALK_WAIT_MS * NS_OF_MS)
#define KINDS_ALL ((1U << INFLIGHT_COUNT) - 1)
#define GOES_ON	  1 /* not at the end yet */

/* What a pass over them finds. */
static uint32_t kinds_of(enum look_over over)
{
	return over == LOOK_FILES ? INFLIGHT_OF_FILES : KINDS_ALL & ~INFLIGHT_OF_FILES;
}

/* Whether the pass finds calls that sleep, as the scheduler's probe knows of them. */
static bool knows_sleeps(const struct measure *m)
{
	return m->probes[PROBE_SCHED].state == PROBE_ATTACHED &&
	       m->duties[PROBE_SCHED].state == DUTY_WHOLE;
}

/* What a pass does not find while probes are off, or run in windows. */
static uint32_t unknown_kinds(const struct measure *m)
{
	uint32_t unknown = 0;

	for (size_t i = 0; i < PROBE_COUNT; i++) {
		if (i == PROBE_SYSCALL && knows_sleeps(m))
			continue;
		if (m->probes[i].state != PROBE_ATTACHED)
			unknown |= probe_descs[i].inflight;
		else if (m->duties[i].state != DUTY_WHOLE)
			unknown |= probe_descs[i].seen_begin;
	}
	return unknown;
}

/* The probe that tells of an operation (enum inflight). */
static size_t probe_of(int kind)
{
	size_t i = 0;

	while (i < PROBE_COUNT - 1 && !(probe_descs[i].inflight & 1U << kind))
		i++;
	return i;
}

/*
 * Up to which age it tells of them, in s; below 0: it does not. Of calls the kernel
 * knows since when a task sleeps, and of connects when they began: from before the
 * agent, too.
 */
static double reach_of(const struct measure *m, size_t probe, uint32_t kind)
{
	uint64_t since = m->cells.tunes.on[probe].since;
	uint64_t whole = m->duties[probe].open_ns; /* after windows; else 0 */
	bool attached = m->probes[probe].state == PROBE_ATTACHED;

	if (probe == PROBE_SYSCALL && (attached || knows_sleeps(m)))
		return now_boot_ns() * 1e-9;
	if (attached && kind & 1U << INFLIGHT_CONNECT)
		return now_boot_ns() * 1e-9;
	if (kind & probe_descs[probe].seen_begin && whole > since)
		since = whole;
	return attached ? (now_mono_ns() - since) * 1e-9 : -1;
}

void measure_reach(const struct measure *m, double out[INFLIGHT_COUNT])
{
	uint32_t known = snapshot_known_inflight(m->snapshot) & ~unknown_kinds(m);

	for (int i = 0; i < INFLIGHT_COUNT; i++)
		out[i] = known & 1U << i ? reach_of(m, probe_of(i), 1U << i) : -1;
}

void measure_lose_walks(struct measure *m, size_t probe, unsigned int n)
{
	__atomic_fetch_add(&m->cells.control->lost[probe][LOSS_WALK_INTERRUPTED], n,
			   __ATOMIC_RELAXED);
}

/* What looks for a probe did not come to its end; -EBUSY: in time. */
static void lose(struct measure *m, size_t probe, int err)
{
	measure_lose_walks(m, probe, 1);
	if (err != -EBUSY)
		log_warn(err, "probe %s: its walk", probe_descs[probe].name);
}

/* The same for each probe that the iterator at hand is read for. */
static void lose_pass(struct measure *m, const struct look *l, enum look_over over,
		      int err)
{
	uint32_t whose =
	    over == LOOK_FILES ? 1U << l->probe : tasks_parts(&m->tasks, m->probes);

	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (whose & 1U << i)
			lose(m, i, err);
}

static void take_next(struct look *l, enum look_over over)
{
	l->probe = over == LOOK_FILES ? l->probe + 1 : PROBE_COUNT;
	l->fd = -1;
}

/* Begins with the next iterator: over tasks there is one for all. False: that was all.
 */
static bool open_next(struct measure *m, struct look *l, enum look_over over)
{
	for (; l->probe < PROBE_COUNT; take_next(l, over)) {
		int fd = over == LOOK_FILES ? probe_walk_open(&m->probes[l->probe])
					    : tasks_pass(&m->tasks, m->probes);
		int err = fd < 0 ? fd : 0;

		if (!err && over == LOOK_FILES)
			err = walk_start(fd);
		if (!err) {
			l->fd = fd;
			return true;
		}
		if (err == -ENOENT)
			continue;
		lose_pass(m, l, over, err);
		l->failed = true;
	}
	return false;
}

/* One slice. GOES_ON, or what came of this probe's iterator. */
static int read_slice(struct look *l, enum look_over over)
{
	int err;

	if (over == LOOK_FILES) { /* its thread reads, and closes it */
		err = walk_poll();
		return err == -EINPROGRESS ? GOES_ON : err;
	}
	err = walk_slice(l->fd);
	if (err != GOES_ON)
		close(l->fd);
	return err;
}

/* What is found at once. Returns whether all of it was. */
static bool run_programs(struct measure *m)
{
	bool all = true;

	for (size_t i = 0; i < PROBE_COUNT; i++) {
		int err = probe_walk_run(&m->probes[i]);

		if (!err || err == -ENOENT)
			continue;
		lose(m, i, err);
		all = false;
	}
	return all;
}

static void begin(struct measure *m, struct look *l, enum look_over over)
{
	snapshot_clear_inflight(m->snapshot, kinds_of(over));
	*l = (struct look){ .runs = true,
			    .fd = -1,
			    .began_ns = now_mono_ns(),
			    .whole_ns = l->whole_ns };
	l->nudge_ns = l->began_ns + WALK_NUDGE_MS * NS_OF_MS;
	if (over == LOOK_TASKS)
		l->failed = !run_programs(m);
}

static void end(struct measure *m, struct look *l, enum look_over over)
{
	l->runs = false;
	if (l->failed)
		return;
	l->whole_ns = l->began_ns;
	snapshot_know_inflight(m->snapshot, kinds_of(over) & ~unknown_kinds(m));
	/* a reading that did not wait, or is to wait for the next pass, does not take
	 * it */
	if (l->began_ns < m->asked_ns || now_mono_ns() >= m->asked_ns + WAIT_NS)
		snapshot_read(m->snapshot);
}

/* Goes on until a read has shown as much as it may. Whether there is more to do now. */
static bool advance(struct measure *m, struct look *l, enum look_over over)
{
	int err;

	while (l->fd >= 0 || open_next(m, l, over)) {
		err = read_slice(l, over);
		if (err == GOES_ON)
			return over != LOOK_FILES;
		if (err) {
			lose_pass(m, l, over, err);
			l->failed = true;
		}
		take_next(l, over);
	}
	end(m, l, over);
	return false;
}

/* Ends a wait of the thread for files, if it has one; again in so many ms. */
static int nudge(struct look *l)
{
	uint64_t now = now_mono_ns();

	if (now >= l->nudge_ns) {
		walk_nudge();
		l->nudge_ns = now + WALK_NUDGE_MS * NS_OF_MS;
	}
	return now < l->began_ns + WAIT_NS ? WALK_NUDGE_MS : INT_MAX;
}

int measure_advance(struct measure *m)
{
	int wait_ms = INT_MAX;

	for (int i = 0; i < LOOKS; i++) {
		struct look *l = &m->looks[i];

		if (!l->runs && l->began_ns < m->asked_ns)
			begin(m, l, i);
		if (!l->runs)
			continue;
		if (advance(m, l, i) || !l->runs) /* at its end: who waits is served */
			wait_ms = 0;
		else if (nudge(l) < wait_ms)
			wait_ms = WALK_NUDGE_MS;
	}
	return wait_ms;
}

int measure_pass_fd(void)
{
	return walk_fd();
}

/* Has the pass that a reading counts on come to its end? One that hangs is no hope. */
static bool is_done(const struct look *l, uint64_t since_ns, uint64_t now)
{
	if (l->runs)
		return now >= l->began_ns + WAIT_NS;
	return l->began_ns >= since_ns;
}

void measure_end_files(struct measure *m)
{
	struct pollfd fd = { .fd = walk_fd(), .events = POLLIN };
	struct look *l = &m->looks[LOOK_FILES];
	uint64_t end = now_mono_ns() + WAIT_NS;

	while (l->runs && now_mono_ns() < end) {
		poll(&fd, 1, WALK_NUDGE_MS);
		walk_nudge();
		advance(m, l, LOOK_FILES);
	}
}

bool measure_ready(struct measure *m, uint64_t since_ns)
{
	uint64_t now = now_mono_ns();
	bool done = true;

	if (since_ns > m->asked_ns)
		m->asked_ns = since_ns;
	for (int i = 0; i < LOOKS; i++)
		done &= is_done(&m->looks[i], since_ns, now);
	return done || now >= since_ns + WAIT_NS;
}

void measure_lose_late(struct measure *m, uint64_t since_ns)
{
	for (int i = 0; i < LOOKS; i++)
		if (m->looks[i].runs && m->looks[i].whole_ns < since_ns)
			lose_pass(m, &m->looks[i], i, -EBUSY);
}

void measure_wait(struct measure *m, uint64_t since_ns)
{
	struct pollfd fd = { .events = POLLIN };

	while (!measure_ready(m, since_ns)) {
		int ms = measure_advance(m);

		fd.fd = measure_pass_fd(); /* -1: none */
		if (ms)
			poll(&fd, 1, ms < WALK_NUDGE_MS ? ms : WALK_NUDGE_MS);
	}
}

void measure_sweep(struct measure *m)
{
	int err = probe_walk_run(&m->probes[PROBE_DNS]);

	if (err && err != -ENOENT)
		lose(m, PROBE_DNS, err);
}
