// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"
#include "reading/node_usage.h"

#define NS_OF_TICK (1000000000ULL / 100) /* USER_HZ is 100 on all that we run on */
#define CPUS_MOST  8192
#define LINE_MOST  240 /* of a CPU: ten numbers */

/* The numbers of a line; -EINVAL. */
static int parse_modes(const char *at, uint64_t ns[CPU_MODES])
{
	static const enum cpu_mode order[] = {
		CPU_USER,   CPU_NICE,	   CPU_SYSTEM,	  CPU_IDLE,
		CPU_IOWAIT, CPU_INTERRUPT, CPU_INTERRUPT, CPU_STEAL,
	};
	char *end;

	memset(ns, 0, CPU_MODES * sizeof(*ns));
	for (size_t i = 0; i < COUNT(order); i++, at = end) {
		uint64_t ticks = strtoull(at, &end, 10);

		if (end == at)
			return -EINVAL;
		ns[order[i]] += ticks * NS_OF_TICK;
	}
	return 0;
}

/* Room for a CPU of this number. */
static int make_room(struct node_usage *u, uint32_t cpu)
{
	uint32_t room = u->room ? u->room : 8;
	uint64_t *now, *first;

	if (cpu < u->room)
		return 0;
	while (room <= cpu)
		room *= 2;
	now = realloc(u->stolen_ns, room * sizeof(*now));
	if (now)
		u->stolen_ns = now;
	first = realloc(u->first_stolen_ns, room * sizeof(*first));
	if (first)
		u->first_stolen_ns = first;
	if (!now || !first)
		return -ENOMEM;
	memset(now + u->room, 0, (room - u->room) * sizeof(*now));
	memset(first + u->room, 0, (room - u->room) * sizeof(*first));
	u->room = room;
	return 0;
}

/* What has grown since the first value. The kernel's idle and iowait may go back. */
static uint64_t since(uint64_t now, uint64_t first, uint64_t before)
{
	uint64_t grown = now > first ? now - first : 0;

	return grown > before ? grown : before;
}

static int parse_cpu(struct node_usage *u, const char *line)
{
	uint64_t ns[CPU_MODES];
	char *end;
	unsigned long cpu = strtoul(line + 3, &end, 10);
	int err;

	if (cpu >= CPUS_MOST || parse_modes(end, ns))
		return -EINVAL;
	err = make_room(u, cpu);
	if (err)
		return err;
	if (cpu >= u->known) { /* one that came later is stolen from since then */
		u->first_stolen_ns[cpu] = ns[CPU_STEAL];
		u->known = cpu + 1;
	}
	u->stolen_ns[cpu] =
	    since(ns[CPU_STEAL], u->first_stolen_ns[cpu], u->stolen_ns[cpu]);
	u->cpus++;
	return 0;
}

static int parse_stat(struct node_usage *u, const char *text)
{
	uint64_t ns[CPU_MODES];
	bool first = !u->known;
	int err;

	u->cpus = 0;
	if (strncmp(text, "cpu ", 4) || parse_modes(text + 4, ns))
		return -EINVAL;
	if (first)
		memcpy(u->first_ns, ns, sizeof(ns));
	for (int i = 0; i < CPU_MODES; i++)
		u->ns[i] = since(ns[i], u->first_ns[i], u->ns[i]);
	while ((text = strchr(text, '\n')) && !strncmp(text + 1, "cpu", 3)) {
		err = parse_cpu(u, ++text);
		if (err)
			return err;
	}
	return u->cpus ? 0 : -EINVAL;
}

/* A line "KEY:   1234 kB" in bytes; 0: there is none. */
static uint64_t meminfo_line(const char *text, const char *key)
{
	const char *line = strstr(text, key);
	uint64_t kib;

	if (!line || sscanf(line + strlen(key), ": %" SCNu64 " kB", &kib) != 1)
		return 0;
	return kib * 1024;
}

int node_usage_parse(struct node_usage *u, const char *stat, const char *meminfo)
{
	u->memory = meminfo_line(meminfo, "MemTotal");
	u->memory_available = meminfo_line(meminfo, "MemAvailable");
	return parse_stat(u, stat);
}

int node_usage_read(struct node_usage *u)
{
	size_t size = (sysconf(_SC_NPROCESSORS_CONF) + 2) * LINE_MOST;
	char meminfo[4096], *stat;
	int err;

	stat = malloc(size);
	if (!stat)
		return -ENOMEM;
	err = read_file("/proc/stat", stat, size);
	if (err >= 0) {
		if (read_file("/proc/meminfo", meminfo, sizeof(meminfo)) < 0)
			meminfo[0] = '\0';
		err = node_usage_parse(u, stat, meminfo);
	}
	free(stat);
	return err;
}

void node_usage_fini(struct node_usage *u)
{
	free(u->stolen_ns);
	free(u->first_stolen_ns);
	*u = (struct node_usage){ 0 };
}
