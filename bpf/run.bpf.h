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
	if (likely(++runs->count & ((1 << RUN_SAMPLE_LOG2) - 1)))
		return 0;
	return timed_from();
}

static __noinline int run_end(struct runs *runs, __u64 began)
{
	if (runs)
		runs->ns += (bpf_ktime_get_ns() - began) << RUN_SAMPLE_LOG2;
	return 0;
}

__noinline int run_timed(__u32 prog, __u64 began)
{
	struct cpu_state *cpu = cpu_get();

	if (cpu && prog < PROGRAM_COUNT)
		run_end(&cpu->runs[prog], began);
	return 0;
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
