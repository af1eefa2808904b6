/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is kept of each thread's system calls. Only for syscall.bpf.c. */
#ifndef SYSCALL_CALL_BPF_H
#define SYSCALL_CALL_BPF_H

#include "call_class.bpf.h"
#include "cell.bpf.h"
#include "entry.bpf.h"
#include "syscall_accept.bpf.h"

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries,
	       1); /* its true size, and the spill's: see agent/kernel/plan.c */
	__type(key, __u32);
	__type(value, struct call);
} calls SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* the task's address */
	__type(value, struct call);
} calls_spill SEC(".maps");

/* The entry of the table that a task shares with others. */
static __always_inline struct call *call_entry(struct task_struct *task)
{
	__u32 at = address_index(task, params.shift[TABLE_CALLS]);

	return bpf_map_lookup_elem(&calls, &at);
}

/* What is kept of a task, NULL: nothing. */
static __always_inline struct call *call_get(struct task_struct *task)
{
	struct call *call = call_entry(task);

	if (likely(call && call->task == (__u64)task))
		return call;
	return spill_find(&calls_spill, TABLE_CALLS, (__u64)task);
}

/*
 * An entry for a task: in the table, if nobody has it, else in the spill. NULL: there
 * is no room.
 */
static __noinline struct call *call_make(struct task_struct *task)
{
	struct call *call = call_entry(task), empty = { .task = (__u64)task };

	if (call && entry_take(TABLE_CALLS, &call->task, (__u64)task))
		return call;
	return spill_make(&calls_spill, TABLE_CALLS, (__u64)task, &empty);
}

#endif
