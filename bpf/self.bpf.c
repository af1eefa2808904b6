// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Who are we? The agent's process id in the initial pid namespace, which getpid()
 * does not tell in a container. An iterator runs in the context of its reader.
 * And what has to be known of this kernel before the probes are loaded.
 */
#include "kernel.bpf.h"
#include "cell.h"

struct self_found self_found;

SEC("iter/task")
int self_find(struct bpf_iter__task *ctx)
{
	char byte = 0;

	bpf_seq_write(ctx->meta->seq, &byte, 1); /* ends the read: one task will do */
	self_found.tgid = bpf_get_current_pid_tgid() >> 32;
	self_found.delays_dequeue = HAS_DELAYED_DEQUEUE;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
