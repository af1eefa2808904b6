/* SPDX-License-Identifier: Apache-2.0 */
/* Which peer of a workload it is that packets, connects or answers suffer from. */
#ifndef DIAGNOSE_PEERS_H
#define DIAGNOSE_PEERS_H

#include "diagnose/rule.h"

#define PEER_METRIC   "assay.tcp.peer.events"
#define SERVER_METRIC "assay.dns.server.events"

/*
 * Ranks the peers of which an event (the attribute assay.peer.event) was counted, and
 * fills out but for its text. False: there was none.
 */
bool peers_rank(const struct facts *f, const char *metric, const char *event,
		struct peer_share *out);
/*
 * Says in a finding which peer it is, or that none stands out, and has it as evidence:
 * "70 % of the retransmits go to 10.0.3.7:5432 (412 of 590 in 60 s)"; of what waits
 * without the numbers. what: the events
 * in the plural, to: how they belong to a peer. Nothing where no peer was counted.
 * Returns the peer when it stands out, else NULL.
 */
const char *peers_tell(const struct look *l, struct finding *f, const char *metric,
		       const char *event, const char *what, const char *to);

#endif
