/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Counts trouble with a peer in the row of a slot. Each has its own entries, so no
 * workload can take those of another one. A peer that had no event for some seconds
 * gives its entry to the next one; what it had counted stays in the sum of the rest.
 */
#ifndef PEER_BPF_H
#define PEER_BPF_H

#include "maps.bpf.h"

/* Created by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct peer_row);
} peers SEC(".maps");

struct peer_key {
	__u32 address[4]; /* as in struct peer */
	__u16 port;
	__u16 dns; /* 1: a DNS server */
};

#define MAPPED_IPV4 bpf_htonl(0xffff)

/* Never 0, PEER_BUSY or OPEN_OTHER, which are something else. */
static __always_inline __u32 peer_tag(const struct peer_key *k)
{
	__u64 n = ((__u64)k->address[0] << 32 | k->address[1]) * 0x9E3779B97F4A7C15ULL;

	n ^= n >> 29 ^ ((__u64)k->address[2] << 32 | k->address[3]);
	n *= 0xBF58476D1CE4E5B9ULL;
	n = (n ^ n >> 32 ^ k->port) * 0x94D049BB133111EBULL;
	return (n >> 32 & 0x7ffffffc) | 2 | (k->dns ? PEER_IS_DNS : 0);
}

/*
 * What follows is not static, like the other slow paths: so the verifier looks at each
 * once, and not at what one does after each way through another's loop. Calls may be
 * eight deep, which they are from a connection's end to peer_take().
 */

/* The number of a slot's row and 1; 0: no row is free. */
__noinline __u32 peer_row_of(__u32 slot)
{
	struct series_row *series = bpf_map_lookup_elem(&rows, &slot);
	__u32 first = slot * 2654435761U >> 8, end = params.peer_rows, at, i, was;
	struct peer_row *row;

	if (!series)
		return 0;
	if (series->peer_row)
		return series->peer_row;
	if (series->share)
		end /= SHARE_PART;
	for (i = 0; i < PEER_ROW_PROBES; i++) {
		at = (first + i) & (end - 1);
		row = bpf_map_lookup_elem(&peers, &at);
		if (!row)
			break;
		was = __sync_val_compare_and_swap(&row->owner, 0, slot + 1);
		if (!was || was == slot + 1) {
			series->peer_row = at + 1;
			return at + 1;
		}
	}
	lose(LOSS_OPEN_FULL);
	return 0;
}

/* The entry of the peer with this tag; PEERS: it has none. */
__noinline __u32 peer_find(__u32 number, __u32 tag)
{
	struct peer_row *row = bpf_map_lookup_elem(&peers, &number);
	__u32 i = 0;

	if (!row)
		return PEERS;
	for (; i < PEERS; i++)
		if (*(volatile __u32 *)&row->peer[i].tag == tag)
			break;
	return i;
}

/*
 * The entry that a new peer may have: one that is free, else one that had no event
 * lately; PEERS: all have had some. Nothing is kept from one round to the next (as the
 * best one so far): the verifier would go every way to each of its values.
 */
__noinline __u32 peer_place(__u32 number, __u32 client)
{
	struct peer_row *row = bpf_map_lookup_elem(&peers, &number);
	__u32 first = client ? 0 : PEERS_CLIENTS, end = client ? PEERS_CLIENTS : PEERS;
	__u32 i, tag, age, now = bpf_ktime_get_ns() >> PEER_TICK_LOG2;

	if (!row)
		return PEERS;
	for (i = first; i < end; i++)
		if (!*(volatile __u32 *)&row->peer[i].tag)
			return i;
	for (i = first; i < end; i++) {
		tag = *(volatile __u32 *)&row->peer[i].tag;
		age = (__u16)(now - row->peer[i].seen);
		if (tag != PEER_BUSY && age > PEER_IDLE)
			return i;
	}
	return PEERS;
}

/* Adds to an entry; lane: of its own, or where there is none of the rest. */
__noinline int peer_count(__u32 number, __u32 at, __u32 lane, __u32 by)
{
	struct peer_row *row = bpf_map_lookup_elem(&peers, &number);

	if (!row)
		return 0;
	if (at >= PEERS) {
		if (lane < PEER_ALL_LANES)
			__sync_fetch_and_add(&row->rest[lane], by);
		return 0;
	}
	row->peer[at].seen = bpf_ktime_get_ns() >> PEER_TICK_LOG2;
	if (lane < PEER_LANES)
		__sync_fetch_and_add(&row->peer[at].count[lane], by);
	return 0;
}

/*
 * Takes an entry for a peer; 0: it was not to be had. Who adds to it for the one before
 * just now adds to the new one's: one event at a time, and rarely.
 */
__noinline int peer_take(__u32 number, __u32 at, const struct peer_key *key, __u32 tag)
{
	struct peer_row *row = bpf_map_lookup_elem(&peers, &number);
	__u32 was, first, lane, n;
	struct peer *p;

	if (!row || !key || at >= PEERS)
		return 0;
	p = &row->peer[at];
	was = *(volatile __u32 *)&p->tag;
	if (was == PEER_BUSY ||
	    __sync_val_compare_and_swap(&p->tag, was, PEER_BUSY) != was)
		return 0;
	first = was & PEER_IS_DNS ? PEER_LANES : 0;
	for (__u32 i = 0; i < PEER_LANES; i++) {
		n = __sync_lock_test_and_set(&p->count[i], 0);
		lane = first + i;
		barrier_var(lane); /* what is compared is what is used */
		if (n && lane < PEER_ALL_LANES)
			__sync_fetch_and_add(&row->rest[lane], n);
	}
	__builtin_memcpy(p->address, key->address, sizeof(p->address));
	p->port = key->port;
	barrier(); /* first whose, then that it is */
	*(volatile __u32 *)&p->tag = tag;
	return 1;
}

/* Counts in a lane (enum peer_lane, peer_dns_lane) for a peer of the slot's. */
__noinline int peer_add(__u32 slot, struct peer_key *key, __u32 lane, __u32 by)
{
	__u32 tag, at, number = peer_row_of(slot) - 1; /* of none: beyond all */
	struct series_row *series = bpf_map_lookup_elem(&rows, &slot);

	if (!series || !key)
		return 0;
	tag = peer_tag(key);
	at = peer_find(number, tag);
	if (at >= PEERS) {
		at = peer_place(number, !key->port);
		if (!peer_take(number, at, key, tag))
			at = PEERS;
	}
	if (at >= PEERS && key->dns)
		lane += PEER_LANES;
	peer_count(number, at, lane, by);
	__sync_fetch_and_add(&series->peers, 1); /* last: then the agent looks */
	return 0;
}

#endif
