// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* In the making. */
#define PROBE_ID PROBE_DNS
#include "cell.bpf.h"

SEC("tp_btf/netif_receive_skb")
int dns_packet_in(unsigned long long *ctx)
{
	return RUN(dns_packet_in, 0);
}
