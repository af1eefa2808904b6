// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Names of new cgroups, so that one that is gone before the agent looks has a name; and
 * whether they are delegated (delegates.h), before they claim a slot. Ids of those that
 * are removed, so that the agent need not look for each.
 *
 * Hooks: cgroup_mkdir, cgroup_rmdir, rare. What they tell goes into mapped rings of the
 * latest; what was there before, and what a ring lost, is found by walking the tree.
 * (cgroup_rename is of v1 only: v2 refuses to rename a cgroup.)
 */
#define PROBE_ID PROBE_CGROUP
#include "cell.bpf.h"

SHARED_ARRAY(cgroup_ring, struct cgroup_names);

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} cgroup_wakes SEC(".maps");

static __u64 woken_ns;

static __always_inline __u32 owner_of(struct cgroup *cgrp)
{
	struct kernfs_iattrs *attributes = cgrp->kn->iattr;

	return attributes ? attributes->ia_uid.val : 0;
}

/* Notes which share of the slots a new cgroup belongs to. */
static __always_inline void note_delegate(struct cgroup *cgrp, struct cgroup *parent)
{
	struct delegates *d;
	__u32 zero = 0;

	d = bpf_map_lookup_elem(&delegates, &zero);
	if (d)
		delegates_note(d, cgrp->kn->id, owner_of(cgrp), parent->kn->id,
			       owner_of(parent));
}

/* The agent's loop goes on at once, to read what this event says. */
static __always_inline void wake(__u64 id)
{
	__u64 now = bpf_ktime_get_ns();

	if (now - woken_ns < WAKE_GAP_NS)
		return;
	woken_ns = now;
	bpf_ringbuf_output(&cgroup_wakes, &id, sizeof(id), 0);
}

/*
 * Its path if that is short, else its own name, of which the kernel allows 255 bytes:
 * with the parent's id that is as good, and no path is too long. (The kernel cuts the
 * path that it hands over at 1023 bytes.)
 */
static __always_inline long read_name(struct cgroup_name *n, const struct cgroup *cgrp,
				      const void *path)
{
	long len = bpf_probe_read_kernel_str(n->path, sizeof(n->path), path);

	if (len < (long)sizeof(n->path))
		return len;
	return bpf_probe_read_kernel_str(n->path, sizeof(n->path), cgrp->kn->name);
}

/* Arguments: cgroup, path in its own hierarchy (kernel/cgroup/cgroup.c). */
static __always_inline int on_mkdir(unsigned long long *ctx)
{
	struct cgroup *cgrp = (void *)ctx[0], *parent;
	struct cgroup_names *names;
	struct cgroup_name *n;
	__u32 zero = 0;
	__u64 at;
	long own;

	if (cgrp->root->hierarchy_id != 0)
		return 0;		    /* a v1 hierarchy of a hybrid host */
	parent = cgrp->self.parent->cgroup; /* only the root has none */
	note_delegate(cgrp, parent);
	names = bpf_map_lookup_elem(&cgroup_ring, &zero);
	if (!names)
		return 0;
	at = __sync_fetch_and_add(&names->head, 1) & (NAME_RING - 1);
	n = &names->ring[at];
	__sync_fetch_and_add(&n->seq, 1);
	n->id = cgrp->kn->id;
	n->parent = parent->kn->id;
	own = bpf_probe_read_kernel_str(n->path, sizeof(n->path), cgrp->kn->name);
	if (read_name(n, cgrp, (void *)ctx[1]) < 0) {
		n->path[0] = '\0';
		lose(LOSS_UNREADABLE);
	}
	__sync_fetch_and_add(&n->seq, 1);
	if (own > WAKE_NAME) /* with the 0 behind it */
		wake(n->id);
	return 0;
}

SEC("tp_btf/cgroup_mkdir")
int cgroup_mkdir(unsigned long long *ctx)
{
	return RUN(cgroup_mkdir, on_mkdir(ctx));
}

/* Arguments as of cgroup_mkdir. */
static __always_inline int on_rmdir(unsigned long long *ctx)
{
	struct cgroup *cgrp = (void *)ctx[0];
	struct cgroup_names *names;
	__u32 zero = 0;

	if (cgrp->root->hierarchy_id != 0)
		return 0;
	names = bpf_map_lookup_elem(&cgroup_ring, &zero);
	if (!names)
		return 0;
	names->gone[names->gone_head & (GONE_RING - 1)] = cgrp->kn->id;
	__sync_fetch_and_add(&names->gone_head, 1); /* after the id */
	return 0;
}

SEC("tp_btf/cgroup_rmdir")
int cgroup_rmdir(unsigned long long *ctx)
{
	return RUN(cgroup_rmdir, on_rmdir(ctx));
}
