/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Loops of more rounds than the verifier is to go through one by one: bpf_loop, and
 * where the kernel has none (before 5.17) bpf_for_each_map_elem over an array, whose
 * keys are the numbers of the rounds.
 */
#ifndef LOOP_BPF_H
#define LOOP_BPF_H

#include "maps.bpf.h"

#define HAS_LOOP bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_loop)

/* Created by the agent: as many as LOOP_MAX, and as CPUs. What is in it is of no use.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u32);
} numbers SEC(".maps");

/* What a loop over the array is about. */
struct loop {
	void *ctx;
	__u32 count;
};

/* Makes an inline function (round, ctx), which returns 1 to end the loop, one for LOOP.
 */
#define LOOP_BODY(body)                                                          \
	static long body##_by_loop(__u32 i, void *ctx)                           \
	{                                                                        \
		return body(i, ctx);                                             \
	}                                                                        \
	static long body##_by_elem(void *map, const __u32 *i, const void *value, \
				   struct loop *loop)                            \
	{                                                                        \
		return *i < loop->count ? body(*i, loop->ctx) : 1;               \
	}

/* Calls body(0, ctx), body(1, ctx), ... up to count; at most LOOP_MAX rounds, or CPUs.
 */
#define LOOP(rounds, body, ctx_)                                                    \
	do {                                                                        \
		if (HAS_LOOP) {                                                     \
			bpf_loop(rounds, body##_by_loop, ctx_, 0);                  \
		} else {                                                            \
			struct loop loop_ = { .ctx = ctx_, .count = rounds };       \
			bpf_for_each_map_elem(&numbers, body##_by_elem, &loop_, 0); \
		}                                                                   \
	} while (0)

#endif
