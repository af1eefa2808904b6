// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long system calls take, by class, and which fail, by class and errno.
 *
 * Hooks: sys_enter and sys_exit, 10^5 to 10^6 a second on a busy node. What a call
 * began with is kept by the task's address (call_get): execve from another thread,
 * which changes the thread's id, changes nothing. A call that has ended is written down
 * in its CPU's ring, and goes into a histogram when that is replayed (struct ring).
 *
 * A ring has one writer: no interrupt makes calls, a program does not migrate, and
 * where it may be preempted (7.x) the kernel does not enter it again on that CPU (it
 * counts that as a recursion miss). The agent's request to replay may interrupt it
 * anywhere. On a machine with no more CPUs than shards nobody but the replays adds to
 * this CPU's cells, and adds need not be atomic.
 *
 * One logical call is one sample. When a signal interrupts a call, the kernel may
 * restart it: the first exit says ERESTART*, and a second enter follows, of the same
 * number or of restart_syscall. Such a call is held: the enter that continues it has
 * the same stack pointer; if a handler ran instead, the return from the handler
 * (sigreturn) tells by its restored result whether the call ended with EINTR.
 */
#define PROBE_ID PROBE_SYSCALL
#include "open.bpf.h"
#include "syscall_call.bpf.h"
#include "syscall_record.bpf.h"

#define EINTR		      4
#define EAGAIN		      11
#define EINPROGRESS	      115 /* a non-blocking connect has begun */
#define ERESTARTSYS	      512 /* include/linux/errno.h */
#define ERESTARTNOINTR	      513
#define ERESTARTNOHAND	      514
#define ERESTART_RESTARTBLOCK 516
#define MAX_ERRNO	      4095

/* Not static, as the slow paths of cell.bpf.h: the verifier looks at it once. */
__noinline int call_error(__u32 slot, __u32 class, __u32 err, __u32 log2)
{
	open_add(slot, OPEN_SYSCALL_ERROR + (class & (CALL_CLASSES - 1)), err,
		 1 << (log2 & 15));
	return 0;
}

static __always_inline bool may_restart(long ret)
{
	return ret == -ERESTARTSYS || ret == -ERESTARTNOINTR ||
	       ret == -ERESTARTNOHAND || ret == -ERESTART_RESTARTBLOCK;
}

/* Whether a call's result is an error. */
static __always_inline bool has_failed(__u32 info, long ret)
{
	return ret < 0 && ret >= -MAX_ERRNO && ret != -EAGAIN && ret != -EINTR &&
	       ret != -EINPROGRESS && !(info & CALL_SIGRETURN);
}

/* set, owner: of the task; see task_owner(). */
static __always_inline void record(struct call_ring *ring, struct call *call, __u64 set,
				   __u64 owner, __u32 info, __s64 ns, long ret)
{
	struct cpu_state *cpu = cpu_get();
	__u32 class = CALL_CLASS(info), n;

	if (ns < 0) {
		lose(LOSS_CLOCK_BACKWARDS);
		return;
	}
	n = call_cell(call, set, class, ring->ring.key);
	if (!n)
		n = call_cell_claim(call, set, owner, class, ring_key(&ring->ring));
	write_record(ring, ns, n, CALL_LOG2(info));
	if (cpu && has_failed(info, ret))
		call_error(slot_of_owner(cpu, owner), class, -ret, CALL_LOG2(info));
}

/* The held call has ended after all: EINTR is no error. */
static __always_inline void end_held(struct call_ring *ring, struct call *call,
				     __u64 set, __u64 owner)
{
	record(ring, call, set, owner, call->held_info,
	       call->held_end - call->held_start, -EINTR);
	call->held = 0;
}

/* Is this enter the continuation of the held call? Then it is the same sample. */
static __always_inline bool resume_held(struct call *call, struct pt_regs *regs,
					__s64 nr, __u32 info)
{
	if (REGS_SP(regs) != call->held_sp)
		return false; /* a handler's call, on its own frame */
	if (nr != call->held_nr && !(info & CALL_RESTART))
		return false;
	call->start = call->held_start;
	call->nr = call->held_nr;
	call->nr_info = call_info(call->held_nr, call->compat);
	call->info = call->held_info;
	call->held = 0;
	return true;
}

/*
 * Sampling: is this call left out? Else CALL_LOG2 goes into its info. The connections
 * that accept returns are all followed.
 */
static __always_inline bool is_left_out(__u32 *info, __u32 log2)
{
	if (likely(!log2) || *info & CALL_ACCEPT)
		return false;
	*info |= (log2 & 15) << 16;
	return bpf_get_prandom_u32() & ((1 << (log2 & 15)) - 1);
}

/*
 * An enter that is not like the one before: the task's first, of another number, after
 * a call that is held or did not end. Returns 1 when the call is to be timed: then its
 * info is what the table says.
 */
static __noinline int enter_anew(struct call *call, struct task_struct *task,
				 struct pt_regs *regs, __s64 nr)
{
	bool compat = is_compat(task, regs);
	__u32 info = call_info(nr, compat);

	if (!call || !regs)
		return 0;
	if (call->enabled != window_now()) {
		call->enabled = window_now();
		call->held = 0;
	} else if (call->start && !(call->info & CALL_EARLIER)) {
		lose(LOSS_UNPAIRED);
	}
	call->nr = nr;
	call->compat = compat;
	call->nr_info = info;
	return !call->held || !resume_held(call, regs, nr, info);
}

/* The entry of a task that has none yet; NULL: there is none, or it is not measured. */
static __noinline struct call *meet(struct task_struct *task, struct pt_regs *regs,
				    __s64 nr)
{
	struct call *call;

	if (!task || !regs || !window_now() || task->tgid == tunes.self_tgid ||
	    call_info(nr, is_compat(task, regs)) & CALL_NORETURN)
		return 0;
	call = call_make(task);
	if (!call)
		lose(LOSS_TABLE_FULL); /* this call is not counted */
	return call;
}

static __always_inline int on_enter(struct call_ring *ring, unsigned long long *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct pt_regs *regs = (void *)ctx[0];
	struct call *call = call_get(task);
	__s64 nr = ctx[1];
	__u32 info;

	if (unlikely(!call)) {
		call = meet(task, regs, nr);
		if (!call)
			return 0;
	}
	if (unlikely(call->start || call->held || call->nr != nr ||
		     call->enabled != ring->ring.key >> 32 ||
		     call->compat != is_compat(task, regs))) {
		if (!window_now() || !enter_anew(call, task, regs, nr))
			return 0;
	}
	info = call->nr_info;
	if (unlikely(info & CALL_NORETURN))
		return 0;
	call->skipped = is_left_out(&info, ring->sample_log2);
	if (unlikely(call->skipped)) {
		call->start = 0;
		return 0;
	}
	if (info & CALL_BY_FD)
		info = class_by_fd(info, task, regs, call->compat);
	call->info = info;
	call->start = bpf_ktime_get_ns();
	return 0;
}

/* Whether a call that ends now began before we could see it: then it is not lost. */
static __always_inline bool began_before(const struct call *call)
{
	return !call || call->info & CALL_EARLIER || call->enabled != window_now();
}

/*
 * An exit without an enter: a clone's child, a call that began before we did, or one
 * that seccomp has answered: the kernel asks it before it tells of the enter. Whatever
 * it was, if it failed that is an error, of unknown duration. (Without a number it may
 * be a sigreturn, whose result is the interrupted code's.)
 */
static __always_inline void unpaired(const struct call *call, struct task_struct *task,
				     struct pt_regs *regs, long ret)
{
	struct cpu_state *cpu = cpu_get();
	bool compat = is_compat(task, regs);
	__s64 nr = (__s32)REGS_NR(regs);
	__u32 info = call_info(nr, compat);

	if (cpu && nr >= 0 && has_failed(info, ret) && !may_restart(ret)) {
		if (info & CALL_BY_FD)
			info = class_by_fd(info, task, regs, compat);
		call_error(slot_of_task(cpu, task), CALL_CLASS(info), -ret, 0);
	} else if (!began_before(call)) {
		lose(LOSS_UNPAIRED);
	}
	if (info & CALL_ACCEPT && ret >= 0)
		accept_end(task, ret, bpf_ktime_get_ns());
}

static __always_inline void exit_alone(struct call *call, struct task_struct *task,
				       struct pt_regs *regs, long ret)
{
	if (!call || !call->skipped)
		unpaired(call, task, regs, ret);
	if (!call)
		return;
	call->start = 0;
	if (is_whole()) /* or the next call's beginning may be unseen, too */
		call->info &= ~CALL_EARLIER;
	call->skipped = 0; /* what comes without an enter is not left out */
	if (call->enabled != window_now())
		call->held = 0;
}

/* An exit with anything that is not usual. */
static __noinline int exit_anew(struct call_ring *ring, struct call *call,
				struct task_struct *task, unsigned long long *ctx)
{
	struct pt_regs *regs = (void *)ctx[0];
	long ret = ctx[1];
	__u64 now, start, set, owner;

	if (!ring || !task || task->tgid == tunes.self_tgid || !window_now())
		return 0;
	if (!call || !call->start || call->info & CALL_EARLIER ||
	    call->enabled != window_now()) {
		exit_alone(call, task, regs, ret);
		return 0;
	}
	now = bpf_ktime_get_ns();
	set = task_set_here(task);
	owner = task_owner_here(task);
	start = call->start;
	call->start = 0;
	if (call->held &&
	    (may_restart(ret) || ((call->info & CALL_SIGRETURN) && ret == -EINTR)))
		end_held(ring, call, set, owner);
	if (may_restart(ret)) {
		call->held_info = call->info;
		call->held_nr = call->nr;
		call->held_sp = REGS_SP(regs);
		call->held_end = now;
		call->held_start = start;
		call->held = 1;
		return 0;
	}
	record(ring, call, set, owner, call->info, now - start, ret);
	if (call->info & CALL_ACCEPT && ret >= 0)
		accept_end(task, ret, now);
	return 0;
}

static __always_inline int on_exit(struct call_ring *ring, unsigned long long *ctx)
{
	struct task_struct *task = bpf_get_current_task_btf();
	struct call *call = call_get(task);
	__u64 ns, ret = ctx[1];
	__u32 n;

	if (unlikely(!call || !call->start || call->held ||
		     call->info & (CALL_EARLIER | CALL_ACCEPT) || ret >= -MAX_ERRNO))
		goto seldom;
	n = call_cell(call, task_set_here(task), CALL_CLASS(call->info),
		      ring->ring.key);
	if (unlikely(!n || call->enabled != ring->ring.key >> 32))
		goto seldom;
	ns = bpf_ktime_get_ns() - call->start;
	if (unlikely((__s64)ns < 0))
		goto seldom;
	call->start = 0;
	write_record(ring, ns, n, CALL_LOG2(call->info));
	return 0;
seldom:
	return exit_anew(ring, call, task, ctx);
}

/* No call of this thread follows: it gives its entry back. */
static __always_inline int leave(struct task_struct *task)
{
	struct call *call = call_entry(task);

	if (call && call->task == (__u64)task)
		ENTRY_GIVE_BACK(TABLE_CALLS, call, task);
	else
		spill_drop(&calls_spill, TABLE_CALLS, (__u64)task);
	return 0;
}

SEC("tp_btf/sched_process_exit")
int syscall_leave(unsigned long long *ctx)
{
	return RUN_IF(1, syscall_leave, leave((void *)ctx[0]));
}

/*
 * Calls that were under way when we came: a task that is blocked and whose registers
 * hold a call's number. They are no samples, but what hangs is told as in flight, since
 * it fell asleep. It runs before the two programs below are attached, which would
 * change the same entries: one whose call ends meanwhile keeps the mark up to its next
 * call.
 */
SEC("iter/task")
int syscall_earlier_iter(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct pt_regs *regs;
	struct call *call;
	bool compat;
	__u32 info;
	__s64 nr;

	if (!task ||
	    task->flags & (PF_KTHREAD | PF_IO_WORKER | PF_USER_WORKER | PF_EXITING) ||
	    !(task->__state & TASK_BLOCKED) || task->tgid == tunes.self_tgid)
		return 0;
	regs = (void *)bpf_task_pt_regs(task);
	nr = REGS_NR(regs);
	if (nr < 0)
		return 0; /* it faulted, or was interrupted */
	compat = is_compat(task, regs);
	info = call_info(nr, compat);
	if (info & CALL_BY_FD)
		info = class_by_fd(info, task, regs, compat);
	call = call_make(task);
	if (!call)
		lose(LOSS_TABLE_FULL);
	if (!call)
		return 0;
	call->info = info | CALL_EARLIER;
	call->enabled = window_now();
	call->start = bpf_ktime_get_ns() - slept_for(task);
	return 0;
}

/* Attached before the other one: so no beginning is noted whose end is not seen. */
SEC("tp_btf/sys_exit")
int syscall_exit(unsigned long long *ctx)
{
	struct call_ring *ring = ring_get();
	__u64 began;

	if (!ring)
		return 0;
	began = begin(ring, 1);
	if (likely(ring->ring.key >> 32))
		on_exit(ring, ctx);
	if (unlikely(began))
		timing_end(ring, 1, began);
	return 0;
}

SEC("tp_btf/sys_enter")
int syscall_enter(unsigned long long *ctx)
{
	struct call_ring *ring = ring_get();
	__u64 began;

	if (!ring)
		return 0;
	began = begin(ring, 0);
	if (likely(ring->ring.key >> 32))
		on_enter(ring, ctx);
	if (unlikely(began))
		timing_end(ring, 0, began);
	return 0;
}

TABLE_FORGET(TABLE_CALLS, call, task, calls_spill)

/* On no hook: the agent runs it when none of the others is attached any more. */
SEC("syscall")
int syscall_forget(void *ctx)
{
	bpf_for_each_map_elem(&calls, call_forget, 0, 0);
	bpf_for_each_map_elem(&calls_spill, call_forget_spilled, 0, 0);
	return 0;
}
