/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The beginning and the end of a connection: changes of its state, resets. */
#ifndef TCP_STATE_BPF_H
#define TCP_STATE_BPF_H

#include "open.bpf.h"
#include "tcp_conn.bpf.h"
#include "tcp_turn.bpf.h"

/* SYN_SENT, always in the context of the task that connects. */
static __noinline int connect_begin(struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcp_conn *c = conn_make(sk);

	if (!c)
		lose(LOSS_TABLE_FULL);
	if (!c || !tp)
		return 0;
	if (task->tgid == tunes.self_tgid) {
		c->flags = IS_OURS;
		return 0;
	}
	if (unlikely(c->flags & IS_COUNTED)) /* its end was missed */
		count_conn(c, CONN_CLOSED);
	c->owner = task_owner(task);
	c->role = TCP_CLIENT;
	c->flags = IS_CONNECTING; /* a socket may connect again after a failure */
	c->turn = 0;
	c->cell = 0;
	c->accept = 0;
	c->rx = c->tx = 0;
	c->retrans = tp->total_retrans;
	c->segs_out = tp->segs_out;
	c->gen = enabled_now();
	c->since = bpf_ktime_get_ns();
	return 0;
}

/* Counts the SYNs of a connect that were sent again, when it has ended. */
static __always_inline void connect_end(struct tcp_conn *c, struct tcp_sock *tp,
					struct tcp_slot *e)
{
	__u32 again = tp->total_retrans - c->retrans;

	if ((__s32)again > 0)
		tcp_count(e, CELL_COUNT, TCP_SYN_RETRANSMITS, again);
}

/*
 * When the kernel began to look at the segment that the change of state comes from: it
 * reads the clock then. Not when it is made to believe in a connection (TCP_REPAIR).
 */
static __always_inline __u64 segment_time(struct tcp_sock *tp, __u64 since)
{
	__u64 now = tp->tcp_clock_cache;

	return likely((__s64)(now - since) >= 0 && now) ? now : bpf_ktime_get_ns();
}

static __always_inline void connect_succeeded(struct tcp_conn *c, struct tcp_slot *e,
					      __u64 now)
{
	if (!c->since || c->gen != enabled_now())
		return; /* it began before the probe was on */
	if ((__s64)(now - c->since) < 0)
		lose(LOSS_CLOCK_BACKWARDS);
	else
		hist_put(tcp_cell(e, CELL_CONNECT), now - c->since, false);
}

/* A new connection that there is no room for. A client's is counted when it connects.
 */
static __noinline int conn_refused(struct sock *sk, __u32 role)
{
	if (role == TCP_SERVER)
		lose(LOSS_TABLE_FULL);
	refused_note(address_whole(sk), role);
	return 0;
}

/* The end of such a one: what the kernel has counted is counted at once. */
static __noinline int refused_close(struct sock *sk)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct cpu_state *cpu = cpu_get();
	__u32 n, slot, role;

	if (!tp || !cpu)
		return 0;
	role = refused_take(address_whole(sk));
	if (!role)
		return 0;
	slot = tcp_slot(sock_owner(sk));
	n = cell_of(slot, SERIES_HOT(cpu, TCP_COUNT, 0), POOL_COUNT);
	count_put(n, TCP_RX_BYTES,
		  rx_bytes(tp->bytes_received, sk->__sk_common.skc_flags), false);
	count_put(n, TCP_TX_BYTES, tp->bytes_sent - tp->bytes_retrans, false);
	count_put(n, TCP_RETRANSMITS, tp->total_retrans, false);
	if (tp->total_retrans)
		tcp_peer_add(address_whole(sk), slot, role - 1, PEER_RETRANSMITS,
			     tp->total_retrans);
	n = cell_of(slot, SERIES_TCP_CONN + (role - 1), POOL_COUNT);
	count_put(n, CONN_OPENED, 1, false);
	count_put(n, CONN_CLOSED, 1, false);
	return 0;
}

/*
 * ESTABLISHED. An entry that says that it is counted already is one of an earlier
 * socket, whose end was missed. A server's is new here: to look for one first would
 * only cost.
 */
static __noinline int conn_open(struct sock *sk, int from)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcp_conn *c = from == ST_SYN_SENT ? conn_get(sk) : conn_make(sk);
	struct cpu_state *cpu = cpu_get();
	struct tcp_slot own, *e;
	__u64 now;

	if (!tp || !cpu || (c && c->flags & IS_OURS && from == ST_SYN_SENT))
		return 0;
	if (unlikely(c && c->flags & IS_COUNTED))
		count_conn(c, CONN_CLOSED);
	if (c && c->flags & IS_CONNECTING) {
		now = segment_time(tp, c->since);
		e = tcp_slot_get(cpu, CACHE_TCP_STATE, c->owner, &own);
		connect_succeeded(c, e, now);
		connect_end(c, tp, e);
	} else {
		if (!c && from == ST_SYN_SENT)
			c = conn_make(sk);
		if (!c)
			return conn_refused(sk, from == ST_SYN_SENT ? TCP_CLIENT
								    : TCP_SERVER);
		now = segment_time(tp, 0);
		c->owner = sock_owner(sk);
		c->role = from == ST_SYN_SENT ? TCP_CLIENT : TCP_SERVER;
		c->accept = c->role == TCP_SERVER;
		c->rx = c->tx = c->retrans = 0;
		c->turn = 0;
		e = tcp_slot_get(cpu, CACHE_TCP_STATE, c->owner, &own);
		if (c->role == TCP_CLIENT && is_whole())
			lose(LOSS_UNPAIRED);
	}
	c->gen = window_now();
	c->since = now;
	c->cell = 0;
	c->next_us = tp->tcp_mstamp + SAMPLE_US;
	c->sent = tp->bytes_sent - tp->bytes_retrans;
	c->held_walk = 0; /* the first walk that sees it says when that was */
	c->paused = 0;
	c->flags = IS_COUNTED;
	tcp_count(e, CELL_CONN + (c->role & 1), CONN_OPENED, 1);
	cache_leave(cpu, CACHE_TCP_STATE);
	return 0;
}

/*
 * The connection leaves ESTABLISHED. When the asking side closes at once after it has
 * sent, sooner than an answer can come (1 ms or one round trip), then this was a
 * farewell (TLS close_notify, PostgreSQL's Terminate), not a request left unanswered.
 * Nor is it one when the answer comes later, which tcp_probe does not show.
 */
static __noinline int note_fin(struct sock *sk, int to)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcp_conn *c = conn_get(sk);

	if (!tp || !c || !turn_open(c))
		return 0;
	if (to != (c->role == TCP_CLIENT ? ST_FIN_WAIT1 : ST_CLOSE_WAIT))
		return 0;
	c->fin_rx = tp->bytes_received;
	if (bpf_ktime_get_ns() - c->turn < at_once_ns(tp->srtt_us))
		c->flags |= SAID_GOODBYE;
	return 0;
}

/* Whether the answer to the open turn came after we had closed our side. */
static __always_inline bool was_answered(struct tcp_conn *c, struct tcp_sock *tp,
					 int from)
{
	struct sock *sk = &tp->inet_conn.icsk_inet.sk;

	return c->role == TCP_CLIENT &&
	       (from == ST_FIN_WAIT1 || from == ST_FIN_WAIT2 || from == ST_CLOSING) &&
	       (__u32)rx_bytes(tp->bytes_received, sk->__sk_common.skc_flags) !=
		   c->fin_rx;
}

static __always_inline void turn_unanswered(struct tcp_conn *c, enum conn_lane why)
{
	if (turn_open(c)) {
		count_conn(c, why);
		tcp_peer_unanswered(c->sk, c->owner, c->role);
	}
	c->turn = 0;
}

/*
 * Why a connect failed. No error is set when the application gave up, nor when
 * connect() found no free port: then nothing was sent, and nobody closed the socket.
 */
static __always_inline __u32 connect_error(struct tcp_conn *c, struct sock *sk,
					   struct tcp_sock *tp)
{
	if (sk->sk_err)
		return sk->sk_err;
	return sk->sk_shutdown || tp->segs_out != c->segs_out ? CONNECT_ABORTED
							      : NO_PORT;
}

/* A connect has failed. */
static __always_inline void connect_failed(struct tcp_conn *c, struct sock *sk,
					   struct tcp_sock *tp, struct tcp_slot *e)
{
	__u32 error = connect_error(c, sk, tp);

	connect_end(c, tp, e);
	conn_sample(c, tp, e);
	if (c->gen != enabled_now())
		return; /* it may have succeeded unseen */
	open_add(e->slot, OPEN_CONNECT_ERROR, error, 1);
	tcp_peer_failed(c->sk, e->slot, error);
}

/* CLOSE, or the end of a socket whose CLOSE was missed. cache: see tcp_slot_get(). */
static __noinline int conn_close(struct sock *sk, int from, __u32 cache)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcp_conn *c = conn_get(sk);
	struct cpu_state *cpu = cpu_get();
	bool abort = from == ST_ESTABLISHED || from == ST_CLOSE_WAIT;
	struct tcp_slot own, *e;
	__u32 flags;

	if (unlikely(!c))
		return refused_close(sk);
	if (!tp || !cpu || c->flags & IS_OURS || !c->flags)
		return 0;
	flags = c->flags;
	if (flags & IS_LISTENER) {
		listen_del(sk, c);
		goto closed;
	}
	if (c->accept)
		conn_settle(c, (__u64)sk);
	e = tcp_slot_get(cpu, cache, c->owner, &own);
	if (flags & IS_CONNECTING) {
		connect_failed(c, sk, tp, e);
	} else if (flags & IS_COUNTED) {
		conn_sample(c, tp, e);
		if (was_answered(c, tp, from) || (!abort && talked_on(c)))
			c->turn = 0;
		turn_unanswered(c,
				abort ? CONN_UNANSWERED_RESET : CONN_UNANSWERED_CLOSE);
		tcp_count(e, CELL_CONN + (c->role & 1), CONN_CLOSED, 1);
	}
	cache_leave(cpu, cache);
closed:
	c->flags = 0;
	return 0;
}

/* An application's MPTCP socket: of that we note listeners only, see dropped(). */
static __noinline int mptcp_state(struct sock *sk, int to)
{
	struct tcp_conn *c;

	if (sk->sk_protocol != PROTO_MPTCP)
		return 0;
	if (to == ST_LISTEN)
		return listen_add(sk, task_owner(bpf_get_current_task_btf()));
	if (to != ST_CLOSE)
		return 0;
	c = conn_get(sk);
	if (!c || !(c->flags & IS_LISTENER))
		return 0;
	listen_del(sk, c);
	c->flags = 0;
	return conn_leave(sk);
}

static __always_inline int on_state(unsigned long long *ctx)
{
	struct sock *sk = (void *)ctx[0];
	int from = ctx[1], to = ctx[2];

	if (unlikely(sk->sk_protocol != PROTO_TCP))
		return mptcp_state(sk, to);
	if (to == ST_SYN_SENT)
		return connect_begin(sk);
	if (to == ST_ESTABLISHED)
		return conn_open(sk, from);
	if (to == ST_LISTEN)
		return listen_add(sk, task_owner(bpf_get_current_task_btf()));
	if (to == ST_CLOSE)
		return conn_close(sk, from, CACHE_TCP_STATE);
	if (from == ST_ESTABLISHED)
		return note_fin(sk, to);
	return 0;
}

/*
 * The end of every TCP socket, after CLOSE: gives its entry back, and if CLOSE was
 * missed, does what that does. So no connection stays open in our books, not even one
 * that ends while the probe is switched off.
 */
static __always_inline int on_gone(unsigned long long *ctx)
{
	struct sock *sk = (void *)ctx[0];

	conn_close(sk, ST_CLOSE, CACHE_TCP_GONE);
	return conn_leave(sk);
}

static __noinline int count_reset(struct sock *sk, enum tcp_lane lane)
{
	struct cpu_state *cpu = cpu_get();
	__u32 state = sk ? sk->__sk_common.skc_state : 0, slot = SLOT_KERNEL;
	struct tcp_conn *c;

	if (!cpu)
		return 0;
	/* in all other states sk is a small socket: no storage, no cgroup */
	if ((CARRIES_DATA | 1 << ST_SYN_SENT | 1 << ST_SYN_RECV | 1 << ST_CLOSE |
	     1 << ST_LISTEN) &
	    1 << (state & 15)) {
		c = conn_get(sk);
		if (c && c->flags & IS_OURS)
			return 0;
		if (c && c->flags & IS_COUNTED)
			turn_unanswered(c, CONN_UNANSWERED_RESET);
		slot = c && c->owner ? tcp_slot(c->owner) : tcp_slot(sock_owner(sk));
	}
	count_add(slot, SERIES_HOT(cpu, TCP_COUNT, 0), lane, 1);
	return 0;
}

#endif
