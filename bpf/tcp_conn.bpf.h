/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Connections: adopted in the middle, given to another owner, their counters read. */
#ifndef TCP_CONN_BPF_H
#define TCP_CONN_BPF_H

#include "tcp_listen.bpf.h"
#include "tcp_peer.bpf.h"

/* us of the monotonic clock: sockets set up later are new, see conn_adopt() */
__u64 tcp_started_us;

/* Counts the walks over all descriptors: who holds a socket is seen in them. */
__u64 tcp_walks;

/*
 * Starts to measure a connection in the middle: one that was there before (what its
 * counters hold is its past), or one whose beginning was missed, because the kernel
 * skips a program that would interrupt itself. sk is a full socket.
 */
static __noinline int conn_adopt(struct tcp_conn *c, struct sock *sk, __u64 owner,
				 bool missed)
{
	struct tcp_sock *tp = (void *)sk;
	struct cpu_state *cpu = cpu_get();

	if (!cpu)
		return 0;
	if (!(c->flags & IS_CONNECTING))
		c->role = role_guess(sk);
	if (!missed) {
		c->rx = rx_bytes(BPF_CORE_READ(tp, bytes_received),
				 sk->__sk_common.skc_flags);
		c->tx =
		    BPF_CORE_READ(tp, bytes_sent) - BPF_CORE_READ(tp, bytes_retrans);
		c->retrans = BPF_CORE_READ(tp, total_retrans);
	} else if (c->role == TCP_CLIENT && (c->since || !(c->flags & IS_CONNECTING))) {
		lose(LOSS_UNPAIRED); /* a connect without its duration */
	}
	c->owner = owner;
	c->accept = c->role == TCP_SERVER && !sk->sk_socket;
	c->cell = 0;
	c->since = 0;
	c->turn = 0;
	c->paused = 0;
	c->gen = window_now();
	c->held_walk = tcp_walks;
	c->flags = IS_COUNTED | HAS_SPOKEN;
	count_conn(c, missed ? CONN_OPENED : CONN_EXISTING);
	return 0;
}

/*
 * What was noted before this window, or before the probe was switched off and on again,
 * is out of date. Samples of the round-trip time come at the moments at which they
 * would have come.
 */
static __always_inline void conn_resume(struct tcp_conn *c, __u64 now_us)
{
	if (now_us >= c->next_us)
		c->next_us = now_us + SAMPLE_US - (now_us - c->next_us) % SAMPLE_US;
	c->since = 0;
	c->turn = 0;
	c->flags &= ~(SAID_GOODBYE | WAS_EARLY | IS_DOUBTFUL);
	c->gen = window_now();
}

/* The cgroup that accepted a connection, when it is not the owner already; 0: no. */
static __always_inline __u64 accepted_by(struct tcp_conn *c, __u64 sk)
{
	struct accepted *a = bpf_map_lookup_elem(&accepts, &sk);

	/* an earlier socket's, at the same address? */
	return a && a->time >= c->since ? a->owner : 0;
}

/* Gives an open connection to another cgroup. */
static __noinline int conn_move(struct tcp_conn *c, __u64 owner)
{
	count_conn(c, CONN_CLOSED);
	c->owner = owner;
	c->held_walk = tcp_walks;
	count_conn(c, CONN_EXISTING);
	return 0;
}

/*
 * Gives an accepted connection to the cgroup that accepted it. Whether that is known
 * now; later than the first data sent it need not be asked for.
 */
static __noinline int conn_settle(struct tcp_conn *c, __u64 sk)
{
	__u64 owner = accepted_by(c, sk);
	struct cpu_state *cpu = cpu_get();

	if (!owner || !cpu)
		return 0;
	bpf_map_delete_elem(&accepts, &sk);
	conn_move(c, owner);
	c->accept = 0;
	return 1;
}

/* Adds what the kernel has counted since the last time. Fine at any moment. */
static __noinline int count_up_to(struct tcp_conn *c, struct tcp_slot *e, __u64 rx,
				  __u64 tx, __u32 retrans)
{
	__u32 n;
	__u64 by;

	if (!e)
		return 0;
	n = tcp_cell(e, CELL_COUNT);
	by = advance(&c->rx, rx);
	if (by)
		count_put(n, TCP_RX_BYTES, by, false);
	by = advance(&c->tx, tx);
	if (by)
		count_put(n, TCP_TX_BYTES, by, false);
	by = advance32(&c->retrans, retrans);
	if (by) {
		count_put(n, TCP_RETRANSMITS, by, false);
		conn_peer(c, e->slot, PEER_RETRANSMITS, by);
	}
	return 0;
}

static __noinline int conn_count(struct tcp_conn *c, struct tcp_sock *tp,
				 struct tcp_slot *e)
{
	struct sock *sk = &tp->inet_conn.icsk_inet.sk;
	__u64 rx = rx_bytes(tp->bytes_received, sk->__sk_common.skc_flags);
	__u64 tx = *(volatile __u64 *)&tp->bytes_sent;

	/* read last, as the kernel adds to it first: what is seen is never too much */
	tx -= tp->bytes_retrans;
	return count_up_to(c, e, rx, tx, tp->total_retrans);
}

/* The same under the socket's lock, with a sample of the round-trip time. */
static __noinline int conn_sample(struct tcp_conn *c, struct tcp_sock *tp,
				  struct tcp_slot *e)
{
	if (!e)
		return 0;
	conn_count(c, tp, e);
	if (!tp->srtt_us || !(c->flags & IS_COUNTED) || !window_now())
		return 0;
	/* eighths of a microsecond */
	hist_put(tcp_cell(e, CELL_RTT), tp->srtt_us * 125ULL, false);
	tcp_peer_far(c->sk, e->slot, c->role, tp->srtt_us);
	return 0;
}

#endif
