// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include "base/util.h"
#include "cmd/doctor_impl.h"
#include "kernel/call_filter.h"
#include "kernel/privileges.h"
#include "sink/client.h"

#define BPF_ONLY (1ULL << CAP_BPF)

/* Why the agent has kept them. */
static const char *reason_of(uint64_t caps)
{
	if (caps == BPF_ONLY)
		return "before Linux 5.19 each use of bpf(2) wants it, see "
		       "kernel.unprivileged_bpf_disabled";
	if (caps == 1ULL << CAP_DAC_READ_SEARCH)
		return "it is not root, and reads what only root may";
	return "--keep-privileges, or this kernel wants them";
}

static void say_capabilities(const char *status)
{
	uint64_t caps = privileges_of(status, "\nCapPrm:");
	char names[1024];

	privileges_names(caps, names, sizeof(names));
	if (!caps)
		doctor_say(OK, "privileges", "the agent has no capability any more");
	else
		doctor_say(
		    caps & ~BPF_ONLY & ~(1ULL << CAP_DAC_READ_SEARCH) ? WARN : OK,
		    "privileges", "the agent keeps %s: %s", names, reason_of(caps));
}

static void say_filter(const char *status)
{
	bool filtered = strstr(status, "\nSeccomp:\t2");

	if (filtered && strstr(status, "\nNoNewPrivs:\t1"))
		doctor_say(OK, "privileges",
			   "its system calls are filtered, no child gets more");
	else
		doctor_say(WARN, "privileges", "its system calls are not filtered: %s",
			   CALL_FILTER_SUITS ? "--keep-privileges, or its log says why"
					     : "built with a sanitizer");
}

int doctor_check_privileges(const struct options *o)
{
	char path[64], status[8192];
	pid_t pid;

	if (client_agent(o->socket, &pid))
		return 0; /* none runs there */
	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	if (!pid || read_file(path, status, sizeof(status)) < 0) {
		doctor_say(OK, "privileges",
			   "the agent's are not seen from this PID namespace");
		return 0;
	}
	say_capabilities(status);
	say_filter(status);
	return 0;
}
