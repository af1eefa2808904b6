// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Who are we? The agent's process id in the initial pid namespace, which getpid()
 * does not tell in a container. An iterator runs in the context of its reader.
 */
#include "kernel.bpf.h"

__u32 self_tgid;

SEC("iter/task")
int self_find(struct bpf_iter__task *ctx)
{
	self_tgid = bpf_get_current_pid_tgid() >> 32;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
