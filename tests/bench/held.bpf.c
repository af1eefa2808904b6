// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * For how long each read(2) of a process named "assay" had a CPU: by the clock, less
 * the time between the switches away from its thread and back to it.
 */
#include <linux/types.h>
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include "held.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct task_struct {
	int pid;
};
#pragma clang attribute pop

struct reading {
	__u64 began, left, away;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u32);
	__type(value, struct reading);
} readings SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, HELD_READS);
	__type(key, __u32);
	__type(value, struct held_read);
} reads SEC(".maps");

const volatile long nr_read;
__u32 count;

SEC("tp_btf/sys_enter")
int held_begin(unsigned long long *ctx)
{
	struct reading r = { .began = bpf_ktime_get_ns() };
	__u32 tid = bpf_get_current_pid_tgid();
	char comm[16];

	if ((long)ctx[1] != nr_read || bpf_get_current_comm(comm, sizeof(comm)) ||
	    bpf_strncmp(comm, 6, "assay"))
		return 0;
	bpf_map_update_elem(&readings, &tid, &r, BPF_ANY);
	return 0;
}

SEC("tp_btf/sched_switch")
int held_switch(unsigned long long *ctx)
{
	struct task_struct *prev = (void *)ctx[1], *next = (void *)ctx[2];
	__u32 from = prev->pid, to = next->pid;
	struct reading *r = bpf_map_lookup_elem(&readings, &from);

	if (r)
		r->left = bpf_ktime_get_ns();
	r = bpf_map_lookup_elem(&readings, &to);
	if (r && r->left) {
		r->away += bpf_ktime_get_ns() - r->left;
		r->left = 0;
	}
	return 0;
}

SEC("tp_btf/sys_exit")
int held_end(unsigned long long *ctx)
{
	__u64 id = bpf_get_current_pid_tgid(), wall;
	__u32 tid = id, at;
	struct reading *r = bpf_map_lookup_elem(&readings, &tid);
	struct held_read *h;

	if (!r)
		return 0;
	wall = bpf_ktime_get_ns() - r->began;
	at = __sync_fetch_and_add(&count, 1);
	h = bpf_map_lookup_elem(&reads, &at);
	if (h) {
		h->began_ns = r->began;
		h->wall_us = wall / 1000;
		h->cpu_us = (wall - r->away) / 1000;
		h->main = tid == id >> 32;
		h->result = ctx[1];
	}
	bpf_map_delete_elem(&readings, &tid);
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
