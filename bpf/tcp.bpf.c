// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * TCP connections: how long they take to set up and to answer, what they carry.
 *
 * Hooks, in the order in which the agent has to attach and run them: the change of
 * state (rare) notes new connections and their end; two walks over all descriptors
 * find what is there already, listeners first, because they tell the role of the rest
 * (a third runs at every export, see tcp_walk.bpf.h); then the two resets, and
 * tcp_probe (each arriving segment of an established connection) and net_dev_queue
 * (each departing packet: 100 to 190 ns net when a turn begins or ends, a few for a
 * pure ACK or another protocol).
 *
 * A turn goes from the first new byte in one direction to the first new byte in the
 * other: on a server request to response, on a client the same from its side. What is
 * new the kernel's own counters tell, so retransmissions and the second sight of a
 * packet (veth and bridge, a tunnel and what is below it) do not count. See
 * tcp_turn.bpf.h.
 *
 * Only the kernel's own counters are subtracted, so that a missed event loses time
 * stamps but no bytes.
 */
#define PROBE_ID PROBE_TCP
#include "tcp_state.bpf.h"
#include "tcp_walk.bpf.h"
#include "tcp_packet.bpf.h"
#include "tcp_forget.bpf.h"

SEC("tp_btf/inet_sock_set_state")
int tcp_state(unsigned long long *ctx)
{
	return RUN(tcp_state, on_state(ctx));
}

SEC("tp_btf/tcp_destroy_sock")
int tcp_gone(unsigned long long *ctx)
{
	if (!enabled_now())
		return on_gone(ctx);
	return RUN(tcp_gone, on_gone(ctx));
}

SEC("iter/task_file")
int tcp_listeners_iter(struct bpf_iter__task_file *ctx)
{
	return on_listener(ctx);
}

SEC("iter/task_file")
int tcp_conns_iter(struct bpf_iter__task_file *ctx)
{
	return on_conn(ctx);
}

SEC("iter/task_file")
int tcp_sockets_walk(struct bpf_iter__task_file *ctx)
{
	return enabled_now() ? on_walk(ctx) : 0;
}

/* sk is NULL where no socket has the port (older kernels do not tell us then). */
SEC("tp_btf/tcp_send_reset")
int tcp_reset_sent(unsigned long long *ctx)
{
	return RUN(tcp_reset_sent, count_reset((void *)ctx[0], TCP_RESETS_TX));
}

SEC("tp_btf/tcp_receive_reset")
int tcp_reset_received(unsigned long long *ctx)
{
	return RUN(tcp_reset_received, count_reset((void *)ctx[0], TCP_RESETS_RX));
}

/* Each segment that arrives for an ESTABLISHED socket, before it is looked at. */
SEC("tp_btf/tcp_probe")
int tcp_segment_in(unsigned long long *ctx)
{
	return RUN_IF(window_now(), tcp_segment_in, on_segment(ctx));
}

SEC("tp_btf/net_dev_queue")
int tcp_packet_out(unsigned long long *ctx)
{
	return RUN_IF(window_now() || dns_on(), tcp_packet_out, on_packet(ctx));
}

/* On no hook: the agent runs it, before and after all that hangs on one is detached. */
SEC("syscall")
int tcp_forget(void *ctx)
{
	return forget_all();
}
