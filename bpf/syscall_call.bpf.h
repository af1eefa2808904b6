/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What is kept of each thread's system calls, and what the table says of a call: its
 * class, and what is special about it. Only for syscall.bpf.c.
 */
#ifndef SYSCALL_CALL_BPF_H
#define SYSCALL_CALL_BPF_H

#include "cell.bpf.h"
#include "entry.bpf.h"
#include "syscall_accept.bpf.h"

#define CALLS_MAX	 512
#define CALL_CLASS(info) ((info) & (CALL_CLASSES - 1))
#define CALL_LISTED	 0x0100
#define CALL_BY_FD	 0x0200 /* the class of the descriptor in argument 0 */
#define CALL_NORETURN	 0x0400
#define CALL_CLONE	 0x0800
#define CALL_SIGRETURN	 0x1000
#define CALL_RESTART	 0x2000
#define CALL_EARLIER	 0x4000 /* began before we did: `start` is when we did */
#define CALL_LOG2(info)	 ((info) >> 16) /* it stands for 2^n calls */
#define CALL_ACCEPT	 0x8000
#include "syscall_table.h"

#define S_IFREG 0100000
#define S_IFBLK 0060000
#define S_IFDIR 0040000

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

static __always_inline bool is_compat(struct task_struct *task)
{
#if defined(__TARGET_ARCH_x86)
	return task->thread_info.status & TS_COMPAT;
#else
	return false;
#endif
}

static __always_inline __u32 call_info(__s64 nr, bool compat)
{
	__u32 info = 0, at = nr; /* the kernel's is an int */

	barrier_var(at); /* the bound has to be seen right before its use */
	if (at < CALLS_MAX)
		info = compat ? calls_compat[at] : calls_native[at];
	return info ? info : CALL_OTHER; /* not listed, x32, or -1 by a tracer */
}

/* What a descriptor is; a bad one is `other`. */
static __always_inline __u32 fd_class(struct task_struct *task, __u32 fd)
{
	struct file *file = fd_file(task, fd);
	unsigned short mode;

	if (!file)
		return CALL_OTHER;
	mode = file_mode(file) & S_IFMT;
	if (mode == S_IFREG || mode == S_IFDIR || mode == S_IFBLK)
		return CALL_FILE;
	return mode == S_IFSOCK ? CALL_SOCKET : CALL_PIPE;
}

/* The info of a call on a descriptor, with the class of what that is. */
static __always_inline __u32 class_by_fd(__u32 info, struct task_struct *task,
					 struct pt_regs *regs, bool compat)
{
	return (info & ~(CALL_CLASSES - 1)) |
	       fd_class(task, compat ? REGS_ARG0_COMPAT(regs) : REGS_ARG0(regs));
}

#endif
