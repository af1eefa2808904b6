// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include "base/util.h"
#include "reading/peers.h"

#define MAPPED_LEN 12 /* bytes before the address of IPv4 in one of IPv6 */

void peer_text(const struct peer *p, char *out, size_t len)
{
	static const uint8_t mapped[MAPPED_LEN] = { [10] = 0xff, [11] = 0xff };
	const uint8_t *bytes = (const uint8_t *)p->address;
	bool v4 = memcmp(bytes, mapped, sizeof(mapped)) == 0;
	char text[INET6_ADDRSTRLEN];

	if (!inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? bytes + MAPPED_LEN : bytes, text,
		       sizeof(text)))
		*text = '\0';
	if (!p->port)
		snprintf(out, len, "%s", text);
	else
		snprintf(out, len, v4 ? "%s:%u" : "[%s]:%u", text, ntohs(p->port));
}

/* Does the same peer have the entry? */
static bool is_same(const struct peer *a, const struct peer *b)
{
	return a->tag == b->tag && a->port == b->port &&
	       !memcmp(a->address, b->address, sizeof(a->address));
}

/* The total that grew least lately; of this reading's there is none. */
static struct open_total *oldest(struct workload *w, uint64_t now, size_t *count)
{
	struct open_total *found = NULL;

	*count = 0;
	for (size_t i = 0; i < w->open_count; i++) {
		struct open_total *t = &w->opens[i];

		if (!is_peer_total(t) || t->attr == OPEN_OTHER)
			continue;
		++*count;
		if (t->grown_ns != now && (!found || t->grown_ns < found->grown_ns))
			found = t;
	}
	return found;
}

/*
 * Forgets one if there are too many. What the history does not have of it yet becomes a
 * part of the rest. False: all have grown just now.
 */
static bool make_room(struct workload *w, uint64_t now)
{
	struct open_total *t, *rest;
	size_t count, at;

	for (t = oldest(w, now, &count); count >= PEERS_KEPT;
	     t = oldest(w, now, &count)) {
		if (!t)
			return false;
		at = t - w->opens;
		if (w->kept && t->value != t->kept) {
			rest = totals_open(w, t->signal, OPEN_OTHER);
			if (!rest)
				return false;
			rest->value += w->opens[at].value - w->opens[at].kept;
		}
		memmove(&w->opens[at], &w->opens[at + 1],
			(--w->open_count - at) * sizeof(*w->opens));
	}
	return true;
}

static bool has_total(const struct workload *w, uint32_t signal, uint32_t attr)
{
	for (size_t i = 0; i < w->open_count; i++)
		if (w->opens[i].signal == signal && w->opens[i].attr == attr)
			return true;
	return false;
}

/* p: NULL: the rest. */
static int add(struct workload *w, uint32_t signal, const struct peer *p, uint64_t more,
	       uint64_t now)
{
	uint32_t attr = p ? p->tag : OPEN_OTHER;
	struct open_total *t;

	if (p && !has_total(w, signal, attr) && !make_room(w, now))
		attr = OPEN_OTHER;
	t = totals_open(w, signal, attr);
	if (!t)
		return -ENOMEM;
	if (attr != OPEN_OTHER && !*t->name)
		peer_text(p, t->name, sizeof(t->name));
	t->value += more;
	t->grown_ns = now;
	return 0;
}

/* The signal of a peer's lane; its lanes: as many. */
static uint32_t first_signal(uint32_t tag, uint32_t *lanes)
{
	*lanes = tag & PEER_IS_DNS ? PEER_DNS_LANES : PEER_LANES;
	return tag & PEER_IS_DNS ? OPEN_DNS_PEER : OPEN_TCP_PEER;
}

/* A row that is read, and for whom. */
struct reading {
	struct snapshot *s;
	struct workload *w;
	bool waits; /* some of it is read when its window has ended */
};

/* What `n` events of a lane stand for. False: that is known when the window has ended.
 */
static bool weigh(struct reading *r, uint32_t signal, uint64_t *n)
{
	double least_ns;
	size_t probe = peers_windowed(signal, &least_ns);
	const struct window *win;

	if (probe == PROBE_COUNT)
		return true;
	win = &r->s->windows[probe];
	if (win->use == WINDOW_OPEN) {
		r->waits = true;
		return false;
	}
	if (win->use == WINDOW_ENDS)
		*n = estimate_round(*n * estimate_weight(&win->span, least_ns),
				    &r->s->random);
	return true;
}

static int read_peer(struct reading *r, const struct peer *now, struct peer *seen)
{
	uint32_t lanes, signal = first_signal(now->tag, &lanes);
	int err = 0;

	for (uint32_t i = 0; i < lanes; i++) {
		/* it may wrap */
		uint64_t more = (uint32_t)(now->count[i] - seen->count[i]);

		if (!more || !weigh(r, signal + i, &more))
			continue;
		if (more && add(r->w, signal + i, now, more, r->s->time_ns)) {
			err = -ENOMEM;
			continue;
		}
		seen->count[i] = now->count[i];
	}
	return err;
}

/*
 * Whoever lost its entry has all of its counts in the rest: what was told of them
 * already is not told again.
 */
static void leave_entry(struct peer_row *seen, struct peer *was, const struct peer *now)
{
	uint32_t lanes, at = first_signal(was->tag, &lanes) - OPEN_TCP_PEER;

	for (uint32_t i = 0; was->tag && i < lanes; i++)
		seen->rest[at + i] += was->count[i];
	*was = *now;
	memset(was->count, 0, sizeof(was->count));
}

static int read_rest(struct reading *r, const struct peer_row *now,
		     struct peer_row *seen)
{
	int err = 0;

	for (uint32_t i = 0; i < PEER_ALL_LANES; i++) {
		/* below 0: a peer gave up its entry while the row was copied */
		int32_t grown = (int32_t)(now->rest[i] - seen->rest[i]);
		uint64_t more = grown;

		if (grown <= 0 || !weigh(r, OPEN_TCP_PEER + i, &more))
			continue;
		if (more && add(r->w, OPEN_TCP_PEER + i, NULL, more, r->s->time_ns)) {
			err = -ENOMEM;
			continue;
		}
		seen->rest[i] = now->rest[i];
	}
	return err;
}

/* -EAGAIN: an entry changes hands just now, so the rest waits for the next reading. */
static int read_row(struct reading *r, const struct peer_row *now,
		    const struct peer_row *again, struct peer_row *seen)
{
	bool settled = true;
	int err = 0;

	for (uint32_t i = 0; i < PEERS; i++) {
		const struct peer *p = &now->peer[i];

		if (p->tag == PEER_BUSY || !is_same(p, &again->peer[i])) {
			settled = false;
			continue;
		}
		if (!p->tag)
			continue;
		if (!is_same(p, &seen->peer[i]))
			leave_entry(seen, &seen->peer[i], p);
		err |= read_peer(r, p, &seen->peer[i]);
	}
	if (!settled)
		return err ? -ENOMEM : -EAGAIN;
	return err | read_rest(r, now, seen);
}

int peers_read(struct snapshot *s, uint32_t slot, struct workload *w)
{
	const struct series_row *series = &s->cells->rows[slot];
	uint32_t events = __atomic_load_n(&series->peers, __ATOMIC_ACQUIRE);
	uint32_t number = series->peer_row - 1; /* of none: beyond all */
	int err, fd = s->cells->fds[MAP_PEERS];
	struct peer_row now, again;
	struct peers_seen **seen;
	struct reading r = { s, w, false };

	if (number >= s->cells->plan.peer_rows)
		return 0;
	seen = &s->seen_peers[number];
	if (events == (*seen ? (*seen)->events : 0))
		return 0;
	if (!*seen)
		*seen = calloc(1, sizeof(**seen));
	if (!*seen)
		return -ENOMEM;
	/* twice: the kernel copies while programs write */
	if (bpf_map_lookup_elem(fd, &number, &now) ||
	    bpf_map_lookup_elem(fd, &number, &again))
		return 0;
	err = read_row(&r, &now, &again, &(*seen)->row);
	if (!err && !r.waits)
		(*seen)->events = events;
	return err == -EAGAIN ? 0 : err;
}

void peers_free(struct snapshot *s, uint32_t slot)
{
	static const struct peer_row none;
	struct series_row *row = &s->cells->rows[slot];
	uint32_t number = row->peer_row - 1;

	row->peer_row = row->peers = 0;
	if (number >= s->cells->plan.peer_rows)
		return;
	free(s->seen_peers[number]); /* first: the next owner may come at once */
	s->seen_peers[number] = NULL;
	bpf_map_update_elem(s->cells->fds[MAP_PEERS], &number, &none, BPF_ANY);
}
