// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * How long block requests take, in the queue and in the device, and which fail.
 *
 * Hooks: block_rq_complete (10^4 to 10^6 a second on a busy node), where the request
 * itself has the times of its beginning and of its issue; block_rq_issue, which only
 * notes that there is such a queue; and a walk over the requests of these queues.
 *
 * What a request's flags do not vouch for is no time stamp: with queue/iostats off the
 * field keeps the time of the request's previous life.
 *
 * The cgroup is that of the first bio. Where blkio is a v1 hierarchy, and for requests
 * without a bio (the flush machinery's), it is the root cgroup.
 *
 * A CPU's cache has one user: since 6.1 the kernel does not enter a program again on a
 * CPU where it runs, and before, the run inside does without (cache_enter()).
 */
#define PROBE_ID PROBE_BLOCK
#include "block_walk.bpf.h"
#include "open.bpf.h"

#define QUEUE_PROBES	16 /* entries looked at before a queue is left out */
#define HASH_MULTIPLIER 0x9E3779B97F4A7C15ULL

/* Created by the agent, which reads it. */
SHARED_ARRAY(disk_names, struct disk_name);
/* The number of each name. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, DISKS);
	__type(key, struct disk_name);
	__type(value, __u32);
} disks SEC(".maps");

#define EOPNOTSUPP   95
#define ETIMEDOUT    110
#define ENOSPC	     28
#define ENOLINK	     67
#define EREMOTEIO    121
#define EBADE	     52
#define ENODATA	     61
#define EILSEQ	     84
#define ENOMEM	     12
#define EIO	     5
#define EREMCHG	     78
#define EAGAIN	     11
#define EBUSY	     16
#define ETOOMANYREFS 109
#define EOVERFLOW    75
#define ENODEV	     19
#define ETIME	     62
#define EINVAL	     22

#define STATUS_COUNT	 20
#define STATUS_ZONE_OPEN 14 /* this and what follows is one more before 6.10 */
#define STATUS_INVAL	 19 /* new since then */

/* blk_status_t to errno, as block/blk-core.c has it since 6.10. */
static const __u8 status_errnos[STATUS_COUNT] = {
	[1] = EOPNOTSUPP, [2] = ETIMEDOUT,     [3] = ENOSPC,
	[4] = ENOLINK,	  [5] = EREMOTEIO,     [6] = EBADE,
	[7] = ENODATA,	  [8] = EILSEQ,	       [9] = ENOMEM,
	[10] = EIO,	  [11] = EREMCHG,      [12] = EAGAIN,
	[13] = EBUSY,	  [14] = ETOOMANYREFS, [15] = EOVERFLOW,
	[16] = ENODEV,	  [17] = ETIME,	       [STATUS_INVAL] = EINVAL,
};

/*
 * The tracepoint's error: a blk_status_t, or before 5.16 a negative errno; one look
 * tells which.
 */
static __always_inline __u32 errno_of(__s32 error)
{
	__u32 status = error;

	if (error < 0)
		return -error;
	if (!params.rqf[RQF_ZONE_WRITE_PLUGGING] && status > STATUS_ZONE_OPEN &&
	    status < STATUS_INVAL)
		status--;    /* zone write plugging made one of them needless */
	barrier_var(status); /* the bound has to be seen right before its use */
	if (status >= STATUS_COUNT)
		return OPEN_OTHER;
	status = status_errnos[status];
	return status ? status : OPEN_OTHER;
}

static __always_inline __u32 direction_of(__u32 op)
{
	if (bpf_core_enum_value_exists(enum req_op, REQ_OP_ZONE_APPEND) &&
	    op == bpf_core_enum_value(enum req_op, REQ_OP_ZONE_APPEND))
		return BLOCK_WRITE;
	return op <= REQ_OP_DISCARD ? op : BLOCK_OTHER;
}
_Static_assert(BLOCK_READ == REQ_OP_READ && BLOCK_WRITE == REQ_OP_WRITE &&
		   BLOCK_FLUSH == REQ_OP_FLUSH && BLOCK_DISCARD == REQ_OP_DISCARD,
	       "the first directions are the kernel's operations");

/* The cgroup of a request's first bio, if that is one of the v2 tree. */
static __always_inline __u64 cgroup_of(struct request *rq)
{
	struct blkcg_gq *blkg;
	struct cgroup *cgrp;
	struct bio *bio = rq->bio;

	if (!bio || !bpf_core_field_exists(bio->bi_blkg))
		return ROOT_CGROUP;
	blkg = bio->bi_blkg;
	if (!blkg)
		return ROOT_CGROUP;
	cgrp = blkg->blkcg->css.cgroup;
	return cgrp->root->hierarchy_id ? ROOT_CGROUP : cgrp->kn->id;
}

/* The slow ways and what is done twice: each is looked at once by the verifier. */
__noinline __u32 block_slot_claim(__u64 id)
{
	struct cpu_state *cpu = cpu_get();

	return cpu ? slot_of(cpu, id) : SLOT_OVERFLOW;
}

__noinline __u32 block_cell_claim(__u32 slot, __u32 signal, __u32 name)
{
	return open_own(slot, signal, name);
}

/* The number of a disk's name. A disk that comes back under its name goes on there. */
static __noinline __u32 disk_number(struct gendisk *disk)
{
	struct disk_name name = {}, *entry;
	__u32 *known, n;

	bpf_probe_read_kernel_str(&name, sizeof(name), disk->disk_name);
	known = bpf_map_lookup_elem(&disks, &name);
	if (known)
		return *known;
	if (*(volatile __u32 *)&control.disks >= DISKS)
		return OPEN_OTHER;
	n = __sync_fetch_and_add(&control.disks, 1);
	entry = bpf_map_lookup_elem(&disk_names, &n);
	if (!entry)
		return OPEN_OTHER;
	*entry = name;
	if (!bpf_map_update_elem(&disks, &name, &n, BPF_NOEXIST))
		return n;
	known = bpf_map_lookup_elem(&disks, &name); /* another CPU was first */
	return known ? *known : OPEN_OTHER;
}

/* What tells a disk from all that were there before, and will be. */
static __always_inline __u64 disk_id(struct gendisk *disk)
{
	return bpf_core_field_exists(disk->diskseq)
		   ? disk->diskseq
		   : (__u32)disk->major << 20 | disk->first_minor;
}

__noinline int block_error(__u32 slot, __s32 error)
{
	open_add(slot, OPEN_BLOCK_ERROR, errno_of(error), 1);
	return 0;
}

__noinline int block_put(__u32 n, __u64 ns)
{
	hist_put(n, ns, false);
	return 0;
}

/* An entry for a cgroup and a device: this CPU's; `own` for a run that may not
 * use that. cache_leave() has to follow. */
static __always_inline struct block_slot *block_slot_of(struct cpu_state *cpu, __u64 id,
							struct gendisk *disk,
							__u32 direction,
							struct block_slot *own)
{
	__u64 seq = disk_id(disk);
	__u64 hash = (id ^ seq << 3 ^ direction) * HASH_MULTIPLIER;
	struct block_slot *e = own;

	if (cache_enter(cpu, CACHE_BLOCK)) {
		e = &cpu->block[hash >> (64 - BLOCK_CACHE_LOG2)];
		if (e->id == id && e->disk == seq && e->direction == direction &&
		    e->gen == tunes.free_gen)
			return e;
	}
	e->gen = tunes.free_gen;
	e->operation = 0;
	e->device = 0;
	e->id = id;
	e->disk = seq;
	e->name = disk_number(disk);
	e->direction = direction;
	e->slot = block_slot_claim(id);
	return e;
}

/* Adds to one of an entry's cells, which may be the overflow's. */
static __always_inline void put(struct block_slot *e, __u32 signal, __u32 *kept,
				__s64 ns)
{
	__u32 n = *kept;

	if (ns < 0) {
		lose(LOSS_CLOCK_BACKWARDS);
		return;
	}
	if (!n) {
		signal += e->direction;
		n = block_cell_claim(e->slot, signal, e->name);
		if (!n)
			n = open_overflow(signal);
		*kept = n;
	}
	block_put(n, ns);
}

/* A request that is done with: its durations, and its error. */
static __always_inline void record(struct request *rq, __u32 op, __s32 error)
{
	__u32 flags = rq->rq_flags;
	bool started = has_start(flags, op), issued = has_issue(flags);
	struct gendisk *disk = rq->q->disk;
	struct cpu_state *cpu = cpu_get();
	struct block_slot own, *e;
	__u64 now = 0;

	if (!cpu || (started && is_earlier(rq->start_time_ns)) ||
	    (!started && issued && is_earlier(rq->io_start_time_ns)))
		return;
	if (!disk) {
		lose(LOSS_UNREADABLE); /* a device that is being removed */
		return;
	}
	e = block_slot_of(cpu, cgroup_of(rq), disk, direction_of(op), &own);
	if (started || issued)
		now = bpf_ktime_get_ns();
	if (started)
		put(e, OPEN_BLOCK_OPERATION, &e->operation, now - rq->start_time_ns);
	else
		lose(LOSS_NO_STAMP);
	if (issued)
		put(e, OPEN_BLOCK_DEVICE, &e->device, now - rq->io_start_time_ns);
	if (error)
		block_error(e->slot, error);
	cache_leave(cpu, CACHE_BLOCK);
}

/*
 * Arguments: request, error, bytes that are done. Only the last completion of a request
 * counts, and not that of a flush sequence, which ends its write once more with
 * nothing.
 */
static __always_inline int on_complete(unsigned long long *ctx)
{
	struct request *rq = (void *)ctx[0];
	__u32 bytes = ctx[2], op = rq->cmd_flags & REQ_OP_MASK;

	if (op >= REQ_OP_DRV_FIRST || bytes < rq->__data_len)
		return 0;
	if (bytes || op == REQ_OP_FLUSH)
		record(rq, op, ctx[1]);
	return 0;
}

SEC("tp_btf/block_rq_complete")
int block_complete(unsigned long long *ctx)
{
	return RUN(block_complete, on_complete(ctx));
}

/*
 * The low half of a pointer. The verifier does not let arithmetic near a kernel
 * pointer, but a 32-bit move makes a plain number of it.
 */
static __always_inline __u32 low_half(const void *p)
{
	__u32 low;

	asm volatile("%0 = %1" : "=w"(low) : "w"((__u32)(__u64)p));
	return low;
}

/* Notes that there is this queue: nearly always the first entry has it already. */
static __always_inline int on_issue(unsigned long long *ctx)
{
	struct request *rq = (void *)ctx[0];
	__u64 q = (__u64)rq->q, seen;
	__u32 first = low_half(rq->q) * (__u32)HASH_MULTIPLIER >> 16, i;

	for (i = 0; i < QUEUE_PROBES; i++) {
		__u64 *entry = &queues[(first + i) & (QUEUES - 1)];

		seen = *entry;
		if (seen == q)
			return 0;
		if (seen)
			continue;
		if (!rq->q->disk) /* not yet, or no more: the walk would drop it */
			return 0;
		seen = __sync_val_compare_and_swap(entry, 0, q);
		if (!seen || seen == q)
			return 0;
	}
	lose(LOSS_STATE_FULL);
	return 0;
}

SEC("tp_btf/block_rq_issue")
int block_issue(unsigned long long *ctx)
{
	return RUN(block_issue, on_issue(ctx));
}

/* What is in flight. On no hook: the agent runs it. */
SEC("syscall")
int block_inflight_walk(void *ctx)
{
	struct walk w = { .budget = WORDS_MAX };

	if (enabled_now())
		LOOP(QUEUES, walk_queue, &w);
	return 0;
}
