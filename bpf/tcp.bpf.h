/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the TCP probe keeps of a connection (struct tcp_conn), and how that is found.
 * Only for tcp.bpf.c.
 */
#ifndef TCP_BPF_H
#define TCP_BPF_H

#include "accepts.bpf.h"
#include "cell.bpf.h"
#include "entry.bpf.h"

/* include/net/tcp_states.h, include/linux/net.h, include/uapi/linux/in.h */
enum {
	ST_ESTABLISHED = 1,
	ST_SYN_SENT,
	ST_SYN_RECV,
	ST_FIN_WAIT1,
	ST_FIN_WAIT2,
	ST_TIME_WAIT,
	ST_CLOSE,
	ST_CLOSE_WAIT,
	ST_LAST_ACK,
	ST_LISTEN,
	ST_CLOSING,
};
#define FLAG_FIN  1  /* TCPHDR_FIN */
#define SOCK_DONE 1  /* a bit of skc_flags: the peer's FIN was received */
#define ACK_ONLY  2  /* truesize of a pure ACK: skb_set_tcp_pure_ack() */
#define NO_PORT	  99 /* EADDRNOTAVAIL */
/* States in which a connection carries data; a full socket in all of them. */
#define CARRIES_DATA                                                   \
	(1 << ST_ESTABLISHED | 1 << ST_FIN_WAIT1 | 1 << ST_FIN_WAIT2 | \
	 1 << ST_CLOSE_WAIT | 1 << ST_LAST_ACK | 1 << ST_CLOSING)
/* Those in which we have closed our side: it takes a sequence number. */
#define FIN_IS_WRITTEN \
	(1 << ST_FIN_WAIT1 | 1 << ST_FIN_WAIT2 | 1 << ST_LAST_ACK | 1 << ST_CLOSING)

#define SAMPLE_US  1000000 /* least time between two readings of the counters */
#define AT_ONCE_NS 1000000 /* see at_once_ns() */
#define REST_MIN   4096	   /* bytes: more than most requests without a body have */

#define OWNER_KTHREAD (~0ULL) /* in place of a cgroup id */

enum conn_flag {
	IS_OURS = 1,	   /* the agent's: not measured */
	IS_CONNECTING = 2, /* since SYN_SENT */
	IS_COUNTED = 4,	   /* as opened or existing: its end will be counted */
	IS_LISTENER = 8,   /* no connection, see listen_add() */
	HAS_SPOKEN = 16,   /* data was sent */
	SAID_GOODBYE = 32, /* the open turn expects no answer */
	WAS_EARLY = 64,	   /* the latest answer began before its request had ended */
	IS_DOUBTFUL = 128, /* the open turn may be the rest of the request before */
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, CONNS);
	__type(key, __u32);
	__type(value, struct tcp_conn);
} conns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_SK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct tcp_conn);
} tcp_conns SEC(".maps");

/* The place in the table that a socket shares with others. */
static __always_inline struct tcp_conn *conn_place(struct sock *sk)
{
	__u32 at = address_index(sk, CONNS_LOG2);

	return bpf_map_lookup_elem(&conns, &at);
}

/* What is kept of a socket, NULL: nothing. */
static __always_inline struct tcp_conn *conn_get(struct sock *sk)
{
	struct tcp_conn *c = conn_place(sk);

	if (likely(c && c->sk == (__u64)sk))
		return c;
	return bpf_sk_storage_get(&tcp_conns, sk, 0, 0);
}

/*
 * A place for a socket of which nothing is kept, or nothing of worth: in the table, if
 * nobody has it, else one of its own. What is in it may be of an earlier time.
 */
static __always_inline struct tcp_conn *conn_make(struct sock *sk)
{
	struct tcp_conn *c = conn_place(sk);

	if (c && place_take(&c->sk, (__u64)sk))
		return c;
	c = bpf_sk_storage_get(&tcp_conns, sk, 0, BPF_SK_STORAGE_GET_F_CREATE);
	if (!c)
		lose(LOSS_NO_STORAGE);
	return c;
}

/* What is kept of a socket, made if it is nothing yet. */
static __noinline struct tcp_conn *conn_get_or_make(struct sock *sk)
{
	struct tcp_conn *c = conn_get(sk);

	return c ? c : conn_make(sk);
}

/* The socket is no more: it gives its place back. */
static __always_inline int conn_leave(struct sock *sk)
{
	struct tcp_conn *c = conn_place(sk);

	if (c && c->sk == (__u64)sk)
		PLACE_GIVE_BACK(c, sk);
	return 0;
}

/* Whether a request waits for its answer, noted since the probe was switched on. */
static __always_inline bool turn_open(struct tcp_conn *c)
{
	return c->turn && c->gen == enabled_now() && !(c->flags & SAID_GOODBYE) &&
	       !(c->flags & IS_DOUBTFUL && c->rest >= REST_MIN);
}

/* ns in which a peer cannot have answered: a round trip, or 1 ms where that is less. */
static __always_inline __u64 at_once_ns(__u32 srtt_us)
{
	__u64 ns = srtt_us * 125ULL; /* it is in eighths */

	return ns < AT_ONCE_NS ? AT_ONCE_NS : ns;
}

/* Payload received: the peer's FIN counts as a byte in the kernel's number. */
static __always_inline __u64 rx_bytes(__u64 bytes_received, unsigned long sk_flags)
{
	return bytes_received - (sk_flags >> SOCK_DONE & 1);
}

/*
 * Moves what we have counted so far on to the kernel's counter; the difference is the
 * caller's alone: packets and walks may look at the same time.
 */
static __always_inline __u64 advance(__u64 *seen, __u64 now)
{
	__u64 old = *seen;

	if ((__s64)(now - old) <= 0 ||
	    __sync_val_compare_and_swap(seen, old, now) != old)
		return 0;
	return now - old;
}

/* The same for a counter that wraps. */
static __always_inline __u32 advance32(__u32 *seen, __u32 now)
{
	__u32 old = *seen;

	if ((__s32)(now - old) <= 0 ||
	    __sync_val_compare_and_swap(seen, old, now) != old)
		return 0;
	return now - old;
}

#endif
