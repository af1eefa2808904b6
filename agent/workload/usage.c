// SPDX-License-Identifier: Apache-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/util.h"
#include "workload/usage.h"
#include "workload/usage_kept.h"
#include "workload/usage_parents.h"
#include "workload/workload.h"

/*
 * So many of the cgroups that are there at the start are read at the start: some 70 us
 * each. More of them begin when they are first seen.
 */
#define FIRST_READ 4096
#define FILES_LEFT 512 /* descriptors for all else */

struct first {
	uint64_t id;
	struct usage_reading *reading; /* NULL: not yet read */
};

struct usage_reader {
	struct cgroups *cgroups;
	struct usage_parents *parents;
	struct usage_kept *kept;
	int root;
	struct first *first; /* sorted by id, as cgroups_first() */
	size_t count;
};

void usage_round(struct usage_reader *r, struct usage_round *round, bool whole)
{
	struct usage_reading now = { 0 };

	for (int res = 0; res < USAGE_RESOURCES; res++) {
		usage_read_node(res, &now);
		round->node.some[res] = usage_mark(&now, USAGE_SOME + res);
	}
	round->node.cpu_us = 0;
	usage_parents_round(r->parents);
	usage_kept_round(r->kept);
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

/* The process needs descriptors for other things, too. */
static size_t kept_most(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur <= FILES_LEFT)
		return 0;
	return limit.rlim_cur - FILES_LEFT < USAGE_KEPT_MAX
		   ? limit.rlim_cur - FILES_LEFT
		   : USAGE_KEPT_MAX;
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
	r->parents = usage_parents_new(r->root);
	r->kept = usage_kept_new(kept_most());
	if (!r->first || !r->parents || !r->kept)
		goto fail;
	for (size_t i = 0; i < r->count; i++) {
		const char *path = cgroups_path(g, cgroups_first(g, i));

		r->first[i].id = cgroups_first(g, i);
		dir = path && i < FIRST_READ ? open_dir(r, path, &id) : -1;
		if (dir < 0)
			continue;
		r->first[i].reading = calloc(1, sizeof(*r->first[i].reading));
		if (r->first[i].reading)
			usage_read_files(&(struct usage_source){ .dir = dir },
					 USAGE_ALL, r->first[i].reading);
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

/* What is to be read of a cgroup, by what the ones above have come to. */
static uint32_t files_of(const struct usage_round *round, const struct usage *u,
			 const struct usage_marks *above)
{
	uint32_t files = usage_moved(above, &u->above);

	if (round->whole || !u->id)
		return USAGE_ALL;
	if (!(files & 1U << USAGE_FILE_CPU_STAT))
		files &=
		    ~(1U << (USAGE_FILE_PRESSURE + USAGE_CPU)); /* it has not run */
	if (round->now_ns - u->whole_ns >= USAGE_WHOLE_NS)
		files |= 1U << USAGE_FILE_MEMORY | 1U << USAGE_FILE_MEMORY_MAX |
			 1U << USAGE_FILE_CPU_MAX;
	return files;
}

/* Of these, what is left to read when it is known whether the cgroup has run. */
static uint32_t files_left(const struct usage *u, bool whole, uint32_t files,
			   const struct usage_reading *now)
{
	bool ran = files & 1U << USAGE_FILE_CPU_STAT &&
		   (!(now->has & 1U << USAGE_CPU_TIME) ||
		    now->value[USAGE_CPU_TIME] != u->ran_us);

	if (ran && files & 1U << USAGE_FILE_MEMORY_MAX)
		files |= 1U << USAGE_FILE_MEMORY_STAT;
	else if (ran)
		files |= 1U << USAGE_FILE_MEMORY;
	else if (!whole)
		files &= ~(1U << (USAGE_FILE_PRESSURE + USAGE_CPU));
	return files & ~(1U << USAGE_FILE_CPU_STAT);
}

/* Notes what was read, and when. */
static void note(const struct usage_round *round, const struct usage_marks *above,
		 uint32_t files, uint64_t id, const struct usage_reading *now,
		 struct usage *u)
{
	if (files & 1U << USAGE_FILE_CPU_STAT) {
		u->ran_us = now->value[USAGE_CPU_TIME];
		u->above.cpu_us = above->cpu_us;
	}
	for (int res = 0; res < USAGE_RESOURCES; res++)
		if (files & 1U << (USAGE_FILE_PRESSURE + res))
			u->above.some[res] = above->some[res];
	if (files & 1U << USAGE_FILE_MEMORY)
		u->has &= ~(1U << USAGE_MEMORY);
	if (files & 1U << USAGE_FILE_MEMORY_MAX) {
		u->has &= ~(1U << USAGE_MEMORY_LIMIT);
		u->whole_ns = round->now_ns;
	}
	if (files & 1U << USAGE_FILE_CPU_MAX)
		u->has &= ~(1U << USAGE_CPU_LIMIT);
	/* so that not all cgroups are read at the same time */
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

/*
 * Has the source what these files need? The directory is opened for what is not kept.
 * id: of the cgroup, 0: not yet known. False: it is gone, or another one has its path.
 */
static bool reach(const struct usage_reader *r, const char *path, uint32_t files,
		  struct usage_source *from, uint64_t *id)
{
	uint64_t found;

	if (*id && (from->dir >= 0 || (from->kept && !(files & ~from->kept->open))))
		return true;
	from->dir = open_dir(r, path, &found);
	if (from->dir < 0 || (*id && *id != found))
		return false;
	*id = found;
	return true;
}

static void close_dir(struct usage_source *from)
{
	if (from->dir >= 0)
		close(from->dir);
	from->dir = -1;
}

/* False: the cgroup is gone, or the one that descriptors were kept of is. */
static bool read_from(struct usage_reader *r, const struct usage_round *round,
		      const char *path, uint32_t files, struct usage_source *from,
		      const struct usage_marks *above, struct usage *u)
{
	uint64_t id = from->kept ? u->id : 0;
	struct usage_reading now = { 0 };
	uint32_t first;

	if (!reach(r, path, files & 1U << USAGE_FILE_CPU_STAT, from, &id))
		return false;
	if (!from->kept && from->keeps)
		from->kept = usage_kept_add(r->kept, &u->kept, id);
	if (id != u->id)
		files = USAGE_ALL;
	first = files & 1U << USAGE_FILE_CPU_STAT;
	usage_read_files(from, first, &now);
	files = files_left(u, round->whole || id != u->id, files, &now);
	if (!reach(r, path, files, from, &id))
		return false;
	usage_read_files(from, files, &now);
	if (from->stale)
		return false;
	note(round, above, first | files, id, &now, u);
	if (id != u->id)
		begin(r, u, id, &now);
	move_on(&now, u);
	return true;
}

void usage_read(struct usage_reader *r, const struct usage_round *round,
		const char *path, struct usage *u)
{
	struct usage_marks above = usage_parents_look(r->parents, round, path);
	uint32_t files = files_of(round, u, &above);
	struct usage_source from = { .dir = -1, .all = r->kept };
	bool there;

	if (!files)
		return;
	/* what a report reads says little of what exports read */
	from.keeps = !round->whole;
	from.kept = usage_kept_find(r->kept, u->kept, u->id);
	there = read_from(r, round, path, files, &from, &above, u);
	if (!there && from.kept) {
		usage_kept_drop(r->kept, from.kept);
		from.kept = NULL;
		from.stale = false;
		close_dir(&from);
		there = read_from(r, round, path, files, &from, &above, u);
	}
	close_dir(&from);
	if (!there)
		u->has &= (1U << USAGE_COUNTERS) - 1;
}

void usage_forget(struct usage_reader *r, const struct usage *u)
{
	struct kept_files *kept = usage_kept_find(r->kept, u->kept, u->id);

	if (kept)
		usage_kept_drop(r->kept, kept);
}

void usage_restart(struct usage *u)
{
	for (int v = 0; v < USAGE_COUNTERS; v++) {
		u->base[v] += u->value[v] - u->before[v]; /* what was read last */
		u->before[v] = u->value[v] = 0;
	}
}

void usage_close(struct usage_reader *r)
{
	if (!r)
		return;
	for (size_t i = 0; r->first && i < r->count; i++)
		free(r->first[i].reading);
	free(r->first);
	usage_parents_free(r->parents);
	usage_kept_free(r->kept);
	if (r->root >= 0)
		close(r->root);
	free(r);
}
