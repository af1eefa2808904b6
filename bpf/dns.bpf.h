/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * DNS queries that leave, at net_dev_queue: for dns.bpf.c, and for tcp.bpf.c, whose
 * program on that hook calls dns_out() so that a packet passes one program of ours
 * only. All that is shared between the two is in dns_queries and dns_gates.
 *
 * Whoever ends a waiting query sets its stamp to 0 by compare-and-swap: so it is
 * counted once, whether its answer, a walk or the next query comes first.
 */
#ifndef DNS_BPF_H
#define DNS_BPF_H

#include <bpf/bpf_endian.h>
#include "cell.bpf.h"
#include "peer.bpf.h"

#define DNS_PORT    bpf_htons(53)
#define PROTO_UDP   17
#define PROTO_ICMP  1
#define PROTO_ICMP6 58
#define IPV4	    bpf_htons(0x0800) /* ETH_P_IP */
#define IPV6	    bpf_htons(0x86dd)
#define IP_SEEN	    40 /* an IPv6 header; of an IPv4 header and what follows as much */
/* States of a UDP socket: TCP_ESTABLISHED when it is connected, else TCP_CLOSE. */
#define UDP_STATES  (1 << 1 | 1 << 7)
#define LOOPBACK    1 /* LOOPBACK_IFINDEX: in every namespace */
#define SHARE_PARTS 4 /* see dns_take() */

#define FLAG_ANSWER 0x80 /* of dns_packet.flags */
#define OPCODE_MASK 0x78 /* 0: a lookup */

/* What follows the IP header. A name begins with the length of its first part. */
struct dns_packet {
	__u16 source, dest, len, checksum;
	__u16 id;
	__u8 flags, code;
	__u16 questions, answers, authorities, additionals;
	__u32 name[2];
};
#define DNS_HEADER  __builtin_offsetof(struct dns_packet, name)
#define UDP_LEN_MIN 25 /* with the question about the root: one byte, type, class */

/* Created by the agent, which sets its size. No LRU: that would forget pairs. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct dns_key);
	__type(value, struct dns_query);
} dns_queries SEC(".maps");

/* Created by the agent: one element more than there are CPUs. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dns_gate);
} dns_gates SEC(".maps");

/*
 * Created by the agent: of each slot, the queries that wait; behind the slots, of each
 * delegated subtree (delegates.h), whose slots have one share together.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} dns_shares SEC(".maps");

/* Created by the agent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct dns_answered);
} dns_answers SEC(".maps");
#define ANSWERED_NS 1000000000 /* who asks several servers has asked all by then */

/* Whether the dns probe is wanted at all, and switched on. */
static __always_inline bool dns_on(void)
{
	return params.dns && window_of(PROBE_DNS);
}

static __always_inline struct dns_gate *dns_gate(void)
{
	__u32 first = 0;

	return bpf_map_lookup_elem(&dns_gates, &first);
}

/* Where the waiting queries of a slot are counted. */
static __always_inline __u32 dns_share_of(__u32 slot)
{
	struct series_row *row = bpf_map_lookup_elem(&rows, &slot);
	__u32 share = row ? row->share & (SHARES - 1) : 0;

	return share ? params.slots + share : slot;
}

/* Counts a query that ceases to wait: what it took of the table is free again. */
static __always_inline void dns_give_back(__u32 share, __u32 elsewhere)
{
	__u32 *used = bpf_map_lookup_elem(&dns_shares, &share);
	struct dns_gate *gate = dns_gate();

	if (used)
		__sync_fetch_and_add(used, -1);
	if (gate && elsewhere)
		__sync_fetch_and_add(&gate->elsewhere, -1);
	if (gate)
		__sync_fetch_and_add(&gate->waiting, -1);
}

/*
 * Counts a query that begins to wait, if it may: a share is a quarter of the entries
 * that are free now. So there are some left whoever else asks, and however much.
 */
static __always_inline bool dns_take(__u32 share, __u32 elsewhere)
{
	__u32 *used = bpf_map_lookup_elem(&dns_shares, &share);
	struct dns_gate *gate = dns_gate();
	__s32 room;

	if (!used || !gate)
		return false;
	__sync_fetch_and_add(&gate->waiting, 1); /* first: the answer looks at it */
	if (elsewhere)
		__sync_fetch_and_add(&gate->elsewhere, 1);
	room = params.queries - *(volatile __u32 *)&gate->waiting;
	if ((__s32)(__sync_fetch_and_add(used, 1) * SHARE_PARTS) <= room)
		return true;
	dns_give_back(share, elsewhere);
	lose_for(PROBE_DNS, LOSS_SHARE_FULL);
	return false;
}

/* Not static, nor is dns_count: so the verifier looks at it once, not at each call. */
__noinline __u32 dns_slot(__u64 owner)
{
	struct cpu_state *cpu = cpu_get();

	return cpu ? slot_of_owner(cpu, owner) : SLOT_UNKNOWN;
}

/* Takes a query from whoever might end it at the same time; false: it is over. */
static __always_inline bool dns_claim(struct dns_query *q, __u64 since)
{
	return since && __sync_val_compare_and_swap(&q->since, since, 0) == since;
}

/* Removes a waiting query, of this share. */
static __always_inline void dns_drop(struct dns_key *key, __u32 share, __u32 elsewhere)
{
	if (!bpf_map_delete_elem(&dns_queries, key))
		dns_give_back(share, elsewhere);
}

/* Counts a lookup that is over. What came too late was a timeout before. */
__noinline int dns_count(__u64 owner, __u32 result, __u64 ns)
{
	if ((__s64)ns < 0) {
		lose_for(PROBE_DNS, LOSS_CLOCK_BACKWARDS);
		return 0;
	}
	if (ns >= tunes.tune[PROBE_DNS].timeout_ns)
		result = DNS_TIMEOUT;
	if (result < DNS_RESULTS)
		hist_add(dns_slot(owner), SERIES_DNS_LOOKUP + result, ns);
	return 0;
}

/*
 * A lookup is over, and not well: it is told which server was asked (first). q is the
 * caller's, who has claimed it.
 */
__noinline int dns_blame(struct dns_query *q, __u32 result, __u64 ns)
{
	struct peer_key key = { .port = DNS_PORT, .dns = 1 };
	__u32 lane = PEER_DNS_SLOW;

	if (!q || (__s64)ns < 0)
		return 0;
	if (result == DNS_TIMEOUT || ns >= tunes.tune[PROBE_DNS].timeout_ns)
		lane = PEER_DNS_TIMEOUT;
	else if (result != DNS_OK && result != DNS_NXDOMAIN)
		lane = PEER_DNS_FAILED;
	__builtin_memcpy(key.address, q->server, sizeof(key.address));
	return peer_add(dns_slot(q->owner), &key, lane, 1);
}

/* Whether that is to be told. */
static __always_inline bool dns_is_bad(__u32 result, __u64 ns)
{
	return (result != DNS_OK && result != DNS_NXDOMAIN) || ns >= PEER_DNS_SLOW_NS;
}

/*
 * A query whose key is there already; false: it is over, and gone. The socket's copy of
 * the packet is seen again on each device below the first (a bridge's port): that is no
 * query. Nor is the same question to another server a retry, but one more who may
 * answer. One that came back after its time is a new lookup.
 */
static __noinline bool dns_again(struct dns_query *q, struct dns_query *now,
				 struct dns_key *key)
{
	__u32 share = q->share, elsewhere = q->elsewhere;
	__u64 since = q->since, owner = q->owner, age = now->since - since;
	bool current = q->gen == now->gen;

	if (current && (__s64)age < (__s64)tunes.tune[PROBE_DNS].timeout_ns) {
		if (q->ifindex == now->ifindex && q->server[3] == now->server[3])
			count_add(dns_slot(now->owner), SERIES_DNS_COUNT, DNS_RESENT,
				  1);
		return true;
	}
	if (!dns_claim(q, since)) {
		lose_for(PROBE_DNS, LOSS_STATE_FULL); /* just being removed */
		return true;
	}
	if (current) {
		dns_count(owner, DNS_TIMEOUT, age);
		dns_blame(q, DNS_TIMEOUT, age);
	}
	dns_drop(key, share, elsewhere);
	return false;
}

/* The entry of a lookup among those answered lately; word: see struct dns_answered. */
static __always_inline struct dns_answered *
dns_answer(const struct dns_key *key, __u32 netns, __u32 server, __u64 *word)
{
	__u64 rest = (__u64)netns << 32 | key->port << 16 | key->id;
	__u64 hash = (key->question ^ rest) * 0x9E3779B97F4A7C15ULL;
	__u32 at = hash >> (64 - DNS_ANSWERED_LOG2);

	*word = hash >> 16 << 32 | server;
	return bpf_map_lookup_elem(&dns_answers, &at);
}

/* Whether another server has answered already what is asked here. */
static __always_inline bool dns_is_answered(struct dns_key *key, struct dns_query *now)
{
	struct dns_answered *a;
	__u64 word;

	a = dns_answer(key, now->netns, now->server[3], &word);
	return a && a->word >> 32 == word >> 32 && a->word != word &&
	       now->since - a->at < ANSWERED_NS;
}

/* A query that is not there yet begins to wait. */
static __always_inline int dns_wait(struct dns_key *key, struct dns_query *now)
{
	if (dns_is_answered(key, now) || !dns_take(now->share, now->elsewhere) ||
	    !bpf_map_update_elem(&dns_queries, key, now, BPF_NOEXIST))
		return 0;
	dns_give_back(now->share, now->elsewhere);
	lose_for(PROBE_DNS, LOSS_STATE_FULL);
	return 0;
}

/* Notes a query, unless the agent makes it: that runs in its own context. */
static __noinline int dns_begin(struct sk_buff *skb, struct sock *sk,
				struct dns_key *key, struct dns_query *now)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct dns_query *q;

	if (task->tgid == tunes.self_tgid)
		return 0;
	now->owner = BPF_CORE_READ_BITFIELD(sk, sk_kern_sock)
			 ? OWNER_KERNEL
			 : sk->sk_cgrp_data.cgroup->kn->id;
	now->share = dns_share_of(dns_slot(now->owner));
	now->gen = window_of(PROBE_DNS);
	now->since = bpf_ktime_get_ns();
	q = bpf_map_lookup_elem(&dns_queries, key);
	if (q && q->netns != now->netns) {
		key->netns = now->netns;
		q = bpf_map_lookup_elem(&dns_queries, key);
	}
	return q && dns_again(q, now, key) ? 0 : dns_wait(key, now);
}

/* How much of a packet has to be there for its key. */
static __always_inline __u32 dns_needs(const struct dns_packet *p)
{
	__u32 len = bpf_ntohs(p->len);

	return len < sizeof(*p) ? DNS_HEADER + sizeof(p->name[0]) : sizeof(*p);
}

/*
 * The bytes of a name that a key has: as many as the shortest question has whose first
 * part is that long, so that what stands behind the question is not among them.
 */
static __always_inline __u64 dns_question(const struct dns_packet *p)
{
	__u64 question = p->name[0];

	if (*(__u8 *)p->name > 1)
		question |= (__u64)p->name[1] << 32;
	return question | 0x2020202020202020ULL;
}

/*
 * Whether a packet that leaves for another port was sent to 53, and NAT changed that
 * (a container's resolver): by the socket, if it is connected, or by its entry of the
 * connection table. What looks like a query there may be another protocol's.
 */
static __always_inline bool dns_redirected(struct sk_buff *skb, struct sock *sk,
					   const struct dns_packet *p)
{
	struct nf_conn *ct = 0;

	if (p->answers || p->authorities)
		return false;
	if (sk->__sk_common.skc_dport == DNS_PORT)
		return true;
	if (!bpf_core_field_exists(skb->_nfct) ||
	    !bpf_core_field_exists(ct->tuplehash[0].tuple.dst.u.all))
		return false;
	ct = (void *)(skb->_nfct & NFCT_PTRMASK);
	return ct && BPF_CORE_READ(ct, tuplehash[0].tuple.dst.u.all) == DNS_PORT;
}

/*
 * Whether an outgoing packet is a query; its key, and whom it asks. The IP header is
 * read too: that of a tunnel is no UDP.
 */
static __always_inline bool dns_is_query(struct sk_buff *skb, struct sock *sk,
					 struct dns_key *key, struct dns_query *now)
{
	struct dns_packet p;
	__u8 ip[IP_SEEN] __attribute__((aligned(8)));
	__u64 headroom;

	if (bpf_probe_read_kernel(&p, sizeof(p), skb->head + skb->transport_header))
		goto unreadable;
	if (p.flags & (FLAG_ANSWER | OPCODE_MASK) || p.questions != bpf_htons(1) ||
	    bpf_ntohs(p.len) < UDP_LEN_MIN ||
	    (p.dest != DNS_PORT && !dns_redirected(skb, sk, &p)))
		return false;
	headroom = skb->data - skb->head;
	barrier_var(headroom); /* or pointers are subtracted in 32 bits */
	if (headroom + skb->len - skb->data_len <
		skb->transport_header + dns_needs(&p) ||
	    bpf_probe_read_kernel(ip, sizeof(ip), skb->head + skb->network_header))
		goto unreadable;
	if (skb->protocol == IPV4 && ip[9] == PROTO_UDP) {
		now->server[2] = MAPPED_IPV4;
		now->server[3] = *(__u32 *)&ip[16];
	} else if (skb->protocol == IPV6 && ip[6] == PROTO_UDP) {
		__builtin_memcpy(now->server, &ip[24], sizeof(now->server));
	} else {
		return false;
	}
	/* over loopback, NAT has changed the answer back before we see it */
	now->elsewhere = p.dest != DNS_PORT && now->ifindex != LOOPBACK;
	key->port = p.source;
	key->id = p.id;
	key->question = dns_question(&p);
	return true;
unreadable:
	lose_for(PROBE_DNS, LOSS_UNREADABLE);
	return false;
}

/* In another namespace than the socket's a packet is seen for the second time. */
static __noinline int dns_look_out(struct sk_buff *skb, struct sock *sk)
{
	struct dns_query now = { .netns = sk->__sk_common.skc_net.net->ns.inum,
				 .ifindex = skb->dev->ifindex,
				 .told = sk->__sk_common.skc_dport != 0 };
	struct dns_key key = {};

	if (skb->dev->nd_net.net->ns.inum != now.netns ||
	    !dns_is_query(skb, sk, &key, &now))
		return 0;
	return dns_begin(skb, sk, &key, &now);
}

/* A packet leaves: look at it when it can be a query. sk may be no full socket. */
static __always_inline int dns_out(struct sk_buff *skb, struct sock *sk)
{
	__u16 port;

	if (!(UDP_STATES & 1 << (sk->__sk_common.skc_state & 15)) ||
	    sk->sk_protocol != PROTO_UDP)
		return 0;
	port = sk->__sk_common.skc_dport; /* 0: not connected */
	if (port && port != DNS_PORT)
		return 0;
	return dns_look_out(skb, sk);
}

#endif
