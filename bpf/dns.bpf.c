// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * DNS lookups over UDP: from the query at net_dev_queue to its answer at
 * netif_receive_skb, the only place where every kernel shows a received payload.
 *
 * Hooks: each packet that is received, which passes in a few ns while no query waits,
 * and each that is sent (dns.bpf.h), by our own program only when tcp's is not
 * attached. The agent runs a walk over the waiting queries every 5 s and at every
 * export, for those that never get an answer.
 */
#define PROBE_ID PROBE_DNS
#include "dns.bpf.h"
#include "inflight.bpf.h"

#define VLAN	      bpf_htons(0x8100) /* ETH_P_8021Q */
#define VLAN_OUTER    bpf_htons(0x88a8) /* ETH_P_8021AD */
#define NEXT_FRAGMENT 44		/* IPv6: a fragment header follows */

/*
 * Where the IP header of a received packet is, and its protocol. A VLAN's tag is still
 * before it when the device does not take it out.
 */
static __always_inline __u32 find_ip(struct sk_buff *skb, __u16 *protocol)
{
	__u16 tag[2] = {};

	*protocol = skb->protocol;
	if (*protocol != VLAN && *protocol != VLAN_OUTER)
		return 0;
	bpf_probe_read_kernel(tag, sizeof(tag), skb->data);
	*protocol = tag[1];
	return sizeof(tag);
}

/*
 * The UDP header of a received packet: how far from its beginning; 0: none. Of a
 * fragmented answer the first part tells.
 */
static __always_inline __u32 find_udp(struct sk_buff *skb)
{
	__u8 ip[IP_SEEN + 8] __attribute__((aligned(8))) = {}; /* not all may be read */
	__u16 protocol;
	__u32 at = find_ip(skb, &protocol);
	bool v6 = protocol == IPV6;

	if (!v6 && protocol != IPV4)
		return 0;
	if (skb->len - skb->data_len < at + (v6 ? IP_SEEN : 20) ||
	    bpf_probe_read_kernel(ip, v6 ? IP_SEEN + 8 : 20, skb->data + at))
		goto unreadable;
	if (!v6) {
		if (ip[9] != PROTO_UDP || (ip[6] & 0x1f) || ip[7])
			return 0;
		return at + (ip[0] & 15) * 4;
	}
	if (ip[6] == PROTO_UDP)
		return at + IP_SEEN;
	if (ip[6] == NEXT_FRAGMENT && ip[40] == PROTO_UDP && !ip[42] &&
	    !(ip[43] & 0xf8))
		return at + IP_SEEN + 8;
	return 0;
unreadable:
	lose(LOSS_UNREADABLE);
	return 0;
}

/*
 * Whether a received packet can be an answer, by as few loads as that takes: while a
 * query waits this is asked of every packet.
 */
#ifndef PLAIN
static __always_inline bool may_answer(struct sk_buff *skb, struct dns_gate *all)
{
	__u64 data = (__u64)skb->data;
	__u32 at = IP_SEEN;

	if (skb->protocol == IPV4) {
		struct iphdr *ip = CAST(struct iphdr, data);

		if (ip->protocol != PROTO_UDP)
			return ip->protocol == PROTO_ICMP;
		at = BPF_CORE_READ_BITFIELD(ip, ihl) * 4;
	} else if (skb->protocol == IPV6) {
		struct ipv6hdr *ip6 = CAST(struct ipv6hdr, data);

		if (ip6->nexthdr != PROTO_UDP)
			return ip6->nexthdr == NEXT_FRAGMENT ||
			       ip6->nexthdr == PROTO_ICMP6;
	} else {
		return skb->protocol == VLAN || skb->protocol == VLAN_OUTER;
	}
	return CAST(struct udphdr, data + at)->source == DNS_PORT || all->elsewhere;
}
#else
static __always_inline bool may_answer(struct sk_buff *skb, struct dns_gate *all)
{
	return true;
}
#endif

static __always_inline enum dns_result result_of(__u8 code)
{
	switch (code & 15) {
	case 0:
		return DNS_OK;
	case 2:
		return DNS_SERVFAIL;
	case 3:
		return DNS_NXDOMAIN;
	case 5:
		return DNS_REFUSED;
	default:
		return DNS_OTHER;
	}
}

/*
 * The query that a packet answers, by its key, in this namespace or else in another
 * one: what comes in for a macvlan device of a container is seen at the host's device
 * only; and what is for a container behind a veth at the host's device first, if NAT
 * does not hide it. What loopback carries stays where it is.
 */
static __always_inline struct dns_query *find_query(struct sk_buff *skb,
						    struct dns_key *key)
{
	__u32 here = skb->dev->nd_net.net->ns.inum;
	struct dns_query *q = bpf_map_lookup_elem(&dns_queries, key), *own;

	if (q && q->netns == here)
		return q;
	key->netns = here;
	own = bpf_map_lookup_elem(&dns_queries, key);
	if (own)
		return own;
	key->netns = 0;
	return q && q->ifindex != LOOPBACK && skb->dev->ifindex != LOOPBACK ? q : 0;
}

/*
 * A waiting query is over by what was received: counted, unless it is of another time.
 * That nobody is there ends none whose socket does not hear of it: another server may
 * answer that.
 */
static __noinline int dns_end(struct sk_buff *skb, struct dns_key *key, __u32 result)
{
	struct dns_query *q = find_query(skb, key);
	__u32 gen, share, elsewhere;
	__u64 since, owner, word, now;
	struct dns_answered *a = 0;

	if (!q || (result == DNS_UNREACHABLE && !q->told))
		return 0;
	if (result != DNS_UNREACHABLE)
		a = dns_answer(key, q->netns, q->server[3], &word);
	since = q->since;
	owner = q->owner;
	gen = q->gen;
	share = q->share;
	elsewhere = q->elsewhere;
	if (!dns_claim(q, since))
		return 0;
	now = bpf_ktime_get_ns();
	if (a) {
		a->word = word;
		a->at = now;
	}
	if (unlikely(dns_is_bad(result, now - since)) && gen == window_now())
		dns_blame(q, result, now - since);
	dns_drop(key, share, elsewhere);
	if (gen == window_now())
		dns_count(owner, result, now - since);
	return 0;
}

/*
 * ICMP's and ICMPv6's word that a packet cannot be delivered (type), and the codes of
 * it that an application is told of: those that the kernel takes for lasting, by
 * icmp_err_convert (net/ipv4/icmp.c; 4: too large, __udp4_lib_err() in net/ipv4/udp.c)
 * and tab_unreach (net/ipv6/icmp.c).
 */
#define ICMP_HEADER	   8
#define UNREACHABLE_TYPE   3
#define UNREACHABLE_CODES  0xe7dc /* 2 to 4, 6 to 10, 13 to 15 */
#define UNREACHABLE6_TYPE  1
#define UNREACHABLE6_CODES 0xfffffff2 /* all but 0, 2, 3 */

/*
 * The UDP header of the packet that a received ICMP error is about: how far from the
 * packet's beginning; 0: it is no such error.
 */
static __always_inline __u32 find_undelivered(struct sk_buff *skb)
{
	__u8 ip[IP_SEEN] __attribute__((aligned(8))) = {}; /* not all may be read */
	__u8 icmp[2] = {};
	__u16 protocol;
	__u32 at = find_ip(skb, &protocol);
	bool v6 = protocol == IPV6;
	__u32 size = v6 ? IP_SEEN : 20;

	if ((!v6 && protocol != IPV4) ||
	    bpf_probe_read_kernel(ip, v6 ? IP_SEEN : 20, skb->data + at) ||
	    (v6 ? ip[6] != PROTO_ICMP6 : ip[9] != PROTO_ICMP))
		return 0;
	at += v6 ? IP_SEEN : (ip[0] & 15) * 4;
	if (skb->len - skb->data_len < at + ICMP_HEADER + size ||
	    bpf_probe_read_kernel(icmp, sizeof(icmp), skb->data + at) ||
	    icmp[0] != (v6 ? UNREACHABLE6_TYPE : UNREACHABLE_TYPE) ||
	    !((v6 ? UNREACHABLE6_CODES : UNREACHABLE_CODES) & 1 << (icmp[1] & 31)))
		return 0;
	at += ICMP_HEADER;
	if (bpf_probe_read_kernel(ip, v6 ? IP_SEEN : 20, skb->data + at) ||
	    (v6 ? ip[6] : ip[9]) != PROTO_UDP)
		return 0;
	return at + (v6 ? IP_SEEN : (ip[0] & 15) * 4);
}

/* An ICMP error: the query that it is about is over, if it has enough of it. */
static __noinline int look_undelivered(struct sk_buff *skb)
{
	__u32 at = find_undelivered(skb);
	struct dns_key key = {};
	struct dns_packet p;

	if (!at || bpf_probe_read_kernel(&p, sizeof(p), skb->data + at) ||
	    skb->len - skb->data_len < at + dns_needs(&p))
		return 0;
	key.port = p.source;
	key.id = p.id;
	key.question = dns_question(&p);
	return dns_end(skb, &key, DNS_UNREACHABLE);
}

static __noinline int look_in(struct sk_buff *skb, struct dns_gate *all)
{
	struct dns_key key = {};
	struct dns_packet p;
	__u32 at;

	if (!all || !window_now())
		return 0;
	at = find_udp(skb);
	if (!at)
		return look_undelivered(skb);
	if (bpf_probe_read_kernel(&p, sizeof(p), skb->data + at))
		goto unreadable;
	if (p.source != DNS_PORT && (!all->elsewhere || !(p.flags & FLAG_ANSWER) ||
				     p.questions != bpf_htons(1)))
		return 0;
	/* in fragments of memory, or an answer that does not repeat the question */
	if (skb->len - skb->data_len < at + dns_needs(&p) || !p.questions)
		goto unreadable;
	if (!(p.flags & FLAG_ANSWER))
		return 0;
	key.port = p.dest;
	key.id = p.id;
	key.question = dns_question(&p);
	return dns_end(skb, &key, result_of(p.code));
unreadable:
	lose(LOSS_UNREADABLE);
	return 0;
}

/*
 * skb->data is the IP header here. While no query waits, a packet passes by one page of
 * ours; whether the probe is switched on is asked later.
 */
SEC("tp_btf/netif_receive_skb")
int dns_packet_in(unsigned long long *ctx)
{
	__u32 first = 0, here = bpf_get_smp_processor_id() + 1;
	struct dns_gate *all = bpf_map_lookup_elem(&dns_gates, &first);
	struct dns_gate *mine = bpf_map_lookup_elem(&dns_gates, &here);
	__u64 began;

	if (!all || !mine)
		return 0;
	began = run_begin(&mine->runs);
	if (unlikely(*(volatile __u32 *)&all->waiting) &&
	    may_answer((void *)ctx[0], all))
		look_in((void *)ctx[0], all);
	if (unlikely(began))
		run_end(&mine->runs, began);
	return 0;
}

static __always_inline int on_packet_out(unsigned long long *ctx)
{
	struct sk_buff *skb = (void *)ctx[0];
	struct sock *sk = skb->sk;

	return sk ? dns_out(skb, sk) : 0;
}

/* Only loaded where tcp's program, which does the same, is not: kernel/probes.c. */
SEC("tp_btf/net_dev_queue")
int dns_packet_out(unsigned long long *ctx)
{
	return RUN_IF(window_now(), dns_packet_out, on_packet_out(ctx));
}

struct walk {
	__u64 now;
	__u32 gen;
};

/* One waiting query: still young, or out of time, or of an earlier time. */
static long dns_check(void *map, struct dns_key *key, struct dns_query *q,
		      struct walk *w)
{
	__u32 share = q->share, elsewhere = q->elsewhere;
	__u64 since = q->since, owner = q->owner;
	__s64 age = w->now - since;
	bool current = q->gen == w->gen;

	if (since && current && age < (__s64)tunes.tune[PROBE_ID].timeout_ns) {
		inflight_note(dns_slot(owner), INFLIGHT_DNS, since);
		return 0;
	}
	if (since && !dns_claim(q, since))
		return 0; /* an answer was faster, and its place may be another's by now
			   */
	if (since && current) {
		dns_count(owner, DNS_TIMEOUT, age);
		dns_blame(q, DNS_TIMEOUT, age);
	}
	dns_drop(key, share, elsewhere);
	return 0;
}

/* On no hook: the agent runs it. */
SEC("syscall")
int dns_timeout_walk(void *ctx)
{
	struct walk w = { .gen = window_now() };

	w.now = bpf_ktime_get_ns();
	bpf_for_each_map_elem(&dns_queries, dns_check, &w, 0);
	return 0;
}
