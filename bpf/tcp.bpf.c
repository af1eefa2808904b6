// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP connections: how long they take to set up and to answer, what they carry.
 *
 * Hooks, in the order in which the agent has to attach and run them: the change of
 * state (rare) notes new connections and their end; two walks over all descriptors
 * find what is there already, listeners first, because they tell the role of the rest
 * (a third runs at every export, see tcp_walk.bpf.h); then the two resets, and
 * tcp_probe (each arriving segment of an established connection) and net_dev_queue
 * (each departing packet: 100 to 190 ns net when a turn begins or ends, a few for a
 * pure ACK or another protocol).
 *
 * A turn goes from the first new byte in one direction to the first new byte in the
 * other: on a server request to response, on a client the same from its side. What is
 * new the kernel's own counters tell, so retransmissions and the second sight of a
 * packet (veth and bridge, a tunnel and what is below it) do not count. See
 * tcp_turn.bpf.h.
 *
 * Only the kernel's own counters are subtracted, so that a missed event loses time
 * stamps but no bytes.
 */
#define PROBE_ID PROBE_TCP
#include "tcp.bpf.h"
#include "tcp_turn.bpf.h"
#include "tcp_walk.bpf.h"
#include "dns.bpf.h"

/* SYN_SENT, always in the context of the task that connects. */
static __noinline int connect_begin(struct sock *sk)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcp_conn *c = conn_make(sk);

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
		lose(LOSS_UNPAIRED);
	else if ((__s64)(now - c->since) < 0)
		lose(LOSS_CLOCK_BACKWARDS);
	else
		hist_put(tcp_cell(e, CELL_CONNECT), now - c->since, false);
}

/*
 * ESTABLISHED. A place that says that it is counted already is one of an earlier
 * socket, whose end was missed.
 */
static __noinline int conn_open(struct sock *sk, int from)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcp_conn *c = conn_get(sk);
	struct cpu_state *cpu = cpu_get();
	struct tcp_slot *e;
	__u64 now;

	if (!tp || !cpu || (c && c->flags & IS_OURS && from == ST_SYN_SENT))
		return 0;
	if (unlikely(c && c->flags & IS_COUNTED))
		count_conn(c, CONN_CLOSED);
	if (c && c->flags & IS_CONNECTING) {
		now = segment_time(tp, c->since);
		e = tcp_slot_get(cpu, 0, c->owner);
		connect_succeeded(c, e, now);
		connect_end(c, tp, e);
	} else {
		c = conn_make(sk);
		if (!c)
			return 0;
		now = segment_time(tp, 0);
		c->owner = sock_owner(sk);
		c->role = from == ST_SYN_SENT ? TCP_CLIENT : TCP_SERVER;
		c->accept = c->role == TCP_SERVER;
		c->rx = c->tx = c->retrans = 0;
		c->turn = 0;
		e = tcp_slot_get(cpu, 0, c->owner);
		if (c->role == TCP_CLIENT)
			lose(LOSS_UNPAIRED);
	}
	c->gen = enabled_now();
	c->since = now;
	c->cell = 0;
	c->next_us = tp->tcp_mstamp + SAMPLE_US;
	c->sent = tp->bytes_sent - tp->bytes_retrans;
	c->held_walk = tcp_walks;
	c->flags = IS_COUNTED;
	tcp_count(e, CELL_CONN + (c->role & 1), CONN_OPENED, 1);
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
	if (turn_open(c))
		count_conn(c, why);
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
	connect_end(c, tp, e);
	conn_sample(c, tp, e);
	if (c->gen == enabled_now()) /* or it may have succeeded unseen */
		open_add(e->slot, OPEN_CONNECT_ERROR, connect_error(c, sk, tp), 1);
	else
		lose(LOSS_UNPAIRED);
}

/* CLOSE, or the end of a socket whose CLOSE was missed. cache: see tcp_slot_get(). */
static __noinline int conn_close(struct sock *sk, int from, __u32 cache)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	struct tcp_conn *c = conn_get(sk);
	struct cpu_state *cpu = cpu_get();
	bool abort = from == ST_ESTABLISHED || from == ST_CLOSE_WAIT;
	struct tcp_slot *e;
	__u32 flags;

	if (!c || !tp || !cpu || c->flags & IS_OURS || !c->flags)
		return 0;
	flags = c->flags;
	if (flags & IS_LISTENER) {
		listen_del(sk, c);
		goto closed;
	}
	if (c->accept)
		conn_settle(c, (__u64)sk);
	e = tcp_slot_get(cpu, cache, c->owner);
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
		return conn_close(sk, from, 0);
	if (from == ST_ESTABLISHED)
		return note_fin(sk, to);
	return 0;
}

SEC("tp_btf/inet_sock_set_state")
int tcp_state(unsigned long long *ctx)
{
	return RUN(tcp_state, on_state(ctx));
}

/*
 * The end of every TCP socket, after CLOSE: gives its place back, and if CLOSE was
 * missed, does what that does. So no connection stays open in our books, not even one
 * that ends while the probe is switched off.
 */
static __always_inline int on_gone(unsigned long long *ctx)
{
	struct sock *sk = (void *)ctx[0];

	conn_close(sk, ST_CLOSE, 1);
	return conn_leave(sk);
}

SEC("tp_btf/tcp_destroy_sock")
int tcp_gone(unsigned long long *ctx)
{
	if (!enabled_now())
		return on_gone(ctx);
	return RUN(tcp_gone, on_gone(ctx));
}

SEC("iter/task_file")
int tcp_listeners_iter(struct bpf_iter__task_file *ctx)
{
	return on_listener(ctx);
}

SEC("iter/task_file")
int tcp_conns_iter(struct bpf_iter__task_file *ctx)
{
	return on_conn(ctx);
}

SEC("iter/task_file")
int tcp_sockets_walk(struct bpf_iter__task_file *ctx)
{
	return enabled_now() ? on_walk(ctx) : 0;
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

/* sk is NULL where no socket has the port (older kernels do not tell us then). */
SEC("tp_btf/tcp_send_reset")
int tcp_reset_sent(unsigned long long *ctx)
{
	return RUN(tcp_reset_sent, count_reset((void *)ctx[0], TCP_RESETS_TX));
}

SEC("tp_btf/tcp_receive_reset")
int tcp_reset_received(unsigned long long *ctx)
{
	return RUN(tcp_reset_received, count_reset((void *)ctx[0], TCP_RESETS_RX));
}

/*
 * A connection seen in traffic that is not counted yet: it waited in an accept queue
 * when we started, or belongs to the kernel, or its beginning was missed.
 */
static __noinline int conn_find(struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;
	struct tcp_conn *c;
	__u64 owner;
	bool missed;

	if (sk->sk_type != STREAM)
		return 0;
	c = conn_get_or_make(sk);
	if (!c)
		return 0;
	missed = c->flags & IS_CONNECTING ||
		 BPF_CORE_READ(tp, rcvq_space.time) >= tcp_started_us;
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

	if (likely(c && c->flags & IS_COUNTED && c->gen == enabled_now()))
		return c;
	if (c && c->flags & IS_OURS)
		return NULL;
	if (c && c->flags & IS_COUNTED)
		conn_resume(c);
	else
		conn_find(sk);
	c = conn_get(sk);
	if (c)
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

/* Each segment that arrives for an ESTABLISHED socket, before it is looked at. */
SEC("tp_btf/tcp_probe")
int tcp_segment_in(unsigned long long *ctx)
{
	return RUN(tcp_segment_in, on_segment(ctx));
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
	c = enabled_now() ? conn_seen(sk, true) : NULL;
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

SEC("tp_btf/net_dev_queue")
int tcp_packet_out(unsigned long long *ctx)
{
	return RUN_IF(enabled_now() || dns_on(), tcp_packet_out, on_packet(ctx));
}
