/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * What the syscall probe sees for the TCP probe: connections that are accepted. Only
 * there are the task and the connection known together. Only for syscall.bpf.c.
 */
#ifndef SYSCALL_ACCEPT_BPF_H
#define SYSCALL_ACCEPT_BPF_H

#include "accepts.bpf.h"
#include "call_class.bpf.h"
#include "cell.bpf.h"

#define ST_CLOSE 7 /* include/net/tcp_states.h */

/* The TCP socket of a descriptor, or below its MPTCP socket; NULL for anything else. */
static __always_inline struct sock *fd_tcp(struct task_struct *task, __u32 fd)
{
	struct file *file = fd_file(task, fd);
	struct socket *socket;
	struct sock *sk;
	__u16 protocol;

	if (!file || (file_mode(file) & S_IFMT) != S_IFSOCK)
		return 0;
	socket = BPF_CORE_READ(file, private_data);
	sk = BPF_CORE_READ(socket, sk);
	if (!sk || BPF_CORE_READ(sk, sk_type) != STREAM)
		return 0;
	protocol = BPF_CORE_READ(sk, sk_protocol);
	if (protocol == PROTO_MPTCP)
		return mptcp_first(sk);
	return protocol == PROTO_TCP ? sk : 0;
}

/*
 * Tells the TCP probe who has accepted this connection, unless that is the cgroup of
 * its listener, which the socket is marked with. One that is closed already has been
 * counted.
 */
static __always_inline void hand_over(struct sock *sk, __u64 owner, __u64 now)
{
	struct accepted a = { .owner = owner, .time = now };
	__u64 key = (__u64)sk;

	if (BPF_CORE_READ(sk, sk_cgrp_data.cgroup, kn, id) == owner ||
	    BPF_CORE_READ(sk, __sk_common.skc_state) == ST_CLOSE)
		return;
	if (bpf_map_update_elem(&accepts, &key, &a, BPF_ANY))
		lose(LOSS_STATE_FULL);
}

/*
 * accept has returned fd. The connection's stamp is of when it was established, until
 * the application reads.
 */
static __noinline int accept_end(struct task_struct *task, __u32 fd, __u64 now)
{
	struct cpu_state *cpu = cpu_get();
	struct tcp_sock *tp;
	struct sock *sk;
	__u64 stamp;
	__u32 slot;

	if (!cpu || !tunes.tune[PROBE_TCP].enabled)
		return 0;
	sk = fd_tcp(task, fd);
	if (!sk)
		return 0;
	tp = (void *)sk;
	slot = slot_of_task(cpu, task);
	count_add(slot, SERIES_HOT(cpu, TCP_COUNT, 0), TCP_ACCEPTED, 1);
	hand_over(sk, task_cgroup_id(task), now);
	stamp = BPF_CORE_READ(tp, rcvq_space.time) * 1000;
	if (!stamp)
		lose(LOSS_NO_STAMP);
	else if ((__s64)(now - stamp) < 0)
		lose(LOSS_CLOCK_BACKWARDS);
	else
		hist_add(slot, SERIES_TCP_ACCEPT, now - stamp);
	return 0;
}

#endif
