// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/util.h"
#include "workload/usage.h"
#include "workload/workload.h"

#define FILE_MAX 8192 /* memory.stat has some 2 KiB */
/*
 * So many of the cgroups that are there at the start are read at the start: some 70 us
 * each. More of them begin when they are first seen.
 */
#define FIRST_READ 4096

struct first {
	uint64_t id;
	struct usage_reading *reading; /* NULL: not yet read */
};

struct usage_reader {
	struct cgroups *cgroups;
	int root;
	struct first *first; /* sorted by id, as cgroups_first() */
	size_t count;
};

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

static const char *const pressures[USAGE_RESOURCES] = { "cpu.pressure",
							"memory.pressure",
							"io.pressure" };
static const char *const node_pressures[USAGE_RESOURCES] = { "/proc/pressure/cpu",
							     "/proc/pressure/memory",
							     "/proc/pressure/io" };

static void set(struct usage_reading *r, enum usage_value v, uint64_t value)
{
	r->value[v] = value;
	r->has |= 1U << v;
}

/*
 * Reads a small file; false: there is none. The kernel gives all of such a one at once
 * (fs/seq_file.c: one record), so that a second read would only say so.
 */
static bool read_at(int dir, const char *name, char *buf, size_t len)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, len - 1);
	close(fd);
	buf[n > 0 ? n : 0] = '\0';
	return n > 0;
}

static void read_keys(int dir, const char *file, const struct key *keys, size_t count,
		      struct usage_reading *r)
{
	char buf[FILE_MAX], *save = NULL, *line;

	if (!read_at(dir, file, buf, sizeof(buf)))
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
static void read_number(int dir, const char *file, enum usage_value v,
			struct usage_reading *r)
{
	unsigned long long n;
	char buf[64];

	if (read_at(dir, file, buf, sizeof(buf)) && sscanf(buf, "%llu", &n) == 1)
		set(r, v, n);
}

/* "some avg10=... total=N", and a line "full". */
static void read_pressure(int dir, const char *file, enum usage_resource res,
			  struct usage_reading *r)
{
	char buf[512], *save = NULL, *line;

	if (!read_at(dir, file, buf, sizeof(buf)))
		return;
	for (line = strtok_r(buf, "\n", &save); line;
	     line = strtok_r(NULL, "\n", &save)) {
		const char *total = strstr(line, " total=");

		if (total && !strncmp(line, "some ", 5))
			set(r, USAGE_SOME + res, strtoull(total + 7, NULL, 10));
		else if (total && !strncmp(line, "full ", 5))
			set(r, USAGE_FULL + res, strtoull(total + 7, NULL, 10));
	}
}

static void read_cpu_stat(int dir, struct usage_reading *now)
{
	uint64_t *periods = &now->value[USAGE_PERIODS_FREE];

	read_keys(dir, "cpu.stat", cpu_keys, COUNT(cpu_keys), now);
	/* the kernel does not read the two at once */
	*periods -= now->value[USAGE_PERIODS_THROTTLED] < *periods
			? now->value[USAGE_PERIODS_THROTTLED]
			: *periods;
}

void usage_read_dir(int dir, uint32_t files, struct usage_reading *now)
{
	if (files & 1U << USAGE_FILE_CPU_STAT)
		read_cpu_stat(dir, now);
	if (files & 1U << USAGE_FILE_MEMORY_STAT)
		read_keys(dir, "memory.stat", memory_keys, COUNT(memory_keys), now);
	if (files & 1U << USAGE_FILE_MEMORY)
		read_number(dir, "memory.current", USAGE_MEMORY, now);
	if (files & 1U << USAGE_FILE_MEMORY_MAX)
		read_number(dir, "memory.max", USAGE_MEMORY_LIMIT, now);
	for (int res = 0; res < USAGE_RESOURCES; res++)
		if (files & 1U << (USAGE_FILE_PRESSURE + res))
			read_pressure(dir, pressures[res], res, now);
}

void usage_round(struct usage_round *round, bool whole)
{
	struct usage_reading now = { 0 };

	for (int res = 0; res < USAGE_RESOURCES; res++) {
		read_pressure(AT_FDCWD, node_pressures[res], res, &now);
		round->node[res] = now.value[USAGE_SOME + res];
	}
	round->now_ns = now_mono_ns();
	round->whole = whole;
}

/* The directory of a cgroup, and its id; -1: it is not there. */
static int open_dir(const struct usage_reader *r, const char *path, uint64_t *id)
{
	int dir =
	    openat(r->root, path[1] ? path + 1 : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
	struct stat st;

	if (dir >= 0 && fstat(dir, &st)) {
		close(dir);
		dir = -1;
	}
	if (dir >= 0)
		*id = st.st_ino;
	return dir;
}

static int compare_first(const void *a, const void *b)
{
	const struct first *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static struct first *find_first(const struct usage_reader *r, uint64_t id)
{
	struct first key = { .id = id };

	return bsearch(&key, r->first, r->count, sizeof(key), compare_first);
}

int usage_open(struct cgroups *g, struct usage_reader **out)
{
	struct usage_reader *r = calloc(1, sizeof(*r));
	uint64_t id;
	int err = -ENOMEM, dir;

	if (!r)
		return -ENOMEM;
	r->cgroups = g;
	r->root = open(cgroups_root(g), O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (r->root < 0) {
		err = -errno;
		goto fail;
	}
	r->count = cgroups_first_count(g);
	r->first = calloc(r->count + 1, sizeof(*r->first));
	if (!r->first)
		goto fail;
	for (size_t i = 0; i < r->count; i++) {
		const char *path = cgroups_path(g, cgroups_first(g, i));

		r->first[i].id = cgroups_first(g, i);
		dir = path && i < FIRST_READ ? open_dir(r, path, &id) : -1;
		if (dir < 0)
			continue;
		r->first[i].reading = calloc(1, sizeof(*r->first[i].reading));
		if (r->first[i].reading)
			usage_read_dir(dir, USAGE_ALL, r->first[i].reading);
		close(dir);
		if (!r->first[i].reading)
			goto fail;
	}
	*out = r;
	return 0;
fail:
	usage_close(r);
	return err;
}

/*
 * The path has another cgroup than before: what the old one came to stays. One that
 * was there before us begins at what it had then; one born later begins at 0, since
 * all of it happened while we measured. cgroups_was_there() says why the id decides.
 */
static void begin(struct usage_reader *r, struct usage *u, uint64_t id,
		  const struct usage_reading *now)
{
	const struct first *first = find_first(r, id);
	const struct usage_reading *from =
	    first && first->reading ? first->reading : now;

	u->id = id;
	for (int v = 0; v < USAGE_COUNTERS; v++) {
		u->before[v] = u->value[v];
		u->base[v] = first ? from->value[v] : 0;
	}
}

/* Whether some of the cgroup's tasks have run since it was read last. */
static bool has_run(const struct usage *u, const struct usage_reading *now)
{
	return !(now->has & 1U << USAGE_CPU_TIME) ||
	       now->value[USAGE_CPU_TIME] != u->ran_us;
}

/* The files to be read after cpu.stat. */
static uint32_t files_of(const struct usage_round *round, const struct usage *u,
			 uint64_t id, const struct usage_reading *now)
{
	bool ran = has_run(u, now);
	uint32_t files = ran ? 1U << USAGE_FILE_MEMORY : 0;

	if (round->whole || id != u->id ||
	    round->now_ns - u->whole_ns >= USAGE_WHOLE_NS)
		return USAGE_ALL & ~(1U << USAGE_FILE_CPU_STAT);
	for (int res = 0; res < USAGE_RESOURCES; res++)
		if ((ran || res != USAGE_CPU) &&
		    (!round->node[res] || round->node[res] != u->node[res]))
			files |= 1U << (USAGE_FILE_PRESSURE + res);
	return files;
}

/* Notes what was read, and when. */
static void note(const struct usage_round *round, uint32_t files, uint64_t id,
		 const struct usage_reading *now, struct usage *u)
{
	u->ran_us = now->value[USAGE_CPU_TIME];
	for (int res = 0; res < USAGE_RESOURCES; res++)
		if (files & 1U << (USAGE_FILE_PRESSURE + res))
			u->node[res] = round->node[res];
	if (files & 1U << USAGE_FILE_MEMORY)
		u->has &= ~(1U << USAGE_MEMORY);
	if (files & 1U << USAGE_FILE_MEMORY_MAX) {
		u->has &= ~(1U << USAGE_MEMORY_LIMIT);
		u->whole_ns = round->now_ns;
	}
	/* so that not all cgroups are read whole at the same time */
	if (id != u->id)
		u->whole_ns -= id % 64 * (USAGE_WHOLE_NS / 64);
}

/* Moves the counters on, and takes over what is now. */
static void move_on(const struct usage_reading *now, struct usage *u)
{
	for (int v = 0; v < USAGE_COUNTERS; v++) {
		uint64_t value = u->before[v] + now->value[v] - u->base[v];

		/* not read, a file that vanished, a controller taken away */
		if (!(now->has & 1U << v) || now->value[v] < u->base[v])
			continue;
		if (value > u->value[v])
			u->value[v] = value;
	}
	for (int v = USAGE_COUNTERS; v < USAGE_COUNT; v++)
		if (now->has & 1U << v)
			u->value[v] = now->value[v];
	u->has |= now->has;
}

void usage_read(struct usage_reader *r, const struct usage_round *round,
		const char *path, struct usage *u)
{
	struct usage_reading now = { 0 };
	uint32_t files;
	uint64_t id;
	int dir = open_dir(r, path, &id);

	if (dir < 0) {
		u->has &= (1U << USAGE_COUNTERS) - 1;
		return;
	}
	usage_read_dir(dir, 1U << USAGE_FILE_CPU_STAT, &now);
	files = files_of(round, u, id, &now);
	usage_read_dir(dir, files, &now);
	close(dir);
	note(round, files, id, &now, u);
	if (id != u->id)
		begin(r, u, id, &now);
	move_on(&now, u);
}

void usage_close(struct usage_reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; r->first && i < r->count; i++)
		free(r->first[i].reading);
	free(r->first);
	if (r->root >= 0)
		close(r->root);
	free(r);
}
