/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Where the syscall probe leaves for the TCP probe who accepted a connection.
 */
#ifndef ACCEPTS_BPF_H
#define ACCEPTS_BPF_H

#include "kernel.bpf.h"
#include "cell.h"

#define STREAM	  1 /* include/linux/net.h */
#define PROTO_TCP 6 /* include/uapi/linux/in.h */

/* Connections that another cgroup than their listener's has accepted. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 1);
	__type(key, __u64); /* address of the socket */
	__type(value, struct accepted);
} accepts SEC(".maps");

#endif
