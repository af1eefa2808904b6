// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <string.h>
#include "base/util.h"
#include "metric/metrics.h"

static const char *const wait_causes[] = { "contention", "throttled" };
static const char *const call_classes[] = { "file",    "socket", "pipe", "memory",
					    "process", "sync",	 "wait", "other" };
static const char *const tcp_roles[] = { "server", "client" };

_Static_assert(COUNT(call_classes) == CALL_CLASSES, "one name for each class");

static const char *const dns_results[] = { NULL,      "NXDOMAIN", "SERVFAIL",
					   "REFUSED", "timeout",  "_OTHER" };
static const char *const block_directions[] = { "read", "write", "flush", "discard",
						"_OTHER" };
static const char *const inflight_names[] = {
	"syscall.file",	   "syscall.socket",
	"syscall.pipe",	   "syscall.memory",
	"syscall.process", "syscall.sync",
	"syscall.wait",	   "syscall.other",
	"sched.wait",	   "tcp.connect",
	"tcp.server",	   "tcp.client",
	"block",	   "dns",
	"memory.reclaim",
};
static const char *const periods[] = { "false", "true" };
static const char *const resources[] = { "cpu", "memory", "io" };

_Static_assert(COUNT(resources) == USAGE_RESOURCES, "one name for each resource");
_Static_assert(COUNT(dns_results) == DNS_RESULTS, "one name for each result");
_Static_assert(COUNT(block_directions) == BLOCK_DIRECTIONS, "one for each direction");
_Static_assert(COUNT(inflight_names) == INFLIGHT_COUNT, "one for each operation");

/* Errnos that the kernel keeps to itself: include/linux/errno.h. Some get out. */
#define KERNEL_ERRNO_FIRST 512
static const char *const kernel_errnos[] = {
	"ERESTARTSYS",
	"ERESTARTNOINTR",
	"ERESTARTNOHAND",
	"ENOIOCTLCMD",
	"ERESTART_RESTARTBLOCK",
	"EPROBE_DEFER",
	"EOPENSTALE",
	"ENOPARAM",
	NULL,
	"EBADHANDLE",
	"ENOTSYNC",
	"EBADCOOKIE",
	"ENOTSUPP",
	"ETOOSMALL",
	"ESERVERFAULT",
	"EBADTYPE",
	"EJUKEBOX",
	"EIOCBQUEUED",
	"ERECALLCONFLICT",
	"ENOGRACE",
};

/* "ECONNREFUSED"; all numbers without a name are _OTHER, which points_merge() adds up.
 */
static const char *name_errno(uint32_t err, char *buf, size_t len)
{
	const char *name = strerrorname_np(err);

	if (!name && err >= KERNEL_ERRNO_FIRST &&
	    err - KERNEL_ERRNO_FIRST < COUNT(kernel_errnos))
		name = kernel_errnos[err - KERNEL_ERRNO_FIRST];
	return name ? name : "_OTHER";
}

/* A disk, whose name was taken down when its cells were read. */
static const char *name_device(uint32_t attr, char *name, size_t len)
{
	return name;
}

static const char *name_connect_error(uint32_t err, char *buf, size_t len)
{
	return err == CONNECT_ABORTED ? "aborted" : name_errno(err, buf, len);
}

#define USAGE_BLIND                                                               \
	"A cgroup that the export finds gone already: what it had since the one " \
	"before. Cgroups below one count there too, so do not add a cgroup to "   \
	"those that hold it."
#define VALUES(names) .values = (names), .value_count = COUNT(names)

/* The master copy of what we export of workloads. */
const struct metric_row metric_rows[] = {
	{
	    .metric = { "assay.sched.wait.duration", "s",
			"Time that tasks were ready to run and waited for a CPU.",
			METRIC_HISTOGRAM, .attrs = { "assay.sched.wait.cause" } },
	    .source = FROM_HIST,
	    .signal = SIGNAL_SCHED_WAIT,
	    VALUES(wait_causes),
	    .signal_name = "saturation",
	    .source_text =
		"sched_switch; task_struct.sched_info.run_delay and last_queued, the "
		"run queue's clock. `throttled`: the part of a wait in which the "
		"task's cgroup, or one above it, was out of CPU quota. Before Linux "
		"6.12 the sum equals run_delay of /proc/PID/schedstat. Since then it "
		"does not: a task that goes to sleep may stay on its queue for a "
		"while (delayed dequeue), and when it is moved to another CPU "
		"meanwhile, the kernel takes its sleep for a wait, up to when it "
		"runs again.",
	    .blind_text =
		"A wait that is not over is not in it. Waits behind such a sleep are "
		"left out, as nothing tells when they began: they are counted as "
		"`delayed_dequeue` in `assay.lost`. Who is preempted on the way to "
		"sleep waits without a time stamp of the kernel's, so 0 s.",
	},
	{
	    .metric = { "assay.sched.context_switches", "{context_switch}",
			"Times that tasks were switched out.", METRIC_SUM,
			.attrs = { "process.context_switch.type" } },
	    .source = FROM_LANE,
	    .signal = SIGNAL_SCHED_COUNT,
	    .lanes = { { SCHED_VOLUNTARY, "voluntary" },
		       { SCHED_INVOLUNTARY, "involuntary" } },
	    .lane_count = 2,
	    .signal_name = "traffic",
	    .source_text = "sched_switch: preempt and prev_state, as the kernel counts "
			   "nvcsw and nivcsw.",
	    .blind_text = "None known.",
	},
	{
	    .metric = { "assay.sched.migrations", "{migration}",
			"Moves of tasks to another CPU.", METRIC_SUM },
	    .source = FROM_LANE,
	    .signal = SIGNAL_SCHED_COUNT,
	    .lanes = { { SCHED_MIGRATIONS } },
	    .lane_count = 1,
	    .signal_name = "traffic",
	    .source_text = "Differences of task_struct.se.nr_migrations at "
			   "sched_switch.",
	    .blind_text = "Counted when the task runs next.",
	},
	{
	    .metric = { "assay.sched.wait.culprit.time",
			"s",
			"Time that tasks waited for a CPU, by who had it meanwhile: the "
			"culprit's cgroup path, `idle`, `kernel`, `unknown`.",
			METRIC_SUM,
			true,
			{ "assay.sched.culprit" } },
	    .source = FROM_CULPRITS,
	    .signal_name = "saturation",
	    .source_text =
		"A grid of 2^20 ns for each CPU of who ran; one point of it, "
		"chosen evenly, for each wait. The sum over the culprits is "
		"the sum of the waits of cause `contention`.",
	    .blind_text = "Right on average, not for one wait: 2 to 4 % of the time is "
			  "put on the wrong workload. At most 15 culprits have a "
			  "place at a time and 32 a name, the rest is `_OTHER`: at "
			  "each export those who hardly count lose their place to "
			  "those who do, so a new one that matters has a name one "
			  "export later. A culprit whose cgroup is gone is told until "
			  "that has arrived, then no more: its time is in no sum from "
			  "then on.",
	    .open_text = "a cgroup path, `idle`, `kernel`, `unknown`, `overflow`, "
			 "`_OTHER`",
	},
	{
	    .metric = { "assay.syscall.duration", "s",
			"Duration of system calls; a call that a signal interrupted and "
			"the kernel restarted is one.",
			METRIC_HISTOGRAM, .attrs = { "assay.syscall.class" } },
	    .source = FROM_HIST,
	    .signal = SIGNAL_SYSCALL,
	    VALUES(call_classes),
	    .signal_name = "latency",
	    .source_text = "sys_enter, sys_exit; calls on descriptors are classed by "
			   "what the descriptor is.",
	    .blind_text =
		"Work done by io_uring; a call that never returns, or that seccomp "
		"answered (if that was an error, it is in assay.syscall.errors); x32 "
		"calls are `other`.",
	},
	{
	    .metric = { "assay.syscall.errors", "{error}",
			"System calls that failed (EAGAIN, EINTR, EINPROGRESS and restarts are no "
			"errors).",
			METRIC_SUM, .attrs = { "assay.syscall.class", "error.type" } },
	    .source = FROM_OPEN,
	    .signal = OPEN_SYSCALL_ERROR,
	    VALUES(call_classes),
	    .open_name = name_errno,
	    .open_text = "an errno name, `_OTHER`",
	    .signal_name = "errors",
	    .source_text = "sys_exit's result; calls that seccomp denies are in it.",
	    .blind_text = "At most 16 errnos per workload and class; the rest is "
			  "`_OTHER`.",
	},
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
	    .metric = { "assay.dns.lookup.duration", "s",
			"From the query to its answer, over UDP port 53.",
			METRIC_HISTOGRAM, .attrs = { "error.type" } },
	    .source = FROM_HIST,
	    .signal = SIGNAL_DNS_LOOKUP,
	    VALUES(dns_results),
	    .signal_name = "latency, errors",
	    .source_text =
		"net_dev_queue and netif_receive_skb. A lookup is what one socket asks "
		"under one id: of several servers, or of one again; the first answer "
		"to the question ends it. error.type is absent when its response code "
		"is NOERROR.",
	    .blind_text =
		"DNS over TCP, TLS or HTTPS, and other ports than 53, but where NAT in "
		"the application's namespace makes one of 53: that is counted, for a "
		"socket that is not connected if the kernel's connection tracking was "
		"loaded before the agent. A truncated answer counts as what it says. "
		"An answer counts where the node sees it first: what the node then "
		"drops on the way to a container was an answer. One that reaches a "
		"container only by another port than the one asked from is missed "
		"(ipvlan L3S behind NAT that changes ports). A query without an answer "
		"in 5 s counts as `timeout` at most 5 s later, with its age then; so "
		"does one whose answer does not repeat the question or is not in the "
		"packet's linear part (`assay.lost`: unreadable). A workload whose "
		"waiting queries fill a quarter of the places that are free has no "
		"more of them counted (share_full).",
	},
	{
	    .metric = { "assay.dns.lookup.retries", "{query}",
			"Queries that were sent again before an answer came.",
			METRIC_SUM },
	    .source = FROM_LANE,
	    .signal = SIGNAL_DNS_COUNT,
	    .lanes = { { DNS_RESENT } },
	    .lane_count = 1,
	    .signal_name = "errors",
	    .source_text = "net_dev_queue: a query that waits already, to the server "
			   "that was asked first.",
	    .blind_text = "A resolver that uses another port or id for its next "
			  "try, or sends it by another device, or to another server.",
	},
	{
	    .metric = { "assay.block.operation.duration", "s",
			"Block requests, from their beginning to their completion: in "
			"the queue and in the device.",
			METRIC_HISTOGRAM,
			.attrs = { "disk.io.direction", "system.device" } },
	    .source = FROM_OPEN,
	    .signal = OPEN_BLOCK_OPERATION,
	    VALUES(block_directions),
	    .open_name = name_device,
	    .open_text = "a device's name",
	    .signal_name = "latency, traffic (its count)",
	    .source_text =
		"block_rq_complete: request.start_time_ns, where RQF_IO_STAT "
		"says that it is valid; where it does not (queue/iostats is 0), the "
		"request is lost as no_stamp. The workload is the cgroup of its "
		"first bio, or the nearest above that has the io controller.",
	    .blind_text =
		"Devices without requests (zram, dm, md): the disks under "
		"them have them. Time that a bio waits before it is a request "
		"(io.max, dm-delay). Where blkio is a v1 hierarchy (see assay doctor), "
		"all requests are the root cgroup's; flushes always are. A request of "
		"a loop device counts there and at the disk below. A device that comes "
		"back under its name goes on in that one's series; after 512 names, "
		"and for a workload after 16, further ones are `_OTHER`.",
	},
	{
	    .metric = { "assay.block.device.duration", "s",
			"Block requests in the device alone.", METRIC_HISTOGRAM,
			.attrs = { "disk.io.direction", "system.device" } },
	    .source = FROM_OPEN,
	    .signal = OPEN_BLOCK_DEVICE,
	    VALUES(block_directions),
	    .open_name = name_device,
	    .open_text = "a device's name",
	    .signal_name = "latency",
	    .source_text =
		"block_rq_complete: request.io_start_time_ns, where RQF_STATS "
		"says that it is valid.",
	    .blind_text = "Devices whose kernel or scheduler does not stamp the issue. "
			  "Whose it is: as for assay.block.operation.duration.",
	},
	{
	    .metric = { "assay.block.errors", "{error}", "Block requests that failed.",
			METRIC_SUM, .attrs = { "error.type" } },
	    .source = FROM_OPEN,
	    .signal = OPEN_BLOCK_ERROR,
	    .value_count = 1,
	    .open_name = name_errno,
	    .open_text = "an errno name, `_OTHER`",
	    .signal_name = "errors",
	    .source_text =
		"block_rq_complete: its status, as the errno that the kernel "
		"makes of it.",
	    .blind_text = "Whose it is: as for assay.block.operation.duration.",
	},
	{
	    .metric = { "assay.memory.reclaim.duration", "s",
			"Time in which tasks had to free memory before they got some.",
			METRIC_HISTOGRAM },
	    .source = FROM_HIST,
	    .signal = SIGNAL_RECLAIM,
	    .value_count = 1,
	    .signal_name = "saturation",
	    .source_text =
		"mm_vmscan_memcg_reclaim and mm_vmscan_direct_reclaim, begin "
		"and end.",
	    .blind_text =
		"Waits for what was reclaimed to be read again: those are in "
		"assay.pressure.*. Reclaim that was asked for (memory.reclaim, a "
		"lower memory.max) is that of whoever asked.",
	},
	{
	    .metric = { "assay.memory.oom_kills", "{kill}",
			"Processes of the workload that the kernel killed for lack of "
			"memory.",
			METRIC_SUM },
	    .source = FROM_LANE,
	    .signal = SIGNAL_MEMORY_COUNT,
	    .lanes = { { MEMORY_OOM_KILLS } },
	    .lane_count = 1,
	    .signal_name = "errors",
	    .source_text = "mark_victim, by the victim's cgroup.",
	    .blind_text =
		"A kernel whose mark_victim tells only a process id: a victim "
		"that did not run out of memory itself is `unknown`'s.",
	},
	{
	    .metric = { "assay.inflight.age",
			"s",
			"Age of the oldest operation that has not finished.",
			METRIC_GAUGE,
			true,
			{ "assay.operation" } },
	    .source = FROM_INFLIGHT,
	    VALUES(inflight_names),
	    .signal_name = "all",
	    .source_text =
		"A walk over tasks, sockets and block requests at every export. Of "
		"tasks that wait for a CPU, those that can run.",
	    .blind_text =
		"What is younger than 10 ms is 0, once there was something older, "
		"and absent before. An operation that began before "
		"the agent is as old as the agent at least. A request over TCP is "
		"as old as its sender's latest bytes (of a server's request in "
		"several segments: the latest but one). Descriptors after the "
		"first 262144 are left out (`walk_limit`). Nothing is "
		"told while a file that a walk shows takes longer than a second "
		"to close (`walk_interrupted`).",
	},
	{
	    .metric = { "assay.cgroup.cpu.time", "s",
			"CPU time of the cgroup and those below it.", METRIC_SUM,
			true },
	    .source = FROM_USAGE,
	    .signal = USAGE_CPU_TIME,
	    .value_count = 1,
	    .signal_name = "traffic",
	    .source_text = "cpu.stat: usage_usec. A cgroup that is older than the "
			   "agent counts from the agent's start, any other from its "
			   "own.",
	    .blind_text = USAGE_BLIND,
	},
	{
	    .metric = { "assay.cgroup.cpu.throttled.time", "s",
			"Time in which the cgroup was out of CPU quota, added up over "
			"CPUs.",
			METRIC_SUM, true },
	    .source = FROM_USAGE,
	    .signal = USAGE_THROTTLED_TIME,
	    .value_count = 1,
	    .signal_name = "saturation",
	    .source_text = "cpu.stat: throttled_usec; needs the controller cpu.",
	    .blind_text = "Quotas of cgroups above it: those are theirs. What threads "
			  "waited for lack of quota is in assay.sched.wait.duration.",
	},
	{
	    .metric = { "assay.cgroup.cpu.periods", "{period}",
			"Periods of the CPU quota, by whether it ran out.", METRIC_SUM,
			.attrs = { "assay.throttled" } },
	    .source = FROM_USAGE,
	    .signal = USAGE_PERIODS_FREE,
	    VALUES(periods),
	    .signal_name = "saturation",
	    .source_text = "cpu.stat: nr_throttled, and nr_periods less that; needs "
			   "the controller cpu.",
	    .blind_text = "The kernel counts periods only while there is a quota and "
			  "somebody to run.",
	},
	{
	    .metric = { "assay.cgroup.memory.usage", "By",
			"Memory charged to the cgroup and those below it.",
			METRIC_UPDOWN },
	    .source = FROM_USAGE,
	    .signal = USAGE_MEMORY,
	    .value_count = 1,
	    .signal_name = "saturation",
	    .source_text = "memory.current; needs the controller memory.",
	    .blind_text = "Page cache is in it.",
	},
	{
	    .metric = { "assay.cgroup.memory.limit", "By",
			"Memory that the cgroup may use; absent when there is no limit "
			"of its own.",
			METRIC_UPDOWN },
	    .source = FROM_USAGE,
	    .signal = USAGE_MEMORY_LIMIT,
	    .value_count = 1,
	    .signal_name = "saturation",
	    .source_text = "memory.max; needs the controller memory.",
	    .blind_text = "Limits of cgroups above it; memory.high.",
	},
	{
	    .metric = { "assay.cgroup.memory.major_faults", "{fault}",
			"Page faults that had to read from a disk.", METRIC_SUM },
	    .source = FROM_USAGE,
	    .signal = USAGE_MAJOR_FAULTS,
	    .value_count = 1,
	    .signal_name = "saturation",
	    .source_text = "memory.stat: pgmajfault; needs the controller memory.",
	    .blind_text = USAGE_BLIND,
	},
	{
	    .metric = { "assay.pressure.some.time", "s",
			"Time in which at least one task was stalled for lack of a "
			"resource.",
			METRIC_SUM, true, .attrs = { "assay.resource" } },
	    .source = FROM_USAGE,
	    .signal = USAGE_SOME,
	    VALUES(resources),
	    .signal_name = "saturation",
	    .source_text = "cpu.pressure, memory.pressure, io.pressure: total of the "
			   "line some.",
	    .blind_text = "Kernels with PSI off. The time of assay.pressure.full.time "
			  "is in it: do not add the two.",
	},
	{
	    .metric = { "assay.pressure.full.time", "s",
			"Time in which all tasks that were not idle were stalled for "
			"lack of a resource.",
			METRIC_SUM, true, .attrs = { "assay.resource" } },
	    .source = FROM_USAGE,
	    .signal = USAGE_FULL,
	    VALUES(resources),
	    .signal_name = "saturation",
	    .source_text = "The same files: total of the line full.",
	    .blind_text = "Kernels with PSI off.",
	},
};

const size_t metric_row_count = COUNT(metric_rows);
