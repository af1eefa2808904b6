/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The walk over the requests that are in flight: queues, their hardware queues, the
 * tags that are taken. And what a request's flags vouch for. Only for block.bpf.c.
 */
#ifndef BLOCK_WALK_BPF_H
#define BLOCK_WALK_BPF_H

#include "cell.bpf.h"
#include "inflight.bpf.h"
#include "loop.bpf.h"

#define QUEUES	      256 /* power of two */
#define HW_QUEUES_MAX LOOP_MAX
#define MAP_WORDS_MAX LOOP_MAX /* of one bitmap */
#define WORDS_MAX     65536    /* words of tags looked at in one walk */
#define BITS_PER_WORD 64
#define ROOT_CGROUP   1

/* The queues that have issued a request, 0: a free entry. Only their walk reads them.
 */
__u64 queues[QUEUES];

/* Whether start_time_ns is of this request: the flush machinery always sets its own. */
static __always_inline bool has_start(__u32 flags, __u32 op)
{
	return (flags & params.rqf[RQF_IO_STAT]) ||
	       (op == REQ_OP_FLUSH && (flags & params.rqf[RQF_FLUSH_SEQ]));
}

/* Whether io_start_time_ns is. */
static __always_inline bool has_issue(__u32 flags)
{
	return flags & params.rqf[RQF_STATS];
}

/* Where the walk is: queue, its set of tags, one hardware queue's tags, a word. */
struct walk {
	struct request_queue *q;
	struct blk_mq_tags **tags;
	struct request **rqs;
	struct sbitmap_word *map;
	__u64 word;
	__u32 shift;
	__u32 first; /* tag of the bitmap's first bit */
	__u32 base;  /* tag of the word's first bit */
	__u32 budget;
};

/* cgroup_of() of a request that may end meanwhile: reads that may fail. */
static __always_inline __u64 cgroup_now(struct request *rq)
{
	struct bio *bio = BPF_CORE_READ(rq, bio);
	struct blkcg_gq *blkg;
	struct cgroup *cgrp;

	if (!bio || !bpf_core_field_exists(bio->bi_blkg))
		return ROOT_CGROUP;
	blkg = BPF_CORE_READ(bio, bi_blkg);
	if (!blkg)
		return ROOT_CGROUP;
	cgrp = BPF_CORE_READ(blkg, blkcg, css.cgroup);
	if (BPF_CORE_READ(cgrp, root, hierarchy_id))
		return ROOT_CGROUP;
	return BPF_CORE_READ(cgrp, kn, id);
}

/* The time a request in flight began, 0: it is not in flight, or not stamped. */
static __always_inline __u64 began(struct request *rq, struct request_queue *q)
{
	__u32 op = BPF_CORE_READ(rq, cmd_flags) & REQ_OP_MASK;
	__u32 flags = BPF_CORE_READ(rq, rq_flags);

	if (BPF_CORE_READ(rq, q) != q || BPF_CORE_READ(rq, state) != MQ_RQ_IN_FLIGHT ||
	    op >= REQ_OP_DRV_FIRST)
		return 0;
	if (has_start(flags, op))
		return BPF_CORE_READ(rq, start_time_ns);
	return has_issue(flags) ? BPF_CORE_READ(rq, io_start_time_ns) : 0;
}

/*
 * Nothing keeps a request in its place while we look at it: it counts if it is the same
 * one after its cgroup was read.
 */
static __noinline int walk_request(struct walk *w, __u32 tag)
{
	struct cpu_state *cpu = cpu_get();
	struct request *rq = 0;
	__u64 start, id;

	if (!w || !cpu || bpf_probe_read_kernel(&rq, sizeof(rq), w->rqs + tag) || !rq)
		return 0;
	start = began(rq, w->q);
	if (!start || BPF_CORE_READ(rq, tag) != (int)tag)
		return 0;
	id = cgroup_now(rq);
	if (began(rq, w->q) == start)
		inflight_note(slot_of(cpu, id), INFLIGHT_BLOCK, start);
	return 0;
}

static __always_inline long walk_bit(__u32 i, struct walk *w)
{
	if (w->word >> (i & (BITS_PER_WORD - 1)) & 1)
		walk_request(w, w->base + i);
	return 0;
}

LOOP_BODY(walk_bit)

/* Freed tags stay set in `word` until somebody clears them all at once. */
static __always_inline long walk_word(__u32 i, struct walk *w)
{
	struct sbitmap_word *at =
	    (void *)w->map + (__u64)i * bpf_core_type_size(struct sbitmap_word);

	if (!w->budget) {
		lose(LOSS_WALK_LIMIT);
		return 1;
	}
	w->budget--;
	w->word = BPF_CORE_READ(at, word) & ~BPF_CORE_READ(at, cleared);
	w->base = w->first + (i << (w->shift & 31));
	if (w->word)
		LOOP(BITS_PER_WORD, walk_bit, w);
	return 0;
}

LOOP_BODY(walk_word)

static __always_inline void walk_bitmap(struct walk *w, struct sbitmap_queue *bits,
					__u32 first)
{
	__u32 words = BPF_CORE_READ(bits, sb.map_nr);

	if (words > MAP_WORDS_MAX) {
		lose(LOSS_WALK_LIMIT);
		words = MAP_WORDS_MAX;
	}
	w->first = first;
	w->shift = BPF_CORE_READ(bits, sb.shift);
	w->map = BPF_CORE_READ(bits, sb.map);
	LOOP(words, walk_word, w);
}

/* Where the tags' bitmap is, of those that are reserved or of the others. */
static __always_inline struct sbitmap_queue *bitmap_of(struct blk_mq_tags *tags,
						       bool reserved)
{
	struct blk_mq_tags___old *old = (void *)tags;

	if (bpf_core_field_exists(old->bitmap_tags))
		return reserved ? BPF_CORE_READ(old, breserved_tags)
				: BPF_CORE_READ(old, bitmap_tags);
	return reserved ? (void *)__builtin_preserve_access_index(&tags->breserved_tags)
			: (void *)__builtin_preserve_access_index(&tags->bitmap_tags);
}

static __always_inline long walk_hw_queue(__u32 i, struct walk *w)
{
	struct blk_mq_tags *tags = 0;

	if (bpf_probe_read_kernel(&tags, sizeof(tags), w->tags + i) || !tags)
		return 0; /* a hardware queue that is not mapped has none */
	w->rqs = BPF_CORE_READ(tags, rqs);
	walk_bitmap(w, bitmap_of(tags, true), 0);
	walk_bitmap(w, bitmap_of(tags, false), BPF_CORE_READ(tags, nr_reserved_tags));
	return 0;
}

LOOP_BODY(walk_hw_queue)

/*
 * A queue whose disk does not know it any more is dropped: the memory may be another
 * one's. Until then each read may fail, and a request proves itself by its queue.
 */
static __always_inline long walk_queue(__u32 i, struct walk *w)
{
	__u64 *entry = &queues[i & (QUEUES - 1)], noted = *entry;
	struct request_queue *q = (void *)noted;
	struct blk_mq_tag_set *set;
	__u32 n;

	if (!q)
		return 0;
	if (BPF_CORE_READ(q, disk, queue) != q) {
		__sync_val_compare_and_swap(entry, noted, 0);
		return 0;
	}
	set = BPF_CORE_READ(q, tag_set);
	w->q = q;
	w->tags = BPF_CORE_READ(set, tags);
	n = BPF_CORE_READ(set, nr_hw_queues);
	if (bpf_core_field_exists(set->shared_tags) && BPF_CORE_READ(set, shared_tags))
		n = 1; /* they are all the same */
	if (n > HW_QUEUES_MAX) {
		lose(LOSS_WALK_LIMIT);
		n = HW_QUEUES_MAX;
	}
	LOOP(n, walk_hw_queue, w);
	return 0;
}

LOOP_BODY(walk_queue)

#endif
