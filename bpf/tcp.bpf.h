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
	__uint(max_entries,
	       1); /* its true size, and the spill's: see agent/kernel/plan.c */
	__type(key, __u32);
	__type(value, struct tcp_conn);
} conns SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* the socket's address */
	__type(value, struct tcp_conn);
} conns_spill SEC(".maps");

/*
 * Connections that found no room when they were made: the socket's address, and in its
 * lowest bit, which is free, the role. By that it is known at their end that all which
 * the kernel has counted is to be counted. (One that finds no room here either is in
 * assay.lost already.)
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, REFUSED);
	__type(key, __u32);
	__type(value, __u64);
} conns_refused SEC(".maps");
#define REFUSED_PROBES 32 /* words looked at */

/* A socket's address, whole, as a number that the verifier lets us calculate with. (By
 * the lower half alone two sockets of 7,000 were one, on a machine with 24 GiB.) */
static __always_inline __u64 address_whole(const struct sock *sk)
{
	__u64 address = 0;

	bpf_probe_read_kernel(&address, sizeof(address), &sk);
	return address;
}

/*
 * Notes one there. Not static: so the verifier looks at it once, not at each call.
 * (Both loops are of a form that the one of 6.1 knows for a loop.)
 */
__noinline int refused_note(__u64 address, __u32 role)
{
	__u32 first = index_of(address, 32 - REFUSED_LOG2);
	__u64 word = address | (role & 1), *mark;
	__u32 at, i;

	for (i = 0; i < REFUSED_PROBES; i++) {
		at = (first + i) & (REFUSED - 1);
		mark = bpf_map_lookup_elem(&conns_refused, &at);
		if (!mark)
			break;
		if (!__sync_val_compare_and_swap(mark, 0, word)) {
			small_count(SMALL_REFUSED, 1);
			break;
		}
	}
	return 0;
}

/* Forgets one that was noted: its role + 1. 0: it was not. */
__noinline __u32 refused_take(__u64 address)
{
	__u32 first = index_of(address, 32 - REFUSED_LOG2), at, i;
	__u64 *mark, word;

	for (i = 0; i < REFUSED_PROBES; i++) {
		at = (first + i) & (REFUSED - 1);
		mark = bpf_map_lookup_elem(&conns_refused, &at);
		if (!mark)
			break;
		word = *(volatile __u64 *)mark;
		if ((word & ~1ULL) == address) {
			if (__sync_val_compare_and_swap(mark, word, 0) == word)
				small_count(SMALL_REFUSED, -1);
			return (word & 1) + 1;
		}
	}
	return 0;
}

/* The entry of the table that a socket shares with others. */
static __always_inline struct tcp_conn *conn_entry(struct sock *sk)
{
	__u32 at = address_index(sk, params.shift[TABLE_CONNS]);

	return bpf_map_lookup_elem(&conns, &at);
}

/* What is kept of a socket, NULL: nothing. */
static __always_inline struct tcp_conn *conn_get(struct sock *sk)
{
	struct tcp_conn *c = conn_entry(sk);

	if (likely(c && c->sk == (__u64)sk))
		return c;
	return spill_find(&conns_spill, TABLE_CONNS, (__u64)sk);
}

static __noinline struct tcp_conn *conn_spill(struct sock *sk)
{
	struct tcp_conn empty = { .sk = (__u64)sk };

	return spill_make(&conns_spill, TABLE_CONNS, (__u64)sk, &empty);
}

/*
 * An entry for a socket of which nothing is kept, or nothing of worth: in the table, if
 * nobody has it, else in the spill; NULL: there is no room. What is in it may be of an
 * earlier time.
 */
static __always_inline struct tcp_conn *conn_make(struct sock *sk)
{
	struct tcp_conn *c = conn_entry(sk);

	if (likely(c && entry_take(TABLE_CONNS, &c->sk, (__u64)sk)))
		return c;
	return conn_spill(sk);
}

/* What is kept of a socket, made if it is nothing yet. */
static __noinline struct tcp_conn *conn_get_or_make(struct sock *sk)
{
	struct tcp_conn *c = conn_get(sk);

	return c ? c : conn_make(sk);
}

/* The socket is no more: it gives its entry back. */
static __always_inline int conn_leave(struct sock *sk)
{
	struct tcp_conn *c = conn_entry(sk);

	if (c && c->sk == (__u64)sk)
		ENTRY_GIVE_BACK(TABLE_CONNS, c, sk);
	else
		spill_drop(&conns_spill, TABLE_CONNS, (__u64)sk);
	return 0;
}

/* Whether a request waits for its answer, noted in this window (all, if there are
 * none). */
static __always_inline bool turn_open(struct tcp_conn *c)
{
	return c->turn && c->gen == window_now() && !(c->flags & SAID_GOODBYE) &&
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
