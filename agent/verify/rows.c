// SPDX-License-Identifier: Apache-2.0
/* The table of those who make events. */
#include "verify/actor.h"

/* In the order in which they are told to go: who serves before who asks. */
const struct actor_row actor_rows[ACTOR_COUNT] = {
	[ACTOR_DNS] = { "dns", 0, TRUTH_DNS_OK, TRUTH_DNS_TIMEOUT + 1, dns_prepare,
			dns_work },
	[ACTOR_CALLS] = { "calls", 0, TRUTH_CALLS_FILE, TRUTH_CALLS_ERRORS + 1,
			  calls_prepare, calls_work },
	[ACTOR_SLEEPER] = { "sleeps", 1, TRUTH_SLEEPS_FILE, TRUTH_SLEEPS_FAULT + 1,
			    sleeps_prepare, sleeps_work, sleeps_waited },
	[ACTOR_HOG] = { "hog", 2, TRUTH_WAITS, TRUTH_WAITS_CULPRITS + 1, waits_prepare,
			waits_hog },
	[ACTOR_VICTIM] = { "waits", 2, TRUTH_WAITS, TRUTH_WAITS_CULPRITS + 1,
			   waits_prepare, waits_work },
	[ACTOR_SERVER] = { "tcp-server", 3, TRUTH_TCP_CONNECTS,
			   TRUTH_TCP_SERVER_BYTES + 1, tcp_prepare_server, tcp_serve },
	[ACTOR_CLIENT] = { "tcp-client", 3, TRUTH_TCP_CONNECTS,
			   TRUTH_TCP_SERVER_BYTES + 1, tcp_prepare_client, tcp_ask },
	[ACTOR_BLOCK] = { "block", 4, TRUTH_BLOCK_READS, TRUTH_BLOCK_DISK_READS + 1,
			  block_prepare, block_work },
};
