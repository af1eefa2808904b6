/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Runs of programs: counted, and one of many is timed. */
#ifndef RUN_BPF_H
#define RUN_BPF_H

#include "maps.bpf.h"

/* When a run that is timed began: later by what a reading of the clock takes. */
static __always_inline __u64 timed_from(void)
{
	__u64 before = bpf_ktime_get_ns(), now = bpf_ktime_get_ns();

	return now + (now - before);
}

/* Counts a run of a program. Returns 0, or for the one that is timed timed_from(). */
static __always_inline __u64 run_begin(struct runs *runs)
{
	__u64 n = HAS_GUARD ? ++runs->count : __sync_fetch_and_add(&runs->count, 1) + 1;

	if (likely(n & ((1 << RUN_SAMPLE_LOG2) - 1)))
		return 0;
	return timed_from();
}

static __noinline int run_end(struct runs *runs, __u64 began)
{
	__s64 ns = (bpf_ktime_get_ns() - began) << RUN_SAMPLE_LOG2;

	if (runs && HAS_GUARD)
		runs->ns += ns;
	else if (runs)
		__sync_fetch_and_add(&runs->ns, ns);
	return 0;
}

__noinline int run_timed(__u32 prog, __u64 began)
{
	struct cpu_state *cpu = cpu_get();

	if (cpu && prog < PROGRAM_COUNT)
		run_end(&cpu->runs[prog], began);
	return 0;
}

/*
 * Whether one of this CPU's caches is for this run alone. It is not when the run is
 * inside another one of the same program, which the kernel has a guard against since
 * 6.1: then the other one may be using it. cache_leave() has to follow.
 */
static __always_inline bool cache_enter(struct cpu_state *cpu, __u32 cache)
{
	bool alone;

	if (HAS_GUARD)
		return true;
	alone = !cpu->cache_users[cache & (CPU_CACHES - 1)]++;
	barrier(); /* who interrupts us from here on sees it */
	return alone;
}

static __always_inline void cache_leave(struct cpu_state *cpu, __u32 cache)
{
	if (HAS_GUARD)
		return;
	barrier();
	cpu->cache_users[cache & (CPU_CACHES - 1)]--;
}

/* The body of a program: counted, timed, and left out when the probe is off. */
#define RUN(prog, call) RUN_IF(enabled_now(), prog, call)

/* The same for a program of several probes: left out when none is on. */
#define RUN_IF(on, prog, call)                                                    \
	({                                                                        \
		struct cpu_state *cpu_ = cpu_get();                               \
		__u64 began_ = cpu_ ? run_begin(&cpu_->runs[PROGRAM_##prog]) : 0; \
		int ret_ = (on) ? (call) : 0;                                     \
		if (unlikely(began_))                                             \
			run_timed(PROGRAM_##prog, began_);                        \
		ret_;                                                             \
	})

#endif
