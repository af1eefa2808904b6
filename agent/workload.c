// SPDX-License-Identifier: Apache-2.0
#include <ctype.h>
#include <errno.h>
#include <fts.h>
#include <mntent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include "util.h"
#include "workload.h"

const char *workload_kind_name(enum workload_kind kind)
{
	static const char *const names[] = {
		[WORKLOAD_CONTAINER] = "container", [WORKLOAD_UNIT] = "unit",
		[WORKLOAD_CGROUP] = "cgroup",	    [WORKLOAD_KERNEL] = "kernel",
		[WORKLOAD_UNKNOWN] = "unknown",	    [WORKLOAD_OVERFLOW] = "overflow",
	};

	return names[kind];
}

/* Finds 64 hexadecimal digits that stand alone; NULL: there are none. */
static const char *find_container_id(const char *s)
{
	size_t run = 0;

	for (;; s++) {
		if (*s && isxdigit((unsigned char)*s) && !isupper((unsigned char)*s)) {
			run++;
			continue;
		}
		if (run == CONTAINER_ID_LEN)
			return s - run;
		if (!*s)
			return NULL;
		run = 0;
	}
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);

	return n > m && strcmp(s + n - m, end) == 0;
}

void workload_identify(const char *path, struct workload_id *id)
{
	static const char *const suffixes[] = { ".service", ".scope", ".slice",
						".socket",  ".mount", ".swap" };
	const char *base = strrchr(path, '/'), *container;

	memset(id, 0, sizeof(*id));
	base = base ? base + 1 : path;
	container = find_container_id(base);
	if (container && !strstr(base, "conmon")) {
		id->kind = WORKLOAD_CONTAINER;
		memcpy(id->container_id, container, CONTAINER_ID_LEN);
		snprintf(id->name, sizeof(id->name), "%.12s", container);
		return;
	}
	for (size_t i = 0; i < COUNT(suffixes); i++)
		if (ends_with(base, suffixes[i])) {
			id->kind = WORKLOAD_UNIT;
			snprintf(id->name, sizeof(id->name), "%s", base);
			return;
		}
	id->kind = WORKLOAD_CGROUP;
	snprintf(id->name, sizeof(id->name), "%s", path[1] ? path + 1 : "/");
}

struct entry {
	uint64_t id;
	char *path; /* owned */
};

struct cgroups {
	char root[512];
	const struct cgroup_names *names;
	struct delegates *delegates;
	struct entry *tree; /* the latest walk, sorted by id */
	size_t count, room;
	uint64_t *first; /* ids of the first walk, sorted */
	size_t first_count;
	bool walked;
	char found[NAME_MAX_LEN]; /* the answer out of the ring */
};

int cgroups_find_root(char *path, size_t len, bool *pure)
{
	FILE *f = setmntent("/proc/self/mounts", "re");
	bool v1 = false, found = false;
	struct mntent *m;

	if (!f)
		return -errno;
	while ((m = getmntent(f))) {
		if (strcmp(m->mnt_type, "cgroup") == 0)
			v1 = true;
		if (strcmp(m->mnt_type, "cgroup2") == 0 && !found) {
			snprintf(path, len, "%s", m->mnt_dir);
			found = true;
		}
	}
	endmntent(f);
	*pure = !v1;
	return found ? 0 : -ENOENT;
}

static void forget_tree(struct cgroups *g)
{
	for (size_t i = 0; i < g->count; i++)
		free(g->tree[i].path);
	g->count = 0;
}

static int by_id(const void *a, const void *b)
{
	const struct entry *x = a, *y = b;

	return x->id < y->id ? -1 : x->id > y->id;
}

static int add_entry(struct cgroups *g, uint64_t id, const char *path)
{
	if (g->count == g->room) {
		size_t room = g->room ? g->room * 2 : 256;
		struct entry *p = reallocarray(g->tree, room, sizeof(*p));

		if (!p)
			return -ENOMEM;
		g->tree = p;
		g->room = room;
	}
	g->tree[g->count].id = id;
	g->tree[g->count].path = strdup(*path ? path : "/");
	return g->tree[g->count].path ? (g->count++, 0) : -ENOMEM;
}

/* For those that no program has seen being made. */
static void note_delegate(struct cgroups *g, const FTSENT *e)
{
	const struct stat *st = e->fts_statp, *above = e->fts_parent->fts_statp;

	if (g->delegates && e->fts_level > FTS_ROOTLEVEL)
		delegates_note(g->delegates, st->st_ino, st->st_uid, above->st_ino,
			       above->st_uid);
}

/* A cgroup's id is its directory's inode number (fs/kernfs, 64-bit). */
static void walk(struct cgroups *g)
{
	char *const paths[] = { g->root, NULL };
	size_t skip = strlen(g->root);
	FTS *fts;
	FTSENT *e;

	forget_tree(g);
	g->walked = true;
	fts = fts_open(paths, FTS_PHYSICAL | FTS_NOCHDIR | FTS_XDEV, NULL);
	if (!fts)
		return;
	while ((e = fts_read(fts))) {
		if (e->fts_info != FTS_D)
			continue;
		if (add_entry(g, e->fts_statp->st_ino, e->fts_path + skip))
			break;
		note_delegate(g, e);
	}
	fts_close(fts);
	qsort(g->tree, g->count, sizeof(*g->tree), by_id);
}

/* Keeps the ids of what is there now. */
static int remember(struct cgroups *g)
{
	walk(g);
	g->first = calloc(g->count + 1, sizeof(*g->first));
	if (!g->first)
		return -ENOMEM;
	for (size_t i = 0; i < g->count; i++)
		g->first[i] = g->tree[i].id;
	g->first_count = g->count;
	return 0;
}

int cgroups_open(const char *root, const struct cells *c, struct cgroups **out)
{
	struct cgroups *g = calloc(1, sizeof(*g));
	bool pure;
	int err = 0;

	if (!g)
		return -ENOMEM;
	g->names = c->names;
	g->delegates = c->delegates;
	if (root)
		snprintf(g->root, sizeof(g->root), "%s", root);
	else
		err = cgroups_find_root(g->root, sizeof(g->root), &pure);
	if (!err)
		err = remember(g);
	if (err) {
		cgroups_close(g);
		return err;
	}
	*out = g;
	return 0;
}

/* Copies an entry of the ring that the kernel may be writing: seq is odd meanwhile. */
static const char *find_name(struct cgroups *g, uint64_t id)
{
	for (int i = 0; i < NAME_RING; i++) {
		const struct cgroup_name *n = &g->names->ring[i];
		uint64_t seq = __atomic_load_n(&n->seq, __ATOMIC_ACQUIRE);

		if (n->id != id || (seq & 1))
			continue;
		memcpy(g->found, n->path, sizeof(g->found));
		g->found[sizeof(g->found) - 1] = '\0';
		__atomic_thread_fence(__ATOMIC_ACQUIRE);
		if (n->seq == seq && n->id == id && g->found[0] == '/')
			return g->found;
	}
	return NULL;
}

static const char *find_entry(const struct cgroups *g, uint64_t id)
{
	struct entry key = { .id = id }, *e;

	e = g->count ? bsearch(&key, g->tree, g->count, sizeof(key), by_id) : NULL;
	return e ? e->path : NULL;
}

const char *cgroups_path(struct cgroups *g, uint64_t id)
{
	const char *path = id == OWNER_ROOT ? "/" : find_entry(g, id);

	if (!path)
		path = find_name(g, id);
	if (path || g->walked)
		return path;
	walk(g);
	return find_entry(g, id);
}

void cgroups_refresh(struct cgroups *g)
{
	g->walked = false;
}

static int compare_ids(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

bool cgroups_was_there(const struct cgroups *g, uint64_t id)
{
	return id == OWNER_ROOT || bsearch(&id, g->first, g->first_count,
					   sizeof(*g->first), compare_ids) != NULL;
}

size_t cgroups_first_count(const struct cgroups *g)
{
	return g->first_count;
}

uint64_t cgroups_first(const struct cgroups *g, size_t i)
{
	return g->first[i];
}

const char *cgroups_root(const struct cgroups *g)
{
	return g->root;
}

bool cgroups_exists(const struct cgroups *g, const char *path, uint64_t id)
{
	char full[1024];
	struct stat st;

	if (id == OWNER_ROOT)
		return true;
	snprintf(full, sizeof(full), "%s%s", g->root, path);
	return stat(full, &st) == 0 && st.st_ino == id;
}

void cgroups_close(struct cgroups *g)
{
	if (!g)
		return;
	forget_tree(g);
	free(g->tree);
	free(g->first);
	free(g);
}
