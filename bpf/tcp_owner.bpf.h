/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Whose a TCP connection is: its slot and cells, as a program last used them on a CPU.
 */
#ifndef TCP_OWNER_BPF_H
#define TCP_OWNER_BPF_H

#include "tcp.bpf.h"

/* Not static: so the verifier looks at it once, not at each call (5 times faster). */
__noinline __u32 tcp_slot(__u64 owner)
{
	struct cpu_state *cpu = cpu_get();

	return cpu ? slot_of_owner(cpu, owner) : SLOT_UNKNOWN;
}

/* The cell of a connection's owner, the slow way. */
__noinline __u32 tcp_cell_claim(struct tcp_slot *e, __u32 cell)
{
	struct cpu_state *cpu = cpu_get();
	__u32 series, pool = POOL_COUNT, n;

	if (!e || !cpu || cell >= TCP_CELLS)
		return 0;
	if (cell == CELL_COUNT) {
		series = SERIES_HOT(cpu, TCP_COUNT, 0);
	} else if (cell < CELL_COUNT) {
		series = SERIES_TCP_CONN + cell - CELL_CONN;
	} else {
		series = cell == CELL_RTT ? SERIES_TCP_RTT : SERIES_TCP_CONNECT;
		pool = POOL_HIST;
	}
	n = cell_of(e->slot, series, pool);
	e->cells[cell & 7] = n;
	return n;
}

static __always_inline __u32 tcp_cell(struct tcp_slot *e, enum tcp_cell cell)
{
	__u32 n = e->cells[cell];

	return likely(n) ? n : tcp_cell_claim(e, cell);
}

/* Fills what a program knows of an owner. */
static __always_inline void tcp_slot_fill(struct tcp_slot *e, __u64 owner)
{
	__builtin_memset(e, 0, sizeof(*e));
	e->owner = owner;
	e->gen = tunes.free_gen + 1;
	e->slot = tcp_slot(owner);
}

static __noinline int tcp_slot_anew(struct tcp_slot *e, __u64 owner)
{
	if (e)
		tcp_slot_fill(e, owner);
	return 0;
}

/*
 * What a program knows of an owner; cache is its own, below TCP_CACHES. `own` is for a
 * run that may not use that. cache_leave() has to follow.
 */
static __always_inline struct tcp_slot *tcp_slot_get(struct cpu_state *cpu, __u32 cache,
						     __u64 owner, struct tcp_slot *own)
{
	struct tcp_slot *e =
	    &cpu->tcp[cache & (TCP_CACHES - 1)][owner & ((1 << TCP_CACHE_LOG2) - 1)];

	if (unlikely(!cache_enter(cpu, cache))) {
		tcp_slot_fill(own, owner);
		return own;
	}
	if (unlikely(e->owner != owner || e->gen != tunes.free_gen + 1))
		tcp_slot_anew(e, owner);
	return e;
}

static __always_inline void tcp_count(struct tcp_slot *e, enum tcp_cell cell,
				      __u32 lane, __u64 by)
{
	count_put(tcp_cell(e, cell), lane, by, false);
}

/* The slow way: the first turn, or a slot changed hands, or the owner. */
static __noinline __u32 turn_cell_claim(struct tcp_conn *c)
{
	struct cpu_state *cpu = cpu_get();
	__u32 slot, series;

	if (!cpu)
		return 0;
	c->cell_gen = tunes.free_gen;
	c->cell_owner = c->owner;
	slot = tcp_slot(c->owner);
	series = SERIES_HOT(cpu, TCP_RESPONSE, c->role & 1);
	c->cell = cell_of(slot, series, POOL_HIST);
	return c->cell;
}

/*
 * The cell of a connection's turns, kept with it: one place to look instead of four. It
 * stays in the shard of the CPU that it was first on; to add is atomic, so that is
 * fine.
 */
static __always_inline __u32 turn_cell(struct tcp_conn *c)
{
	__u32 n = c->cell;

	if (n && c->cell_gen == tunes.free_gen && c->cell_owner == c->owner)
		return n;
	return turn_cell_claim(c);
}

/* The cgroup that made the socket; a child's is its listener's. */
static __always_inline __u64 sock_owner(struct sock *sk)
{
	return sk->sk_cgrp_data.cgroup->kn->id;
}

static __always_inline void count_conn(struct tcp_conn *c, enum conn_lane lane)
{
	count_add(tcp_slot(c->owner), SERIES_TCP_CONN + (c->role & 1), lane, 1);
}

#endif
