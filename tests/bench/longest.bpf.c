// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long each single switch spends in the programs on sched_switch that were attached
 * after the first of these and before the second: a histogram of LONGEST_STEP ns, and
 * the longest. A reading of the clock is in it, and the way from one program to the
 * next: with none between it says how much that is.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "longest.h"

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct longest);
} times SEC(".maps");

SEC("tp_btf/sched_switch")
int longest_begin(void *ctx)
{
	__u32 zero = 0;
	struct longest *t = bpf_map_lookup_elem(&times, &zero);

	if (t)
		t->began = bpf_ktime_get_ns();
	return 0;
}

SEC("tp_btf/sched_switch")
int longest_end(void *ctx)
{
	__u64 now = bpf_ktime_get_ns(), ns, at;
	__u32 zero = 0;
	struct longest *t = bpf_map_lookup_elem(&times, &zero);

	if (!t || !t->began)
		return 0;
	ns = now - t->began;
	t->began = 0;
	at = ns / LONGEST_STEP;
	if (at >= LONGEST_STEPS)
		at = LONGEST_STEPS - 1;
	t->runs[at]++;
	if (ns > t->most)
		t->most = ns;
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
