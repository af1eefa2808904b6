/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Listeners: on which ports there are some, and what they have dropped. */
#ifndef TCP_LISTEN_BPF_H
#define TCP_LISTEN_BPF_H

#include "tcp_owner.bpf.h"

/* How many sockets listen on a port: tells the role of a connection found later. */
struct listen_key {
	__u32 netns;
	__u32 port;
};
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LISTENERS);
	__type(key, struct listen_key);
	__type(value, __u32);
} tcp_listeners SEC(".maps");

static __always_inline void listen_key_of(struct listen_key *key, struct sock *sk)
{
	key->netns = sk->__sk_common.skc_net.net->ns.inum;
	key->port = sk->__sk_common.skc_num;
}

/*
 * What a listener has dropped. One of MPTCP is two sockets: the application's, and the
 * kernel's own below it, which drops; it is counted for the one that somebody holds.
 */
static __always_inline __u32 dropped(struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct sock *first;

	if (tp)
		return bpf_core_field_exists(tp->is_mptcp) && tp->is_mptcp
			   ? 0
			   : sk->sk_drops.counter;
	first = mptcp_first(sk);
	return first ? BPF_CORE_READ(first, sk_drops.counter) : 0;
}

/*
 * Notes a listener, once; its storage makes it the one that we know. What it has
 * dropped so far is its past: nothing, when it has just been made.
 */
static __noinline int listen_add(struct sock *sk, __u64 owner)
{
	struct tcp_conn *c = conn_get_or_make(sk);
	struct listen_key key;
	__u32 one = 1, *n;

	if (!c)
		lose(LOSS_TABLE_FULL);
	if (!c || c->flags & IS_LISTENER)
		return 0;
	listen_key_of(&key, sk);
	c->port = key.port;
	c->owner = owner;
	c->drops = dropped(sk);
	c->flags = IS_LISTENER;
	n = bpf_map_lookup_elem(&tcp_listeners, &key);
	if (!n && !small_add(&tcp_listeners, SMALL_LISTENERS, &key, &one)) {
		n = bpf_map_lookup_elem(&tcp_listeners, &key);
		if (!n)
			lose(LOSS_TABLE_FULL);
	}
	if (n)
		__sync_fetch_and_add(n, 1);
	return 0;
}

/* Counts what a listener has dropped since we looked last. */
static __noinline int listen_drops(struct sock *sk, struct tcp_conn *c)
{
	__u32 by = advance32(&c->drops, dropped(sk));
	struct cpu_state *cpu = cpu_get();

	if (by && cpu)
		count_add(tcp_slot(c->owner), SERIES_HOT(cpu, TCP_COUNT, 0),
			  TCP_ACCEPT_OVERFLOWS, by);
	return 0;
}

static __noinline int listen_del(struct sock *sk, struct tcp_conn *c)
{
	struct listen_key key;
	__u32 *n;

	listen_drops(sk, c);
	listen_key_of(&key, sk);
	key.port = c->port;
	n = bpf_map_lookup_elem(&tcp_listeners, &key);
	if (n && __sync_fetch_and_add(n, -1) == 1)
		small_drop(&tcp_listeners, SMALL_LISTENERS, &key);
	return 0;
}

/*
 * The role of a connection whose beginning was not seen. An accepted socket is a copy
 * of its listener, which leaves the listener's backlog in it: that tells the role
 * where the listener is not seen, as from inside a container.
 */
static __always_inline enum tcp_role role_guess(struct sock *sk)
{
	struct listen_key key;

	if (sk->sk_max_ack_backlog)
		return TCP_SERVER;
	listen_key_of(&key, sk);
	return bpf_map_lookup_elem(&tcp_listeners, &key) ? TCP_SERVER : TCP_CLIENT;
}

#endif
