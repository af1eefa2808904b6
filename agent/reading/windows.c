// SPDX-License-Identifier: Apache-2.0
/*
 * What is counted in windows only: which signals that are, and what a reading makes of
 * their cells. While a window is open they are not read, so that what they grew by at
 * its end is of that window alone, and has one weight.
 */
#include <errno.h>
#include <stdlib.h>
#include "base/util.h"
#include "reading/peers.h"
#include "reading/snapshot_impl.h"

static const struct window_rule rules[] = {
	{ PROBE_SYSCALL, SIGNAL_SYSCALL, 0, true, 0 },
	/* accept tells of a connection when it returns, whenever that was made */
	{ PROBE_SYSCALL, SIGNAL_TCP_ACCEPT, 0, false, 8 },
	{ PROBE_SYSCALL, SIGNAL_TCP_COUNT, 1 << TCP_ACCEPTED, false, 9 },
	{ PROBE_TCP, SIGNAL_TCP_RESPONSE, 0, true, 10 },
	{ PROBE_TCP, SIGNAL_TCP_RTT, 0, false, 12 },
	/* a request is open at the end of its connection, if that is of the window */
	{ PROBE_TCP, SIGNAL_TCP_CONN,
	  1 << CONN_UNANSWERED_RESET | 1 << CONN_UNANSWERED_CLOSE, false, 13 },
	{ PROBE_DNS, SIGNAL_DNS_LOOKUP, 0, true, 15 },
	{ PROBE_DNS, SIGNAL_DNS_COUNT, 1 << DNS_RESENT, false, 22 },
};

static bool is_call_error(uint32_t open_signal)
{
	return open_signal < OPEN_SYSCALL_ERROR + CALL_CLASSES;
}

const struct window_rule *windows_rule(enum signal signal)
{
	for (size_t i = 0; i < COUNT(rules); i++)
		if (rules[i].signal == signal)
			return &rules[i];
	return NULL;
}

const struct window *windows_of_open(const struct snapshot *s, uint32_t signal)
{
	return is_call_error(signal) ? &s->windows[PROBE_SYSCALL] : NULL;
}

bool windows_wait(const struct snapshot *s)
{
	for (size_t i = 0; i < PROBE_COUNT; i++)
		if (s->windows[i].use == WINDOW_OPEN)
			return true;
	return false;
}

struct estimate *windows_estimate(struct workload *w, const struct window_rule *r,
				  unsigned int value)
{
	if (!w->estimates)
		w->estimates = calloc(SNAPSHOT_ESTIMATES, sizeof(*w->estimates));
	return w->estimates ? &w->estimates[r->at + value] : NULL;
}

size_t snapshot_windowed(enum signal signal, unsigned int lane)
{
	const struct window_rule *r = windows_rule(signal);

	return r && (!r->lanes || r->lanes & 1U << lane) ? r->probe : PROBE_COUNT;
}

size_t snapshot_windowed_open(uint32_t open_signal)
{
	return is_call_error(open_signal) ? PROBE_SYSCALL
					  : peers_windowed(open_signal, NULL);
}

const struct estimate *snapshot_estimate(const struct workload *w, enum signal signal,
					 unsigned int value, unsigned int lane)
{
	if (!w->estimates || snapshot_windowed(signal, lane) == PROBE_COUNT)
		return NULL;
	return &w->estimates[windows_rule(signal)->at + value];
}

/* What a cell grew by. */
struct grown {
	uint64_t sum_ns, buckets[BUCKET_COUNT];
};

/* Looks at what a cell grew by; nothing of it is noted. */
static void growth(const volatile struct hist_cell *now, const struct sparse *seen,
		   struct grown *h)
{
	for (unsigned int i = 0; i < BUCKET_COUNT; i++) {
		uint32_t *before = sparse_find(seen, i / SPARSE_GROUP);

		h->buckets[i] = (uint32_t)(now->buckets[i] -
					   (before ? before[i % SPARSE_GROUP] : 0));
	}
	h->sum_ns = now->sum_ns - seen->sum_ns;
}

/* Makes room for what a cell grew by. -ENOMEM. */
static int make_room(const struct grown *h, struct sparse **seen, struct sparse **into)
{
	for (unsigned int i = 0; i < BUCKET_COUNT; i++)
		if (h->buckets[i] && (!sparse_make(seen, i / SPARSE_GROUP) ||
				      !sparse_make(into, i / SPARSE_GROUP)))
			return -ENOMEM;
	return sparse_widen(into); /* an estimate may be more than what was seen */
}

int windows_add_hist(struct snapshot *s, uint32_t n, bool by_duration,
		     struct window_span *span, struct estimate *e, struct sparse **into)
{
	struct sparse **seen = &s->seen_hists[n];
	struct grown h;

	growth(&s->cells->hists[n], *seen, &h);
	if (make_room(&h, seen, into))
		return -ENOMEM;
	for (unsigned int i = 0; i < BUCKET_COUNT; i++)
		if (h.buckets[i]) {
			uint32_t *before = sparse_find(*seen, i / SPARSE_GROUP);

			before[i % SPARSE_GROUP] += (uint32_t)h.buckets[i];
		}
	(*seen)->sum_ns += h.sum_ns;
	estimate_hist(h.buckets, &h.sum_ns, by_duration, span, e, &s->random);
	for (unsigned int i = 0; i < BUCKET_COUNT; i++)
		if (h.buckets[i]) {
			uint64_t *sum = sparse_find(*into, i / SPARSE_GROUP);

			sum[i % SPARSE_GROUP] += h.buckets[i];
		}
	(*into)->sum_ns += h.sum_ns;
	return 0;
}

/* An estimate after a reading: its window may have ended. */
static void note_one(struct estimate *e, const struct window *win, uint64_t now)
{
	if (win->use == WINDOW_ENDS)
		estimate_end(e, &win->span);
	estimate_age(e, win->since_ns ? now - win->since_ns : 0);
}

static void note_of(struct snapshot *s, struct workload *w, uint64_t now)
{
	for (size_t i = 0; i < COUNT(rules) && w->estimates; i++)
		for (unsigned int v = 0; v < snapshot_values(rules[i].signal); v++)
			note_one(&w->estimates[rules[i].at + v],
				 &s->windows[rules[i].probe], now);
	for (size_t i = 0; i < w->open_count; i++)
		if (w->opens[i].estimate)
			note_one(w->opens[i].estimate,
				 windows_of_open(s, w->opens[i].signal), now);
}

void windows_note(struct snapshot *s)
{
	uint64_t now = now_mono_ns();

	for (size_t i = 0; i < s->count; i++)
		note_of(s, s->workloads[i], now);
}
