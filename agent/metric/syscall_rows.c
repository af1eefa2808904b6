// SPDX-License-Identifier: Apache-2.0
/* System calls. */
#include "base/util.h"
#include "metric/errno_name.h"
#include "metric/metrics.h"

static const char *const call_classes[] = { "file",    "socket", "pipe", "memory",
					    "process", "sync",	 "wait", "other" };

_Static_assert(COUNT(call_classes) == CALL_CLASSES, "one name for each class");

/* Who sleeps in a call until somebody else does something is not slow. */
static const char *const basic_classes[] = {
	"file",	  "socket",	   "_OTHER",	    "_OTHER",
	"_OTHER", metric_left_out, metric_left_out, "_OTHER",
};
static const char *const no_classes[CALL_CLASSES];

_Static_assert(COUNT(basic_classes) == CALL_CLASSES, "one name for each class");

static const struct metric_row rows[] = {
	{
	    .metric = { "assay.syscall.duration", "s",
			"Duration of system calls; a call that a signal interrupted and "
			"the kernel restarted is one.",
			METRIC_HISTOGRAM, .attrs = { "assay.syscall.class" } },
	    .basic = basic_classes,
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
	    .basic = no_classes,
	    .source = FROM_OPEN,
	    .signal = OPEN_SYSCALL_ERROR,
	    VALUES(call_classes),
	    .open_name = errno_name,
	    .open_text = "an errno name, `_OTHER`",
	    .signal_name = "errors",
	    .source_text = "sys_exit's result; calls that seccomp denies are in it.",
	    .blind_text = "At most 16 errnos per workload and class; the rest is "
			  "`_OTHER`.",
	},
};

const struct metric_table syscall_rows = { rows, COUNT(rows), PROBE_SYSCALL };
