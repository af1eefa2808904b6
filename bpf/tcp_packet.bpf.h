/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Packets of connections, in and out: turns, and counters that are due to be read. */
#ifndef TCP_PACKET_BPF_H
#define TCP_PACKET_BPF_H

#include "dns.bpf.h"
#include "tcp_conn.bpf.h"
#include "tcp_turn.bpf.h"

/*
 * A connection seen in traffic that is not counted yet: it waited in an accept queue
 * when we started, or belongs to the kernel, or its beginning was missed.
 */
static __noinline int conn_find(struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;
	struct tcp_conn *c;
	__u64 owner, made_us;
	bool missed;

	if (sk->sk_type != STREAM || !is_whole())
		return 0; /* the walks over what is there are not done: its role */
	c = conn_get_or_make(sk);
	if (!c)
		return 0;
	refused_take(address_whole(sk)); /* now there is room */
	made_us = BPF_CORE_READ(tp, rcvq_space.time);
	missed = c->flags & IS_CONNECTING ||
		 (made_us >= tcp_started_us && !is_earlier(made_us * 1000));
	owner = sock_owner(sk);
	barrier_var(owner); /* one load of two kinds of pointer does not verify */
	if (c->flags & IS_CONNECTING)
		owner = c->owner;
	conn_adopt(c, sk, owner, missed);
	return 0;
}

/*
 * What was sent before this packet, of a connection that is looked at for the first
 * time or again. The counters have one that leaves already, but not snd_nxt: if the
 * application has written more than that, this packet carries some of it.
 */
static __noinline int sent_before(struct tcp_conn *c, struct sock *sk, bool leaving)
{
	struct tcp_sock *tp = (void *)sk;
	__u32 unsent = BPF_CORE_READ(tp, write_seq) - BPF_CORE_READ(tp, snd_nxt);
	__u32 fin = FIN_IS_WRITTEN >> (sk->__sk_common.skc_state & 15) & 1;

	c->sent = bytes_out(sk) - (leaving && (__s32)(unsent - fin) > 0);
	return 0;
}

/* The storage of a connection seen in traffic, NULL for our own. */
static __always_inline struct tcp_conn *conn_seen(struct sock *sk, bool leaving)
{
	struct tcp_conn *c = conn_get(sk);

	if (likely(c && c->flags & IS_COUNTED && c->gen == window_now()))
		return c;
	if (c && c->flags & IS_OURS)
		return NULL;
	if (c && c->flags & IS_COUNTED)
		conn_resume(c, BPF_CORE_READ((struct tcp_sock *)sk, tcp_mstamp));
	else
		conn_find(sk);
	c = conn_get(sk);
	if (!c || !(c->flags & IS_COUNTED))
		return NULL;
	sent_before(c, sk, leaving);
	return c;
}

/*
 * Reads the counters, at most once a second. Those of a connection that nobody has
 * accepted yet wait for its owner.
 */
static __noinline int sample_due(struct tcp_conn *c, struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcp_slot e;

	if (!tp || (c->accept && !sk->sk_socket))
		return 0;
	if (c->accept)
		conn_settle(c, (__u64)sk);
	tcp_slot_fill(&e, c->owner);
	return conn_sample(c, tp, &e);
}

/* New data for a client; early: not all that it wrote had reached the server. */
static __always_inline void answer_in(struct tcp_conn *c, bool early)
{
	if (c->turn)
		turn_end(c, c->turn, bpf_ktime_get_ns(), early);
	else if (unlikely(c->flags & WAS_EARLY) && !early)
		c->flags &= ~WAS_EARLY;
}

/*
 * New data for a server; unasked: it left the client before all that we sent was there.
 * The clock is read when a turn begins; while it goes on, the segment before has to do.
 */
static __always_inline void request_in(struct tcp_conn *c, struct tcp_sock *tp,
				       bool unasked, __u32 bytes)
{
	struct sock *sk = &tp->inet_conn.icsk_inet.sk;

	if (!c->turn)
		turn_begin(c, bpf_ktime_get_ns(), bytes,
			   unasked || c->flags & WAS_EARLY);
	else if (unlikely(c->flags & IS_DOUBTFUL))
		doubtful_goes_on(c, sk, bpf_ktime_get_ns(), bytes);
	else
		c->heard = tp->tcp_mstamp * 1000;
}

static __always_inline int on_segment(unsigned long long *ctx)
{
	struct sock *sk = (void *)ctx[0];
	struct sk_buff *skb = (void *)ctx[1];
	struct tcp_skb_cb *cb = (void *)skb->cb;
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcp_conn *c;
	__u32 end;

	c = tp ? conn_seen(sk, false) : NULL;
	if (!c)
		return 0;
	if (tp->tcp_mstamp >= c->next_us) {
		c->next_us = tp->tcp_mstamp + SAMPLE_US;
		sample_due(c, sk);
	}
	end = cb->end_seq - (BPF_CORE_READ_BITFIELD(cb, tcp_flags) & FLAG_FIN);
	if ((__s32)(end - tp->rcv_nxt) <= 0)
		return 0;
	if (c->role == TCP_CLIENT)
		answer_in(c, cb->ack_seq != tp->write_seq);
	else
		request_in(c, tp, (__s32)(tp->snd_nxt - cb->ack_seq) > 0,
			   end - tp->rcv_nxt);
	return 0;
}

/* Whether the connection's peer has sent data before we saw it in tcp_probe. */
static __always_inline bool was_asked(struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;

	return rx_bytes(BPF_CORE_READ(tp, bytes_received), sk->__sk_common.skc_flags);
}

/*
 * When the data that departs was given to the network: the kernel reads the clock each
 * time that it begins to send, and we need not do it again.
 */
static __always_inline __u64 send_time(struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;

	return HAS_CASTS ? CAST(struct tcp_sock, sk)->tcp_clock_cache
			 : BPF_CORE_READ(tp, tcp_clock_cache);
}

/* New data of a client departs. */
static __always_inline void request_out(struct tcp_conn *c, struct sock *sk,
					__u32 bytes)
{
	if (!c->turn)
		turn_begin(c, send_time(sk), bytes, c->flags & WAS_EARLY);
	else if (unlikely(c->flags & IS_DOUBTFUL))
		doubtful_goes_on(c, sk, send_time(sk), bytes);
	else
		c->heard = send_time(sk);
}

/* New data departs. */
static __always_inline void data_out(struct tcp_conn *c, struct sock *sk, __u32 bytes)
{
	bool first = !(c->flags & HAS_SPOKEN);

	c->flags |= HAS_SPOKEN;
	if (c->accept) { /* who sends has accepted it: now it is known, or never */
		conn_settle(c, (__u64)sk);
		c->accept = 0;
	}
	if (c->role == TCP_CLIENT) {
		request_out(c, sk, bytes);
	} else if (c->turn) {
		turn_end(c, c->turn, send_time(sk), has_unread(sk));
	} else if (first && c->since && was_asked(sk)) {
		/* TCP_DEFER_ACCEPT, or a lost ACK: the request came with the handshake
		 */
		turn_end(c, c->since, send_time(sk), has_unread(sk));
	}
}

static __always_inline int on_packet(unsigned long long *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct tcp_conn *c;
	struct sock *sk;
	__u32 out, new;

	if (skb->truesize == ACK_ONLY)
		return 0;
	sk = skb->sk;
	if (!sk)
		return 0;
	if (!(CARRIES_DATA & 1 << (sk->__sk_common.skc_state & 15)) ||
	    sk->sk_protocol != PROTO_TCP)
		return dns_on() ? dns_out(skb, sk) : 0;
	c = window_now() ? conn_seen(sk, true) : NULL;
	if (!c)
		return 0;
	out = bytes_out(sk);
	new = out - c->sent;
	if ((__s32) new <= 0)
		return 0;
	c->sent = out; /* not added: another CPU may have seen the same bytes */
	data_out(c, sk, new);
	return 0;
}

#endif
