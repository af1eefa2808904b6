// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "base/log.h"
#include "base/options.h"
#include "base/units.h"
#include "base/util.h"
#include "cmd/cmd.h"
#include "cmd/doctor_impl.h"
#include "cmd/exports_cost.h"
#include "cmd/group_options.h"
#include "kernel/cells.h"
#include "kernel/doctor.h"
#include "kernel/probes.h"
#include "kernel/tasks.h"
#include "metric/resource.h"
#include "sink/export_check.h"
#include "sink/export_http.h"
#include "workload/cgroup_root.h"

#define TIMEOUT_MS 2000

static int check_cgroup(const struct options *o)
{
	struct cgroup_root root;
	char cause[512];

	if (cgroup_root_find(o->cgroup_root, &root, cause, sizeof(cause)))
		return doctor_say(FAIL, "cgroup", "%s", cause);
	if (!root.whole)
		return doctor_say(
		    WARN, "cgroup",
		    "%s is the tree of a container: what is not below it counts "
		    "as unknown; mount the host's /sys/fs/cgroup here",
		    root.path);
	if (root.pure)
		return doctor_say(OK, "cgroup", "v2 tree of the host at %s", root.path);
	return doctor_say(
	    WARN, "cgroup",
	    "hybrid, v2 tree at %s: what is only in v1 trees counts to the v2 "
	    "cgroup around it",
	    root.path);
}

/* Who the node is, and how we know. */
static int check_host(const struct options *o)
{
	struct resource r;
	char cause[512];
	int failed = 0;

	if (resource_init(&r, o, cause, sizeof(cause)))
		failed = doctor_say(FAIL, "host", "%s", cause);
	else if (r.host.fleeting)
		doctor_say(
		    WARN, "host",
		    "%s, id %s from %s: another one after each boot; see --host-root",
		    r.host.name, r.host.id, r.host.id_from);
	else
		doctor_say(OK, "host", "%s (from %s), id %s from %s", r.host.name,
			   r.host.name_from, r.host.id, r.host.id_from);
	resource_fini(&r);
	return failed;
}

static int check_tasks(const struct options *o)
{
	return tasks_of_node()
		   ? 0
		   : doctor_say(WARN, "host", "this is " TASKS_OWN_NAMESPACE);
}

/* Is a word in a line of words? */
static bool has_word(const char *line, const char *word)
{
	size_t n = strlen(word);

	for (const char *s = line; (s = strstr(s, word)); s += n)
		if ((s == line || s[-1] == ' ') && (!s[n] || s[n] == ' '))
			return true;
	return false;
}

/*
 * What the v2 tree does not say of workloads: a controller belongs to one hierarchy,
 * and on a hybrid host it is a v1 one. Not loaded at all comes to the same.
 */
static int check_controllers(const struct options *o)
{
	static const struct {
		const char *name, *missing;
	} controllers[] = {
		{ "cpu", "no CPU quota (assay.cgroup.cpu.throttled.time, .periods)" },
		{ "memory", "no memory use and limit (assay.cgroup.memory.*)" },
		{ "io", "block requests count for the root workload" },
	};
	char path[PATH_MAX + 32], text[512];
	struct cgroup_root root;

	if (cgroup_root_find(o->cgroup_root, &root, text, sizeof(text)))
		return 0; /* said already */
	snprintf(path, sizeof(path), "%s/cgroup.controllers", root.path);
	if (read_file(path, text, sizeof(text)) < 0)
		return doctor_say(WARN, "controllers", "%s cannot be read", path);
	for (size_t i = 0; i < COUNT(controllers); i++) {
		if (has_word(text, controllers[i].name))
			doctor_say(OK, "controllers", "%s is on the v2 tree",
				   controllers[i].name);
		else
			doctor_say(WARN, "controllers", "%s is not on the v2 tree: %s",
				   controllers[i].name, controllers[i].missing);
	}
	return 0;
}

/* Pressure stall information: built in, and not switched off at boot. */
static int check_pressure(const struct options *o)
{
	char text[256];
	int n = read_file("/proc/pressure/cpu", text, sizeof(text));

	if (n > 0)
		return doctor_say(OK, "pressure", "PSI is on");
	return doctor_say(WARN, "pressure",
			  "PSI is %s, so there is no assay.pressure.*: boot with psi=1",
			  n == -ENOENT ? "not in this kernel, or off" : "off");
}

/* The parts of the plan, those that are made of entries with their number. */
static void print_plan(FILE *f, const struct cells_plan *p)
{
	const struct {
		enum plan_part part;
		const char *name;
		uint32_t entries;
	} parts[] = {
		{ PART_WORKLOADS, "slots", p->slots },
		{ PART_HISTS, "histograms", p->hists },
		{ PART_COUNTS, "counters", p->counts },
		{ PART_OPENS, "error kinds and disks", p->opens },
		{ PART_QUERIES, "DNS queries", p->queries },
		{ PART_THREADS, "threads", p->tables[TABLE_THREADS] },
		{ PART_CONNS, "connections", p->tables[TABLE_CONNS] },
		{ PART_CPUS, "CPUs", p->cpus },
	};
	char bytes[UNITS_LEN];

	for (size_t i = 0; i < COUNT(parts); i++) {
		enum table t =
		    parts[i].part == PART_CONNS ? TABLE_CONNS : TABLE_THREADS;

		fprintf(f, "%u %s", parts[i].entries, parts[i].name);
		if (parts[i].part == PART_THREADS || parts[i].part == PART_CONNS)
			fprintf(f, " and %u beside", p->spills[t]);
		fprintf(f, " %s, ", units_bytes(bytes, p->bytes[parts[i].part]));
	}
	fprintf(f, "fixed %s", units_bytes(bytes, p->bytes[PART_FIXED]));
	fprintf(f, ", the agent's numbers %s",
		units_bytes(bytes, p->bytes[PART_AGENT]));
}

static int check_memory(const struct options *o)
{
	char total[UNITS_LEN], limit[UNITS_LEN], beside[UNITS_LEN], text[512] = "";
	struct cells_plan p;
	int err = cells_plan(o, &p);
	FILE *f;

	if (err && err != -ENOSPC)
		return doctor_say(FAIL, "memory", "no plan: %s", strerror(-err));
	if (err) {
		plan_refusal(&p, text, sizeof(text));
		return doctor_say(FAIL, "memory", "%s", text);
	}
	if (p.asked) {
		plan_lowered(&p, text, sizeof(text));
		doctor_say(WARN, "memory", "%s", text);
	}
	f = fmemopen(text, sizeof(text), "w");
	if (!f)
		return doctor_say(FAIL, "memory", "%s", strerror(errno));
	print_plan(f, &p);
	fclose(f);
	return doctor_say(
	    OK, "memory",
	    "%s of at most %s: %s; %u workloads can be busy; beside it at most %s: "
	    "answers at the socket%s, open files of cgroups%s",
	    units_bytes(total, p.total), units_bytes(limit, p.limit), text, p.busy,
	    units_bytes(beside, plan_beside(o)),
	    strcmp(o->history, "none") ? ", a minute of the history" : "",
	    strcmp(o->kubelet, "none") ? ", the kubelet's pods" : "");
}

static int check_series(const struct options *o)
{
	struct cells_plan p;
	char text[400];

	if (grouping_check(o, text, sizeof(text)))
		return doctor_say(FAIL, "series", "%s", text);
	if (!strcmp(o->export, "none") || cells_plan(o, &p))
		return 0; /* nothing is exported; or what is wrong was said already */
	exports_cost(o, &p, text, sizeof(text));
	return doctor_say(OK, "series", "%s", text);
}

/* Host and port of an http(s) URL; brackets and user information are taken off. */
static int split_url(const char *url, char *host, size_t len, char *port,
		     size_t port_len)
{
	const char *start = strstr(url, "://") + 3, *at, *end;
	size_t n = strcspn(start, "/?#");

	at = memrchr(start, '@', n);
	if (at) {
		n -= at + 1 - start;
		start = at + 1;
	}
	end = start + n;
	if (*start == '[') {
		at = memchr(++start, ']', n - 1);
		if (!at)
			return -EINVAL;
		n = at++ - start;
	} else {
		at = memchr(start, ':', n);
		if (!at)
			at = end;
		n = at - start;
	}
	snprintf(host, len, "%.*s", (int)n, start);
	if (at < end && *at == ':')
		snprintf(port, port_len, "%.*s", (int)(end - at - 1), at + 1);
	else
		snprintf(port, port_len, "%s",
			 strncasecmp(url, "https", 5) ? "80" : "443");
	return *host ? 0 : -EINVAL;
}

static int connect_address(const struct addrinfo *a)
{
	int fd = socket(a->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0),
	    err = 0;
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	socklen_t len = sizeof(err);

	if (fd < 0)
		return -errno;
	if (connect(fd, a->ai_addr, a->ai_addrlen) && errno != EINPROGRESS)
		err = errno;
	else if (poll(&p, 1, TIMEOUT_MS) != 1)
		err = ETIMEDOUT;
	else
		getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &len);
	close(fd);
	return -err;
}

static int check_endpoint(const char *url)
{
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *list;
	char host[256], port[16];
	int err = -EHOSTUNREACH;

	if (split_url(url, host, sizeof(host), port, sizeof(port)))
		return doctor_say(WARN, "collector", "no host in the URL");
	err = getaddrinfo(host, port, &hints, &list);
	if (err)
		return doctor_say(WARN, "collector", "%s: %s", host, gai_strerror(err));
	for (struct addrinfo *a = list; a; a = a->ai_next) {
		err = connect_address(a);
		if (!err)
			break;
	}
	freeaddrinfo(list);
	if (err)
		return doctor_say(WARN, "collector", "%s port %s does not answer: %s",
				  host, port, strerror(-err));
	return doctor_say(OK, "collector", "%s port %s takes connections", host, port);
}

static int check_file(const char *path)
{
	/* as the agent opens it, but one that is not there is not made */
	int fd = access(path, F_OK) ? -ENOENT : file_open(path);
	char dir[4096];
	char *slash;

	if (fd >= 0) {
		close(fd);
		return doctor_say(OK, "collector", "none, exports go to the file %s",
				  path);
	}
	if (fd == -EOPNOTSUPP)
		return doctor_say(WARN, "collector", "%s: what is there is no file",
				  path);
	errno = -fd;
	snprintf(dir, sizeof(dir), "%s", path);
	slash = strrchr(dir, '/');
	if (slash)
		*(slash == dir ? slash + 1 : slash) = '\0';
	if (access(path, F_OK) && !access(slash ? dir : ".", W_OK))
		return doctor_say(OK, "collector",
				  "none, exports go to the new file %s", path);
	return doctor_say(WARN, "collector", "the file %s cannot be written: %s", path,
			  strerror(errno));
}

static int check_collector(const struct options *o)
{
	char cause[512];

	if (!strcmp(o->export, "none"))
		return doctor_say(OK, "collector", "none, nothing is exported");
	if (!strncmp(o->export, "file:", 5))
		return check_file(o->export + 5);
	if (export_check(o, cause, sizeof(cause)))
		return doctor_say(FAIL, "collector", "%s", cause);
	if (export_to_grpc_port(o))
		doctor_say(WARN, "collector", "%s", EXPORT_GRPC_PORT_TEXT);
	return check_endpoint(o->export);
}

static int (*const checks[])(const struct options *o) = {
	doctor_check_kernel,  doctor_check_lockdown, check_host,
	check_tasks,	      doctor_check_quiet,    check_cgroup,
	check_controllers,    check_pressure,	     check_memory,
	check_series,	      check_collector,	     doctor_check_history,
	doctor_check_kubelet, doctor_check_probes,   doctor_check_privileges,
};

static int run_doctor(const struct options *o, int argc, char **argv)
{
	int failed = 0;

	for (size_t i = 0; i < COUNT(checks); i++)
		failed |= checks[i](o);
	return failed;
}

const struct cmd cmd_doctor = {
	.name = "doctor",
	.help = "checks what assay needs; exit status 1 if it lacks something",
	.mask = CMD_DOCTOR,
	.run = run_doctor,
};
