/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The peer of a connection, when something went wrong with it. */
#ifndef TCP_PEER_BPF_H
#define TCP_PEER_BPF_H

#include <bpf/bpf_endian.h>
#include "peer.bpf.h"
#include "tcp_owner.bpf.h"

#define FAMILY_IPV6 10	/* AF_INET6 */
#define TIMED_OUT   110 /* ETIMEDOUT */
#define REFUSES	    111 /* ECONNREFUSED */

/*
 * Counts in a lane (enum peer_lane) for the peer of a socket, of which the address is
 * enough. A server's peers are told by their address alone: the port is another one for
 * each connection.
 */
__noinline int tcp_peer_add(__u64 address, __u32 slot, __u32 role, __u32 lane, __u32 by)
{
	struct sock *sk = (void *)address;
	struct peer_key key = { .address = { 0, 0, MAPPED_IPV4 } };

	if (role == TCP_CLIENT)
		key.port = BPF_CORE_READ(sk, __sk_common.skc_dport);
	if (BPF_CORE_READ(sk, __sk_common.skc_family) != FAMILY_IPV6)
		key.address[3] = BPF_CORE_READ(sk, __sk_common.skc_daddr);
	else if (bpf_core_field_exists(sk->__sk_common.skc_v6_daddr))
		bpf_core_read(key.address, sizeof(key.address),
			      &sk->__sk_common.skc_v6_daddr);
	return peer_add(slot, &key, lane, by);
}

/* The same of a connection that is kept, with its owner's slot. */
static __always_inline void conn_peer(const struct tcp_conn *c, __u32 slot, __u32 lane,
				      __u32 by)
{
	tcp_peer_add(c->sk, slot, c->role, lane, by);
}

/* An answer that took ns, from PEER_SLOW_NS on. */
static __noinline int turn_was_slow(struct tcp_conn *c, __u64 ns)
{
	__u32 slot;

	if (c->role != TCP_CLIENT)
		return 0;
	slot = tcp_slot(c->owner);
	conn_peer(c, slot, PEER_SLOW, 1);
	if (ns >= PEER_SLOWER_NS)
		conn_peer(c, slot, PEER_SLOWER, 1);
	return 0;
}

/*
 * These decide in functions that the verifier looks at once: at the end of a connection
 * each branch would double its ways. The first: a connect that failed with this error
 * (connect_error()).
 */
__noinline int tcp_peer_failed(__u64 sk, __u32 slot, __u32 error)
{
	__u32 lane = PEER_FAILED;

	if (error == NO_PORT)
		return 0; /* nobody was asked */
	if (error == REFUSES)
		lane = PEER_REFUSED;
	if (error == TIMED_OUT)
		lane = PEER_TIMED_OUT;
	return tcp_peer_add(sk, slot, TCP_CLIENT, lane, 1);
}

/* A sample of the round-trip time, in eighths of a microsecond. */
__noinline int tcp_peer_far(__u64 sk, __u32 slot, __u32 role, __u32 srtt_us)
{
	if (srtt_us < 8 * PEER_FAR_US || role != TCP_CLIENT)
		return 0;
	return tcp_peer_add(sk, slot, role, PEER_FAR, 1);
}

/* A request that got no answer. */
__noinline int tcp_peer_unanswered(__u64 sk, __u64 owner, __u32 role)
{
	if (role != TCP_CLIENT)
		return 0;
	return tcp_peer_add(sk, tcp_slot(owner), role, PEER_UNANSWERED, 1);
}

#endif
