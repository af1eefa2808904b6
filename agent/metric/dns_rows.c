// SPDX-License-Identifier: Apache-2.0
/* DNS lookups. */
#include "base/util.h"
#include "metric/metrics.h"
#include "metric/peer_name.h"

static const char *const dns_results[] = {
	NULL, "NXDOMAIN", "SERVFAIL", "REFUSED", "timeout", "unreachable", "_OTHER",
};

_Static_assert(COUNT(dns_results) == DNS_RESULTS, "one name for each result");

static const char *const server_events[] = { "timeout", "failed", "slow" };

_Static_assert(COUNT(server_events) == PEER_DNS_LANES, "one name for each lane");

static const struct metric_row rows[] = {
	{
	    .metric = { "assay.dns.lookup.duration", "s",
			"From the query to its answer, over UDP port 53.",
			METRIC_HISTOGRAM, .attrs = { "error.type" } },
	    .source = FROM_HIST,
	    .signal = SIGNAL_DNS_LOOKUP,
	    VALUES(dns_results),
	    .signal_name = "latency, errors",
	    .source_text =
		"net_dev_queue and netif_receive_skb. A lookup is what one socket asks "
		"under one id: of several servers, or of one again; the first answer "
		"to the question ends it. error.type is absent when its response code "
		"is NOERROR. `unreachable`: an ICMP error came for the query (nobody "
		"listens there, or a firewall rejects it), and its socket is connected, "
		"so that the application was told at once.",
	    .blind_text =
		"DNS over TCP, TLS or HTTPS, and other ports than 53, but where NAT in "
		"the application's namespace makes one of 53: that is counted, for a "
		"socket that is not connected if the kernel's connection tracking was "
		"loaded before the agent. A truncated answer counts as what it says. "
		"An answer counts where the node sees it first: what the node then "
		"drops on the way to a container was an answer. One that reaches a "
		"container only by another port than the one asked from is missed "
		"(ipvlan L3S behind NAT that changes ports). A query without an answer "
		"in 5 s counts as `timeout` at most 5 s later, with its age then; so "
		"does one whose answer does not repeat the question or is not in the "
		"packet's linear part (`assay.lost`: unreadable), and one whose ICMP "
		"error has less of the query than its name. A query that a firewall "
		"of its own namespace rejects never leaves, and is not seen. A workload whose "
		"waiting queries fill a quarter of the entries that are free has no "
		"more of them counted (share_full); all cgroups of a delegated "
		"subtree have one such share.",
	},
	{
	    .metric = { "assay.dns.lookup.retries", "{query}",
			"Queries that were sent again before an answer came.",
			METRIC_SUM },
	    .source = FROM_LANE,
	    .signal = SIGNAL_DNS_COUNT,
	    .lanes = { { DNS_RESENT } },
	    .lane_count = 1,
	    .signal_name = "errors",
	    .source_text = "net_dev_queue: a query that waits already, to the server "
			   "that was asked first.",
	    .blind_text = "A resolver that uses another port or id for its next "
			  "try, or sends it by another device, or to another server.",
	},
	{
	    .metric = { "assay.dns.server.events", "{event}",
			"Which server lookups asked that went wrong.", METRIC_SUM,
			.attrs = { "assay.peer.event", "assay.peer" } },
	    .local = true,
	    .source = FROM_OPEN,
	    .signal = OPEN_DNS_PEER,
	    VALUES(server_events),
	    .open_name = peer_name,
	    .open_text = "its address and port, `_OTHER`",
	    .signal_name = "errors, latency",
	    .source_text =
		"The address that the query was sent to: `timeout` had no "
		"answer, `failed` another code than NOERROR and NXDOMAIN, or "
		"`unreachable`, "
		"`slow` took 100 ms or more.",
	    .blind_text = "Of a lookup that asks several servers from one socket it is "
			  "the one that was asked first. Where the probe runs in "
			  "windows, `failed` and `slow` are weighted, without a "
			  "standard error, and `timeout` is not seen, as in "
			  "assay.dns.lookup.duration. Entries as those of "
			  "assay.tcp.peer.events.",
	},
};

const struct metric_table dns_rows = { rows, COUNT(rows), PROBE_DNS };
