// SPDX-License-Identifier: Apache-2.0
#include "base/util.h"
#include "reading/peers.h"

/*
 * Lanes that are counted in windows only, as what they are counted with is (windows.c).
 * The others are of hooks that stay, or of passes.
 */
static const struct {
	uint32_t signal;
	enum probe_id probe;
	double least_ns;
} rows[] = {
	{ OPEN_TCP_PEER + PEER_UNANSWERED, PROBE_TCP, 0 },
	{ OPEN_TCP_PEER + PEER_SLOW, PROBE_TCP, PEER_SLOW_NS },
	{ OPEN_TCP_PEER + PEER_SLOWER, PROBE_TCP, PEER_SLOWER_NS },
	{ OPEN_TCP_PEER + PEER_FAR, PROBE_TCP, 0 },
	{ OPEN_DNS_PEER + PEER_DNS_FAILED, PROBE_DNS, 0 },
	{ OPEN_DNS_PEER + PEER_DNS_SLOW, PROBE_DNS, PEER_DNS_SLOW_NS },
};

size_t peers_windowed(uint32_t open_signal, double *least_ns)
{
	for (size_t i = 0; i < COUNT(rows); i++) {
		if (rows[i].signal != open_signal)
			continue;
		if (least_ns)
			*least_ns = rows[i].least_ns;
		return rows[i].probe;
	}
	return PROBE_COUNT;
}
