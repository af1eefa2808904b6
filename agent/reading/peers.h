/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The peers that a workload has trouble with (bpf/peer.h): what the rows of its slots
 * grew by, as totals by peer. They are told on the node alone, never in exports.
 */
#ifndef PEERS_H
#define PEERS_H

#include "reading/snapshot_impl.h"

#define PEERS_KEPT 48 /* totals of a workload at most; those that grew last stay */

static inline bool is_peer_total(const struct open_total *t)
{
	return t->signal >= OPEN_TCP_PEER;
}

/*
 * The value that a total counts for where it is added to another workload's: peers of
 * one are not the other's, but a part of the rest.
 */
static inline uint32_t peers_fold_attr(const struct open_total *t)
{
	return is_peer_total(t) ? OPEN_OTHER : t->attr;
}

/* What has been read of the row of a slot. */
struct peers_seen {
	uint32_t events; /* as in struct series_row; 0: nothing */
	struct peer_row row;
};

/*
 * Adds to the workload's totals what the row of a slot grew by since the latest call.
 * -ENOMEM: some of that is the next one's.
 */
int peers_read(struct snapshot *s, uint32_t slot, struct workload *w);
/*
 * The slot is given back, and was read for the last time: its row is empty for the next
 * owner, and what was read of it is forgotten.
 */
void peers_free(struct snapshot *s, uint32_t slot);

/*
 * The probe in whose windows alone events of this signal are seen, and in least_ns
 * (NULL: not wanted) how long such an event took at least; PROBE_COUNT: all are seen.
 */
size_t peers_windowed(uint32_t open_signal, double *least_ns);

/* "10.0.3.7:5432", "[2001:db8::1]:443"; without a port where that says nothing. */
void peer_text(const struct peer *p, char *out, size_t len);

#endif
