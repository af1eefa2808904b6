/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Turns: what of a connection's bytes is a request, and what its answer, by who sends
 * new ones. Only for tcp.bpf.c.
 *
 * An answer may begin before its request has ended (HTTP's 413 while the body still
 * comes). The rest of that request looks like the next one. It can be told by this:
 * when its sender sent it, or had the kernel send it, the answer had not reached it.
 * Such a turn is doubtful: answered, it is a response like any other; unanswered and
 * longer than the head of a request, it is no error and nothing in flight. When its
 * sender pauses it begins anew, and after a long pause it is doubtful no more.
 */
#ifndef TCP_TURN_BPF_H
#define TCP_TURN_BPF_H

#include "tcp_peer.bpf.h"

#define LONG_PAUSE_NS 1000000000ULL

/*
 * Payload that was given to the network so far, without what was sent again. The kernel
 * adds to it before a packet gets to its first device: so data is new, whatever header
 * stands before it there (a tunnel's, ESP, a VLAN tag), and on all devices below the
 * first it is not. In this order: a packet that is just being sent again is not new.
 */
static __always_inline __u32 bytes_out(struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;
	__u64 sent;

	if (HAS_CASTS) {
		tp = CAST(struct tcp_sock, sk);
		sent = *(volatile __u64 *)&tp->bytes_sent;
		return sent - tp->bytes_retrans;
	}
	sent = BPF_CORE_READ(tp, bytes_sent);
	return sent - BPF_CORE_READ(tp, bytes_retrans);
}

/* Whether the application has left unread what came, now that it answers. */
static __always_inline bool has_unread(struct sock *sk)
{
	struct tcp_sock *tp = (void *)sk;

	if (HAS_CASTS) {
		tp = CAST(struct tcp_sock, sk);
		return tp->copied_seq != tp->rcv_nxt;
	}
	return BPF_CORE_READ(tp, copied_seq) != BPF_CORE_READ(tp, rcv_nxt);
}

static __always_inline void turn_begin(struct tcp_conn *c, __u64 now, __u32 bytes,
				       bool doubtful)
{
	c->turn = now;
	if (likely(!doubtful))
		return;
	c->flags = (c->flags & ~WAS_EARLY) | IS_DOUBTFUL;
	c->heard = now;
	c->rest = bytes;
}

/* early: the answer begins before its request has ended, or when the next is there. */
static __always_inline void turn_end(struct tcp_conn *c, __u64 start, __u64 now,
				     bool early)
{
	__u32 flags = (c->flags & ~(WAS_EARLY | IS_DOUBTFUL)) | (early ? WAS_EARLY : 0);
	__u64 ns = now - start;

	c->turn = 0;
	if (unlikely(flags != c->flags))
		c->flags = flags;
	if ((__s64)ns < 0)
		lose(LOSS_CLOCK_BACKWARDS);
	else
		hist_put(turn_cell(c), ns, false);
	if (unlikely((__s64)ns >= (__s64)PEER_SLOW_NS))
		turn_was_slow(c, ns);
}

/* Who asked sends more, in a turn that is doubtful. */
static __noinline int doubtful_goes_on(struct tcp_conn *c, struct sock *sk, __u64 now,
				       __u32 bytes)
{
	struct tcp_sock *tp = (void *)sk;
	__u64 pause = now - c->heard;

	if ((__s64)pause < 0)
		return 0;
	c->heard = now;
	c->rest += bytes;
	if (pause >= at_once_ns(BPF_CORE_READ(tp, srtt_us)))
		c->turn = now;
	if (pause >= LONG_PAUSE_NS)
		c->flags &= ~IS_DOUBTFUL;
	return 0;
}

/*
 * Whether its asker went on for long, and had no need of an answer to do so: then the
 * end of the connection leaves no request unanswered (WebSocket, a log shipper).
 */
static __always_inline bool talked_on(struct tcp_conn *c)
{
	return (__s64)(c->heard - c->turn) >= (__s64)LONG_PAUSE_NS;
}

#endif
