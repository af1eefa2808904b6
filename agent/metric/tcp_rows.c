// SPDX-License-Identifier: Apache-2.0
/* TCP connections. */
#include "base/util.h"
#include "metric/errno_name.h"
#include "metric/metrics.h"
#include "metric/peer_name.h"

static const char *const tcp_roles[] = { "server", "client" };

static const char *name_connect_error(uint32_t err, char *buf, size_t len)
{
	return err == CONNECT_ABORTED ? "aborted" : errno_name(err, buf, len);
}

static const char *const peer_events[] = {
	[PEER_RETRANSMITS] = "retransmit", [PEER_REFUSED] = "refused",
	[PEER_TIMED_OUT] = "timed_out",	   [PEER_FAILED] = "failed",
	[PEER_UNANSWERED] = "unanswered",  [PEER_SLOW] = "slow",
	[PEER_SLOWER] = "slower",	   [PEER_FAR] = "far",
	[PEER_WAITED] = "waited",	   [PEER_CONNECTING] = "connecting",
};

_Static_assert(COUNT(peer_events) == PEER_LANES, "one name for each lane");

static const struct metric_row rows[] = {
	{
	    .metric = { "assay.tcp.response.duration", "s",
			"Server: from the first byte of a request to the first byte of "
			"the answer. Client: the reverse.",
			METRIC_HISTOGRAM, .attrs = { "assay.tcp.role" } },
	    .source = FROM_HIST,
	    .signal = SIGNAL_TCP_RESPONSE,
	    VALUES(tcp_roles),
	    .signal_name = "latency, traffic (its count)",
	    .source_text =
		"tcp_probe: payload beyond rcv_nxt; net_dev_queue: bytes_sent "
		"less bytes_retrans has grown.",
	    .blind_text =
		"Pipelining, multiplexing and ends that talk at will (WebSocket) give "
		"the length of a turn; a TLS 1.3 connection has two turns of its own "
		"(hello; finished and tickets); a client that half-closed; kTLS "
		"offload; sockmap.",
	},
	{
	    .metric = { "assay.tcp.response.errors", "{error}",
			"Requests that got no answer before the connection ended.",
			METRIC_SUM, .attrs = { "assay.tcp.role", "error.type" } },
	    .source = FROM_LANE,
	    .signal = SIGNAL_TCP_CONN,
	    VALUES(tcp_roles),
	    .lanes = { { CONN_UNANSWERED_RESET, "reset" },
		       { CONN_UNANSWERED_CLOSE, "closed" } },
	    .lane_count = 2,
	    .signal_name = "errors",
	    .source_text = "A turn that is open when the socket is reset or closed.",
	    .blind_text =
		"A one-way protocol counts one for a connection that closes "
		"within a second of its first bytes. What is left of a request "
		"whose answer came early is none when it is 4 KiB or more.",
	},
	{
	    .metric = { "assay.tcp.connect.duration", "s",
			"Duration of successful connects, SYN_SENT to ESTABLISHED.",
			METRIC_HISTOGRAM },
	    .source = FROM_HIST,
	    .signal = SIGNAL_TCP_CONNECT,
	    .value_count = 1,
	    .signal_name = "latency",
	    .source_text = "inet_sock_set_state; the owner is noted at SYN_SENT.",
	    .blind_text = "TCP Fast Open shows the time to the SYN-ACK.",
	},
	{
	    .metric = { "assay.tcp.connect.errors", "{error}",
			"Connects that failed, by errno; `aborted`: the application gave "
			"up.",
			METRIC_SUM, .attrs = { "error.type" } },
	    .source = FROM_OPEN,
	    .signal = OPEN_CONNECT_ERROR,
	    .value_count = 1,
	    .open_name = name_connect_error,
	    .open_text = "an errno name, `_OTHER`, `aborted`",
	    .signal_name = "errors",
	    .source_text = "sk_err at SYN_SENT to CLOSE.",
	    .blind_text =
		"Failures before a SYN is sent (ENETUNREACH, EPERM): see the "
		"errors of the system call. Do not add the two. An application "
		"that gives up on an ICMP error while the kernel still tries is "
		"`aborted`.",
	},
	{
	    .metric = { "assay.tcp.rtt", "s",
			"Smoothed round-trip time, at most one sample a second and "
			"connection, and one at its end.",
			METRIC_HISTOGRAM },
	    .source = FROM_HIST,
	    .signal = SIGNAL_TCP_RTT,
	    .value_count = 1,
	    .signal_name = "latency",
	    .source_text = "tcp_sock.srtt_us.",
	    .blind_text = "Connections without a sample of their own.",
	},
	{
	    .metric = { "assay.tcp.io", "By", "Payload bytes received and sent.",
			METRIC_SUM, .attrs = { "network.io.direction" } },
	    .source = FROM_LANE,
	    .signal = SIGNAL_TCP_COUNT,
	    .lanes = { { TCP_RX_BYTES, "receive" }, { TCP_TX_BYTES, "transmit" } },
	    .lane_count = 2,
	    .signal_name = "traffic",
	    .source_text = "Differences of tcp_sock.bytes_received and bytes_sent less "
			   "bytes_retrans.",
	    .blind_text =
		"Where the agent does not see the descriptor (no hostPID), up "
		"to a second late, and at the end when it is half-closed.",
	},
	{
	    .metric = { "assay.tcp.connections", "{connection}",
			"Connections that became established.", METRIC_SUM,
			.attrs = { "assay.tcp.role" } },
	    .detail = true,
	    .source = FROM_LANE,
	    .signal = SIGNAL_TCP_CONN,
	    VALUES(tcp_roles),
	    .lanes = { { CONN_OPENED } },
	    .lane_count = 1,
	    .signal_name = "traffic",
	    .source_text = "inet_sock_set_state: from SYN_SENT is a client, from "
			   "anything else a server.",
	    .blind_text =
		"Counts for the cgroup that made the listener, when another "
		"accepts: assay.tcp.accepts has those. Of MPTCP each path is a "
		"connection.",
	},
	{
	    .metric = { "assay.tcp.connection.count", "{connection}",
			"Connections that are open now.", METRIC_UPDOWN,
			.attrs = { "assay.tcp.role" } },
	    .source = FROM_OPEN_CONNECTIONS,
	    .signal = SIGNAL_TCP_CONN,
	    VALUES(tcp_roles),
	    .signal_name = "traffic",
	    .source_text = "Opened, and there before the agent, less closed.",
	    .blind_text =
		"A connection in an accept queue when the agent starts counts "
		"from its first packet.",
	},
	{
	    .metric = { "assay.tcp.retransmits", "{segment}",
			"Segments that were sent again.", METRIC_SUM },
	    .source = FROM_LANE,
	    .signal = SIGNAL_TCP_COUNT,
	    .lanes = { { TCP_RETRANSMITS } },
	    .lane_count = 1,
	    .signal_name = "errors",
	    .source_text = "Differences of tcp_sock.total_retrans.",
	    .blind_text = "SYN-ACKs that were sent again.",
	},
	{
	    .metric = { "assay.tcp.resets", "{reset}", "Resets received and sent.",
			METRIC_SUM, .attrs = { "network.io.direction" } },
	    .source = FROM_LANE,
	    .signal = SIGNAL_TCP_COUNT,
	    .lanes = { { TCP_RESETS_RX, "receive" }, { TCP_RESETS_TX, "transmit" } },
	    .lane_count = 2,
	    .signal_name = "errors",
	    .source_text =
		"tcp_receive_reset, tcp_send_reset. The kernel's answer for a "
		"closed port is the workload `kernel`'s.",
	    .blind_text = "None known.",
	},
	{
	    .metric = { "assay.tcp.connect.retransmits", "{segment}",
			"SYNs of connects that were sent again; they are in "
			"assay.tcp.retransmits too.",
			METRIC_SUM },
	    .source = FROM_LANE,
	    .signal = SIGNAL_TCP_COUNT,
	    .lanes = { { TCP_SYN_RETRANSMITS } },
	    .lane_count = 1,
	    .signal_name = "errors",
	    .source_text = "tcp_sock.total_retrans when the connect has ended.",
	    .blind_text = "Known when the connect has ended.",
	},
	{
	    .metric = { "assay.tcp.accept.wait.duration", "s",
			"Time that established connections waited to be accepted.",
			METRIC_HISTOGRAM },
	    .source = FROM_HIST,
	    .signal = SIGNAL_TCP_ACCEPT,
	    .value_count = 1,
	    .signal_name = "saturation",
	    .source_text = "tcp_sock.rcvq_space.time, read at the exit of accept.",
	    .blind_text = "accept by io_uring or by 32-bit socketcall: compare "
			  "assay.tcp.accepts with the server's assay.tcp.connections. "
			  "Needs the probe syscall.",
	},
	{
	    .metric = { "assay.tcp.accepts", "{connection}",
			"Connections that accept calls returned.", METRIC_SUM },
	    .detail = true,
	    .source = FROM_LANE,
	    .signal = SIGNAL_TCP_COUNT,
	    .lanes = { { TCP_ACCEPTED } },
	    .lane_count = 1,
	    .signal_name = "traffic",
	    .source_text = "The exit of accept and accept4.",
	    .blind_text = "accept by io_uring or by 32-bit socketcall. Needs the probe "
			  "syscall.",
	},
	{
	    .metric = { "assay.tcp.accept.overflows", "{overflow}",
			"Connections that were dropped because an accept queue was full.",
			METRIC_SUM },
	    .source = FROM_LANE,
	    .signal = SIGNAL_TCP_COUNT,
	    .lanes = { { TCP_ACCEPT_OVERFLOWS } },
	    .lane_count = 1,
	    .signal_name = "saturation",
	    .source_text = "Differences of the listener's sk_drops, read at every "
			   "export; nstat counts them as TcpExtListenDrops.",
	    .blind_text =
		"Other SYNs that a listener drops are in it. Of processes that "
		"hold one listener, the latest one's workload has all of it.",
	},
	{
	    .metric = { "assay.tcp.peer.events", "{event}",
			"What went wrong with whom: segments that were sent again to a "
			"peer, connects that failed, answers that were slow.",
			METRIC_SUM, .attrs = { "assay.peer.event", "assay.peer" } },
	    .local = true,
	    .source = FROM_OPEN,
	    .signal = OPEN_TCP_PEER,
	    VALUES(peer_events),
	    .open_name = peer_name,
	    .open_text = "its address and port (of a server's clients the address "
			 "alone), `_OTHER`",
	    .signal_name = "errors, latency",
	    .source_text =
		"The socket's peer at these events: `slow` is an answer that took 10 ms "
		"or more, `slower` 100 ms, `far` a sample of the round-trip time of 5 ms "
		"or more, `waited` a request without an answer for 5 s each time when "
		"the connections are looked at, `connecting` a connect for 1 s.",
	    .blind_text =
		"An eighth of the cgroups that there may be have entries (`assay.lost`: "
		"open_full), 15 peers each at a time (5 of them the clients "
		"of a server); who had no event for 11 s may lose it. What found no "
		"entry is `_OTHER`. Behind NAT of the node it is the address that the "
		"application asked. Where the probe runs in windows, `unanswered`, "
		"`slow`, `slower` and `far` are seen in windows only, and weighted as "
		"all that is (by the least duration that they have), without a "
		"standard error; the others are exact.",
	},
};

const struct metric_table tcp_rows = { rows, COUNT(rows), PROBE_TCP };
