// SPDX-License-Identifier: Apache-2.0
#include "base/util.h"
#include "verify/checks.h"

#define CALLS	   "assay.syscall.duration"
#define ERRORS	   "assay.syscall.errors"
#define BLOCKED	   "assay.blocked.duration"
#define WAIT	   "assay.sched.wait.duration"
#define CULPRIT	   "assay.sched.wait.culprit.time"
#define CONNECT	   "assay.tcp.connect.duration"
#define REFUSED	   "assay.tcp.connect.errors"
#define OPENED	   "assay.tcp.connections"
#define ACCEPTS	   "assay.tcp.accepts"
#define ACCEPT	   "assay.tcp.accept.wait.duration"
#define RESPONSE   "assay.tcp.response.duration"
#define UNANSWERED "assay.tcp.response.errors"
#define IO	   "assay.tcp.io"
#define LOOKUP	   "assay.dns.lookup.duration"
#define BLOCK	   "assay.block.operation.duration"
#define CLASS	   "assay.syscall.class"
#define TYPE	   "error.type"
#define ROLE	   "assay.tcp.role"
#define DIRECTION  "network.io.direction"
#define DISK	   "disk.io.direction"

#define CALLS_ROW(class, truth)                                                       \
	{                                                                             \
		ACTOR_CALLS, "syscall", "calls of class " class, CALLS, truth, CLASS, \
		    class                                                             \
	}
#define ERRORS_ROW(what, truth, key, value)                             \
	{                                                               \
		ACTOR_CALLS, "syscall", what, ERRORS, truth, key, value \
	}
#define SLEEPS_ROW(class, truth)                                                  \
	{                                                                         \
		ACTOR_SLEEPER, "sched", "sleeps of class " class, BLOCKED, truth, \
		    CLASS, class, .may_miss = true                                \
	}
#define TCP_ROW(end, what, metric, truth, key, value)               \
	{                                                           \
		ACTOR_##end, "tcp", what, metric, truth, key, value \
	}
#define DNS_ROW(what, truth, value)                                \
	{                                                          \
		ACTOR_DNS, "dns", what, LOOKUP, truth, TYPE, value \
	}

const struct check checks[] = {
	CALLS_ROW("file", TRUTH_CALLS_FILE),
	CALLS_ROW("socket", TRUTH_CALLS_SOCKET),
	CALLS_ROW("pipe", TRUTH_CALLS_PIPE),
	CALLS_ROW("memory", TRUTH_CALLS_MEMORY),
	CALLS_ROW("process", TRUTH_CALLS_PROCESS),
	CALLS_ROW("sync", TRUTH_CALLS_SYNC),
	CALLS_ROW("wait", TRUTH_CALLS_WAIT),
	ERRORS_ROW("errors ENOENT", TRUTH_CALLS_ENOENT, TYPE, "ENOENT"),
	ERRORS_ROW("errors EISDIR", TRUTH_CALLS_EISDIR, TYPE, "EISDIR"),
	ERRORS_ROW("errors in class file", TRUTH_CALLS_ERRORS, CLASS, "file"),
	ERRORS_ROW("errors in all; EAGAIN is none", TRUTH_CALLS_ERRORS, NULL, NULL),
	SLEEPS_ROW("file", TRUTH_SLEEPS_FILE),
	SLEEPS_ROW("socket", TRUTH_SLEEPS_SOCKET),
	SLEEPS_ROW("pipe", TRUTH_SLEEPS_PIPE),
	SLEEPS_ROW("memory", TRUTH_SLEEPS_MEMORY),
	SLEEPS_ROW("process", TRUTH_SLEEPS_PROCESS),
	SLEEPS_ROW("sync", TRUTH_SLEEPS_SYNC),
	SLEEPS_ROW("wait", TRUTH_SLEEPS_WAIT),
	SLEEPS_ROW("other", TRUTH_SLEEPS_OTHER),
	SLEEPS_ROW("fault", TRUTH_SLEEPS_FAULT),
	{ ACTOR_VICTIM, "sched", "waits behind a hog", WAIT, TRUTH_WAITS,
	  .may_miss = true },
	{ ACTOR_VICTIM, "sched", "sleeps behind it, without waits", BLOCKED,
	  TRUTH_WAITS_ASLEEP, CLASS, "wait", .may_miss = true },
	{ ACTOR_VICTIM, "sched", "slept and waited is not running", WAIT,
	  TRUTH_WAITS_ALL, .is_time = true, .may_miss = true },
	{ ACTOR_VICTIM, "sched", "waits blamed on the hog", CULPRIT,
	  TRUTH_WAITS_CULPRITS, "assay.sched.culprit", "/hog", .is_time = true,
	  .may_miss = true },
	TCP_ROW(CLIENT, "connects", CONNECT, TRUTH_TCP_CONNECTS, NULL, NULL),
	TCP_ROW(CLIENT, "connects refused", REFUSED, TRUTH_TCP_REFUSED, TYPE,
		"ECONNREFUSED"),
	TCP_ROW(CLIENT, "connects that failed in all", REFUSED, TRUTH_TCP_REFUSED, NULL,
		NULL),
	TCP_ROW(CLIENT, "connections of the client", OPENED, TRUTH_TCP_ACCEPTS, ROLE,
		"client"),
	TCP_ROW(SERVER, "connections of the server", OPENED, TRUTH_TCP_ACCEPTS, ROLE,
		"server"),
	TCP_ROW(SERVER, "accepts", ACCEPTS, TRUTH_TCP_ACCEPTS, NULL, NULL),
	TCP_ROW(SERVER, "waits to be accepted", ACCEPT, TRUTH_TCP_ACCEPTS, NULL, NULL),
	TCP_ROW(SERVER, "responses of the server", RESPONSE, TRUTH_TCP_RESPONSES, ROLE,
		"server"),
	TCP_ROW(CLIENT, "responses to the client", RESPONSE, TRUTH_TCP_RESPONSES, ROLE,
		"client"),
	TCP_ROW(SERVER, "the server has none of a client", RESPONSE, TRUTH_TCP_NONE,
		ROLE, "client"),
	TCP_ROW(CLIENT, "the client has none of a server", RESPONSE, TRUTH_TCP_NONE,
		ROLE, "server"),
	TCP_ROW(SERVER, "requests without an answer", UNANSWERED, TRUTH_TCP_NONE, NULL,
		NULL),
	TCP_ROW(CLIENT, "bytes sent", IO, TRUTH_TCP_CLIENT_BYTES, DIRECTION,
		"transmit"),
	TCP_ROW(CLIENT, "bytes received", IO, TRUTH_TCP_SERVER_BYTES, DIRECTION,
		"receive"),
	DNS_ROW("lookups answered", TRUTH_DNS_OK, NULL),
	DNS_ROW("lookups NXDOMAIN", TRUTH_DNS_NXDOMAIN, "NXDOMAIN"),
	DNS_ROW("lookups SERVFAIL", TRUTH_DNS_SERVFAIL, "SERVFAIL"),
	DNS_ROW("lookups that nobody answers", TRUTH_DNS_TIMEOUT, "timeout"),
	{ ACTOR_BLOCK, "block", "reads of the disk, all", BLOCK, TRUTH_BLOCK_DISK_READS,
	  DISK, "read", CHECK_NODE, .on_disk = true },
	{ ACTOR_BLOCK, "block", "reads with O_DIRECT", BLOCK, TRUTH_BLOCK_READS, DISK,
	  "read", CHECK_ABOVE, .on_disk = true },
	{ ACTOR_BLOCK, "block", "writes with O_DIRECT", BLOCK, TRUTH_BLOCK_WRITES, DISK,
	  "write", CHECK_ABOVE, .on_disk = true },
};

const size_t check_count = COUNT(checks);
