// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* In the making. */
#define PROBE_ID PROBE_BLOCK
#include "cell.bpf.h"

SEC("tp_btf/block_rq_complete")
int block_complete(unsigned long long *ctx)
{
	return RUN(block_complete, 0);
}
