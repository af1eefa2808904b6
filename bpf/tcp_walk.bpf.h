/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the TCP probe learns by looking at all descriptors: when it starts, what is
 * there already; at every export, what listeners have dropped, what is under way, and
 * what the open connections have carried. Only for tcp.bpf.c.
 *
 * A pass holds no socket's lock: it changes nothing that packets use, but by
 * compare-and-swap. It is cut into slices (inflight.bpf.h), between which anything may
 * happen; a connection that is met twice changes nothing the second time.
 */
#ifndef TCP_WALK_BPF_H
#define TCP_WALK_BPF_H

#include "inflight.bpf.h"
#include "tcp_conn.bpf.h"
#include "tcp_turn.bpf.h"

/* The TCP or MPTCP socket of a descriptor, of any network namespace, or NULL. */
static __always_inline struct sock *file_sock(struct bpf_iter__task_file *ctx)
{
	struct file *file = ctx->file;
	struct socket *socket = file ? bpf_sock_from_file(file) : NULL;
	struct sock *sk = socket ? socket->sk : NULL;

	if (!sk || sk->sk_type != STREAM ||
	    (sk->sk_protocol != PROTO_TCP && sk->sk_protocol != PROTO_MPTCP))
		return NULL;
	return sk;
}

/* Listeners that were there before. */
static __always_inline int on_listener(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct sock *sk = file_sock(ctx);

	if (!tcp_started_us) /* a second later the packet hooks will be attached */
		tcp_started_us = bpf_ktime_get_ns() / 1000 + 1000000;
	if (sk && task && sk->__sk_common.skc_state == ST_LISTEN)
		listen_add(sk, task_owner(task));
	return 0;
}

/*
 * Connections that were there before. A descriptor's holder is a better owner than
 * the socket's maker: a server made by socket activation holds its connections.
 */
static __always_inline int on_conn(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct sock *sk = file_sock(ctx);
	struct tcp_sock *tp = (void *)sk;
	struct tcp_conn *c;
	__u32 state;

	if (!sk || !task || sk->sk_protocol != PROTO_TCP)
		return 0;
	state = sk->__sk_common.skc_state;
	if (state != ST_SYN_SENT && !(CARRIES_DATA & 1 << (state & 15)))
		return 0;
	if (conn_get(sk))
		return 0;
	c = conn_make(sk);
	if (!c)
		lose(LOSS_TABLE_FULL);
	if (!c)
		return 0;
	if (task->tgid == tunes.self_tgid) {
		c->flags = IS_OURS;
	} else if (state == ST_SYN_SENT) {
		c->owner = task_owner(task);
		c->role = TCP_CLIENT;
		c->gen = enabled_now();
		c->retrans = BPF_CORE_READ(tp, total_retrans);
		/* unless it has just been established, see conn_open() */
		__sync_val_compare_and_swap(&c->flags, 0, IS_CONNECTING);
	} else {
		conn_adopt(c, sk, task_owner(task), false);
	}
	return 0;
}

/*
 * A listener may be held by several processes. What it has dropped is the workload's
 * whose process was the youngest of them in the walk before: with systemd's socket
 * activation the service, not systemd. (Process ids tell no age: they wrap.)
 */
static __noinline int walk_listener(struct sock *sk, struct task_struct *task)
{
	struct tcp_conn *c = conn_get(sk);

	if (!c || !(c->flags & IS_LISTENER))
		return listen_add(sk, task_owner(task));
	listen_drops(sk, c);
	if (c->next_us != tcp_walks) {
		c->next_us = tcp_walks;
		c->since = 0;
	}
	if (task->start_time >= c->since) {
		c->since = task->start_time;
		c->owner = task_owner(task);
	}
	return 0;
}

/* The latest pass that came to its end: in one that did not, not all holders were seen.
 */
__u64 tcp_walk_whole;

/*
 * Who accepts a connection may hand it to another cgroup (inetd, Accept=yes of
 * systemd), or be moved itself. When for a whole pass nobody of its owner's has held
 * it, but another, it is that one's from now on.
 */
static __noinline int walk_holder(struct tcp_conn *c, struct task_struct *task)
{
	__u64 owner = task_owner(task), before = tcp_walks - 1;

	if (owner == c->owner || !c->held_walk) {
		c->held_walk = tcp_walks;
	} else if (c->flags & IS_COUNTED && tcp_walk_whole == before &&
		   (__s32)(c->held_walk - (__u32)before) < 0) {
		conn_move(c, owner);
		c->accept = 0;
	}
	return 0;
}

/* Who is waited for, and for long: each pass counts it once. */
static __always_inline void walk_waits(struct tcp_conn *c, __u32 slot, __u32 what,
				       __u64 began)
{
	__s64 age = bpf_ktime_get_ns() - began;

	if (what == INFLIGHT_CONNECT && age >= (__s64)PEER_CONNECT_NS)
		conn_peer(c, slot, PEER_CONNECTING, 1);
	else if (what == INFLIGHT_TCP + TCP_CLIENT && age >= (__s64)PEER_WAIT_NS)
		conn_peer(c, slot, PEER_WAITED, 1);
}

/*
 * When a connect began that the probe has not seen begin, by the kernel's stamp, to a
 * ms (tcp_connect() in net/ipv4/tcp_output.c); 0: that says nothing.
 */
static __always_inline __u64 syn_sent_ns(struct tcp_sock *tp)
{
	__u32 stamp = BPF_CORE_READ(tp, retrans_stamp);
	__u64 now = bpf_ktime_get_ns(), unit = 1000000;
	__s32 age;

	if (bpf_core_field_exists(tp->tcp_usec_ts) &&
	    BPF_CORE_READ_BITFIELD_PROBED(tp, tcp_usec_ts))
		unit = 1000;
	age = (__u32)(now / unit) - stamp;
	return stamp && age > 0 ? now - age * unit : 0;
}

/* A connect that nothing is kept of: it began before the probe was on. */
static __noinline int walk_syn(struct sock *sk, struct task_struct *task)
{
	__u64 began = syn_sent_ns((struct tcp_sock *)sk);

	if (began && task->tgid != tunes.self_tgid)
		inflight_note(tcp_slot(task_owner(task)), INFLIGHT_CONNECT, began);
	return 0;
}

#define WANTS_NONE (~0U)

/*
 * Whose other end has never sent anything, and who sends more after a pause
 * nevertheless, waits for no answer: a client of syslog or statsd. No packet has to be
 * looked at for that: the pass that found it waiting has noted how much there was, and
 * a later one that it is more. began: when the latest bytes were sent.
 */
static __always_inline bool wants_none(struct tcp_conn *c, struct tcp_sock *tp,
				       __u64 began)
{
	__u64 in =
	    rx_bytes(BPF_CORE_READ(tp, bytes_received),
		     BPF_CORE_READ(tp, inet_conn.icsk_inet.sk.__sk_common.skc_flags));
	__u64 out = BPF_CORE_READ(tp, bytes_sent) - BPF_CORE_READ(tp, bytes_retrans);
	__u64 asked = c->role == TCP_CLIENT ? out : in;
	__u32 mark = (asked & ~0U >> 2) | 1U << 31, was = c->paused;

	if (asked != in + out)
		return false; /* it was answered before */
	if (was && was != mark)
		c->paused = WANTS_NONE;
	else if ((__s64)(bpf_ktime_get_ns() - began) >= (__s64)LONG_PAUSE_NS)
		c->paused = mark;
	return c->paused == WANTS_NONE;
}

/*
 * How long a connection has been waited for, by what is kept of it; first: this pass
 * has not met it before.
 */
static __noinline int walk_turn(struct tcp_conn *c, struct tcp_sock *tp, __u32 slot,
				bool first)
{
	__u32 what = INFLIGHT_TCP + (c->role & 1);
	__u64 began = 0;

	if (c->flags & IS_CONNECTING) {
		what = INFLIGHT_CONNECT;
		began = c->gen == enabled_now() ? c->since : 0;
		if (!began)
			began = syn_sent_ns(tp);
	} else if (turn_open(c)) { /* while its asker goes on nobody waits */
		began = c->heard > c->turn ? c->heard : c->turn;
		if (wants_none(c, tp, began))
			began = 0;
	}
	if (began)
		inflight_note(slot, what, began);
	if (began && first)
		walk_waits(c, slot, what, began);
	return 0;
}

/* What a connection carries, and how long it has been waited for. */
static __noinline int walk_conn(struct sock *sk, struct tcp_conn *c, bool first)
{
	struct tcp_sock *tp = bpf_skc_to_tcp_sock(sk);
	__u64 owner = c->accept ? accepted_by(c, (__u64)sk) : 0;
	struct tcp_slot e;

	if (!tp)
		return 0;
	tcp_slot_fill(&e, owner ? owner : c->owner);
	if (c->flags & IS_COUNTED)
		conn_count(c, tp, &e);
	return walk_turn(c, tp, e.slot, first);
}

/*
 * A connection of MPTCP: its first path. All that we have of that is its address.
 */
static __noinline int walk_mptcp(struct sock *sk, struct task_struct *task)
{
	struct sock *first = mptcp_first(sk);
	struct tcp_sock *tp = (void *)first;
	struct tcp_conn *c = conn_get(first);
	__u64 owner, rx, tx;
	struct tcp_slot e;
	bool met;

	if (!first || !c || !(c->flags & (IS_CONNECTING | IS_COUNTED)))
		return 0;
	met = c->held_walk == (__u32)tcp_walks;
	walk_holder(c, task);
	owner = c->accept ? accepted_by(c, (__u64)first) : 0;
	tcp_slot_fill(&e, owner ? owner : c->owner);
	rx = rx_bytes(BPF_CORE_READ(tp, bytes_received),
		      BPF_CORE_READ(first, __sk_common.skc_flags));
	tx = BPF_CORE_READ(tp, bytes_sent);
	tx -= BPF_CORE_READ(tp, bytes_retrans);
	if (c->flags & IS_COUNTED)
		count_up_to(c, &e, rx, tx, BPF_CORE_READ(tp, total_retrans));
	return walk_turn(c, tp, e.slot, !met);
}

static __always_inline int on_walk(struct bpf_iter__task_file *ctx)
{
	struct task_struct *task = ctx->task;
	struct tcp_conn *c;
	struct sock *sk;
	bool met;

	if (!task) { /* behind the last one */
		tcp_walk_whole = tcp_walks;
		return 0;
	}
	if (slice_is_over(ctx->meta))
		return 1;
	if (!ctx->meta->seq_num)
		tcp_walks++;
	sk = file_sock(ctx);
	if (!sk)
		return 0;
	if (sk->__sk_common.skc_state == ST_LISTEN)
		return walk_listener(sk, task);
	if (sk->sk_protocol == PROTO_MPTCP)
		return walk_mptcp(sk, task);
	c = conn_get(sk);
	if (!c && sk->__sk_common.skc_state == ST_SYN_SENT)
		return walk_syn(sk, task);
	if (!c || !(c->flags & (IS_CONNECTING | IS_COUNTED)))
		return 0;
	met = c->held_walk == (__u32)tcp_walks;
	walk_holder(c, task);
	return walk_conn(sk, c, !met);
}

#endif
