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

static void set(struct usage_reading *r, enum usage_value v, uint64_t value)
{
	r->value[v] = value;
	r->has |= 1U << v;
}

/* Reads a small file whole; false: there is none. */
static bool read_at(int dir, const char *name, char *buf, size_t len)
{
	int fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	size_t at = 0;
	ssize_t n;

	if (fd < 0)
		return false;
	while (at < len - 1 && (n = read(fd, buf + at, len - 1 - at)) > 0)
		at += n;
	close(fd);
	buf[at] = '\0';
	return at > 0;
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
static void read_pressure(int dir, enum usage_resource res, struct usage_reading *r)
{
	char buf[512], *save = NULL, *line;

	if (!read_at(dir, pressures[res], buf, sizeof(buf)))
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

void usage_read_dir(int dir, struct usage_reading *now)
{
	uint64_t *periods = &now->value[USAGE_PERIODS_FREE];

	memset(now, 0, sizeof(*now));
	read_keys(dir, "cpu.stat", cpu_keys, COUNT(cpu_keys), now);
	/* the kernel does not read the two at once */
	*periods -= now->value[USAGE_PERIODS_THROTTLED] < *periods
			? now->value[USAGE_PERIODS_THROTTLED]
			: *periods;
	read_keys(dir, "memory.stat", memory_keys, COUNT(memory_keys), now);
	read_number(dir, "memory.current", USAGE_MEMORY, now);
	read_number(dir, "memory.max", USAGE_MEMORY_LIMIT, now);
	for (int res = 0; res < USAGE_RESOURCES; res++)
		read_pressure(dir, res, now);
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
			usage_read_dir(dir, r->first[i].reading);
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

void usage_read(struct usage_reader *r, const char *path, struct usage *u)
{
	struct usage_reading now;
	uint64_t id;
	int dir = open_dir(r, path, &id);

	u->has &= (1U << USAGE_COUNTERS) - 1;
	if (dir < 0)
		return;
	usage_read_dir(dir, &now);
	close(dir);
	if (id != u->id)
		begin(r, u, id, &now);
	for (int v = 0; v < USAGE_COUNTERS; v++) {
		uint64_t value = u->before[v] + now.value[v] - u->base[v];

		/* a file that vanished under our hands, a controller taken away */
		if (!(now.has & 1U << v) || now.value[v] < u->base[v])
			continue;
		if (value > u->value[v])
			u->value[v] = value;
	}
	u->value[USAGE_MEMORY] = now.value[USAGE_MEMORY];
	u->value[USAGE_MEMORY_LIMIT] = now.value[USAGE_MEMORY_LIMIT];
	u->has |= now.has;
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
