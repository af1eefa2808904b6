/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the TCP probe keeps of a connection (struct tcp_conn), and how one is
 * found, adopted in the middle, and read. Only for tcp.bpf.c.
 */
#ifndef TCP_BPF_H
#define TCP_BPF_H

#include "cell.bpf.h"
#include "accepts.bpf.h"

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
#define LISTENERS  4096

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

/* Not static: so the verifier looks at it once, not at each call (5 times faster). */
__noinline __u32 tcp_slot(__u64 owner)
{
	struct cpu_state *cpu = cpu_get();

	if (owner == OWNER_KTHREAD)
		return SLOT_KERNEL;
	return cpu ? slot_of(cpu, owner) : SLOT_UNKNOWN;
}

/* The cell of a connection's owner, the slow way. */
__noinline __u32 tcp_cell_claim(struct tcp_slot *e, __u32 cell)
{
	struct cpu_state *cpu = cpu_get();
	__u32 series, pool = POOL_COUNT, n;

	if (!e || !cpu || cell >= TCP_CELLS)
		return 0;
	if (cell == CELL_COUNT) {
		series = SERIES_HOT(cpu, TCP_COUNT, 0);
	} else if (cell < CELL_COUNT) {
		series = SERIES_TCP_CONN + cell - CELL_CONN;
	} else {
		series = cell == CELL_RTT ? SERIES_TCP_RTT : SERIES_TCP_CONNECT;
		pool = POOL_HIST;
	}
	n = cell_of(e->slot, series, pool);
	e->cells[cell & 7] = n;
	return n;
}

static __always_inline __u32 tcp_cell(struct tcp_slot *e, enum tcp_cell cell)
{
	__u32 n = e->cells[cell];

	return likely(n) ? n : tcp_cell_claim(e, cell);
}

/* Fills what a program knows of an owner. */
static __always_inline void tcp_slot_fill(struct tcp_slot *e, __u64 owner)
{
	__builtin_memset(e, 0, sizeof(*e));
	e->owner = owner;
	e->gen = tunes.free_gen + 1;
	e->slot = tcp_slot(owner);
}

static __noinline int tcp_slot_anew(struct tcp_slot *e, __u64 owner)
{
	if (e)
		tcp_slot_fill(e, owner);
	return 0;
}

/* What a program knows of an owner; cache is its own, below TCP_CACHES. */
static __always_inline struct tcp_slot *tcp_slot_get(struct cpu_state *cpu, __u32 cache,
						     __u64 owner)
{
	struct tcp_slot *e =
	    &cpu->tcp[cache & (TCP_CACHES - 1)][owner & ((1 << TCP_CACHE_LOG2) - 1)];

	if (unlikely(e->owner != owner || e->gen != tunes.free_gen + 1))
		tcp_slot_anew(e, owner);
	return e;
}

static __always_inline void tcp_count(struct tcp_slot *e, enum tcp_cell cell,
				      __u32 lane, __u64 by)
{
	count_put(tcp_cell(e, cell), lane, by, false);
}

static __always_inline __u64 task_owner(struct task_struct *task)
{
	return task->flags & PF_KTHREAD ? OWNER_KTHREAD : task_cgroup_id(task);
}

/* The slow way: the first turn, or a slot changed hands, or the owner. */
static __noinline __u32 turn_cell_claim(struct tcp_conn *c)
{
	struct cpu_state *cpu = cpu_get();
	__u32 slot, series;

	if (!cpu)
		return 0;
	c->cell_gen = tunes.free_gen;
	c->cell_owner = c->owner;
	slot = tcp_slot(c->owner);
	series = SERIES_HOT(cpu, TCP_RESPONSE, c->role & 1);
	c->cell = cell_of(slot, series, POOL_HIST);
	return c->cell;
}

/*
 * The cell of a connection's turns, kept with it: one place to look instead of four. It
 * stays in the shard of the CPU that it was first on; to add is atomic, so that is
 * fine.
 */
static __always_inline __u32 turn_cell(struct tcp_conn *c)
{
	__u32 n = c->cell;

	if (n && c->cell_gen == tunes.free_gen && c->cell_owner == c->owner)
		return n;
	return turn_cell_claim(c);
}

/* The cgroup that made the socket; a child's is its listener's. */
static __always_inline __u64 sock_owner(struct sock *sk)
{
	return sk->sk_cgrp_data.cgroup->kn->id;
}

static __always_inline void count_conn(struct tcp_conn *c, enum conn_lane lane)
{
	count_add(tcp_slot(c->owner), SERIES_TCP_CONN + (c->role & 1), lane, 1);
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

static __always_inline void listen_key_of(struct listen_key *key, struct sock *sk)
{
	key->netns = sk->__sk_common.skc_net.net->ns.inum;
	key->port = sk->__sk_common.skc_num;
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

	if (!c || c->flags & IS_LISTENER)
		return 0;
	listen_key_of(&key, sk);
	c->port = key.port;
	c->owner = owner;
	c->drops = dropped(sk);
	c->flags = IS_LISTENER;
	n = bpf_map_lookup_elem(&tcp_listeners, &key);
	if (!n && bpf_map_update_elem(&tcp_listeners, &key, &one, BPF_NOEXIST)) {
		n = bpf_map_lookup_elem(&tcp_listeners, &key);
		if (!n)
			lose(LOSS_NO_STORAGE);
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
		bpf_map_delete_elem(&tcp_listeners, &key);
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
	} else if (c->role == TCP_CLIENT) {
		lose(LOSS_UNPAIRED); /* a connect without its duration */
	}
	c->owner = owner;
	c->accept = c->role == TCP_SERVER && !sk->sk_socket;
	c->cell = 0;
	c->since = 0;
	c->turn = 0;
	c->gen = enabled_now();
	c->held_walk = tcp_walks;
	c->flags = IS_COUNTED | HAS_SPOKEN;
	count_conn(c, missed ? CONN_OPENED : CONN_EXISTING);
	return 0;
}

/* What was noted before the probe was switched off and on again is out of date. */
static __always_inline void conn_resume(struct tcp_conn *c)
{
	c->since = 0;
	c->turn = 0;
	c->flags &= ~(SAID_GOODBYE | WAS_EARLY | IS_DOUBTFUL);
	c->gen = enabled_now();
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
	if (by)
		count_put(n, TCP_RETRANSMITS, by, false);
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
	if (tp->srtt_us && c->flags & IS_COUNTED) /* eighths of a microsecond */
		hist_put(tcp_cell(e, CELL_RTT), tp->srtt_us * 125ULL, false);
	return 0;
}

#endif
