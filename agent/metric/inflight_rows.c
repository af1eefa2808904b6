// SPDX-License-Identifier: Apache-2.0
/* What is under way, of all probes. */
#include "base/util.h"
#include "metric/metrics.h"

const char *const inflight_names[] = {
	"syscall.file",	   "syscall.socket",
	"syscall.pipe",	   "syscall.memory",
	"syscall.process", "syscall.sync",
	"syscall.wait",	   "syscall.other",
	"sched.wait",	   "tcp.connect",
	"tcp.server",	   "tcp.client",
	"block",	   "dns",
	"memory.reclaim",
};

_Static_assert(COUNT(inflight_names) == INFLIGHT_COUNT, "one for each operation");

/* Calls that wait for somebody are as old as anything may be. */
static const char *const basic_names[] = {
	"syscall.file",	   "syscall.socket",
	"syscall.pipe",	   "syscall.memory",
	"syscall.process", metric_left_out,
	metric_left_out,   "syscall.other",
	"sched.wait",	   "tcp.connect",
	"tcp.server",	   "tcp.client",
	"block",	   "dns",
	"memory.reclaim",
};

_Static_assert(COUNT(basic_names) == INFLIGHT_COUNT, "one for each operation");

static const struct metric_row rows[] = {
	{
	    .metric = { "assay.inflight.age",
			"s",
			"Age of the oldest operation that has not finished.",
			METRIC_GAUGE,
			true,
			{ "assay.operation" } },
	    .basic = basic_names,
	    .source = FROM_INFLIGHT,
	    VALUES(inflight_names),
	    .signal_name = "all",
	    .source_text =
		"A pass over tasks, sockets and block requests for every export. Of "
		"tasks that wait for a CPU, those that can run.",
	    .blind_text =
		"What is younger than 10 ms is 0, once there was something older, "
		"and absent before; what is not known has no value "
		"(`assay.inflight.reach`, in reports, says up to which age it is). A "
		"call that began before the agent, or while its probe was off, is as "
		"old as the sleep that it is in, by what the kernel keeps of a "
		"thread (when it got a CPU, and what it ran then), and a connect as "
		"its first SYN; of all other operations that began before nothing is "
		"told, or they are as old as their probe at least. A request over TCP is "
		"as old as its sender's latest bytes (of a server's request in "
		"several segments: the latest but one); who sends more after a pause of a "
		"second, and has never been sent anything there (syslog, statsd), waits "
		"for nothing. HTTP/2 that idles after the client's last word (the "
		"acknowledgement of SETTINGS, WINDOW_UPDATE) looks like a request without "
		"an answer. An age is that of the end of "
		"the pass that saw it. A pass over very many "
		"tasks or descriptors takes its time: what ends meanwhile may still "
		"be reported. One that has not ended after a second, as a file that it "
		"shows takes so long to close or the machine is too busy, is not "
		"waited for (`walk_interrupted`): until it has, "
		"ages are those of the pass before, so an "
		"operation that has ended is reported for 10 s at most; then nothing "
		"is. Over files (`tcp.*`) and all else there are passes of their "
		"own. While `syscall` runs in windows, or is off, calls are told by "
		"`sched`: those that sleep, since they fell asleep. Of requests over "
		"TCP and DNS lookups nothing is told while their probes run in "
		"windows.",
	},
};

const struct metric_table inflight_rows = { rows, COUNT(rows), PROBE_COUNT };
