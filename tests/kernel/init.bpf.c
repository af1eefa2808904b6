// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Counts the switches away from the threads of PID 1. For tests only:
 * tests/disturbed.py holds it against the kernel's count of their runs.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "init.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct init_count);
} counts SEC(".maps");

/* Who is switched away is the current one still. */
SEC("tp_btf/sched_switch")
int init_switch(unsigned long long *ctx)
{
	struct bpf_pidns_info who = {};
	struct init_count *count;
	__u32 zero = 0;

	count = bpf_map_lookup_elem(&counts, &zero);
	if (!count ||
	    bpf_get_ns_current_pid_tgid(count->dev, count->ino, &who, sizeof(who)))
		return 0;
	if (who.tgid == 1)
		__sync_fetch_and_add(&count->switches, 1);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
