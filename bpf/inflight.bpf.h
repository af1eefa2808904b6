/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the walks over tasks and descriptors note: how old is what is under way. */
#ifndef INFLIGHT_BPF_H
#define INFLIGHT_BPF_H

#include "maps.bpf.h"

#define WALK_MAX (1 << 18) /* of descriptors: about 30 ms */

/* A walk is bounded: what comes after that many is left out, and counted. */
static __always_inline bool walk_is_over(__u64 seq_num)
{
	if (seq_num < WALK_MAX)
		return false;
	lose(LOSS_WALK_LIMIT);
	return true;
}

/* Notes the age of something that is under way; only for walks. */
static __always_inline void inflight_note(__u32 slot, __u32 what, __u64 age)
{
	struct inflight_row *row = bpf_map_lookup_elem(&inflights, &slot);

	if ((__s64)age <= 0 || age < tunes.tune[PROBE_ID].inflight_ns)
		return;
	if (row && what < INFLIGHT_COUNT && age > row->age[what])
		row->age[what] = age;
}

#endif
