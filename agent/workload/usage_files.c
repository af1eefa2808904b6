// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "base/util.h"
#include "workload/cpu_limit.h"
#include "workload/usage.h"
#include "workload/usage_kept.h"

#define CPUS_MAX 1e6
#define FILE_MAX 8192 /* memory.stat has some 2 KiB */

/* What may be one word of a file "KEY VALUE" in each line. */
struct key {
	const char *name;
	enum usage_value value;
};

static const struct key cpu_keys[] = {
	{ "usage_usec", USAGE_CPU_TIME },
	{ "nr_periods", USAGE_PERIODS_FREE }, /* those with throttling: see below */
	{ "nr_throttled", USAGE_PERIODS_THROTTLED },
	{ "throttled_usec", USAGE_THROTTLED_TIME },
};

static const struct key memory_keys[] = { { "pgmajfault", USAGE_MAJOR_FAULTS } };

static const char *const names[USAGE_FILES] = {
	[USAGE_FILE_CPU_STAT] = "cpu.stat",
	[USAGE_FILE_MEMORY_STAT] = "memory.stat",
	[USAGE_FILE_MEMORY] = "memory.current",
	[USAGE_FILE_MEMORY_MAX] = "memory.max",
	[USAGE_FILE_CPU_MAX] = "cpu.max",
	[USAGE_FILE_PRESSURE + USAGE_CPU] = "cpu.pressure",
	[USAGE_FILE_PRESSURE + USAGE_MEM] = "memory.pressure",
	[USAGE_FILE_PRESSURE + USAGE_IO] = "io.pressure",
};

static const char *const node_pressures[USAGE_RESOURCES] = { "/proc/pressure/cpu",
							     "/proc/pressure/memory",
							     "/proc/pressure/io" };

/* Those that are read at each export, if at all. */
#define KEPT                                                                        \
	(USAGE_ALL & ~(1U << USAGE_FILE_MEMORY_STAT | 1U << USAGE_FILE_MEMORY_MAX | \
		       1U << USAGE_FILE_CPU_MAX))

static void set(struct usage_reading *r, enum usage_value v, uint64_t value)
{
	r->value[v] = value;
	r->has |= 1U << v;
}

/*
 * The kernel gives all of a small file at once (fs/seq_file.c: one record), so that a
 * second read would only say so. False: it says nothing.
 */
static bool read_fd(int fd, char *buf, size_t len)
{
	ssize_t n = pread(fd, buf, len - 1, 0);

	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

/* By the descriptor that is kept. The kernel reads no file of a cgroup that is gone. */
static bool read_kept(struct usage_source *from, enum usage_file file, char *buf,
		      size_t len)
{
	struct kept_files *kept = from->kept;

	kept->used |= 1U << file;
	if (read_fd(kept->fd[file], buf, len))
		return true;
	from->stale = true;
	return false;
}

/* Reads a file; false: there is none. */
static bool read_one(struct usage_source *from, enum usage_file file, char *buf,
		     size_t len)
{
	uint32_t bit = 1U << file;
	bool read;
	int fd;

	if (from->kept && from->kept->open & bit)
		return read_kept(from, file, buf, len);
	fd = from->dir < 0 ? -1 : openat(from->dir, names[file], O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	read = read_fd(fd, buf, len);
	if (!read || !from->keeps || !from->kept || !(KEPT & bit) ||
	    !usage_kept_take(from->all, from->kept, file, fd))
		close(fd);
	return read;
}

static void read_keys(struct usage_source *from, enum usage_file file,
		      const struct key *keys, size_t count, struct usage_reading *r)
{
	char buf[FILE_MAX], *save = NULL, *line;

	if (!read_one(from, file, buf, sizeof(buf)))
		return;
	for (line = strtok_r(buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		char *space = strchr(line, ' ');

		for (size_t i = 0; space && i < count; i++)
			if (!strncmp(line, keys[i].name, space - line) &&
			    !keys[i].name[space - line])
				set(r, keys[i].value, strtoull(space, NULL, 10));
	}
}

/* A file with one number; "max" is none. */
static void read_number(struct usage_source *from, enum usage_file file,
			enum usage_value v, struct usage_reading *r)
{
	unsigned long long n;
	char buf[64];

	if (read_one(from, file, buf, sizeof(buf)) && sscanf(buf, "%llu", &n) == 1)
		set(r, v, n);
}

/* Of its own; "max" is none. */
static void read_cpu_max(struct usage_source *from, struct usage_reading *r)
{
	char buf[64];
	double cpus = 0;

	if (read_one(from, USAGE_FILE_CPU_MAX, buf, sizeof(buf)))
		cpus = cpu_limit_parse(buf);
	if (cpus > 0 && cpus < CPUS_MAX)
		set(r, USAGE_CPU_LIMIT, (uint64_t)(cpus * 1e6 + 0.5));
}

/* "some avg10=... total=N", and a line "full". */
static void parse_pressure(char *text, enum usage_resource res, struct usage_reading *r)
{
	char *save = NULL, *line;

	for (line = strtok_r(text, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *total = strstr(line, " total=");

		if (total && !strncmp(line, "some ", 5))
			set(r, USAGE_SOME + res, strtoull(total + 7, NULL, 10));
		else if (total && !strncmp(line, "full ", 5))
			set(r, USAGE_FULL + res, strtoull(total + 7, NULL, 10));
	}
}

static void read_pressure(struct usage_source *from, enum usage_resource res,
			  struct usage_reading *r)
{
	char buf[512];

	if (read_one(from, USAGE_FILE_PRESSURE + res, buf, sizeof(buf)))
		parse_pressure(buf, res, r);
}

void usage_read_node(enum usage_resource res, struct usage_reading *now)
{
	int fd = open(node_pressures[res], O_RDONLY | O_CLOEXEC);
	char buf[512];

	if (fd < 0)
		return;
	if (read_fd(fd, buf, sizeof(buf)))
		parse_pressure(buf, res, now);
	close(fd);
}

static void read_cpu_stat(struct usage_source *from, struct usage_reading *now)
{
	uint64_t *periods = &now->value[USAGE_PERIODS_FREE];

	read_keys(from, USAGE_FILE_CPU_STAT, cpu_keys, COUNT(cpu_keys), now);
	/* the kernel does not read the two at once */
	*periods -= now->value[USAGE_PERIODS_THROTTLED] < *periods
			? now->value[USAGE_PERIODS_THROTTLED]
			: *periods;
}

void usage_read_files(struct usage_source *from, uint32_t files,
		      struct usage_reading *now)
{
	if (files & 1U << USAGE_FILE_CPU_STAT)
		read_cpu_stat(from, now);
	if (files & 1U << USAGE_FILE_MEMORY_STAT)
		read_keys(from, USAGE_FILE_MEMORY_STAT, memory_keys, COUNT(memory_keys),
			  now);
	if (files & 1U << USAGE_FILE_MEMORY)
		read_number(from, USAGE_FILE_MEMORY, USAGE_MEMORY, now);
	if (files & 1U << USAGE_FILE_MEMORY_MAX)
		read_number(from, USAGE_FILE_MEMORY_MAX, USAGE_MEMORY_LIMIT, now);
	if (files & 1U << USAGE_FILE_CPU_MAX)
		read_cpu_max(from, now);
	for (int res = 0; res < USAGE_RESOURCES; res++)
		if (files & 1U << (USAGE_FILE_PRESSURE + res))
			read_pressure(from, res, now);
}

uint64_t usage_mark(const struct usage_reading *r, enum usage_value v)
{
	return r->has & 1U << v ? r->value[v] + 1 : 0;
}

uint32_t usage_moved(const struct usage_marks *now, const struct usage_marks *before)
{
	uint32_t files = 0;

	if (!now->cpu_us || now->cpu_us != before->cpu_us)
		files |= 1U << USAGE_FILE_CPU_STAT;
	for (int res = 0; res < USAGE_RESOURCES; res++)
		if (!now->some[res] || now->some[res] != before->some[res])
			files |= 1U << (USAGE_FILE_PRESSURE + res);
	return files;
}
