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

#define DNS_PORT  bpf_htons(53)
#define PROTO_UDP 17
#define IPV4	  bpf_htons(0x0800) /* ETH_P_IP */
#define IPV6	  bpf_htons(0x86dd)
#define IP_SEEN	  40 /* an IPv6 header; of an IPv4 header and what follows as much */
/* States of a UDP socket: TCP_ESTABLISHED when it is connected, else TCP_CLOSE. */
#define UDP_STATES (1 << 1 | 1 << 7)

#define FLAG_ANSWER 0x80 /* of dns_packet.flags */
#define OPCODE_MASK 0x78 /* 0: a lookup */

/* What follows the IP header. The name begins with the length of its first part. */
struct dns_packet {
	__u16 source, dest, len, checksum;
	__u16 id;
	__u8 flags, code;
	__u16 questions, answers, authorities, additionals;
	__u32 name;
};
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

/* Whether the dns probe is wanted at all, and switched on. */
static __always_inline bool dns_on(void)
{
	return params.dns && enabled_of(PROBE_DNS);
}

/* Counts queries that begin or cease to wait. */
static __always_inline void dns_waiting_add(__s32 by)
{
	__u32 first = 0;
	struct dns_gate *gate = bpf_map_lookup_elem(&dns_gates, &first);

	if (gate)
		__sync_fetch_and_add(&gate->waiting, by);
}

/* Not static, nor is dns_count: so the verifier looks at it once, not at each call. */
__noinline __u32 dns_slot(__u64 owner)
{
	struct cpu_state *cpu = cpu_get();

	if (owner == DNS_KERNEL)
		return SLOT_KERNEL;
	return cpu ? slot_of(cpu, owner) : SLOT_UNKNOWN;
}

/* Takes a query from whoever might end it at the same time; false: it is over. */
static __always_inline bool dns_claim(struct dns_query *q, __u64 since, __u64 next)
{
	return since && __sync_val_compare_and_swap(&q->since, since, next) == since;
}

/* Removes a waiting query. */
static __always_inline void dns_drop(struct dns_key *key)
{
	if (!bpf_map_delete_elem(&dns_queries, key))
		dns_waiting_add(-1);
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
 * A query whose key is there already. The socket's copy of the packet is seen again on
 * each device below the first (a bridge's port): that is no query. One that came back
 * after its time is a new lookup.
 */
static __noinline int dns_again(struct dns_query *q, struct dns_query *now)
{
	__u64 since = q->since, age = now->since - since;
	bool stale = q->gen != now->gen;

	if (!stale && q->ifindex != now->ifindex)
		return 0;
	if (!stale && (__s64)age < (__s64)tunes.tune[PROBE_DNS].timeout_ns) {
		count_add(dns_slot(now->owner), SERIES_DNS_COUNT, DNS_RESENT, 1);
		return 0;
	}
	if (!dns_claim(q, since, now->since)) {
		lose_for(PROBE_DNS, LOSS_STATE_FULL); /* just being removed */
		return 0;
	}
	if (!stale)
		dns_count(q->owner, DNS_TIMEOUT, age);
	q->owner = now->owner;
	q->ifindex = now->ifindex;
	q->gen = now->gen;
	return 0;
}

/* Notes a query, unless the agent makes it: that runs in its own context. */
static __noinline int dns_begin(struct sk_buff *skb, struct sock *sk,
				struct dns_key *key)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct dns_query *q, now = {};

	if (task->tgid == tunes.self_tgid)
		return 0;
	now.owner = BPF_CORE_READ_BITFIELD(sk, sk_kern_sock)
			? DNS_KERNEL
			: sk->sk_cgrp_data.cgroup->kn->id;
	now.gen = enabled_of(PROBE_DNS);
	now.ifindex = skb->dev->ifindex;
	now.since = bpf_ktime_get_ns();
	q = bpf_map_lookup_elem(&dns_queries, key);
	if (q)
		return dns_again(q, &now);
	dns_waiting_add(1); /* first: the answer looks at it */
	if (!bpf_map_update_elem(&dns_queries, key, &now, BPF_NOEXIST))
		return 0;
	dns_waiting_add(-1);
	lose_for(PROBE_DNS, LOSS_STATE_FULL);
	return 0;
}

/*
 * Whether an outgoing packet is a query, and its key. The IP header is read too: that
 * of a tunnel is no UDP. The namespace is the device's, as for the answer.
 */
static __always_inline bool dns_is_query(struct sk_buff *skb, struct dns_key *key)
{
	struct dns_packet p;
	__u8 ip[IP_SEEN] __attribute__((aligned(8)));
	__u64 headroom;

	if (bpf_probe_read_kernel(&p, sizeof(p), skb->head + skb->transport_header))
		goto unreadable;
	if (p.dest != DNS_PORT || bpf_ntohs(p.len) < UDP_LEN_MIN)
		return false;
	headroom = skb->data - skb->head;
	barrier_var(headroom); /* or pointers are subtracted in 32 bits */
	if (headroom + skb->len - skb->data_len < skb->transport_header + sizeof(p) ||
	    bpf_probe_read_kernel(ip, sizeof(ip), skb->head + skb->network_header))
		goto unreadable;
	if (p.flags & (FLAG_ANSWER | OPCODE_MASK) || p.questions != bpf_htons(1))
		return false;
	if (skb->protocol == IPV4 && ip[9] == PROTO_UDP)
		key->server = *(__u32 *)&ip[16];
	else if (skb->protocol == IPV6 && ip[6] == PROTO_UDP)
		key->server = *(__u32 *)&ip[36];
	else
		return false;
	key->port = p.source;
	key->id = p.id;
	key->question = p.name | 0x20202020;
	return true;
unreadable:
	lose_for(PROBE_DNS, LOSS_UNREADABLE);
	return false;
}

/* In another namespace than the socket's a packet is seen for the second time. */
static __noinline int dns_look_out(struct sk_buff *skb, struct sock *sk)
{
	struct dns_key key = { .netns = skb->dev->nd_net.net->ns.inum };

	if (key.netns != sk->__sk_common.skc_net.net->ns.inum ||
	    !dns_is_query(skb, &key))
		return 0;
	return dns_begin(skb, sk, &key);
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
