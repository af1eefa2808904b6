// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long system calls take, by class, and which fail, by class and errno.
 *
 * Hooks: sys_enter and sys_exit, 10^5 to 10^6 a second on a busy node. The start is
 * kept in the task's own storage: it goes away with the task, no thread id is reused,
 * and execve from another thread, which changes the thread's id, changes nothing.
 * (Measured: storage costs as little as a per-CPU record; two clock reads are most.)
 *
 * The kernel does not enter a program again on a CPU where it runs (it counts that as a
 * recursion miss), and a program does not migrate: on a machine with no more CPUs than
 * shards nobody else adds to this CPU's cells, and adds need not be atomic.
 *
 * One logical call is one sample. When a signal interrupts a call, the kernel may
 * restart it: the first exit says ERESTART*, and a second enter follows, of the same
 * number or of restart_syscall. Such a call is held: the enter that continues it has
 * the same stack pointer; if a handler ran instead, the return from the handler
 * (sigreturn) tells by its restored result whether the call ended with EINTR.
 */
#define PROBE_ID PROBE_SYSCALL
#include "cell.bpf.h"
#include "accept.bpf.h"

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

#define EINTR		      4
#define EAGAIN		      11
#define EINPROGRESS	      115 /* a non-blocking connect has begun */
#define ERESTARTSYS	      512 /* include/linux/errno.h */
#define ERESTARTNOINTR	      513
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516
#define MAX_ERRNO	      4095

#define S_IFREG 0100000
#define S_IFBLK 0060000
#define S_IFDIR 0040000

struct call {
	__u64 start; /* ns, 0: not in a call */
	__s64 nr;
	__u32 info; /* class in the low bits, flags of the table, CALL_LOG2 */
	__u32 held_info;
	__u32 enabled;	  /* tune.enabled when it began */
	__u32 skipped;	  /* it is left out by sampling */
	__u64 held_start; /* 0: none held */
	__u64 held_end;
	__s64 held_nr;
	__u64 held_sp;
	/* the latest cgroup's slot, and this CPU's cells in it; 0: not looked up */
	__u64 id;
	__u32 slot;
	__u32 cpu;
	__u32 gen; /* tunes.free_gen: no slot changed hands since */
	__u32 cells[CALL_CLASSES];
};

struct {
	__uint(type, BPF_MAP_TYPE_TASK_STORAGE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, int);
	__type(value, struct call);
} syscall_tasks SEC(".maps");

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
	__u32 info = 0;

	if (nr >= 0 && nr < CALLS_MAX)
		info = compat ? calls_compat[nr] : calls_native[nr];
	return info ? info : CALL_OTHER; /* not listed, x32, or -1 by a tracer */
}

/* What a descriptor is; a bad one is `other`. */
static __always_inline __u32 fd_class(struct task_struct *task, __u32 fd)
{
	struct file *file = fd_file(task, fd);
	unsigned short mode;

	if (!file)
		return CALL_OTHER;
	mode = BPF_CORE_READ(file, f_inode, i_mode) & S_IFMT;
	if (mode == S_IFREG || mode == S_IFDIR || mode == S_IFBLK)
		return CALL_FILE;
	return mode == S_IFSOCK ? CALL_SOCKET : CALL_PIPE;
}

/* The slow way: after a move to another CPU, cgroup, or of a slot; or the first call.
 */
static __noinline __u32 call_cell_claim(struct call *call, struct task_struct *task,
					__u32 class)
{
	struct cpu_state *cpu = cpu_get();
	__u64 id = task_cgroup_id(task);
	__u32 n, series, here = bpf_get_smp_processor_id();

	if (!cpu)
		return 0;
	if (call->id != id || call->cpu != here || call->gen != tunes.free_gen) {
		call->gen = tunes.free_gen;
		call->cpu = here;
		call->id = id;
		call->slot = slot_of_task(cpu, task);
		__builtin_memset(call->cells, 0, sizeof(call->cells));
	}
	series = SERIES_HOT(cpu, SYSCALL, class & (CALL_CLASSES - 1));
	n = cell_of(call->slot, series, POOL_HIST);
	/* not the overflow's */
	call->cells[class & (CALL_CLASSES - 1)] = cell_peek(call->slot, series);
	return n;
}

/* The cell of a class, kept with the task: one place to look instead of four. */
static __always_inline __u32 call_cell(struct call *call, struct task_struct *task,
				       __u32 class)
{
	__u32 n = call->cells[class & (CALL_CLASSES - 1)];

	if (n && call->gen == tunes.free_gen &&
	    call->cpu == bpf_get_smp_processor_id() && call->id == task_cgroup_id(task))
		return n;
	return call_cell_claim(call, task, class);
}

static __always_inline void record(struct call *call, struct task_struct *task,
				   __u32 info, __s64 ns, long ret)
{
	__u32 class = CALL_CLASS(info);

	if (ns < 0) {
		lose(LOSS_CLOCK_BACKWARDS);
		return;
	}
	hist_put_many(call_cell(call, task, class), ns, CALL_LOG2(info),
		      tunes.own_shards);
	if (ret < 0 && ret >= -MAX_ERRNO && ret != -EAGAIN && ret != -EINTR &&
	    ret != -EINPROGRESS && !(info & CALL_SIGRETURN))
		open_add(call->slot, OPEN_SYSCALL_ERROR + class, -ret,
			 1 << CALL_LOG2(info));
}

/* The held call has ended after all: EINTR is no error. */
static __always_inline void end_held(struct call *call, struct task_struct *task)
{
	record(call, task, call->held_info, call->held_end - call->held_start, -EINTR);
	call->held_start = 0;
}

/* Is this enter the continuation of the held call? Then it is the same sample. */
static __always_inline bool resume_held(struct call *call, struct pt_regs *regs,
					__s64 nr, __u32 info)
{
	if (regs->sp != call->held_sp)
		return false; /* a handler's call, on its own frame */
	if (nr != call->held_nr && !(info & CALL_RESTART))
		return false;
	call->start = call->held_start;
	call->nr = call->held_nr;
	call->info = call->held_info;
	call->held_start = 0;
	return true;
}

/*
 * Sampling: is this call left out? Else CALL_LOG2 goes into its info. The connections
 * that accept returns are all followed.
 */
static __always_inline bool is_left_out(__u32 *info)
{
	__u32 log2 = tunes.tune[PROBE_ID].sample_log2 & 15;

	if (!log2 || *info & CALL_ACCEPT)
		return false;
	*info |= log2 << 16;
	return bpf_get_prandom_u32() & ((1 << log2) - 1);
}

static __always_inline int on_enter(unsigned long long *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)ctx[0];
	__s64 nr = ctx[1];
	bool compat = is_compat(task);
	__u32 info = call_info(nr, compat);
	struct call *call;

	if (task->tgid == tunes.self_tgid || (info & CALL_NORETURN))
		return 0;
	call = bpf_task_storage_get(&syscall_tasks, task, 0,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!call) {
		lose(LOSS_NO_STORAGE);
		return 0;
	}
	if (call->enabled != enabled_now()) {
		call->enabled = enabled_now();
		call->held_start = 0;
	} else if (call->start && !(call->info & CALL_EARLIER)) {
		lose(LOSS_UNPAIRED);
	}
	if (call->held_start && resume_held(call, regs, nr, info))
		return 0;
	call->skipped = is_left_out(&info);
	if (call->skipped) {
		call->start = 0;
		return 0;
	}
	if (info & CALL_BY_FD)
		info =
		    (info & ~(CALL_CLASSES - 1)) |
		    fd_class(task, compat ? REGS_ARG0_COMPAT(regs) : REGS_ARG0(regs));
	call->nr = nr;
	call->info = info;
	call->start = bpf_ktime_get_ns();
	return 0;
}

/* An exit without an enter: a clone's child, or a call that began before we did. */
static __always_inline void unpaired(struct task_struct *task, struct pt_regs *regs,
				     long ret)
{
	__u32 info = call_info(REGS_NR(regs), is_compat(task));

	if (!(info & CALL_CLONE) || ret)
		lose(LOSS_UNPAIRED);
	if (info & CALL_ACCEPT && ret >= 0)
		accept_end(task, ret, bpf_ktime_get_ns());
}

static __always_inline void exit_alone(struct call *call, struct task_struct *task,
				       struct pt_regs *regs, long ret)
{
	if (!call || !call->skipped)
		unpaired(task, regs, ret);
	if (!call)
		return;
	call->start = 0;
	if (call->enabled != enabled_now())
		call->held_start = 0;
}

static __always_inline bool may_restart(long ret)
{
	return ret == -ERESTARTSYS || ret == -ERESTARTNOINTR ||
	       ret == -ERESTARTNOHAND || ret == -ERESTART_RESTARTBLOCK;
}

static __always_inline int on_exit(unsigned long long *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)ctx[0];
	long ret = ctx[1];
	struct call *call;
	__u64 now, start;

	if (task->tgid == tunes.self_tgid)
		return 0;
	call = bpf_task_storage_get(&syscall_tasks, task, 0, 0);
	if (!call || !call->start || call->info & CALL_EARLIER ||
	    call->enabled != enabled_now()) {
		exit_alone(call, task, regs, ret);
		return 0;
	}
	now = bpf_ktime_get_ns();
	start = call->start;
	call->start = 0;
	if (call->held_start &&
	    (may_restart(ret) || ((call->info & CALL_SIGRETURN) && ret == -EINTR))) {
		end_held(call, task);
	}
	if (may_restart(ret)) {
		call->held_info = call->info;
		call->held_nr = call->nr;
		call->held_sp = regs->sp;
		call->held_end = now;
		call->held_start = start;
		return 0;
	}
	record(call, task, call->info, now - start, ret);
	if (call->info & CALL_ACCEPT && ret >= 0)
		accept_end(task, ret, now);
	return 0;
}

SEC("tp_btf/sys_enter")
int syscall_enter(unsigned long long *ctx)
{
	return RUN(syscall_enter, on_enter(ctx));
}

SEC("tp_btf/sys_exit")
int syscall_exit(unsigned long long *ctx)
{
	return RUN(syscall_exit, on_exit(ctx));
}

/*
 * Calls that were under way when we came: a task that is blocked and whose registers
 * hold a call's number. They are no samples, but what hangs is told as in flight.
 */
SEC("iter/task")
int syscall_earlier_iter(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct pt_regs *regs;
	struct call *call;
	__u32 info;
	__s64 nr;

	if (!task || task->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER) ||
	    !(task->__state & TASK_BLOCKED) || task->tgid == tunes.self_tgid)
		return 0;
	regs = (void *)bpf_task_pt_regs(task);
	nr = REGS_NR(regs);
	if (nr < 0)
		return 0; /* it faulted, or was interrupted */
	info = call_info(nr, is_compat(task));
	if (info & CALL_BY_FD)
		info = (info & ~(CALL_CLASSES - 1)) | fd_class(task, REGS_ARG0(regs));
	call = bpf_task_storage_get(&syscall_tasks, task, 0,
				    BPF_LOCAL_STORAGE_GET_F_CREATE);
	if (!call) {
		lose(LOSS_NO_STORAGE);
		return 0;
	}
	if (call->start)
		return 0; /* it began after we did */
	call->nr = nr;
	call->info = info | CALL_EARLIER;
	call->enabled = enabled_now();
	call->start = bpf_ktime_get_ns();
	return 0;
}

/* The oldest calls that are under way. */
SEC("iter/task")
int syscall_inflight_walk(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct cpu_state *cpu = cpu_get();
	struct call *call;
	__u64 start;
	__u32 class;

	if (!task || !cpu || walk_is_over(ctx->meta->seq_num))
		return 0;
	call = bpf_task_storage_get(&syscall_tasks, task, 0, 0);
	if (!call || call->enabled != enabled_now())
		return 0;
	start = call->start ? call->start : call->held_start;
	class = CALL_CLASS(call->start ? call->info : call->held_info);
	if (start)
		inflight_note(slot_of_task(cpu, task), INFLIGHT_SYSCALL + class,
			      bpf_ktime_get_ns() - start);
	return 0;
}
