/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The kernel side of rings: whether they are up to date, whether they hold records. */
#ifndef RING_BPF_H
#define RING_BPF_H

#include "maps.bpf.h"
#include "ring.h"

/*
 * A ring's key, for what is looked up after this and kept under it: atomic, as on some
 * machines a later load could be made first, and what is kept would be older than its
 * key says.
 */
static __always_inline __u64 ring_key(struct ring *ring)
{
	return __sync_fetch_and_add(&ring->key, 0);
}

/* Has a ring a probe's parameters as they are now. */
static __always_inline void ring_publish(struct ring *ring, enum probe_id probe)
{
	*(volatile __u64 *)&ring->key = (__u64)window_of(probe) << 32 | tunes.free_gen;
}

/* Whether a ring holds records, as another CPU sees it. */
static __always_inline bool ring_has_some(struct ring *ring)
{
	return *(volatile __u32 *)&ring->head != *(volatile __u32 *)&ring->done;
}

#endif
