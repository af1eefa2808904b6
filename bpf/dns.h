/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the DNS probe shares with the agent: results, queries that wait, the gates that
 * received packets pass.
 */
#ifndef DNS_H
#define DNS_H

#include <linux/types.h>
#include "ring.h"

enum dns_result {
	DNS_OK,
	DNS_NXDOMAIN,
	DNS_SERVFAIL,
	DNS_REFUSED,
	DNS_TIMEOUT,	 /* no answer in tune.timeout_ns */
	DNS_UNREACHABLE, /* ICMP says that nobody is there */
	DNS_OTHER,	 /* all further response codes */
	DNS_RESULTS,
};
_Static_assert(DNS_RESULTS == 7, "SIGNALS has room for them");
enum dns_lane { DNS_RESENT };

/*
 * A DNS query that waits for its answer. Its key is what both of them have in every
 * network: not the server, as one socket may ask several at once and takes the first
 * answer; not the addresses, which NAT changes; and the namespace only where two of
 * them have the rest in common, as an answer may be seen in another one than its query
 * (macvlan, ipvlan, a VLAN in a container).
 */
struct dns_key {
	__u64 question; /* the first bytes of the name, in small letters */
	__u32 netns;	/* 0, or whose: when the key with 0 is another namespace's */
	__u16 port;	/* the client's */
	__u16 id;	/* the query's */
};
struct dns_query {
	__u64 since;	     /* ns; 0: over, about to be removed */
	__u64 owner;	     /* cgroup id, or OWNER_KERNEL */
	__u32 gen;	     /* tune.enabled when it was noted */
	__u32 ifindex;	     /* the device that it was seen on first */
	__u32 netns;	     /* the socket's */
	__u32 server[4];     /* asked first: its address, as in struct peer */
	__u32 share : 30;    /* index into dns_shares */
	__u32 told : 1;	     /* its socket is connected: it is told of ICMP errors */
	__u32 elsewhere : 1; /* its answer comes from another port than 53 */
};

/*
 * Lookups that were answered lately, each at its hash: a socket that asks several
 * servers may have the first one's answer before it has asked the others.
 */
#define DNS_ANSWERED_LOG2 10
struct dns_answered {
	__u64 word; /* of the hash 32 bits, and the last four bytes of the server */
	__u64 at;   /* ns */
};

/*
 * What a received packet is let pass by, close together: nearly no packet has to do
 * with DNS. The first element counts the waiting queries, element CPU + 1 the runs on a
 * CPU.
 */
struct dns_gate {
	__u64 align;	  /* as in struct cpu_state */
	__u32 waiting;	  /* entries of dns_queries; 0: no packet is looked at */
	__u32 elsewhere;  /* of them: their answers come from other ports than 53 */
	struct runs runs; /* of dns_packet_in */
	__u64 to_line[4];
};
_Static_assert(sizeof(struct dns_gate) == 64, "a cache line each");

#endif
