/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the table says of a system call by its number: its class, and what is special
 * about it. The class of a call on a descriptor is by what that is. For the probes of
 * calls and of the scheduler.
 */
#ifndef CALL_CLASS_BPF_H
#define CALL_CLASS_BPF_H

#include "kernel.bpf.h"
#include "maps.bpf.h"
#include "syscall.h"

#include "syscall_table.h"

#define S_IFMT	 0170000
#define S_IFSOCK 0140000
#define S_IFREG	 0100000
#define S_IFBLK	 0060000
#define S_IFDIR	 0040000

/* The file of a descriptor, NULL for a bad one. */
static __always_inline struct file *fd_file(struct task_struct *task, __u32 fd)
{
	struct fdtable *fdt = task->files ? task->files->fdt : 0;
	struct file *file = 0;

	if (!fdt || fd >= fdt->max_fds)
		return 0;
	if (HAS_CASTS)
		return CAST(struct poll_table_entry, fdt->fd + fd)->filp;
	if (bpf_probe_read_kernel(&file, sizeof(file), fdt->fd + fd))
		return 0;
	return file;
}

static __always_inline unsigned short file_mode(struct file *file)
{
	return HAS_CASTS ? CAST(struct file, file)->f_inode->i_mode
			 : BPF_CORE_READ(file, f_inode, i_mode);
}

/*
 * Whether the latest call is by the numbers of the 32-bit architecture: on x86-64 any
 * task may make one, on arm64 a task makes such calls only or none, by the state that
 * its CPU returns to.
 */
static __always_inline bool is_compat(struct task_struct *task, struct pt_regs *regs)
{
#if defined(__TARGET_ARCH_x86)
	return task->thread_info.status & TS_COMPAT;
#else
	return regs->pstate & PSR_MODE32_BIT;
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

/*
 * For how long a task that sleeps has done so, by what the kernel keeps of it (ns):
 * since it got a CPU, less what it ran then (set_next_entity(), kernel/sched/fair.c, so
 * not of real-time tasks). What interrupts and a hypervisor took of that run is too
 * much. Or since it was last seen to run (`exec_start`, update_curr()), by the clock of
 * its CPU without those: what they took there since is too little. That clock may stand
 * still: what the CPU of this program has more is added.
 */
static __always_inline __u64 slept_for(struct task_struct *task)
{
	__u64 now = bpf_get_current_task_btf()->se.cfs_rq->rq->clock;
	struct rq *rq = task->se.cfs_rq->rq;
	__s64 most = now - task->sched_info.last_arrival;
	__s64 ran = task->se.sum_exec_runtime - task->se.prev_sum_exec_runtime;
	/* in this order: who updates them writes `clock` first */
	__s64 least = *(volatile __u64 *)&rq->clock_task - task->se.exec_start;

	least += now - *(volatile __u64 *)&rq->clock;
	if (least < most - ran)
		least = most - ran;
	if (least > most)
		least = most;
	return least > 0 ? least : 0;
}

#endif
