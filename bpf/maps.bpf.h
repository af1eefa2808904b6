/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What all probes share in the kernel: the maps that the agent makes, parameters,
 * losses. Usable from every hook, the scheduler's too.
 */
#ifndef MAPS_BPF_H
#define MAPS_BPF_H

#include "kernel.bpf.h"
#include "cell.h"

const volatile struct params params SEC(".rodata.params") = { .slots = 1024 };

/* Which way is the usual one: the other is laid out behind it. */
#define likely(x)   __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define SHARED_ARRAY(name_, type_)                 \
	struct {                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);  \
		__uint(map_flags, BPF_F_MMAPABLE); \
		__uint(max_entries, 1);            \
		__type(key, __u32);                \
		__type(value, type_);              \
	} name_ SEC(".maps")

/* Created by the agent (agent/kernel/cells.c), which also sets their true sizes. */
SHARED_ARRAY(owners, __u64);
SHARED_ARRAY(rows, struct series_row);
SHARED_ARRAY(hists, struct hist_cell);
SHARED_ARRAY(counts, struct count_cell);
SHARED_ARRAY(free_hists, __u64);
SHARED_ARRAY(free_counts, __u64);
SHARED_ARRAY(inflights, struct inflight_row);
SHARED_ARRAY(delegates, struct delegates);

/* A section of its own is a map of its own, and needs no look-up: see cells_reuse(). */
struct control control SEC(".data.control");
struct tunes tunes SEC(".data.tunes");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct cpu_state);
} cpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, struct open_key);
	__type(value, __u32);
} opens SEC(".maps");

static __always_inline struct cpu_state *cpu_get(void)
{
	__u32 here = bpf_get_smp_processor_id();

	return bpf_map_lookup_elem(&cpus, &here);
}

/* Counts a loss of a probe that this program works for too. */
static __always_inline void lose_for(enum probe_id probe, enum loss why)
{
	if (probe < PROBE_COUNT) /* in tasks.bpf.c it is a variable */
		__sync_fetch_and_add(&control.lost[probe][why], 1);
}

/* Counts a loss of this probe. PROBE_ID is the file's own. */
static __always_inline void lose(enum loss why)
{
	lose_for(PROBE_ID, why);
}

/* Whether a probe is switched on, and since when: see struct tune. */
static __always_inline __u32 enabled_of(enum probe_id probe)
{
	return *(volatile __u32 *)&tunes.tune[probe].enabled;
}

static __always_inline __u32 enabled_now(void)
{
	return enabled_of(PROBE_ID);
}

/* The same of what runs in windows: whether one is open, see struct tunes. */
static __always_inline __u32 window_of(enum probe_id probe)
{
	return *(volatile __u32 *)&tunes.window[probe];
}

static __always_inline __u32 window_now(void)
{
	return window_of(PROBE_ID);
}

/* Whether what is met for the first time was missed: see struct switched_on. */
static __always_inline bool is_whole(void)
{
	return *(volatile __u32 *)&tunes.on[PROBE_ID].whole;
}

/* Whether what began then (ns of the monotonic clock) was before the probe was on. */
static __always_inline bool is_earlier(__u64 began)
{
	return (__s64)(began - tunes.on[PROBE_ID].since) < 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";

#endif
