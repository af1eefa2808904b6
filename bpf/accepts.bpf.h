/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the syscall probe leaves for the TCP probe who accepted a connection.
 */
#ifndef ACCEPTS_BPF_H
#define ACCEPTS_BPF_H

#include "kernel.bpf.h"
#include "cell.h"

#define STREAM 1 /* include/linux/net.h */
/* include/uapi/linux/in.h */
#define PROTO_TCP   6
#define PROTO_MPTCP 262

/* Connections that another cgroup than their listener's has accepted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* address of the socket */
	__type(value, struct accepted);
} accepts SEC(".maps");

/*
 * The TCP socket below an MPTCP socket: of a listener the one that segments meet, of a
 * connection the first of its paths. NULL where the kernel has no MPTCP.
 */
static __always_inline struct sock *mptcp_first(struct sock *sk)
{
	struct mptcp_sock *msk = (void *)sk;

	return bpf_core_type_exists(struct mptcp_sock) ? BPF_CORE_READ(msk, first) : 0;
}

#endif
