/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the agent runs when it switches the TCP probe off: first a last look at what the
 * connections have carried, while their ends are still seen, so that each entry is of
 * a socket that lives; then, when nothing is attached any more, all is forgotten. When
 * it is switched on again, what is there is met as at the start. Only for tcp.bpf.c.
 */
#ifndef TCP_FORGET_BPF_H
#define TCP_FORGET_BPF_H

#include "tcp_conn.bpf.h"

/* Who reads a socket by its address alone may not load its fields. */
static __always_inline void last_look(struct tcp_conn *c)
{
	struct sock *sk = (void *)c->sk;
	struct tcp_sock *tp = (void *)sk;
	struct tcp_slot e;
	__u64 rx, tx;

	if (!(c->flags & IS_COUNTED))
		return;
	rx = rx_bytes(BPF_CORE_READ(tp, bytes_received),
		      BPF_CORE_READ(sk, __sk_common.skc_flags));
	tx = BPF_CORE_READ(tp, bytes_sent);
	tx -= BPF_CORE_READ(tp, bytes_retrans);
	if (c->accept)
		conn_settle(c, c->sk);
	tcp_slot_fill(&e, c->owner);
	count_up_to(c, &e, rx, tx, BPF_CORE_READ(tp, total_retrans));
}

/* The entry goes, and with it the connection from what is open. */
static __always_inline void conn_part(struct tcp_conn *c)
{
	if (c->flags & IS_COUNTED)
		count_conn(c, CONN_CLOSED);
}

static long conn_forget(void *map, const __u32 *at, struct tcp_conn *c, void *ctx)
{
	if (!c->sk)
		return 0;
	if (enabled_now()) {
		last_look(c);
		return 0;
	}
	conn_part(c);
	ENTRY_GIVE_BACK(TABLE_CONNS, c, sk);
	return 0;
}

static long conn_forget_spilled(void *map, __u64 *sk, struct tcp_conn *c, void *ctx)
{
	if (enabled_now()) {
		last_look(c);
		return 0;
	}
	conn_part(c);
	spill_drop(&conns_spill, TABLE_CONNS, *sk);
	return 0;
}

static long refused_forget(void *map, const __u32 *at, __u64 *word, void *ctx)
{
	if (*word)
		small_count(SMALL_REFUSED, -1);
	*word = 0;
	return 0;
}

static long listener_forget(void *map, struct listen_key *key, __u32 *n, void *ctx)
{
	small_drop(&tcp_listeners, SMALL_LISTENERS, key);
	return 0;
}

static long accepted_forget(void *map, __u64 *sk, struct accepted *a, void *ctx)
{
	bpf_map_delete_elem(&accepts, sk);
	return 0;
}

static __always_inline int forget_all(void)
{
	bpf_for_each_map_elem(&conns, conn_forget, 0, 0);
	bpf_for_each_map_elem(&conns_spill, conn_forget_spilled, 0, 0);
	if (enabled_now())
		return 0;
	bpf_for_each_map_elem(&conns_refused, refused_forget, 0, 0);
	bpf_for_each_map_elem(&tcp_listeners, listener_forget, 0, 0);
	bpf_for_each_map_elem(&accepts, accepted_forget, 0, 0);
	tcp_started_us = 0;
	return 0;
}

#endif
