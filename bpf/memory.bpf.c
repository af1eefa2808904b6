// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* In the making. */
#define PROBE_ID PROBE_MEMORY
#include "cell.bpf.h"

SEC("tp_btf/mm_vmscan_memcg_reclaim_begin")
int memory_begin(unsigned long long *ctx)
{
	return RUN(memory_begin, 0);
}
