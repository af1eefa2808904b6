/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Which peers a workload has trouble with: kept by the probes tcp and dns at events
 * that are rare, for `assay why`. Addresses are told on the node alone.
 */
#ifndef PEER_H
#define PEER_H

#include <linux/types.h>

/* What is counted for a peer of TCP connections. */
enum peer_lane {
	PEER_RETRANSMITS, /* segments sent again to it, SYNs too */
	PEER_REFUSED,	  /* connects to it that failed: ECONNREFUSED, */
	PEER_TIMED_OUT,	  /* ETIMEDOUT, */
	PEER_FAILED,	  /* anything else, or given up */
	PEER_UNANSWERED,  /* requests to it whose connection ended before an answer */
	PEER_SLOW,	  /* answers of it that took PEER_SLOW_NS, */
	PEER_SLOWER,	  /* and of these PEER_SLOWER_NS */
	PEER_FAR,	  /* samples of the round-trip time from PEER_FAR_US on */
	PEER_WAITED,	 /* requests that had waited PEER_WAIT_NS when a pass came by */
	PEER_CONNECTING, /* connects, PEER_CONNECT_NS */
	PEER_LANES,
};

/* What is counted for a DNS server. */
enum peer_dns_lane {
	PEER_DNS_TIMEOUT, /* lookups without an answer */
	PEER_DNS_FAILED,  /* SERVFAIL, REFUSED or another code, but for NXDOMAIN */
	PEER_DNS_SLOW,	  /* answers that took PEER_DNS_SLOW_NS */
	PEER_DNS_LANES,
};

/* As the rules of `assay why` have them: agent/diagnose/rules_net.c, rules_ask.c. */
#define PEER_SLOW_NS	 10000000ULL
#define PEER_SLOWER_NS	 100000000ULL
#define PEER_FAR_US	 5000
#define PEER_WAIT_NS	 5000000000ULL
#define PEER_CONNECT_NS	 1000000000ULL
#define PEER_DNS_SLOW_NS 100000000ULL

/*
 * Peers that a slot has an entry for. Those of a server are its clients, which may be
 * many: they have some of the entries, and whom the workload itself asks has the
 * others.
 */
#define PEERS	      15
#define PEERS_CLIENTS 5

#define PEER_TICK_LOG2 30 /* of ns: 1.07 s */
#define PEER_IDLE      10 /* ticks: then another peer may take the entry */

/* Tags: of whom an entry is, 31 bits; 0: of nobody. */
#define PEER_BUSY   1U /* it changes hands just now */
#define PEER_IS_DNS 1U /* in the tag of a DNS server */

struct peer {
	__u32 tag;
	__u16 port;		 /* network order; 0: a client's, which says nothing */
	__u16 seen;		 /* the tick of its latest event */
	__u32 address[4];	 /* network order; IPv4 is mapped into IPv6 */
	__u32 count[PEER_LANES]; /* or enum peer_dns_lane; wrap, the reader adds up */
};
_Static_assert(sizeof(struct peer) == 64, "a cache line");
_Static_assert((int)PEER_DNS_LANES <= (int)PEER_LANES, "a DNS server's fit, too");

#define PEER_ALL_LANES (PEER_LANES + PEER_DNS_LANES)

/*
 * The peers of a slot, and what was counted for those that found no entry or lost it.
 * There are fewer rows than slots: one is claimed at the first event. A delegated
 * subtree (delegates.h) has a quarter of them at most.
 */
#define PEER_ROW_PROBES 16 /* rows looked at for one that is free */
struct peer_row {
	struct peer peer[PEERS];
	__u32 rest[PEER_ALL_LANES]; /* enum peer_lane; behind them enum peer_dns_lane */
	__u32 to_line[15 - PEER_ALL_LANES];
	__u32
	    owner; /* the slot and 1; 0: free. Last: so it is the last to be emptied */
};
_Static_assert(sizeof(struct peer_row) == 1024, "a page has whole rows");

#endif
