// SPDX-License-Identifier: Apache-2.0
/* Waiting for a CPU, switches, migrations. */
#include "base/util.h"
#include "metric/metrics.h"

static const char *const wait_causes[] = { "contention", "throttled" };

static const char *const blocked_classes[] = { "file",	 "socket",  "pipe",
					       "memory", "process", "sync",
					       "wait",	 "other",   "fault" };

_Static_assert((int)SIGNAL_SCHED_THROTTLED == (int)SIGNAL_SCHED_WAIT + WAIT_THROTTLED,
	       "the values of one metric");
_Static_assert(COUNT(blocked_classes) == BLOCKED_CLASSES, "one name for each class");

/* Who sleeps until somebody else does something is not slow. */
static const char *const basic_blocked[BLOCKED_CLASSES] = {
	"file",		 metric_left_out, metric_left_out,
	metric_left_out, metric_left_out, metric_left_out,
	metric_left_out, metric_left_out, "fault",
};

_Static_assert(COUNT(basic_blocked) == COUNT(blocked_classes), "one for each class");

static const struct metric_row rows[] = {
	{
	    .metric = { "assay.sched.wait.duration", "s",
			"Time that tasks were ready to run and waited for a CPU.",
			METRIC_HISTOGRAM, .attrs = { "assay.sched.wait.cause" } },
	    .source = FROM_HIST,
	    .signal = SIGNAL_SCHED_WAIT, /* and SIGNAL_SCHED_THROTTLED behind it */
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
		"left out, as nothing says when they began: they are counted as "
		"`delayed_dequeue` in `assay.lost`. Who is preempted on the way to "
		"sleep waits without a time stamp of the kernel's, so 0 s.",
	},
	{
	    .metric = { "assay.blocked.duration", "s",
			"Time that tasks slept in system calls and page faults, less "
			"what they then waited for a CPU; one sample for each sleep.",
			METRIC_HISTOGRAM, .attrs = { "assay.syscall.class" } },
	    .basic = basic_blocked,
	    .source = FROM_HIST,
	    .signal = SIGNAL_BLOCKED,
	    VALUES(blocked_classes),
	    .signal_name = "saturation",
	    .source_text =
		"sched_switch; the registers with which the task entered the kernel "
		"(the call's number, its first argument), the run queue's clock, and "
		"the wait as in `assay.sched.wait.duration`. The classes are those of "
		"`assay.syscall.duration`, by the descriptor as it was when the sleep "
		"began; `fault`: in a page fault of the program's own code, or in what "
		"the kernel did on the way back from an interrupt. No system call has "
		"to be hooked for it.",
	    .blind_text =
		"A sleep that is not over is not in it: `assay.inflight.age` tells of "
		"calls. A call may sleep several times, or not at all. Left out are "
		"kernel threads and io_uring's workers, tasks that are stopped, traced "
		"or frozen, sleeps that began before the probe was on, and those whose "
		"wait behind them is not known (`delayed_dequeue`, `no_storage`, "
		"`table_full` in `assay.lost`). A page fault inside a call is of the "
		"call's class, and x32 calls are `other`.",
	},
	{
	    .metric = { "assay.sched.context_switches", "{context_switch}",
			"Times that tasks were switched out.", METRIC_SUM,
			.attrs = { "process.context_switch.type" } },
	    .detail = true,
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
	    .detail = true,
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
	    .blind_text =
		"Right on average, not for one wait: 2 to 4 % of the time is "
		"put on the wrong workload. At most 15 culprits have an "
		"entry at a time and 32 a name, the rest is `_OTHER`: at "
		"each export those who hardly count lose their entry to "
		"those who do, so a new one that matters has a name one "
		"export later. Exports name the five that had most of late "
		"(--export-culprits), and the rest is `_OTHER` there, too: one "
		"that becomes as great begins with what is new then, what it had "
		"before stays in `_OTHER`; one that it displaced ends as it "
		"would if its cgroup were gone, and what it has later is in "
		"`_OTHER`. A series that has ended is in no sum over those "
		"that are there; all that ever were have the truth.",
	    .open_text = "a cgroup path, `idle`, `kernel`, `unknown`, `overflow`, "
			 "`_OTHER`; in exports a group's name where `--group-by`, "
			 "`--include` or `--exclude` makes one",
	},
};

const struct metric_table sched_rows = { rows, COUNT(rows), PROBE_SCHED };
